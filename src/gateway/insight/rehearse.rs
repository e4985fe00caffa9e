//! Policy tests, as far as the gateway itself goes: the decision, and the schema of what is asked by address and by
//! statement. The command line takes them through the front door besides.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use serde::Serialize;

use super::{Supposed, Viewer, caller, word};
use crate::audit::Asked;
use crate::gateway::Gateway;
use crate::gateway::error::AnswerError;
use crate::gateway::publish::Published;
use crate::gateway::question::{Caller, ProductQuestion, Question};
use crate::mesh::{Denial, Expectation, PolicyTest, TestSubject};
use crate::policy::{Decision, Grant};
use crate::product::{Address, Argument, Mask, Name};
use crate::query::QueryErrorKind;

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
    /// The columns that the decision shows, each with its mask.
    pub shown: Vec<(String, Option<Mask>)>,
    /// How clients ask for what it is about.
    pub asked: AskedAs,
}

/// The same thing asked for in every form that clients have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedAs {
    /// The domain.
    pub domain: String,
    /// The product.
    pub product: String,
    /// The dataset.
    pub dataset: String,
    /// Whether a version was named.
    pub versioned: bool,
    /// As an address.
    pub address: String,
    /// As a descriptor's path.
    pub path: Vec<String>,
    /// As a statement.
    pub sql: String,
    /// The arguments; none of what is no named query.
    pub arguments: Option<Vec<(String, Argument)>>,
    masks: Vec<(String, Mask)>,
}

impl AskedAs {
    fn new(published: &Published, subject: &TestSubject, shown: &[(String, Option<Mask>)]) -> Self {
        let address = subject.address();
        let arguments = match subject {
            TestSubject::Product(_) => None,
            TestSubject::Query(_, arguments) => Some(arguments.clone()),
        };
        let found = match subject {
            TestSubject::Product(_) => published
                .mesh()
                .resolve(address)
                .map(|(product, dataset)| (product.id.name.to_string(), dataset.name.to_string())),
            TestSubject::Query(..) => published
                .mesh()
                .resolve_query(address)
                .map(|(product, query)| (product.id.name.to_string(), query.name.to_string())),
        };
        let (product, dataset) = found.unwrap_or_else(|| (address.name.to_string(), address.name.to_string()));
        let masks = shown.iter().filter_map(|(column, mask)| Some((column.clone(), (*mask)?))).collect();
        let call = call_with(arguments.as_deref());
        Self {
            sql: format!("SELECT * FROM {}{call}", table_of(address, &dataset)),
            arguments,
            domain: address.domain.to_string(),
            versioned: address.version.is_some(),
            address: address.to_string(),
            path: path_of(address),
            product,
            dataset,
            masks,
        }
    }

    /// The columns shown under masks.
    pub fn masked(&self) -> impl Iterator<Item = (&str, Mask)> {
        self.masks.iter().map(|(column, mask)| (column.as_str(), *mask))
    }

    /// The same, asked of a name that nothing bears; with the name that is replaced, and by what.
    pub fn missing(&self) -> (Self, String, String) {
        // A query is called by its own name, a dataset is found by its product's.
        let last = self.path.len().saturating_sub(1);
        let named_at = if self.arguments.is_some() { last } else { 1 };
        let named = self.path.get(named_at).map(|part| part.split('@').next().unwrap_or_default()).unwrap_or_default();
        // As long as the other, since nothing should hang on that.
        let nothing: String = named.chars().rev().map(|c| if c == 'q' { 'x' } else { 'q' }).collect();
        let replaced = |text: &str| text.replace(named, &nothing);
        let path =
            self.path.iter().enumerate().map(|(at, part)| if at == named_at { replaced(part) } else { part.clone() });
        let domain = &self.domain;
        let rest =
            |text: &str| text.strip_prefix(&format!("{domain}.")).map(|rest| format!("{domain}.{}", replaced(rest)));
        let missing = Self {
            path: path.collect(),
            address: rest(&self.address).unwrap_or_default(),
            sql: format!("SELECT * FROM \"{domain}\".\"{nothing}\"{}", call_with(self.arguments.as_deref())),
            ..self.clone()
        };
        (missing, named.to_owned(), nothing)
    }
}

/// An address as a descriptor's path.
fn path_of(address: &Address) -> Vec<String> {
    let Address { domain, name, version, part } = address;
    let product = version.as_ref().map_or_else(|| name.to_string(), |version| format!("{name}@{version}"));
    [domain.to_string(), product].into_iter().chain(part.iter().map(ToString::to_string)).collect()
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
    /// Runs the tests of a selection that the viewer may see the answers of, against the decision and against what the
    /// gateway answers by address and by statement.
    ///
    /// # Errors
    /// [`AnswerError::NotFound`] when there is none for a caller.
    pub async fn rehearse(
        &self,
        viewer: Viewer<'_>,
        selection: &TestSelection,
    ) -> Result<Vec<TestOutcome>, AnswerError> {
        let asked = || match selection.domain.as_deref().map(Name::parse) {
            Some(Ok(domain)) => Asked::named("test", domain),
            Some(Err(_)) | None => Asked::named("test", "policy tests"),
        };
        self.look(viewer, asked, self.rehearsed(viewer, selection)).await
    }

    async fn rehearsed(&self, viewer: Viewer<'_>, selection: &TestSelection) -> Result<Vec<TestOutcome>, AnswerError> {
        let tests = self.tests(viewer, selection);
        if tests.is_empty() && matches!(viewer, Viewer::Administrator(_)) {
            let named = selection.domain.as_deref().unwrap_or("policy tests");
            return Err(AnswerError::NotFound(named.chars().take(64).collect()));
        }
        let mut outcomes = Vec::new();
        for test in tests {
            outcomes.push(self.rehearse_one(test).await);
        }
        Ok(outcomes)
    }

    fn tests(&self, viewer: Viewer<'_>, selection: &TestSelection) -> Vec<Arc<PolicyTest>> {
        let published = self.published.load();
        let domains = published.mesh().domains().values();
        let tests = domains.flat_map(|domain| domain.tests.iter().map(move |test| (domain.name.as_str(), test)));
        let shown = |test: &PolicyTest| {
            let product = match &test.subject {
                TestSubject::Product(address) => published.mesh().resolve(address).map(|(product, _)| product),
                TestSubject::Query(address, _) => published.mesh().resolve_query(address).map(|(product, _)| product),
            };
            product.is_some_and(|product| published.shows(viewer, &product))
        };
        tests
            .filter(|(domain, test)| selection.takes(domain, test) && shown(test))
            .map(|(_, test)| Arc::clone(test))
            .collect()
    }

    async fn rehearse_one(&self, test: Arc<PolicyTest>) -> TestOutcome {
        let published = self.published.load_full();
        let mut outcome = TestOutcome {
            asked: AskedAs::new(&published, &test.subject, &[]),
            test: Arc::clone(&test),
            mismatches: Vec::new(),
            shown: Vec::new(),
        };
        let supposed = Supposed::new(&test.principal.user, test.principal.role.clone(), None);
        let principal = match published.supposed(&supposed) {
            Ok(principal) => principal,
            Err(error) => {
                outcome.mismatches.extend(Mismatch::unless_equal("sign-in", "principal", "is let in", error.detail()));
                return outcome;
            }
        };
        let caller = caller(principal, test.purpose.clone());
        let (mismatches, shown) = match &test.subject {
            TestSubject::Product(address) => decided(&published, address, &test, &caller),
            // What it reads has been decided about when it is asked.
            TestSubject::Query(address, _) => (served(&published, address).into_iter().collect(), Vec::new()),
        };
        outcome.asked = AskedAs::new(&published, &test.subject, &shown);
        (outcome.mismatches, outcome.shown) = (mismatches, shown);
        // Over the gateway's own paths it is always now.
        if outcome.mismatches.is_empty() && test.at.is_none() {
            let arguments = outcome.asked.arguments.clone().unwrap_or_default();
            let product = ProductQuestion { arguments, ..ProductQuestion::all(test.subject.address().clone()) };
            let asked =
                [("address", Question::Product(product)), ("statement", Question::Sql(outcome.asked.sql.clone()))];
            for (on, question) in asked {
                outcome.mismatches.extend(self.answered(on, &test, &caller, &question).await);
            }
        }
        outcome
    }

    async fn answered(&self, on: &str, test: &PolicyTest, caller: &Caller, question: &Question) -> Vec<Mismatch> {
        let answer = match self.statement(caller, question) {
            Ok(statement) => self.answer(caller, &statement, Vec::new(), None, None).await,
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
        AnswerError::PurposeNeeded { .. } => Some(Denial::Purpose),
        AnswerError::Query(error) => match error.kind() {
            QueryErrorKind::UnknownTable => Some(Denial::Hidden),
            QueryErrorKind::NotGranted => Some(Denial::Unreadable),
            _ => None,
        },
        _ => None,
    }
}

/// A query that is not served passes no test, whatever the test expects.
fn served(published: &Published, address: &Address) -> Option<Mismatch> {
    let found = if published.query(address).is_some() { "served" } else { "not served" };
    Mismatch::unless_equal("decision", "query", "served", found)
}

/// What the decision is, against what the test expects; and the columns that it shows.
fn decided(
    published: &Published,
    address: &Address,
    test: &PolicyTest,
    caller: &Caller,
) -> (Vec<Mismatch>, Vec<(String, Option<Mask>)>) {
    const ON: &str = "decision";
    let Some((product, dataset)) = published.mesh().resolve(address) else {
        return (Mismatch::unless_equal(ON, "product", "served", "not served").into_iter().collect(), Vec::new());
    };
    let at = test.at.unwrap_or_else(Utc::now);
    let policies = published.mesh().policies();
    let (decision, _) = policies.decide_anew(&caller.principal, &caller.purpose, &product, &dataset, at);
    let mut shown = Vec::new();
    let mismatches = match (&test.expect, &decision) {
        (Expectation::Denied(denial), _) => {
            Mismatch::unless_equal(ON, "denied", denial.as_str(), word(&decision)).into_iter().collect()
        }
        (Expectation::Granted { rows, columns, masks, .. }, Decision::Permit(grant)) => {
            shown = grant.contract_columns().map(|(column, mask)| (column.name.clone(), mask)).collect();
            let names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
            let rows =
                rows.as_ref().and_then(|rows| Mismatch::unless_equal(ON, "rows", rows, grant.rows().to_string()));
            let columns = columns
                .as_ref()
                .and_then(|columns| Mismatch::unless_equal(ON, "columns", columns.join(", "), names.join(", ")));
            let masks = masks.as_ref().and_then(|masks| {
                let expected = masks.iter().map(|(column, mask)| (column.as_str(), mask.as_str()));
                Mismatch::unless_equal(ON, "masks", listed(&expected.collect()), listed(&masks_of(grant)))
            });
            [rows, columns, masks].into_iter().flatten().collect()
        }
        (Expectation::Granted { .. }, _) => {
            Mismatch::unless_equal(ON, "decision", "permitted", word(&decision)).into_iter().collect()
        }
    };
    (mismatches, shown)
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

/// The table of SQL that an address is.
fn table_of(address: &Address, dataset: &str) -> String {
    match &address.version {
        None => format!("\"{}\".\"{dataset}\"", address.domain),
        Some(version) => format!("\"{}\".\"{dataset}@{version}\"", address.domain),
    }
}

/// The arguments of a call as SQL has them; nothing where nothing is called.
fn call_with(arguments: Option<&[(String, Argument)]>) -> String {
    let Some(arguments) = arguments else { return String::new() };
    let literal = |argument: &Argument| match argument {
        Argument::Null => "NULL".to_owned(),
        Argument::Flag(flag) => flag.to_string(),
        Argument::Number(number) => number.clone(),
        Argument::Text(text) => format!("'{}'", text.replace('\'', "''")),
    };
    let given: Vec<_> = arguments.iter().map(|(name, argument)| format!("{name} => {}", literal(argument))).collect();
    format!("({})", given.join(", "))
}
