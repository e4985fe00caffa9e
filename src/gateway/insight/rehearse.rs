//! Policy tests, as far as the gateway itself goes: the decision, and the schema of what is asked by address and by
//! statement. The command line takes them through the front door besides.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use serde::Serialize;

use super::{Supposed, Viewer, caller, word};
use crate::gateway::Gateway;
use crate::gateway::error::AnswerError;
use crate::gateway::publish::Published;
use crate::gateway::question::{Caller, ProductQuestion, Question};
use crate::mesh::{Denial, Expectation, PolicyTest};
use crate::policy::{Decision, Grant};
use crate::product::Address;

/// Which tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestSelection {
    /// Of one domain; all by default.
    pub domain: Option<String>,
    /// Of files whose path ends so; all when empty.
    pub files: Vec<String>,
}

/// What became of a test.
#[derive(Debug, Clone)]
pub struct TestOutcome {
    /// The test.
    pub test: Arc<PolicyTest>,
    /// What was not as expected; empty when it passed.
    pub mismatches: Vec<Mismatch>,
}

/// Something that was not as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Where: `decision`, `path`, `statement`, …
    pub on: String,
    /// What: `rows`, `columns`, …
    pub what: String,
    /// What the test expects.
    pub expected: String,
    /// What there was.
    pub found: String,
}

impl Mismatch {
    /// A mismatch, if the two differ.
    pub fn unless_equal(on: &str, what: &str, expected: impl Into<String>, found: impl Into<String>) -> Option<Self> {
        let (expected, found) = (expected.into(), found.into());
        (expected != found).then(|| Self { on: on.to_owned(), what: what.to_owned(), expected, found })
    }
}

impl TestSelection {
    fn takes(&self, domain: &str, test: &PolicyTest) -> bool {
        let named = self.domain.as_ref().is_none_or(|wanted| wanted == domain);
        named && (self.files.is_empty() || self.files.iter().any(|file| test.file.ends_with(file)))
    }
}

impl Gateway {
    /// The tests of a selection that the viewer may see the answers of.
    pub fn tests(&self, viewer: Viewer<'_>, selection: &TestSelection) -> Vec<Arc<PolicyTest>> {
        let published = self.published.load();
        let domains = published.mesh().domains().values();
        let tests = domains.flat_map(|domain| domain.tests.iter().map(move |test| (domain.name.as_str(), test)));
        let shown = |test: &PolicyTest| {
            let found = published.mesh().resolve(&test.product);
            found.is_some_and(|(product, _)| published.shows(viewer, &product))
        };
        tests
            .filter(|(domain, test)| selection.takes(domain, test) && shown(test))
            .map(|(_, test)| Arc::clone(test))
            .collect()
    }

    /// Runs tests against the decision, and against what the gateway answers by address and by statement.
    pub async fn rehearse(&self, tests: Vec<Arc<PolicyTest>>) -> Vec<TestOutcome> {
        let mut outcomes = Vec::new();
        for test in tests {
            let mismatches = self.rehearse_one(&test).await;
            outcomes.push(TestOutcome { test, mismatches });
        }
        outcomes
    }

    async fn rehearse_one(&self, test: &PolicyTest) -> Vec<Mismatch> {
        let published = self.published.load_full();
        let supposed = Supposed { user: test.principal.user.clone(), role: test.principal.role.clone() };
        let principal = match published.supposed(&supposed) {
            Ok(principal) => principal,
            Err(error) => {
                return Mismatch::unless_equal("sign-in", "principal", "is let in", error.detail())
                    .into_iter()
                    .collect();
            }
        };
        let caller = caller(principal, test.purpose.clone());
        let mut mismatches = decided(&published, test, &caller);
        // Over the gateway's own paths it is always now.
        if mismatches.is_empty() && test.at.is_none() {
            let asked = [
                ("address", Question::Product(ProductQuestion::all(test.product.clone()))),
                ("statement", Question::Sql(select_all(&published, &test.product))),
            ];
            for (on, question) in asked {
                mismatches.extend(self.answered(on, test, &caller, &question).await);
            }
        }
        mismatches
    }

    async fn answered(&self, on: &str, test: &PolicyTest, caller: &Caller, question: &Question) -> Vec<Mismatch> {
        let answer = match self.statement(caller, question) {
            Ok(statement) => self.answer(caller, &statement, Vec::new(), None).await,
            Err(error) => Err(error),
        };
        match (&test.expect, answer) {
            (Expectation::Denied(denial), Err(error)) => {
                let found = refusal(&error).map_or_else(|| error.to_string(), |denial| denial.as_str().to_owned());
                Mismatch::unless_equal(on, "denied", denial.as_str(), found).into_iter().collect()
            }
            (Expectation::Denied(denial), Ok(_)) => {
                Mismatch::unless_equal(on, "denied", denial.as_str(), "permitted").into_iter().collect()
            }
            (Expectation::Granted { .. }, Err(error)) => {
                Mismatch::unless_equal(on, "answer", "rows", error.to_string()).into_iter().collect()
            }
            (Expectation::Granted { columns: Some(columns), .. }, Ok(answer)) => {
                let schema = answer.schema();
                let found: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                Mismatch::unless_equal(on, "columns", columns.join(", "), found.join(", ")).into_iter().collect()
            }
            (Expectation::Granted { columns: None, .. }, Ok(_)) => Vec::new(),
        }
    }
}

/// How an answer was refused, as tests say it.
fn refusal(error: &AnswerError) -> Option<Denial> {
    match error {
        AnswerError::NotFound(_) => Some(Denial::Hidden),
        AnswerError::NotGranted(_) => Some(Denial::Unreadable),
        _ => None,
    }
}

/// What the decision is, against what the test expects.
fn decided(published: &Published, test: &PolicyTest, caller: &Caller) -> Vec<Mismatch> {
    const ON: &str = "decision";
    let Some((product, dataset)) = published.mesh().resolve(&test.product) else {
        return Mismatch::unless_equal(ON, "product", "served", "not served").into_iter().collect();
    };
    let at = test.at.unwrap_or_else(Utc::now);
    let policies = published.mesh().policies();
    let (decision, _) = policies.decide_anew(&caller.principal, &caller.purpose, &product, &dataset, at);
    match (&test.expect, &decision) {
        (Expectation::Denied(denial), _) => {
            Mismatch::unless_equal(ON, "denied", denial.as_str(), word(&decision)).into_iter().collect()
        }
        (Expectation::Granted { rows, columns, masks, .. }, Decision::Permit(grant)) => {
            let shown: Vec<&str> = grant.contract_columns().map(|(column, _)| column.name.as_str()).collect();
            let rows =
                rows.as_ref().and_then(|rows| Mismatch::unless_equal(ON, "rows", rows, grant.rows().to_string()));
            let columns = columns
                .as_ref()
                .and_then(|columns| Mismatch::unless_equal(ON, "columns", columns.join(", "), shown.join(", ")));
            let masks = masks.as_ref().and_then(|masks| {
                let expected = masks.iter().map(|(column, mask)| (column.as_str(), mask.as_str()));
                Mismatch::unless_equal(ON, "masks", listed(&expected.collect()), listed(&masks_of(grant)))
            });
            [rows, columns, masks].into_iter().flatten().collect()
        }
        (Expectation::Granted { .. }, _) => {
            Mismatch::unless_equal(ON, "decision", "permitted", word(&decision)).into_iter().collect()
        }
    }
}

fn masks_of(grant: &Grant) -> BTreeMap<&str, &str> {
    grant.contract_columns().filter_map(|(column, mask)| Some((column.name.as_str(), mask?.as_str()))).collect()
}

fn listed(masks: &BTreeMap<&str, &str>) -> String {
    if masks.is_empty() {
        return "none".to_owned();
    }
    masks.iter().map(|(column, mask)| format!("{column}: {mask}")).collect::<Vec<_>>().join(", ")
}

/// A statement for everything of a product.
fn select_all(published: &Published, address: &Address) -> String {
    let dataset = published.mesh().resolve(address).map(|(_, dataset)| dataset.name.to_string());
    format!("SELECT * FROM {}", table_of(address, dataset.as_deref()))
}

/// The table of SQL that an address is.
pub(super) fn table_of(address: &Address, dataset: Option<&str>) -> String {
    let table = dataset.unwrap_or_else(|| address.part.as_ref().unwrap_or(&address.name).as_str());
    match &address.version {
        None => format!("\"{}\".\"{table}\"", address.domain),
        Some(version) => format!("\"{}\".\"{table}@{version}\"", address.domain),
    }
}
