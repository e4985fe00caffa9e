//! A [`Grant`]: the only key to a dataset's rows.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use chrono::{DateTime, Utc};

use super::RowFilter;
use crate::product::{Column, Dataset, Mask, Product};

/// What one principal may see of one dataset, for one purpose, now.
///
/// INVARIANT: only this module's parent makes one (the fields are private), and only a grant opens a
/// dataset, so code that forgets to ask the policy does not compile.
#[derive(Debug, Clone)]
pub struct Grant {
    product: Arc<Product>,
    dataset: Arc<Dataset>,
    columns: Vec<GrantedColumn>,
    rows: RowFilter,
    valid_until: Option<DateTime<Utc>>,
    policies: Vec<String>,
}

/// A column the grant shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedColumn {
    /// Its position in the dataset's columns.
    pub index: usize,
    /// The mask it is shown under; none shows it raw.
    pub mask: Option<Mask>,
}

impl Grant {
    /// Made by the policy layer alone.
    pub(super) fn new(
        product: Arc<Product>,
        dataset: Arc<Dataset>,
        columns: Vec<GrantedColumn>,
        rows: RowFilter,
        valid_until: Option<DateTime<Utc>>,
        policies: Vec<String>,
    ) -> Self {
        Self { product, dataset, columns, rows, valid_until, policies }
    }

    /// The product version granted.
    pub fn product(&self) -> &Arc<Product> {
        &self.product
    }

    /// The dataset granted.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// The columns shown, in the contract's order.
    pub fn columns(&self) -> &[GrantedColumn] {
        &self.columns
    }

    /// The rows shown, as a condition over the dataset's raw columns.
    pub fn rows(&self) -> &RowFilter {
        &self.rows
    }

    /// When the decision must be asked for again; none while no policy looks at the clock.
    pub fn valid_until(&self) -> Option<DateTime<Utc>> {
        self.valid_until
    }

    /// Ids of the policies that decided, for the audit.
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// Whether nothing is hidden: every row, every column, no mask.
    pub fn is_unrestricted(&self) -> bool {
        self.rows == RowFilter::All
            && self.columns.len() == self.dataset.columns.len()
            && self.columns.iter().all(|column| column.mask.is_none())
    }

    /// Whether this grant and `other` show the very same of the same version of a dataset, until the same moment.
    pub fn shows_as(&self, other: &Self) -> bool {
        (Arc::ptr_eq(&self.product, &other.product) || self.product == other.product)
            && (Arc::ptr_eq(&self.dataset, &other.dataset) || self.dataset == other.dataset)
            && self.columns == other.columns
            && self.rows == other.rows
            && self.valid_until == other.valid_until
    }

    /// Whether this grant shows at least what `other` shows of the same dataset: what is read under `other` may go on
    /// under this one. Filters that say the same in other words do not count as the same.
    pub fn covers(&self, other: &Self) -> bool {
        let names = |grant: &Self| grant.dataset.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let shown = |index: usize, mask: Option<Mask>| {
            self.columns.iter().any(|own| own.index == index && (own.mask.is_none() || own.mask == mask))
        };
        // Filters and columns are known by their position.
        names(self) == names(other)
            && (self.rows == RowFilter::All || self.rows == other.rows)
            && other.columns.iter().all(|column| shown(column.index, column.mask))
    }

    /// The columns shown, with their contract.
    pub fn contract_columns(&self) -> impl Iterator<Item = (&Column, Option<Mask>)> {
        self.columns.iter().map(|granted| (&self.dataset.columns[granted.index], granted.mask))
    }

    /// The schema the consumer sees. A mask keeps a column's type; `null` makes it nullable.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.contract_columns().map(|(column, mask)| {
            Field::new(&column.name, column.data_type.clone(), column.nullable || mask == Some(Mask::Null))
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

#[cfg(test)]
impl Grant {
    /// A grant for unit tests of the layers above, which have no policies at hand.
    pub(crate) fn for_tests(
        product: Arc<Product>,
        dataset: Arc<Dataset>,
        columns: Vec<GrantedColumn>,
        rows: RowFilter,
    ) -> Self {
        Self::new(product, dataset, columns, rows, None, Vec::new())
    }
}
