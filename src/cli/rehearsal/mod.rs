//! Policy tests through the front door: the mesh served on a port of this machine, asked by a real client.
//!
//! Nobody's password is needed and no test's principal need exist: the gateway on stage has an authenticator of its
//! own, which knows the tests' principals and keys that die with the process. Two tests may call different people by
//! one name, so there are as many casts as that takes.

mod client;
mod listings;
mod masked;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::client::{Client, Seen, Way};
use crate::authn::{Authenticator, Role};
use crate::gateway::Gateway;
use crate::gateway::insight::{Mismatch, TestOutcome};
use crate::mesh::{Denial, Expectation, PolicyTest, TestSubject};
use crate::seal::SealKeys;
use crate::serve::flight::{FlightConfig, FlightServer, TicketConfig};

/// How long the stage may take to clear.
const DRAIN: Duration = Duration::from_secs(5);

/// Takes tests over every path a client has. Those that failed already, or ask about another time, are left alone.
pub async fn over_the_wire(
    gateway: &Arc<Gateway>,
    keys: &SealKeys,
    outcomes: &mut [TestOutcome],
) -> Result<(), Box<dyn Error>> {
    let mut casts: Vec<(BTreeMap<String, Role>, Vec<&mut TestOutcome>)> = Vec::new();
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.mismatches.is_empty() && outcome.test.at.is_none()) {
        let principal = outcome.test.principal.clone();
        let fits = |cast: &BTreeMap<String, Role>| cast.get(&principal.user).is_none_or(|role| *role == principal.role);
        match casts.iter_mut().find(|(cast, _)| fits(cast)) {
            Some((cast, tests)) => {
                cast.insert(principal.user, principal.role);
                tests.push(outcome);
            }
            None => casts.push((BTreeMap::from([(principal.user, principal.role)]), vec![outcome])),
        }
    }
    for (cast, tests) in casts {
        let (authenticator, tokens) = Authenticator::rehearsal(cast, keys.clone())?;
        let stage = Stage::open(gateway, keys, authenticator).await?;
        for outcome in tests {
            let token = tokens.get(&outcome.test.principal.user).ok_or("a principal has no session")?;
            let client = Client::connect(stage.addr, token, outcome.test.purpose.as_str()).await?;
            outcome.mismatches = play(&client, outcome).await;
        }
        stage.close().await;
    }
    Ok(())
}

/// A gateway on a port of this machine.
struct Stage {
    addr: SocketAddr,
    ended: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Stage {
    async fn open(
        gateway: &Arc<Gateway>,
        keys: &SealKeys,
        authenticator: Authenticator,
    ) -> Result<Self, Box<dyn Error>> {
        let config = FlightConfig { addr: SocketAddr::from(([127, 0, 0, 1], 0)), ..FlightConfig::default() };
        let tickets = TicketConfig::default();
        let authenticator = Arc::new(authenticator);
        let server =
            FlightServer::bind(&config, &tickets, None, keys.clone(), Arc::clone(gateway), authenticator).await?;
        let addr = server.first().addr;
        let ended = CancellationToken::new();
        let until = ended.clone();
        let task = tokio::spawn(server.serve(until, CancellationToken::new()));
        Ok(Self { addr, ended, task })
    }

    async fn close(mut self) {
        self.ended.cancel();
        if tokio::time::timeout(DRAIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn play(client: &Client, outcome: &TestOutcome) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    let mut first: Option<Seen> = None;
    for way in Way::ALL.into_iter().filter(|way| way.takes(&outcome.asked)) {
        let answer = client.ask(way, &outcome.asked).await;
        match (&outcome.test.expect, answer) {
            (Expectation::Granted { .. }, Ok(seen)) => {
                mismatches.extend(compare(way, outcome, first.as_ref(), &seen));
                first.get_or_insert(seen);
            }
            (Expectation::Granted { .. }, Err(status)) => {
                mismatches.extend(Mismatch::unless_equal(way.name(), "answer", "rows", refusal(&status)));
            }
            (Expectation::Denied(denial), Ok(_)) => {
                mismatches.extend(Mismatch::unless_equal(way.name(), "denied", denial.as_str(), "permitted"));
            }
            (Expectation::Denied(denial), Err(status)) => {
                mismatches.extend(refused(way, *denial, &status));
                if *denial == Denial::Hidden {
                    mismatches.extend(same_as_missing(client, way, outcome, &status).await);
                }
            }
        }
    }
    // Named queries are no tables.
    if outcome.asked.arguments.is_none() {
        mismatches.extend(listings::check(client, outcome, first.as_ref()).await);
    }
    mismatches
}

/// A path's answer against the test, the decision, and what the first path gave.
fn compare(way: Way, outcome: &TestOutcome, first: Option<&Seen>, seen: &Seen) -> Vec<Mismatch> {
    let on = way.name();
    let test: &PolicyTest = &outcome.test;
    let names = |seen: &Seen| seen.schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    // A dataset's columns are those decided about; a query has its own.
    let decided = || outcome.shown.iter().map(|(column, _)| column.clone()).collect::<Vec<_>>();
    let columns = match (&test.subject, &test.expect) {
        (TestSubject::Product(_), _) => Some(decided()),
        (TestSubject::Query(..), Expectation::Granted { columns, .. }) => columns.clone(),
        (TestSubject::Query(..), Expectation::Denied(_)) => None,
    };
    let mut found: Vec<Option<Mismatch>> = Vec::new();
    found.extend(
        columns.map(|columns| Mismatch::unless_equal(on, "columns", columns.join(", "), names(seen).join(", "))),
    );
    if let Some(first) = first {
        let told = |seen: &Seen| format!("{:?}", listings::fields(&seen.schema));
        found.push(Mismatch::unless_equal(on, "schema, which the path before told otherwise", told(first), told(seen)));
    }
    if let Some(rows) = seen.rows {
        if let Expectation::Granted { count: Some(count), .. } = &test.expect {
            found.push(Mismatch::unless_equal(on, "count", count.to_string(), rows.to_string()));
        }
        if let Some(Some(before)) = first.map(|first| first.rows) {
            found.push(Mismatch::unless_equal(on, "count", before.to_string(), rows.to_string()));
        }
    }
    for (column, mask) in &outcome.shown {
        if let Some((_, value)) = mask.and_then(|mask| Some((mask, seen.unmasked(column, mask)?))) {
            let mask = mask.map(|mask| mask.as_str()).unwrap_or_default();
            let expected = format!("every value under `{mask}`");
            found.push(Mismatch::unless_equal(
                on,
                &format!("mask of {column}"),
                expected,
                format!("row {value} is not"),
            ));
        }
    }
    found.into_iter().flatten().collect()
}

fn refusal(status: &tonic::Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// A refusal without what is another one each time.
fn words(status: &tonic::Status) -> String {
    let refusal = refusal(status);
    refusal.split_once(" (error id ").map_or(refusal.as_str(), |(words, _)| words).to_owned()
}

/// Each way to deny has its code.
fn refused(way: Way, denial: Denial, status: &tonic::Status) -> Option<Mismatch> {
    let expected = match denial {
        Denial::Hidden => tonic::Code::NotFound,
        Denial::Unreadable | Denial::Purpose => tonic::Code::PermissionDenied,
    };
    let expected = format!("{expected:?}");
    Mismatch::unless_equal(way.name(), denial.as_str(), expected, format!("{:?}", status.code()))
        .map(|mismatch| Mismatch { found: refusal(status), ..mismatch })
}

/// What is hidden is refused in the words that a name gets which nothing bears.
async fn same_as_missing(client: &Client, way: Way, outcome: &TestOutcome, status: &tonic::Status) -> Option<Mismatch> {
    let (missing, name, nothing) = outcome.asked.missing();
    let other = match client.ask(way, &missing).await {
        Ok(_) => return Mismatch::unless_equal(way.name(), "a name that nothing bears", "a refusal", "an answer"),
        Err(other) => other,
    };
    let expected = words(&other).replace(&nothing, &name);
    Mismatch::unless_equal(way.name(), "the words for what does not exist", expected, words(status))
}
