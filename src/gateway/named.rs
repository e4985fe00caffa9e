//! Named queries: found by name, shown to those who may know of all they read, checked before they are served.
//!
//! A query runs with its caller's own grants. It is a way to ask, not a way around the policy.

use std::sync::Arc;

use chrono::Utc;

use super::Gateway;
use super::answer::Described;
use super::error::{AnswerError, Purposes};
use super::publish::{DatasetKey, Published, Trouble};
use super::question::Caller;
use crate::mesh::ServedQuery;
use crate::policy::Decision;
use crate::principal::{Identity, Purpose};
use crate::product::{Address, Dataset, Name, Product, VersionRequirement};
use crate::query::{Arguments, Engine, Limits, QueryError, QueryTemplate, Scan, Statement, TableName, TableShape};

/// A named query that a caller may know of.
pub struct QueryListing {
    /// Its shortest address.
    pub address: Address,
    /// The query.
    pub template: Arc<QueryTemplate>,
    /// Whether the caller may ask it; else it may only be known of.
    pub granted: bool,
}

impl Published {
    /// The query an address names, if it is served, whoever asks.
    pub(super) fn query(&self, address: &Address) -> Option<(Arc<Product>, Arc<QueryTemplate>)> {
        let (product, query) = self.mesh().resolve_query(address)?;
        let template = self.template(&DatasetKey::named(&product, &query.name))?;
        Some((product, Arc::clone(template)))
    }

    /// The query that a statement calls by this name, whoever asks.
    pub(super) fn called(&self, name: &TableName) -> Option<(Arc<Product>, Arc<QueryTemplate>)> {
        self.query(&self.address_of(name)?)
    }

    /// What a caller may know of a query; `named` is how it spoke of it. A query whose product, or one of whose
    /// tables, is hidden does not exist: `not_found` says so.
    pub(super) fn callable(
        &self,
        caller: &Caller,
        found: Option<(Arc<Product>, Arc<QueryTemplate>)>,
        named: &str,
        not_found: impl FnOnce() -> AnswerError,
    ) -> Result<Arc<QueryTemplate>, AnswerError> {
        let Some((product, template)) = found else { return Err(not_found()) };
        let (now, policies) = (Utc::now(), self.mesh().policies());
        let decide = |product: &Arc<Product>, dataset: &Arc<Dataset>| {
            policies.decide(&caller.principal, &caller.purpose, product, dataset, now)
        };
        let known = product.datasets.iter().any(|dataset| !matches!(decide(&product, dataset), Decision::Hidden));
        let tables: Option<Vec<Decision>> = template
            .tables()
            .iter()
            .map(|table| {
                let (product, dataset) = self.resolve_table(table)?;
                Some(decide(&product, &dataset)).filter(|decision| !matches!(decision, Decision::Hidden))
            })
            .collect();
        let Some(tables) = tables.filter(|_| known) else { return Err(not_found()) };

        // What opens every table, if anything does.
        let mut purposes: Option<Vec<Purpose>> = None;
        if !product.accepts(caller.purpose.as_str()) {
            purposes = Some(product.purposes.iter().filter_map(|purpose| Purpose::parse(purpose).ok()).collect());
        }
        for decision in tables {
            match decision {
                Decision::Permit(_) => {}
                Decision::PurposeNeeded(accepted) => match &mut purposes {
                    None => purposes = Some(accepted),
                    Some(purposes) => purposes.retain(|purpose| accepted.contains(purpose)),
                },
                Decision::Discoverable | Decision::Hidden => return Err(AnswerError::NotGranted(named.to_owned())),
            }
        }
        match purposes {
            None => Ok(template),
            Some(purposes) if purposes.is_empty() => Err(AnswerError::NotGranted(named.to_owned())),
            Some(purposes) => Err(AnswerError::PurposeNeeded { what: named.to_owned(), purposes: Purposes(purposes) }),
        }
    }

    /// Reads and checks every query of the mesh. One that cannot be answered is not served; the others are.
    pub(super) async fn check_queries(&mut self, engine: &Engine, limits: &Limits) {
        let mesh = Arc::clone(self.mesh());
        let products =
            mesh.domains().values().flat_map(|domain| &domain.products).filter(|product| product.is_served());
        for product in products {
            for query in &product.queries {
                let key = DatasetKey::named(product, &query.name);
                let outcome = match QueryTemplate::parse(product, query, limits) {
                    Ok(template) => self.check_query(engine, limits, key.domain(), Arc::new(template)).await,
                    Err(error) => Err(format!("its SQL: {}", error.message())),
                };
                match outcome {
                    Ok(template) => self.add_query(key, template),
                    Err(reason) => self.add_trouble(Trouble {
                        dataset: key,
                        file: product.file.clone(),
                        line: Some(query.line),
                        reason,
                        passing: false,
                    }),
                }
            }
        }
    }

    /// Every table the query names is served, and it plans over all of their columns.
    async fn check_query(
        &self,
        engine: &Engine,
        limits: &Limits,
        domain: &Name,
        template: Arc<QueryTemplate>,
    ) -> Result<Arc<QueryTemplate>, String> {
        if template.tables().is_empty() {
            return Err("its SQL reads no dataset: write domain.dataset after FROM".to_owned());
        }
        let mut shapes = Vec::new();
        for name in template.tables() {
            let missing = || format!("its SQL names `{name}`, which is no dataset of the mesh: write domain.dataset");
            let (source, dataset) = self.resolve_table(name).ok_or_else(missing)?;
            if self.opened(&DatasetKey::new(&source, &dataset)).is_none() {
                return Err(format!("its SQL reads `{name}`, which is not served"));
            }
            shapes.push(TableShape { name: name.clone(), columns: dataset.schema() });
        }
        let statement = open_call(&template, limits).map_err(|error| format!("its SQL: {}", error.message()))?;
        match engine.sketch(&Identity::Domain(domain.clone()), self.mesh().name(), &statement, shapes).await {
            Ok(described) if described.schema.fields().is_empty() => Err("its SQL gives no column".to_owned()),
            Ok(_) => Ok(template),
            Err(error) => Err(format!("its SQL does not plan: {}", error.message())),
        }
    }
}

impl Gateway {
    /// The query that a statement calls, for one caller.
    pub(super) fn find_query(
        &self,
        published: &Published,
        caller: &Caller,
        name: &TableName,
    ) -> Result<Arc<QueryTemplate>, AnswerError> {
        let not_found = || QueryError::unknown_query(name).into();
        published.callable(caller, published.called(name), &name.to_string(), not_found)
    }

    /// Every named query the caller may know of, by domain, product and name.
    pub fn queries(&self, caller: &Caller) -> Vec<QueryListing> {
        let published = self.published.load();
        let mut listings: Vec<QueryListing> = Vec::new();
        for served in published.mesh().served_queries() {
            let address = address(&served);
            let named = address.to_string();
            let found = published.query(&address);
            let Some((_, template)) = found.clone() else { continue };
            let granted = match published.callable(caller, found, &named, || AnswerError::NotFound(named.clone())) {
                Ok(_) => true,
                Err(AnswerError::NotFound(_)) => continue,
                Err(_) => false,
            };
            listings.push(QueryListing { address, template, granted });
        }
        listings.sort_by_cached_key(|listing| listing.address.to_string());
        listings
    }

    /// The schema of a query's rows, whatever its arguments.
    ///
    /// # Errors
    /// As [`Gateway::describe`].
    pub async fn query_schema(&self, caller: &Caller, listing: &QueryListing) -> Result<Described, AnswerError> {
        let statement = open_call(&listing.template, &self.limits)?;
        self.description(caller, &statement).await
    }
}

fn address(served: &ServedQuery<'_>) -> Address {
    Address {
        domain: served.product.id.domain.clone(),
        name: served.product.id.name.clone(),
        version: served.major.map(|major| VersionRequirement { major, minor: None, patch: None }),
        part: Some(served.query.name.clone()),
    }
}

/// The statement that calls a query with a parameter for each of its own.
fn open_call(template: &Arc<QueryTemplate>, limits: &Limits) -> Result<Statement, QueryError> {
    let (product, name) = (template.product(), &template.declared().name);
    let scan = Scan { schema: product.domain.as_str(), table: name.as_str(), columns: None, filter: None, limit: None };
    Statement::scan_query(&scan, template, Arguments::Open, limits)
}
