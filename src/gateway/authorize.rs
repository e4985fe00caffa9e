//! From the tables a statement names to governed tables: resolved, decided, opened. The one way to rows.

use std::sync::Arc;

use chrono::Utc;

use super::error::{AnswerError, Purposes};
use super::publish::{DatasetKey, Opened, Published};
use super::question::Caller;
use super::snapshots::Snapshots;
use crate::policy::{Decision, Grant};
use crate::principal::{Principal, Purpose};
use crate::product::{Address, Dataset, Product};
use crate::query::{FileRows, GovernedTable, Rows, Statement, TableName};

impl Published {
    /// The dataset a statement's table is, whoever asks.
    pub(super) fn resolve_table(&self, name: &TableName) -> Option<(Arc<Product>, Arc<Dataset>)> {
        self.mesh().resolve(&self.address_of(name)?)
    }

    /// The address that a name of this mesh's catalog in a statement stands for.
    pub(super) fn address_of(&self, name: &TableName) -> Option<Address> {
        if name.catalog.as_ref().is_some_and(|catalog| *catalog != self.mesh().name()) {
            return None;
        }
        Address::from_table(name.schema.as_deref()?, &name.table).ok()
    }

    /// What `caller` may see of a dataset; `named` is how the caller spoke of it.
    ///
    /// # Errors
    /// [`AnswerError::NotFound`] when it may not know of it, [`AnswerError::NotGranted`] when it may only know,
    /// [`AnswerError::PurposeNeeded`] when a purpose would open it.
    pub(super) fn grant(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        found: Option<(Arc<Product>, Arc<Dataset>)>,
        named: &str,
    ) -> Result<Grant, AnswerError> {
        let not_found = || AnswerError::NotFound(named.to_owned());
        let (product, dataset) = found.ok_or_else(not_found)?;
        match self.mesh().policies().decide(principal, purpose, &product, &dataset, Utc::now()) {
            Decision::Permit(grant) => Ok(grant),
            Decision::PurposeNeeded(accepted) => {
                Err(AnswerError::PurposeNeeded { what: named.to_owned(), purposes: Purposes(accepted) })
            }
            Decision::Discoverable => Err(AnswerError::NotGranted(named.to_owned())),
            Decision::Hidden => Err(not_found()),
        }
    }

    /// The governed tables of a statement, for one caller.
    ///
    /// # Errors
    /// [`AnswerError`] when a table is not to be had.
    pub(super) fn authorize(
        &self,
        caller: &Caller,
        statement: &Statement,
        snapshots: &mut Snapshots<'_>,
    ) -> Result<Vec<GovernedTable>, AnswerError> {
        statement
            .tables()
            .iter()
            .map(|name| {
                let named = name.to_string();
                let grant = self.grant(&caller.principal, &caller.purpose, self.resolve_table(name), &named)?;
                let rows = self.rows(&grant, &caller.purpose, &named, snapshots)?;
                Ok(GovernedTable {
                    schema: name.schema.clone().unwrap_or_default(),
                    table: name.table.clone(),
                    grant,
                    rows,
                })
            })
            .collect()
    }

    /// Where the rows of a granted dataset come from.
    ///
    /// # Errors
    /// [`AnswerError`] when they are not to be had.
    pub(super) fn rows(
        &self,
        grant: &Grant,
        purpose: &Purpose,
        named: &str,
        snapshots: &mut Snapshots<'_>,
    ) -> Result<Rows, AnswerError> {
        let key = DatasetKey::new(grant.product(), grant.dataset());
        match self.opened(&key) {
            Some(Opened::Derived(statement)) => {
                let domain = Caller { principal: Principal::domain(key.domain().clone()), purpose: purpose.clone() };
                let tables = self.authorize(&domain, statement, snapshots).map_err(|error| match error {
                    AnswerError::Outdated => error,
                    // Its sources are read for the caller's purpose, so the caller has to know.
                    AnswerError::PurposeNeeded { purposes, .. } => {
                        AnswerError::PurposeNeeded { what: named.to_owned(), purposes }
                    }
                    // The caller asked for `named` and need not know what it is made of.
                    other => AnswerError::unavailable(named, &other),
                })?;
                Ok(Rows::Derived { statement: Arc::clone(statement), tables })
            }
            other => {
                let current = match other {
                    Some(Opened::Files(source)) => Some(source),
                    _ => None,
                };
                let source = snapshots.find(&key, current).ok_or_else(|| match current {
                    Some(_) => AnswerError::Outdated,
                    None => AnswerError::unavailable(named, &"the dataset is not served"),
                })?;
                let rows = FileRows::open(&source, grant).map_err(|error| AnswerError::unavailable(named, &error))?;
                Ok(Rows::Files(Arc::new(rows)))
            }
        }
    }
}
