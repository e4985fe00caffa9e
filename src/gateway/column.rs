//! What a caller is told of a column beside its name and type: the table it is of, what the contract says of it, and
//! how the caller's own grant shows it.

use std::collections::HashMap;

use crate::policy::{Grant, RowFilter};
use crate::product::{Mask, Status};
use crate::query::{ColumnSource, GovernedTable};

/// A column of a result that plainly is a column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToldColumn {
    /// The schema it is asked for by: a domain.
    pub schema: String,
    /// The table it is asked for by.
    pub table: String,
    /// What the contract says of the column.
    pub description: Option<String>,
    /// The mask it is shown under.
    pub mask: Option<Mask>,
    /// Whether a policy keeps rows of its table back.
    pub rows_restricted: bool,
    /// Whether its contract's version is about to go.
    pub deprecated: bool,
}

/// What a grant shows of a table, column by column, in the order of its schema.
pub(super) fn of_grant(grant: &Grant, schema: &str, table: &str) -> Vec<(String, ToldColumn)> {
    let rows_restricted = *grant.rows() != RowFilter::All;
    let deprecated = grant.product().status == Status::Deprecated;
    let told = grant.contract_columns().map(|(column, mask)| {
        let told = ToldColumn {
            schema: schema.to_owned(),
            table: table.to_owned(),
            description: column.description.clone(),
            mask,
            rows_restricted,
            deprecated,
        };
        (column.name.clone(), told)
    });
    told.collect()
}

/// The tables of an answer, to look columns up in.
pub(super) struct Told(HashMap<(String, String), HashMap<String, ToldColumn>>);

impl Told {
    pub(super) fn of(tables: &[GovernedTable]) -> Self {
        let columns = |table: &GovernedTable| of_grant(&table.grant, &table.schema, &table.table).into_iter().collect();
        Self(tables.iter().map(|table| ((table.schema.clone(), table.table.clone()), columns(table))).collect())
    }

    /// What is told of each column that comes from one of the tables.
    pub(super) fn columns(&self, sources: &[Option<ColumnSource>]) -> Vec<Option<ToldColumn>> {
        let told = |source: &ColumnSource| {
            let table = self.0.get(&(source.schema.as_ref().to_owned(), source.table.as_ref().to_owned()))?;
            table.get(&source.column).cloned()
        };
        sources.iter().map(|source| source.as_ref().and_then(told)).collect()
    }
}
