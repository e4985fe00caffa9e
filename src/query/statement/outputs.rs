//! Columns of the same name side by side: SQL allows them in a result, DataFusion in no projection.
//!
//! ```text
//! written:  SELECT id, id, count(*), count(*) FROM …
//! planned:  SELECT id, id AS <mark 1>, count(*), count(*) AS <mark 3> FROM …
//! sent:     id, id, count(*), count(*)
//! ```
//!
//! Only the outermost SELECT: within a subquery two columns of one name cannot be told apart.

use std::collections::HashMap;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr};
use std::sync::Arc;

use super::allow_list::normalised;

/// The alias of the item at this position. No identifier of a user begins like it.
fn mark(position: usize) -> String {
    format!("\u{1}{position}")
}

/// An expression's text in lower case, except within quotes.
fn normalised_text(text: &str) -> String {
    let mut quote = None;
    text.chars()
        .map(|c| {
            match quote {
                None if matches!(c, '"' | '\'') => quote = Some(c),
                Some(open) if open == c => quote = None,
                _ => {}
            }
            if quote.is_none() { c.to_ascii_lowercase() } else { c }
        })
        .collect()
}

/// What a marked column is called in the result.
#[derive(Debug, Clone, PartialEq)]
enum Name {
    /// So.
    Given(String),
    /// As the column of the item at this position, which DataFusion names.
    Same(usize),
}

/// The names of the columns that were marked, by their marks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Marked(HashMap<String, Name>);

impl Marked {
    /// Marks the items of the outermost SELECT that repeat a name.
    pub(super) fn of(query: &mut Query) -> Self {
        let mut marked = Self::default();
        let SetExpr::Select(select) = query.body.as_mut() else { return marked };
        let only_items = !select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        let mut seen = HashMap::new();
        for (position, item) in select.projection.iter_mut().enumerate() {
            let (key, given) = match item {
                SelectItem::ExprWithAlias { alias, .. } => (normalised(alias), true),
                SelectItem::UnnamedExpr(Expr::Identifier(ident)) => (normalised(ident), true),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => match idents.last() {
                    Some(ident) => (normalised(ident), true),
                    None => continue,
                },
                SelectItem::UnnamedExpr(expr) => (normalised_text(&expr.to_string()), false),
                _ => continue,
            };
            let Some(first) = seen.get(&(key.clone(), given)).copied() else {
                seen.insert((key, given), position);
                continue;
            };
            let name = match (given, only_items) {
                (true, _) => Name::Given(key),
                (false, true) => Name::Same(first),
                (false, false) => continue,
            };
            let expr = match item {
                SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) => expr.clone(),
                _ => continue,
            };
            marked.0.insert(mark(position), name);
            *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', mark(position)) };
        }
        marked
    }

    /// The schema with the names meant.
    pub(super) fn rename(&self, schema: SchemaRef) -> SchemaRef {
        if self.0.is_empty() {
            return schema;
        }
        let fields = schema.fields().iter().map(|field| match self.0.get(field.name()) {
            None => Arc::clone(field),
            Some(Name::Given(name)) => Arc::new(field.as_ref().clone().with_name(name)),
            Some(Name::Same(first)) => match schema.fields().get(*first) {
                Some(first) => Arc::new(field.as_ref().clone().with_name(first.name())),
                None => Arc::clone(field),
            },
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}
