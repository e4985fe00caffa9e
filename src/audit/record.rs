//! What is on record. Nothing here holds a data value or a secret: statements come redacted, parameters as types,
//! errors as kinds and ids.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chain::Head;
use super::checkpoint::Checkpoint;
use super::keys::DigestKey;
use crate::policy::{Grant, RowFilter};
use crate::principal::{Principal, Purpose};
use crate::query::{GovernedTable, Rows, Statement};

/// One line, but for its number, its time and its mac.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// The first line of a file.
    Start(Start),
    /// A request that will be answered.
    Opening(Opening),
    /// How it ended.
    Closing(Closing),
    /// A request that was not answered.
    Denial(Denial),
    /// A line that a crash left unfinished, taken out of the file.
    Recovered(Recovered),
    /// A file about to be deleted, as configured.
    Retired(Retired),
    /// A signed word about the chain up to the line before.
    Checkpoint(Checkpoint),
}

/// The first line of a file: what it continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The version of this format.
    pub format: u32,
    /// The version of the gateway.
    pub airside: String,
    /// Whose chain.
    pub instance: String,
    /// The file before, if there was one.
    pub previous: Option<Previous>,
    /// What checks this file's checkpoints.
    pub checkpoint_key: String,
}

/// A file and where the chain stood at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its name.
    pub file: String,
    /// Its end.
    pub head: Head,
}

/// A line that a crash left unfinished. Nobody was told that it had been written, unless `sync` is `interval`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// The file it stood in.
    pub file: String,
    /// How many bytes there were.
    pub bytes: u64,
    /// What could be read of them, shortened.
    pub text: String,
}

/// A file that retention deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Its name.
    pub file: String,
    /// Its last line.
    pub head: Head,
}

/// Who asked, and for which purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The principal.
    pub identity: String,
    /// Its groups, nested ones included.
    pub groups: Vec<String>,
    /// The purpose stated; empty when none was.
    pub purpose: String,
}

impl Who {
    /// Of a principal and its purpose.
    pub fn new(principal: &Principal, purpose: &Purpose) -> Self {
        Self {
            identity: principal.identity.to_string(),
            groups: principal.groups.iter().cloned().collect(),
            purpose: purpose.as_str().to_owned(),
        }
    }
}

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The kind of question: `sql`, `product`, or what the caller of the audit says.
    pub question: String,
    /// The tables or the product named.
    pub tables: Vec<String>,
    /// The named queries called, `domain.product@version/query` each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<String>,
    /// The statement, its literals and unknown names replaced by digests; none when the text could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// The digest of the whole text as it was sent, when it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The bytes of that text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The types of the bound parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<String>,
    /// Whom an administrator asked about: a user known here, or the digest of another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The personal token that was to be made or revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenNamed>,
}

/// A personal token, told from others without a word of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenNamed {
    /// Its id, which is also the name of its file.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// When it ends by itself.
    pub expires: DateTime<Utc>,
}

impl std::fmt::Display for TokenNamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} until {} ({})", self.id, self.expires.to_rfc3339_opts(SecondsFormat::Secs, true), self.label)
    }
}

impl Asked {
    /// A statement, for a caller with these grants: the columns of the datasets granted, hidden ones included, are
    /// names that stay.
    pub(super) fn statement<'a>(
        question: &str,
        statement: &Statement,
        grants: impl IntoIterator<Item = &'a Grant>,
        digests: &DigestKey,
    ) -> Self {
        let columns: BTreeSet<&str> = grants
            .into_iter()
            .flat_map(|grant| grant.dataset().columns.iter())
            .map(|column| column.name.as_str())
            .collect();
        Self {
            question: question.to_owned(),
            tables: statement.tables().iter().map(ToString::to_string).collect(),
            queries: statement.queries().iter().map(ToString::to_string).collect(),
            statement: Some(statement.redacted(&|word| columns.contains(word), &|value| digests.digest(value))),
            ..Self::default()
        }
    }

    /// A text that is no statement: nothing of it is kept but its digest and its length.
    pub(super) fn text(question: &str, text: &str, digests: &DigestKey) -> Self {
        Self {
            question: question.to_owned(),
            digest: Some(digests.digest(text)),
            bytes: Some(text.len() as u64),
            ..Self::default()
        }
    }

    /// What is named by names that have been read as such: a product by its address, a domain.
    pub fn named(question: &str, name: impl ToString) -> Self {
        Self { question: question.to_owned(), tables: vec![name.to_string()], ..Self::default() }
    }

    /// A personal token that is made, or revoked.
    pub fn token(question: &str, token: TokenNamed) -> Self {
        Self { question: question.to_owned(), token: Some(token), ..Self::default() }
    }

    /// The same, asked about somebody.
    #[must_use]
    pub fn about(self, somebody: String) -> Self {
        Self { about: Some(somebody), ..self }
    }

    /// The same with the types of bound parameters.
    #[must_use]
    pub fn with_parameters(mut self, types: impl IntoIterator<Item = DataType>) -> Self {
        self.parameters = types.into_iter().map(|data_type| data_type.to_string()).collect();
        self
    }
}

/// A dataset that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetRead {
    /// `domain.product@version`, with `/dataset` where the dataset has another name.
    pub dataset: String,
    /// The snapshot; none of a derived dataset, whose sources have theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The columns read.
    pub columns: Vec<String>,
    /// Those of them that are masked, and how.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masks: BTreeMap<String, String>,
    /// Whether a policy hides rows.
    pub filtered: bool,
    /// The ids of the policies that decided.
    pub policies: Vec<String>,
    /// The derived dataset it is read for, as whose domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
}

impl DatasetRead {
    /// All that a grant shows.
    pub fn of(grant: &Grant, snapshot: Option<String>) -> Self {
        let columns = grant.contract_columns();
        Self {
            dataset: address(grant),
            snapshot,
            columns: columns.map(|(column, _)| column.name.clone()).collect(),
            masks: grant
                .contract_columns()
                .filter_map(|(column, mask)| Some((column.name.clone(), mask?.to_string())))
                .collect(),
            filtered: *grant.rows() != RowFilter::All,
            policies: grant.policies().to_vec(),
            through: None,
        }
    }

    /// All that a statement's tables show, the sources of derived datasets included. `snapshot` tells what is read of
    /// a dataset of files.
    pub fn of_tables(tables: &[GovernedTable], snapshot: &dyn Fn(&Grant) -> Option<String>) -> Vec<Self> {
        let mut reads = Vec::new();
        for table in tables {
            match &table.rows {
                Rows::Files(_) => reads.push(Self::of(&table.grant, snapshot(&table.grant))),
                Rows::Derived { tables, .. } => {
                    reads.push(Self::of(&table.grant, None));
                    let sources = Self::of_tables(tables, snapshot).into_iter();
                    reads.extend(sources.map(|source| Self {
                        through: Some(source.through.unwrap_or_else(|| address(&table.grant))),
                        ..source
                    }));
                }
            }
        }
        reads
    }

    /// The same, when only these columns are read.
    #[must_use]
    pub fn only(mut self, columns: &BTreeSet<String>) -> Self {
        self.columns.retain(|column| columns.contains(column));
        self.masks.retain(|column, _| columns.contains(column));
        self
    }
}

fn address(grant: &Grant) -> String {
    let (product, dataset) = (grant.product(), &grant.dataset().name);
    let address = format!("{}@{}", product.id, product.version);
    if *dataset == product.id.name { address } else { format!("{address}/{dataset}") }
}

/// A request about to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Names this answer; also in the log and in receipts.
    #[serde(with = "as_text")]
    pub id: Uuid,
    /// The decision that the reader's receipt names: answers to one question share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Who asked.
    pub who: Who,
    /// What was asked.
    pub asked: Asked,
    /// What is read for it.
    pub reads: Vec<DatasetRead>,
    /// The version of the policies that decided.
    pub policy_version: String,
    /// The version of the mesh.
    pub mesh_version: String,
}

impl Opening {
    /// A request with an id of its own.
    pub fn new(who: Who, asked: Asked, reads: Vec<DatasetRead>, policy_version: &str, mesh_version: &str) -> Self {
        Self {
            id: Uuid::now_v7(),
            decision: None,
            who,
            asked,
            reads,
            policy_version: policy_version.to_owned(),
            mesh_version: mesh_version.to_owned(),
        }
    }

    /// The same, under the decision that a receipt names.
    #[must_use]
    pub fn decided(self, decision: Uuid) -> Self {
        Self { decision: Some(decision.to_string()), ..self }
    }
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The opening's.
    #[serde(with = "as_text")]
    pub id: Uuid,
    /// How.
    pub outcome: Outcome,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Rows handed to the transport.
    pub rows: u64,
    /// Bytes of their record batches.
    pub bytes: u64,
    /// From the opening to the end.
    pub milliseconds: u64,
}

/// A request that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Names this record.
    #[serde(with = "as_text")]
    pub id: Uuid,
    /// Who asked.
    pub who: Who,
    /// What was asked.
    pub asked: Asked,
    /// Why not.
    pub error: Failure,
}

impl Denial {
    /// A request with an id of its own.
    pub fn new(who: Who, asked: Asked, error: Failure) -> Self {
        Self { id: Uuid::now_v7(), who, asked, error }
    }
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every row was handed over.
    Complete,
    /// The policy said no after all.
    Denied,
    /// The caller went, or called it off.
    Cancelled,
    /// An error ended it.
    Failed,
    /// A changed policy or the grant's end stopped it.
    Revoked,
    /// It was let go without a word: the gateway was shut down, or a task vanished.
    Dropped,
}

impl Outcome {
    /// The word on record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Revoked => "revoked",
            Self::Dropped => "dropped",
        }
    }
}

/// What went wrong, without its text: that may hold a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind, a word of the gateway's own: `not_found`, `deadline`, …
    pub kind: String,
    /// What joins it with the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Failure {
    /// A kind, and the id under which the log or the caller knows it.
    pub fn new(kind: &'static str, id: Option<Uuid>) -> Self {
        Self { kind: kind.to_owned(), id: id.map(|id| id.to_string()) }
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl Record {
    /// The record as one JSON object, without its number and its mac.
    pub(super) fn body(&self, at: DateTime<Utc>) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            at: String,
            #[serde(flatten)]
            record: &'a Record,
        }
        // Strings, numbers and lists of them: there is nothing here that JSON could not say.
        serde_json::to_vec(&Body { at: timestamp(at), record: self }).unwrap_or_default()
    }
}

/// One line, read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// What it says.
    #[serde(flatten)]
    pub record: Record,
}

/// A UUID as its usual text.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
