//! What can go wrong between a statement and its rows, told twice: to the caller without a word about
//! anything hidden, and to the operator in full, joined by an error id.
//!
//! INVARIANT: a caller's message is a constant, or repeats the caller's own words. DataFusion's texts
//! list valid columns, suggest names, print cell values and paths, so none of them passes through
//! except the parser's, which sees only the statement.

use std::fmt;
use std::time::Duration;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use parquet::errors::ParquetError;
use uuid::Uuid;

use crate::source::{self, SourceFault};

/// The kinds of failure; the transport gives each its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryErrorKind {
    /// The text is not SQL.
    Syntax,
    /// It is SQL, but not of the part that is served.
    Unsupported,
    /// It names a table that does not exist for this principal.
    UnknownTable,
    /// It names a column that does not exist for this principal.
    UnknownColumn,
    /// A named query reads a column that this principal may not.
    NotGranted,
    /// Types, functions, arguments or parameters do not fit.
    Invalid,
    /// The statement is larger or deeper than permitted.
    Limit,
    /// Time ran out.
    Deadline,
    /// Nobody waits for the answer any more.
    Cancelled,
    /// Memory or spill space ran out, or too many ask at the same time.
    ResourcesExhausted,
    /// The files are not those of the snapshot any more.
    SourceChanged,
    /// The files cannot be read.
    SourceUnavailable,
    /// A value could not be computed: division by zero, a failing cast, overflow.
    Execution,
    /// A fault of ours.
    Internal,
}

/// A failed query. Its `Display` is for the caller.
#[derive(Clone)]
pub struct QueryError {
    kind: QueryErrorKind,
    message: String,
    id: Uuid,
    retry_after: Option<Duration>,
}

impl QueryErrorKind {
    /// A word for it, as the audit has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Unsupported => "unsupported",
            Self::UnknownTable => "not_found",
            Self::UnknownColumn => "unknown_column",
            Self::NotGranted => "not_granted",
            Self::Invalid => "invalid",
            Self::Limit => "limit",
            Self::Deadline => "deadline",
            Self::Cancelled => "cancelled",
            Self::ResourcesExhausted => "resources_exhausted",
            Self::SourceChanged => "source_changed",
            Self::SourceUnavailable => "source_unavailable",
            Self::Execution => "execution",
            Self::Internal => "internal",
        }
    }
}

impl QueryError {
    /// A failure whose message says it all; nothing is logged.
    pub(crate) fn new(kind: QueryErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), id: Uuid::now_v7(), retry_after: None }
    }

    /// A failure whose `detail` is only for the operator's log.
    pub(crate) fn logged(kind: QueryErrorKind, message: impl Into<String>, detail: &dyn fmt::Display) -> Self {
        let error = Self::new(kind, message);
        match kind {
            QueryErrorKind::Internal => tracing::error!(error_id = %error.id, %detail, "query failed"),
            QueryErrorKind::SourceChanged | QueryErrorKind::SourceUnavailable => {
                tracing::warn!(error_id = %error.id, %detail, "query failed");
            }
            // The caller's own mistakes; their texts hold literals of statements, which are data.
            _ => tracing::debug!(error_id = %error.id, %detail, "query failed"),
        }
        error
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> QueryErrorKind {
        self.kind
    }

    /// What the caller may read.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What joins the caller's message with the operator's log.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// When to ask again, if time alone will help.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Too much is going on at this moment.
    pub(crate) fn busy(message: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(QueryErrorKind::ResourcesExhausted, message) }
    }

    pub(crate) fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(QueryErrorKind::Unsupported, format!("{what} is not supported"))
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(QueryErrorKind::Limit, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(QueryErrorKind::Invalid, message)
    }

    pub(crate) fn unknown_table(name: impl fmt::Display) -> Self {
        Self::new(QueryErrorKind::UnknownTable, format!("table `{}` not found", excerpt(&name.to_string())))
    }

    pub(crate) fn unknown_query(name: impl fmt::Display) -> Self {
        Self::new(QueryErrorKind::UnknownTable, format!("query `{}` not found", excerpt(&name.to_string())))
    }

    /// The query may be known of, but what it reads is not all this principal's to read. It does not say what.
    pub(crate) fn query_not_granted(named: &str) -> Self {
        let message = format!("the query `{named}` reads more than you may: ask its owner");
        Self::new(QueryErrorKind::NotGranted, message)
    }

    pub(crate) fn deadline() -> Self {
        Self::new(QueryErrorKind::Deadline, "the query took longer than permitted")
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(QueryErrorKind::Cancelled, "the query was cancelled")
    }

    pub(crate) fn internal(detail: &dyn fmt::Display) -> Self {
        Self::logged(QueryErrorKind::Internal, "internal error", detail)
    }

    /// What DataFusion says, with everything taken out that is not the caller's own.
    pub(crate) fn from_datafusion(error: &DataFusionError, phase: Phase) -> Self {
        Self::from_datafusion_as(error, phase, |_| None)
    }

    /// The same, but told as `instead` has it for its kind.
    pub(crate) fn from_datafusion_as(
        error: &DataFusionError,
        phase: Phase,
        instead: impl FnOnce(QueryErrorKind) -> Option<(QueryErrorKind, String)>,
    ) -> Self {
        if let Some(own) = carried(error) {
            return match instead(own.kind) {
                // It has been logged under its id.
                Some((kind, message)) => Self { kind, message, id: own.id, retry_after: own.retry_after },
                None => own.clone(),
            };
        }
        let (kind, message) = match source::classify(error) {
            Some(SourceFault::Changed) => {
                (QueryErrorKind::SourceChanged, "the data changed while it was read: ask again".to_owned())
            }
            Some(SourceFault::Busy) => (
                QueryErrorKind::SourceUnavailable,
                "too many reads wait for the data's store: ask again later".to_owned(),
            ),
            Some(SourceFault::Unavailable | SourceFault::Damaged) => {
                (QueryErrorKind::SourceUnavailable, "the data cannot be read at the moment".to_owned())
            }
            None => tell(error.find_root(), phase),
        };
        let (kind, message) = instead(kind).unwrap_or((kind, message));
        Self::logged(kind, message, error)
    }
}

/// When an error arose: what the same DataFusion error means depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before any row was read.
    Planning,
    /// While rows were read.
    Execution,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (error id {})", self.message, self.id)
    }
}

impl fmt::Debug for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl std::error::Error for QueryError {}

/// Lets an error of ours travel through DataFusion and come out whole.
impl From<QueryError> for DataFusionError {
    fn from(error: QueryError) -> Self {
        Self::External(Box::new(error))
    }
}

/// A `QueryError` inside `error`, wherever DataFusion or Arrow wrapped it.
fn carried(error: &DataFusionError) -> Option<&QueryError> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(own) = current.downcast_ref::<QueryError>() {
            return Some(own);
        }
        if let Some(DataFusionError::External(inner)) = current.downcast_ref::<DataFusionError>()
            && let Some(own) = inner.downcast_ref::<QueryError>()
        {
            return Some(own);
        }
        if let Some(DataFusionError::Shared(inner)) = current.downcast_ref::<DataFusionError>() {
            return carried(inner);
        }
        if let Some(DataFusionError::Collection(inner)) = current.downcast_ref::<DataFusionError>() {
            return inner.iter().find_map(carried);
        }
        next = current.source();
    }
    None
}

const TYPES_DO_NOT_FIT: &str = "the statement is not valid: types, functions or arguments do not fit";
const VALUE_FAILED: &str = "a value could not be computed: division by zero, overflow or a value that cannot be cast";
const NO_PATTERN: &str = "a pattern is no regular expression, or too large a one";
const TEXT_TOO_LONG: &str = "a function may not make a text as long as this";

/// What went wrong in a predicate that the Parquet reader evaluated. It keeps nothing of the error but its
/// `Debug` text, which holds the cell's value.
fn failed_predicate(error: &ParquetError) -> Option<(QueryErrorKind, String)> {
    let ParquetError::External(inner) = error else { return None };
    let Some(ArrowError::ComputeError(detail)) = inner.downcast_ref::<ArrowError>() else { return None };
    let detail = detail.strip_prefix("Error evaluating filter predicate: ")?;
    Some(if detail.starts_with("External(Limit: ") {
        (QueryErrorKind::Limit, TEXT_TOO_LONG.into())
    } else {
        (QueryErrorKind::Execution, VALUE_FAILED.into())
    })
}

fn tell(error: &DataFusionError, phase: Phase) -> (QueryErrorKind, String) {
    use QueryErrorKind as Kind;
    match error {
        DataFusionError::SQL(error, _) => (Kind::Syntax, syntax_message(error)),
        DataFusionError::SchemaError(error, _) => schema_message(error),
        DataFusionError::Plan(detail) => (Kind::Invalid, plan_message(detail)),
        DataFusionError::NotImplemented(_) => (Kind::Unsupported, "this statement is not supported".into()),
        DataFusionError::ResourcesExhausted(_) => {
            (Kind::ResourcesExhausted, "the query needs more memory than permitted".into())
        }
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => (Kind::Execution, VALUE_FAILED.into()),
        DataFusionError::ParquetError(error) => {
            failed_predicate(error).unwrap_or((Kind::Internal, "internal error".into()))
        }
        DataFusionError::External(error) if error.to_string().contains("regex parse error") => {
            (Kind::Invalid, NO_PATTERN.into())
        }
        // DataFusion calls it a fault of its own.
        DataFusionError::Internal(detail) if detail.contains("Regular expression did not compile") => {
            (Kind::Invalid, NO_PATTERN.into())
        }
        DataFusionError::Configuration(_) if phase == Phase::Planning => (Kind::Invalid, TYPES_DO_NOT_FIT.into()),
        DataFusionError::ExecutionJoin(error) if error.is_cancelled() => {
            (Kind::Cancelled, "the query was cancelled".into())
        }
        _ => (Kind::Internal, "internal error".into()),
    }
}

/// The parser has seen nothing but the caller's text, so its words may go back, shortened.
pub(crate) fn syntax_message(error: &ParserError) -> String {
    match error {
        ParserError::TokenizerError(detail) | ParserError::ParserError(detail) => {
            format!("syntax error: {}", excerpt(detail))
        }
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply".into(),
    }
}

fn schema_message(error: &SchemaError) -> (QueryErrorKind, String) {
    use QueryErrorKind as Kind;
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            (Kind::UnknownColumn, format!("column `{}` not found", excerpt(&field.flat_name())))
        }
        SchemaError::AmbiguousReference { field } => {
            (Kind::Invalid, format!("column `{}` is ambiguous", excerpt(&field.flat_name())))
        }
        SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. } => {
            (Kind::Invalid, "two columns of a subquery have the same name: give one an alias".into())
        }
    }
}

/// Planning errors speak of columns, so only the kind of mistake is told.
fn plan_message(detail: &str) -> String {
    if detail.contains("GROUP BY") {
        "a selected column must appear in GROUP BY or inside an aggregate".into()
    } else if detail.contains("ambiguous") {
        "a column name is ambiguous: write table.column".into()
    } else if detail.contains("requires unique expression names") {
        "two columns of a subquery have the same name: give one an alias".into()
    } else if detail.contains("same number of columns") {
        "both sides of a set operation need the same number of columns".into()
    } else {
        TYPES_DO_NOT_FIT.into()
    }
}

/// At most this many characters of the caller's words are repeated.
const EXCERPT: usize = 200;

/// The caller's words, shortened and without control characters.
fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(EXCERPT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(EXCERPT).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_datafusion_do_not_pass() {
        let secret = "SECRET /data/x.parquet";
        let errors = [
            DataFusionError::Plan(format!("No field named x. Valid fields are {secret}")),
            DataFusionError::Execution(secret.into()),
            DataFusionError::Internal(secret.into()),
            DataFusionError::Plan(secret.into()).context(secret),
            DataFusionError::ArrowError(Box::new(arrow::error::ArrowError::CastError(secret.into())), None),
            DataFusionError::NotImplemented(secret.into()),
            DataFusionError::ResourcesExhausted(secret.into()),
            DataFusionError::Configuration(secret.into()),
            DataFusionError::IoError(std::io::Error::other(secret)),
        ];
        for error in errors {
            for phase in [Phase::Planning, Phase::Execution] {
                let told = QueryError::from_datafusion(&error, phase);
                assert!(!format!("{told} {told:?}").contains("SECRET"), "{told:?}");
            }
        }
    }

    /// The caller's mistake, whoever evaluates the predicate: not a fault of ours, which the log would tell in full.
    #[test]
    fn a_predicate_that_fails_within_the_reader_is_the_callers() {
        for (detail, kind) in [
            ("ArrowError(CastError(\"Cannot cast string 'SECRET'\"), Some(\"\"))", QueryErrorKind::Execution),
            ("External(Limit: function `repeat` … (error id x))", QueryErrorKind::Limit),
        ] {
            let inner = ArrowError::ComputeError(format!("Error evaluating filter predicate: {detail}"));
            let error = DataFusionError::from(ParquetError::External(Box::new(inner)));
            let told = QueryError::from_datafusion(&error, Phase::Execution);
            assert_eq!(told.kind(), kind);
            assert!(!told.to_string().contains("SECRET"), "{told}");
        }
    }

    #[test]
    fn an_error_of_ours_comes_back_whole() {
        let own = QueryError::new(QueryErrorKind::SourceChanged, "the data changed");
        let id = own.id();
        let wrapped = DataFusionError::Context("scan".into(), Box::new(DataFusionError::from(own)));
        let shared = DataFusionError::Shared(std::sync::Arc::new(wrapped));
        let told = QueryError::from_datafusion(&shared, Phase::Execution);
        assert_eq!((told.kind(), told.id()), (QueryErrorKind::SourceChanged, id));
    }
}
