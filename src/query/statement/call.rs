//! Calls of named queries: `marketing.get_cltv(42)` in the place of a table.
//!
//! DataFusion looks a table function up by the first part of its name, and would plan what it finds among the names of
//! the statement that calls it. So each call becomes a common table expression, before everything else:
//!
//! ```text
//! written:   WITH w AS (…) SELECT … FROM marketing.get_cltv(42) JOIN w …
//! expanded:  WITH "marketing.get_cltv#1" AS (the query's SELECT, 42 in it), w AS (…)
//!            SELECT … FROM "marketing.get_cltv#1" AS get_cltv JOIN w …
//! ```
//!
//! There it sees no name of the caller's: neither a common table expression nor a column of an outer query. What a
//! statement must pass, it passes after this.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    self, Cte, FunctionArg, Ident, ObjectName, ObjectNamePart, SetExpr, TableAlias, TableFactor, TableFunctionArgs,
    VisitMut, VisitorMut, With,
};

use super::relations::table_part;
use super::{FindQuery, QueryTemplate, TableName, arguments, parsed, shortened};
use crate::product::ParameterType;
use crate::query::{Limits, QueryError};

/// A named query that a statement called.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::query) struct Call {
    /// As the caller named it.
    pub(in crate::query) named: String,
    pub(super) template: Arc<QueryTemplate>,
    query: ast::Query,
    /// The name of its common table expression.
    pub(super) stands_as: String,
}

impl Call {
    /// The query by itself, its arguments in it.
    pub(in crate::query) fn to_parsed(&self) -> ParsedStatement {
        parsed(self.query.clone())
    }
}

/// Whether a table of this name may be a named query: it has a domain.
pub(super) fn is_callable(name: &ObjectName) -> bool {
    called(name).is_some()
}

fn called(name: &ObjectName) -> Option<TableName> {
    let parts = name.0.iter().map(table_part).collect::<Result<Vec<_>, _>>().ok()?;
    match <[String; 2]>::try_from(parts) {
        Ok([schema, table]) => Some(TableName { catalog: None, schema: Some(schema), table }),
        Err(parts) => {
            let [catalog, schema, table] = <[String; 3]>::try_from(parts).ok()?;
            Some(TableName { catalog: Some(catalog), schema: Some(schema), table })
        }
    }
}

/// Makes the one table of a product request's query a call with these arguments.
pub(super) fn put_arguments(query: &mut ast::Query, given: Vec<FunctionArg>) -> Result<(), QueryError> {
    if let SetExpr::Select(select) = query.body.as_mut()
        && let [from] = &mut select.from[..]
        && let TableFactor::Table { args, .. } = &mut from.relation
    {
        *args = Some(TableFunctionArgs { args: given, settings: None });
        return Ok(());
    }
    Err(QueryError::internal(&"the frame of a scan reads one table"))
}

/// What was called, and the types of the parameters that are arguments.
type Expanded = (Vec<Call>, BTreeMap<usize, ParameterType>);

/// Puts the queries that `query` calls in their places. It must be no deeper than a statement may be.
pub(super) fn expand<E: From<QueryError>>(
    query: &mut ast::Query,
    limits: &Limits,
    find: FindQuery<'_, E>,
) -> Result<Expanded, E> {
    let mut expansion = Expansion { find, limits, nodes: 0, calls: Vec::new(), types: BTreeMap::new() };
    if let ControlFlow::Break(error) = query.visit(&mut expansion) {
        return Err(error);
    }
    let Expansion { calls, types, .. } = expansion;
    let own = calls.iter().map(|call| Cte {
        alias: alias(&call.stands_as, false),
        query: Box::new(call.query.clone()),
        from: None,
        materialized: None,
        closing_paren_token: AttachedToken::empty(),
    });
    match &mut query.with {
        Some(with) => drop(with.cte_tables.splice(0..0, own)),
        None => {
            let with_token = AttachedToken::empty();
            query.with = Some(With { with_token, recursive: false, cte_tables: own.collect() });
        }
    }
    Ok((calls, types))
}

fn alias(name: &str, explicit: bool) -> TableAlias {
    TableAlias { explicit, name: Ident::with_quote('"', name), columns: Vec::new(), at: None }
}

struct Expansion<'a, E> {
    find: FindQuery<'a, E>,
    limits: &'a Limits,
    /// What was put in so far.
    nodes: usize,
    calls: Vec<Call>,
    types: BTreeMap<usize, ParameterType>,
}

impl<E: From<QueryError>> Expansion<'_, E> {
    /// The name that stands for the call.
    fn expand(&mut self, name: &TableName, arguments: &TableFunctionArgs) -> Result<String, E> {
        let template = (self.find)(name)?;
        let named = shortened(&name.to_string());
        if arguments.settings.is_some() {
            return Err(QueryError::unsupported("SETTINGS").into());
        }
        // Before anything is copied: as many calls as fit a statement could stand for far more than its limit.
        self.nodes = self.nodes.saturating_add(template.nodes());
        if self.nodes > self.limits.max_nodes {
            return Err(QueryError::limit(format!(
                "the statement is too large: at most {} parts, named queries counted where they are called",
                self.limits.max_nodes
            ))
            .into());
        }
        let arguments = arguments::bind(&named, &template, &arguments.args, &mut self.types)?;
        let query = template.with(&arguments);
        let declared = template.declared();
        let stands_as = format!("{}.{}#{}", template.product().domain, declared.name, self.calls.len() + 1);
        self.calls.push(Call { named, template, query, stands_as: stands_as.clone() });
        Ok(stands_as)
    }
}

impl<E: From<QueryError>> VisitorMut for Expansion<'_, E> {
    type Break = E;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<E> {
        let TableFactor::Table { name, alias: known_as, args, .. } = factor else { return ControlFlow::Continue(()) };
        let (Some(called), Some(arguments)) = (called(name), args.as_ref()) else { return ControlFlow::Continue(()) };
        match self.expand(&called, arguments) {
            Ok(stands_as) => {
                *args = None;
                *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', stands_as))]);
                known_as.get_or_insert_with(|| alias(&called.table, true));
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}
