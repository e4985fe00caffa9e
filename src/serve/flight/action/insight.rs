//! Knowing who sees what, for callers whom the policies let `administer`: requests and replies are JSON.
//!
//! Whoever may not administer what is asked about is told what they would be told of something that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::authn::Role;
use crate::gateway::insight::{
    AccessQuestion, ExplainQuestion, Mismatch, Subject, Supposed, TestOutcome, TestSelection, Viewer,
};
use crate::gateway::{AnswerError, Caller};
use crate::principal::Purpose;
use crate::product::Address;
use crate::serve::flight::Flight;
use crate::serve::flight::error::FlightError;

pub(super) const EXPLAIN: &str = "airside.explain";
pub(super) const ACCESS: &str = "airside.access";
pub(super) const TEST: &str = "airside.test";

pub(super) const TYPES: [(&str, &str); 3] = [
    (
        EXPLAIN,
        "explains what somebody would get of products you administer; JSON {user, groups, claims, purpose, at, question}",
    ),
    (ACCESS, "lists who gets what of a dataset you administer, or of a column; JSON {subject}"),
    (TEST, "runs the policy tests of products you administer against decision and gateway; JSON {domain, files}"),
];

/// Longest request.
pub(super) const MAX_REQUEST: usize = 64 * 1024;
/// Longest reply: what every gRPC client takes.
const MAX_REPLY: usize = 4 * 1024 * 1024 - 64 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Explain {
    user: String,
    #[serde(default)]
    groups: BTreeSet<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    purpose: String,
    at: Option<DateTime<Utc>>,
    question: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Access {
    subject: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    domain: Option<String>,
    #[serde(default)]
    files: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TestsDone {
    passed: usize,
    failed: usize,
    tests: Vec<TestDone>,
}

#[derive(Debug, Serialize)]
struct TestDone {
    name: String,
    product: String,
    file: String,
    line: u32,
    passed: bool,
    mismatches: Vec<Mismatch>,
}

impl Flight {
    /// Answers one of the actions, within bounds of size.
    pub(super) async fn answer_insight(
        &self,
        caller: &Caller,
        name: &str,
        body: &[u8],
    ) -> Result<arrow_flight::Result, FlightError> {
        if body.len() > MAX_REQUEST {
            return Err(FlightError::Malformed(format!("the action's body is longer than {MAX_REQUEST} bytes")));
        }
        let reply = match name {
            EXPLAIN => self.explain(caller, parse(body)?).await?,
            ACCESS => self.access(caller, parse(body)?).await?,
            _ => self.test(caller, parse(body)?).await?,
        };
        if reply.len() > MAX_REPLY {
            return Err(AnswerError::TooLong.into());
        }
        Ok(arrow_flight::Result { body: reply.into() })
    }

    async fn explain(&self, caller: &Caller, request: Explain) -> Result<Vec<u8>, FlightError> {
        let known = self.authenticator.role_of(&request.user);
        let given = Role { groups: request.groups, claims: request.claims };
        let question = ExplainQuestion {
            supposed: Supposed::new(request.user, given, known),
            purpose: Purpose::parse(&request.purpose)?,
            at: request.at,
            subject: Subject::parse(&request.question),
        };
        json(&self.gateway.explain(Viewer::Administrator(caller), &question).await?)
    }

    async fn access(&self, caller: &Caller, request: Access) -> Result<Vec<u8>, FlightError> {
        let (address, column) = Address::parse_column(&request.subject)?;
        let roles = self.authenticator.users_by_name().into_iter();
        let people = roles.filter_map(|name| Some((name.clone(), self.authenticator.role_of(&name)?)));
        let question = AccessQuestion { address, column, people: people.collect::<BTreeMap<_, _>>() };
        json(&self.gateway.access(Viewer::Administrator(caller), question).await?)
    }

    async fn test(&self, caller: &Caller, request: Tests) -> Result<Vec<u8>, FlightError> {
        let selection = TestSelection { domain: request.domain, files: request.files };
        let outcomes = self.gateway.rehearse(Viewer::Administrator(caller), &selection).await?;
        let tests: Vec<TestDone> = outcomes.into_iter().map(done).collect();
        let failed = tests.iter().filter(|test| !test.passed).count();
        json(&TestsDone { passed: tests.len() - failed, failed, tests })
    }
}

fn done(outcome: TestOutcome) -> TestDone {
    let TestOutcome { test, mismatches, .. } = outcome;
    let file = Path::new(&test.file).file_name().map(|name| name.to_string_lossy().into_owned());
    TestDone {
        name: test.name.clone(),
        product: test.subject.to_string(),
        file: format!("tests/{}", file.unwrap_or_default()),
        line: test.line,
        passed: mismatches.is_empty(),
        mismatches,
    }
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, FlightError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| FlightError::Malformed(format!("the action's body is not the JSON it takes: {error}")))
}

pub(super) fn json(reply: &impl Serialize) -> Result<Vec<u8>, FlightError> {
    serde_json::to_vec(reply).map_err(FlightError::internal)
}
