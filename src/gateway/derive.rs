//! Derived datasets, checked before they are served: their sources exist, none leads back to itself, and
//! their rows are what the contract promises.

use std::collections::BTreeSet;

use arrow::datatypes::Schema;

use super::error::AnswerError;
use super::publish::{DatasetKey, Opened, Published, served};
use super::question::Caller;
use super::snapshots::Snapshots;
use crate::principal::{Identity, Principal, Purpose};
use crate::product::{Dataset, Origin, Product};
use crate::query::{Engine, GovernedTable, Statement};

impl Published {
    /// Takes out the derived datasets that cannot be answered: those that name what does not exist or is not served,
    /// those in a cycle, and those whose rows are not what the contract promises.
    pub(super) async fn check_derived(&mut self, engine: &Engine) {
        let mut derived = served(self.mesh());
        derived.retain(|(_, dataset)| matches!(dataset.origin, Origin::Derived { .. }));
        // A dataset taken out may be another's source, so this repeats until nothing changes.
        let mut sound = BTreeSet::new();
        loop {
            let mut withdrawn = false;
            for (product, dataset) in &derived {
                let key = DatasetKey::new(product, dataset);
                let Some(Opened::Derived(statement)) = self.opened(&key).cloned() else { continue };
                let outcome = match self.check_references(&key, &statement) {
                    Ok(()) if sound.contains(&key) => continue,
                    Ok(()) => self.check_promise(engine, product, dataset, &key, &statement).await,
                    Err(reason) => Err(reason),
                };
                match outcome {
                    Ok(tables) => {
                        self.add_checked(key.clone(), &tables);
                        sound.insert(key);
                    }
                    Err(reason) => {
                        self.withdraw(key, product, reason);
                        withdrawn = true;
                    }
                }
            }
            if !withdrawn {
                return;
            }
        }
    }

    /// Every table the statement names exists, is served, and does not lead back to `key`.
    fn check_references(&self, key: &DatasetKey, statement: &Statement) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut next = vec![(key.clone(), statement.tables().to_vec())];
        while let Some((through, tables)) = next.pop() {
            for name in tables {
                let missing =
                    || format!("its query names `{name}`, which is no dataset of the mesh: write domain.dataset");
                let (product, dataset) = self.resolve_table(&name).ok_or_else(missing)?;
                let source = DatasetKey::new(&product, &dataset);
                if source == *key {
                    return Err(format!(
                        "its query reads itself, through `{through}`: a derived product cannot be its own source"
                    ));
                }
                match self.opened(&source) {
                    Some(Opened::Derived(statement)) if seen.insert(source.clone()) => {
                        next.push((source.clone(), statement.tables().to_vec()));
                    }
                    Some(_) => {}
                    None => return Err(format!("its query reads `{name}`, which is not served")),
                }
            }
        }
        Ok(())
    }

    /// The statement plans as its domain, over these tables, and gives the contract's columns.
    async fn check_promise(
        &self,
        engine: &Engine,
        product: &Product,
        dataset: &Dataset,
        key: &DatasetKey,
        statement: &Statement,
    ) -> Result<Vec<GovernedTable>, String> {
        let tables = self.sources_of(product, key, statement)?;
        let domain = Identity::Domain(key.domain().clone());
        let described = engine.describe(&domain, self.mesh().name(), statement, tables.clone()).await;
        let described = described.map_err(|error| format!("its query does not plan: {error}"))?;
        agree(dataset, &described.schema)?;
        Ok(tables)
    }

    /// The tables a derived dataset reads, for the first purpose that opens them all: one of its own product's or,
    /// if that asks for none, one that its sources ask for.
    fn sources_of(
        &self,
        product: &Product,
        key: &DatasetKey,
        statement: &Statement,
    ) -> Result<Vec<GovernedTable>, String> {
        let domain = key.domain();
        let ask = |purpose: Purpose| {
            let caller = Caller { principal: Principal::domain(domain.clone()), purpose };
            self.authorize(&caller, statement, &mut Snapshots::current())
        };
        let own: Vec<Purpose> = product.purposes.iter().filter_map(|purpose| Purpose::parse(purpose).ok()).collect();
        let mut outcome = ask(own.first().cloned().unwrap_or_default());
        let others = match &outcome {
            _ if !own.is_empty() => own.get(1..).unwrap_or_default().to_vec(),
            Err(AnswerError::PurposeNeeded { purposes, .. }) => purposes.0.clone(),
            _ => Vec::new(),
        };
        for purpose in others {
            if outcome.is_ok() {
                break;
            }
            outcome = ask(purpose);
        }
        outcome.map_err(|error| match error {
            AnswerError::NotFound(name) | AnswerError::NotGranted(name) => format!(
                "its domain may not read `{name}`: the source's owner permits it with \
                 `permit (principal == Domain::\"{domain}\", action in Action::\"read\", resource in …);`"
            ),
            AnswerError::PurposeNeeded { what, purposes } => format!(
                "its source `{what}` asks for a purpose, {purposes}, and no purpose opens all its sources: name one \
                 they share in `airside.purposes` of this contract"
            ),
            other => other.to_string(),
        })
    }
}

/// Whether the rows of a query are those a contract promises: the same columns in the same order.
fn agree(dataset: &Dataset, given: &Schema) -> Result<(), String> {
    let names =
        |fields: &arrow::datatypes::Fields| fields.iter().map(|f| f.name().clone()).collect::<Vec<_>>().join(", ");
    let promised = dataset.schema();
    if promised.fields().len() != given.fields().len() {
        return Err(format!(
            "its query gives the columns {}, the contract promises {}",
            names(given.fields()),
            names(promised.fields())
        ));
    }
    for (promise, gift) in promised.fields().iter().zip(given.fields()) {
        let name = promise.name();
        if name != gift.name() {
            return Err(format!(
                "its query gives `{}` where the contract promises `{name}`: put the columns in the contract's order",
                gift.name()
            ));
        }
        if promise.data_type() != gift.data_type() {
            return Err(format!(
                "its query gives `{name}` as {}, the contract promises {}: add a CAST",
                gift.data_type(),
                promise.data_type()
            ));
        }
        if gift.is_nullable() && !promise.is_nullable() {
            return Err(format!(
                "its query may give NULL for `{name}`, which the contract requires: use COALESCE, or do not require it"
            ));
        }
    }
    Ok(())
}
