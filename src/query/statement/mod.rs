//! A [`Statement`]: one query that has been read, counted and found to hold nothing but what is served.
//!
//! The allow-list works on the syntax tree and refuses by default: whatever a new version of the parser
//! learns to read stays refused until somebody names it here. Only then does DataFusion see the tree.

mod allow_list;
mod arguments;
mod call;
mod outputs;
mod redact;
mod relations;
mod schema;
mod template;
mod tokens;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::sql::parser::{DFParserBuilder, Statement as ParsedStatement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;

use self::allow_list::Review;
use self::outputs::Marked;
use super::error::Phase;
use super::{Limits, QueryError, QueryErrorKind};
use crate::product::{Argument, ParameterType};

pub(super) use self::call::Call;
pub use self::template::QueryTemplate;

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
    parameters: usize,
    /// The named queries it called, which stand in it now.
    calls: Vec<Call>,
    /// The types of the parameters that are arguments of named queries.
    types: BTreeMap<usize, ParameterType>,
}

/// Equality is what it derives: of words, of which none is unequal to itself.
impl Eq for Statement {}

impl Hash for Statement {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.query.hash(state);
    }
}

/// What a product request asks of a table.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// The schema.
    pub schema: &'a str,
    /// The table, or the named query.
    pub table: &'a str,
    /// Its columns; none for all.
    pub columns: Option<&'a [String]>,
    /// One expression, without subqueries and parameters.
    pub filter: Option<&'a str>,
    /// At most so many rows.
    pub limit: Option<u64>,
}

/// The arguments of a product request for a named query.
#[derive(Debug, Clone, Copy)]
pub enum Arguments<'a> {
    /// These, by name.
    Given(&'a [(String, Argument)]),
    /// Each is a parameter of the statement, in the order of the query's own.
    Open,
}

/// Finds the named query that a statement calls, or says why it is not to be had.
pub type FindQuery<'a, E> = &'a mut dyn FnMut(&TableName) -> Result<Arc<QueryTemplate>, E>;

/// The stack that reading may use. The parser recurses to a fixed depth, and a refused tree, which may be
/// as deep as it has tokens, is dropped on it.
const STACK: usize = 64 << 20;

/// How deep the parser recurses: parentheses and subqueries, not operators in a row.
const PARSER_DEPTH: usize = 100;

impl Statement {
    /// Reads one statement that calls no named query.
    ///
    /// # Errors
    /// `Syntax` when it is no SQL, `Unsupported` when it is not a query of allowed parts, `Limit` when it is
    /// too large, `Invalid` when its parameters are numbered wrongly.
    pub fn parse(sql: &str, limits: &Limits) -> Result<Self, QueryError> {
        let (tokens, parameters) = tokens::tokenize(sql, limits)?;
        stacker::grow(STACK, || Self::review(one_query(tokens)?, parameters, limits))
    }

    /// Reads one statement. Each named query that it calls is put in its place, as `find` gives it; whatever holds of
    /// statements holds of the result.
    ///
    /// # Errors
    /// As [`Statement::parse`]; what `find` says; `Invalid` when arguments are not those of the query.
    pub fn parse_with<E: From<QueryError>>(sql: &str, limits: &Limits, find: FindQuery<'_, E>) -> Result<Self, E> {
        let (tokens, parameters) = tokens::tokenize(sql, limits)?;
        stacker::grow(STACK, || {
            let mut query = one_query(tokens)?;
            // First as it stands: what follows walks the tree, which must not be too deep for it.
            if Review::calling(&query, limits)?.called == 0 {
                return Ok(Self::review(query, parameters, limits)?);
            }
            let (calls, types) = call::expand(&mut query, limits, find)?;
            Ok(Self { calls, types, ..Self::review(query, parameters, limits)? })
        })
    }

    /// The statement of a product request: columns of one table, the rows where the filter holds, at most
    /// so many of them.
    ///
    /// # Errors
    /// As [`Statement::parse`].
    pub fn scan(scan: &Scan<'_>, limits: &Limits) -> Result<Self, QueryError> {
        stacker::grow(STACK, || Self::review(frame(scan, limits)?, 0, limits))
    }

    /// The statement of a product request for a named query.
    ///
    /// # Errors
    /// As [`Statement::parse_with`].
    pub fn scan_query(
        scan: &Scan<'_>,
        template: &Arc<QueryTemplate>,
        arguments: Arguments<'_>,
        limits: &Limits,
    ) -> Result<Self, QueryError> {
        let (arguments, parameters) = arguments::of_request(template, arguments, limits)?;
        stacker::grow(STACK, || {
            let mut query = frame(scan, limits)?;
            call::put_arguments(&mut query, arguments)?;
            let (calls, types) = call::expand(&mut query, limits, &mut |_| Ok::<_, QueryError>(Arc::clone(template)))?;
            Ok(Self { calls, types, ..Self::review(query, parameters, limits)? })
        })
    }

    fn review(query: ast::Query, parameters: usize, limits: &Limits) -> Result<Self, QueryError> {
        let Review { tables, .. } = Review::query(&query, limits)?;
        let mut planned = query.clone();
        let marked = Marked::of(&mut planned);
        let tables = tables.into_iter().collect();
        Ok(Self { query, planned, marked, tables, parameters, calls: Vec::new(), types: BTreeMap::new() })
    }

    /// Every table it reads, each once; common table expressions are none.
    pub fn tables(&self) -> &[TableName] {
        &self.tables
    }

    /// How many parameters it has: `$1` to `$n`.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The named queries it calls, each once, in the order of their first calls.
    pub fn queries(&self) -> Vec<&Arc<QueryTemplate>> {
        let mut queries: Vec<&Arc<QueryTemplate>> = Vec::new();
        for call in &self.calls {
            if !queries.contains(&&call.template) {
                queries.push(&call.template);
            }
        }
        queries
    }

    /// The calls of named queries, each as a statement of its own.
    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The type of a parameter that is an argument of a named query.
    pub(super) fn argument_type(&self, parameter: usize) -> Option<&ParameterType> {
        self.types.get(&parameter)
    }

    /// The schema of its results under the names meant, from that of its plan.
    pub(super) fn rename(&self, schema: SchemaRef) -> SchemaRef {
        self.marked.rename(schema)
    }

    /// The bytes of its text, written out.
    pub(super) fn text_size(&self) -> usize {
        self.query.to_string().len()
    }

    /// The statement as DataFusion plans it.
    pub(super) fn to_parsed(&self) -> ParsedStatement {
        parsed(self.planned.clone())
    }
}

fn parsed(query: ast::Query) -> ParsedStatement {
    ParsedStatement::Statement(Box::new(ast::Statement::Query(Box::new(query))))
}

/// The one query that the tokens are.
fn one_query(tokens: Vec<TokenWithSpan>) -> Result<ast::Query, QueryError> {
    let mut statements = DFParserBuilder::new(tokens)
        .with_recursion_limit(PARSER_DEPTH)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| QueryError::from_datafusion(&error, Phase::Planning))?;
    let statement =
        statements.pop_front().ok_or_else(|| QueryError::new(QueryErrorKind::Syntax, "the statement is empty"))?;
    if !statements.is_empty() {
        return Err(QueryError::unsupported("more than one statement"));
    }
    query_of(statement)
}

/// The query of a product request. Its stack must do for the filter.
fn frame(scan: &Scan<'_>, limits: &Limits) -> Result<ast::Query, QueryError> {
    let Scan { schema, table, columns, filter, limit } = *scan;
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
    let mut query = Statement::parse(&frame, limits)?.query;
    let Some(filter) = filter else { return Ok(query) };

    let (tokens, parameters) = tokens::tokenize(filter, limits)?;
    if parameters > 0 {
        return Err(QueryError::unsupported("a parameter in a filter"));
    }
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
    Ok(query)
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
