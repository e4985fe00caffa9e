//! A [`Statement`]: one query that has been read, counted and found to hold nothing but what is served.
//!
//! The allow-list works on the syntax tree and refuses by default: whatever a new version of the parser
//! learns to read stays refused until somebody names it here. Only then does DataFusion see the tree.

mod allow_list;
mod outputs;
mod redact;
mod relations;
mod schema;
mod tokens;

use std::fmt;

use arrow::datatypes::SchemaRef;
use datafusion::sql::parser::{DFParserBuilder, Statement as ParsedStatement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Location;

use self::allow_list::Review;
use self::outputs::Marked;
use super::error::Phase;
use super::{Limits, QueryError, QueryErrorKind};

/// A table as a statement names it. Unquoted words are in lower case, as SQL has it here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The catalog, if named: only the mesh's name means anything.
    pub catalog: Option<String>,
    /// The schema, if named: a domain.
    pub schema: Option<String>,
    /// The table: a dataset.
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.catalog, &self.schema].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        f.write_str(&self.table)
    }
}

/// One query, within its limits, of allowed parts only.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    query: ast::Query,
    /// The query as DataFusion is to plan it, and the names of its columns that it cannot have there.
    planned: ast::Query,
    marked: Marked,
    tables: Vec<TableName>,
    /// Where tables are named without a schema.
    bare: Vec<Location>,
    parameters: usize,
}

/// The stack that reading may use. The parser recurses to a fixed depth, and a refused tree, which may be
/// as deep as it has tokens, is dropped on it.
const STACK: usize = 64 << 20;

/// How deep the parser recurses: parentheses and subqueries, not operators in a row.
const PARSER_DEPTH: usize = 100;

impl Statement {
    /// Reads one statement.
    ///
    /// # Errors
    /// `Syntax` when it is no SQL, `Unsupported` when it is not a query of allowed parts, `Limit` when it is
    /// too large, `Invalid` when its parameters are numbered wrongly.
    pub fn parse(sql: &str, limits: &Limits) -> Result<Self, QueryError> {
        let (tokens, parameters) = tokens::tokenize(sql, limits)?;
        stacker::grow(STACK, || {
            let mut statements = DFParserBuilder::new(tokens)
                .with_recursion_limit(PARSER_DEPTH)
                .build()
                .and_then(|mut parser| parser.parse_statements())
                .map_err(|error| QueryError::from_datafusion(&error, Phase::Planning))?;
            let statement = statements
                .pop_front()
                .ok_or_else(|| QueryError::new(QueryErrorKind::Syntax, "the statement is empty"))?;
            if !statements.is_empty() {
                return Err(QueryError::unsupported("more than one statement"));
            }
            Self::review(query_of(statement)?, parameters, limits)
        })
    }

    /// The statement of a product request: columns of one table, the rows where `filter` holds, at most
    /// `limit` of them.
    ///
    /// # Errors
    /// As [`Statement::parse`]; the filter is one expression without subqueries and parameters.
    pub fn scan(
        schema: &str,
        table: &str,
        columns: Option<&[String]>,
        filter: Option<&str>,
        limit: Option<u64>,
        limits: &Limits,
    ) -> Result<Self, QueryError> {
        if columns.is_some_and(|columns| columns.len() > limits.max_columns) {
            return Err(QueryError::limit(format!("at most {} columns may be asked for", limits.max_columns)));
        }
        let items = match columns {
            None => "*".to_owned(),
            Some([]) => return Err(QueryError::invalid("ask for at least one column")),
            Some(columns) => columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", "),
        };
        let limit = limit.map(|limit| format!(" LIMIT {}", limit.min(i64::MAX as u64))).unwrap_or_default();
        let frame = format!("SELECT {items} FROM {}.{}{limit}", quoted(schema), quoted(table));
        let mut query = Self::parse(&frame, limits)?.query;
        let Some(filter) = filter else { return Self::review(query, 0, limits) };

        let (tokens, parameters) = tokens::tokenize(filter, limits)?;
        if parameters > 0 {
            return Err(QueryError::unsupported("a parameter in a filter"));
        }
        stacker::grow(STACK, || {
            let parsed = DFParserBuilder::new(tokens)
                .with_recursion_limit(PARSER_DEPTH)
                .build()
                .and_then(|mut parser| parser.parse_into_expr())
                .map_err(|error| QueryError::from_datafusion(&error, Phase::Planning))?;
            if parsed.alias.is_some() {
                return Err(QueryError::unsupported("an alias in a filter"));
            }
            Review::filter(&parsed.expr, limits)?;
            let ast::SetExpr::Select(select) = query.body.as_mut() else {
                return Err(QueryError::internal(&"the frame of a scan is a SELECT"));
            };
            select.selection = Some(parsed.expr);
            Self::review(query, 0, limits)
        })
    }

    fn review(query: ast::Query, parameters: usize, limits: &Limits) -> Result<Self, QueryError> {
        let Review { tables, bare, .. } = Review::query(&query, limits)?;
        let mut planned = query.clone();
        let marked = Marked::of(&mut planned);
        Ok(Self { query, planned, marked, tables: tables.into_iter().collect(), bare, parameters })
    }

    /// Every table it reads, each once; common table expressions are none.
    pub fn tables(&self) -> &[TableName] {
        &self.tables
    }

    /// How many parameters it has: `$1` to `$n`.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The schema of its results under the names meant, from that of its plan.
    pub(super) fn rename(&self, schema: SchemaRef) -> SchemaRef {
        self.marked.rename(schema)
    }

    /// The statement as DataFusion plans it.
    pub(super) fn to_parsed(&self) -> ParsedStatement {
        ParsedStatement::Statement(Box::new(ast::Statement::Query(Box::new(self.planned.clone()))))
    }
}

/// The statement as text: parameters as `$n`, otherwise as written, up to white space.
impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.query.fmt(f)
    }
}

/// The caller's own words, short enough to repeat.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// An identifier that means exactly `name`.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The query of a statement, or a refusal that names what it is instead.
fn query_of(statement: ParsedStatement) -> Result<ast::Query, QueryError> {
    match statement {
        ParsedStatement::Statement(statement) => match *statement {
            ast::Statement::Query(query) => Ok(*query),
            other => Err(refused(&leading_words(&other.to_string()))),
        },
        ParsedStatement::CreateExternalTable(_) => Err(refused("CREATE EXTERNAL TABLE")),
        ParsedStatement::CopyTo(_) => Err(refused("COPY")),
        ParsedStatement::Explain(_) => Err(QueryError::unsupported("EXPLAIN")),
        ParsedStatement::Reset(_) => Err(QueryError::unsupported("RESET")),
    }
}

/// A statement that is no query; one that writes is told why there is no other way either.
fn refused(words: &str) -> QueryError {
    const WRITES: [&str; 9] = ["INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "ALTER", "DROP", "TRUNCATE", "COPY"];
    match words.split(' ').next() {
        Some(first) if WRITES.contains(&first) => {
            QueryError::new(QueryErrorKind::Unsupported, format!("{words} is not supported: the gateway is read-only"))
        }
        _ => QueryError::unsupported(words),
    }
}

/// The keyword a statement starts with: `CREATE`, `INSERT`, …
fn leading_words(text: &str) -> String {
    let word: String = text.chars().take_while(|c| c.is_ascii_alphabetic()).take(20).collect();
    if word.is_empty() { "this statement".to_owned() } else { word.to_ascii_uppercase() }
}

#[cfg(test)]
mod tests;
