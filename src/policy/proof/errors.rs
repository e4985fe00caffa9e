//! Whether policies can error. Cedar skips a policy that errors, and Airside denies all it was asked about instead: a
//! forbid that errors closes by surprise, and a proof that takes policies for conditions would be about other policies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{Policy, Schema};

use super::known::{Asker, Beyond, environment};
use super::question::Named;
use super::side::Side;
use super::solver::{NeverErrors, Solver};
use crate::policy::schema::{DomainShape, schema_text};
use crate::policy::vocabulary::{Action, COLUMN, DOMAIN, PRODUCT, dataset_type};
use crate::product::Name;

/// A policy that can error, or might.
#[derive(Debug, Clone)]
pub(super) struct Erring {
    pub(super) asker: Asker,
    pub(super) action: Action,
    pub(super) resource: String,
    pub(super) reason: Reason,
}

#[derive(Debug, Clone)]
pub(super) enum Reason {
    /// With the request that shows it, in Cedar's words, if the solver gave one.
    Errs(Option<String>),
    Unknown(String),
}

/// What has been proven of policies so far.
#[derive(Default)]
pub(super) struct Known {
    /// Schemas by side, dataset and the datasets a policy names besides.
    schemas: HashMap<(usize, Name, Vec<String>), Arc<str>>,
    proven: HashMap<(String, Asker, Action, String), Option<Erring>>,
}

impl Known {
    /// Why some policy about these actions is not known to be free of errors; none when all are.
    pub(super) fn any_of(
        &mut self,
        solver: &mut Solver,
        asker: Asker,
        sides: &[Option<&Side<'_>>],
        actions: &[Action],
    ) -> Option<String> {
        for side in sides.iter().flatten() {
            for action in actions {
                let Some(slice) = side.slices.of.get(action) else { continue };
                for policy in slice.policies.policies().chain(slice.ceilings.policies()) {
                    match self.of(solver, side, policy, asker, *action) {
                        Ok(found) if found.is_empty() => {}
                        Ok(_) => {
                            return Some(format!(
                                "the policy `{}` may error: see `airside check --prove`",
                                policy.id()
                            ));
                        }
                        Err(error) => return Some(error.to_string()),
                    }
                }
            }
        }
        None
    }

    /// Where a policy that can be asked about an action on a dataset (or its columns, or their holders) can error.
    pub(super) fn of(
        &mut self,
        solver: &mut Solver,
        side: &Side<'_>,
        policy: &Policy,
        asker: Asker,
        action: Action,
    ) -> Result<Vec<Erring>, Beyond> {
        let condition = side.domain.condition(policy)?;
        let named = Named::of(&[&condition]);
        let domain = &side.product.id.domain;
        let resources = match action {
            Action::Discover | Action::Query => vec![dataset_type(domain, &side.dataset.name)],
            Action::ReadColumn | Action::ReadRaw | Action::ReadMasked => vec![COLUMN.to_owned()],
            Action::Administer => vec![PRODUCT.to_owned(), DOMAIN.to_owned()],
            Action::Publish => Vec::new(),
        };
        let datasets = named.types.iter().filter(|ty| ty.contains("::")).cloned().collect();
        let of = (std::ptr::from_ref(side.domain.set).addr(), side.dataset.name.clone(), datasets);
        let text = self.schemas.entry(of).or_insert_with(|| schema(side, &named).into());
        let text = Arc::clone(text);
        let mut found = Vec::new();
        for resource in resources {
            let attributes = &side.domain.policies.cedar.attributes;
            let relevant = relevant(&text, &named, &resource);
            let key =
                (format!("{}\n{condition}\n{attributes:?}\n{relevant}", policy.id()), asker, action, resource.clone());
            if let Some(known) = self.proven.get(&key) {
                found.extend(known.clone());
                continue;
            }
            let (schema, _) = Schema::from_cedarschema_str(&text).map_err(Beyond::of)?;
            let environment = environment(asker, action, &resource).ok_or_else(|| Beyond::of(resource.clone()))?;
            let reason = match solver.never_errors(policy, &environment, &schema) {
                NeverErrors::Proven => None,
                NeverErrors::Errs(env) => Some(Reason::Errs(env.map(|env| env.request.to_string()))),
                NeverErrors::Unknown(reason) => Some(Reason::Unknown(reason)),
            };
            let erring = reason.map(|reason| Erring { asker, action, resource, reason });
            self.proven.insert(key, erring.clone());
            found.extend(erring);
        }
        Ok(found)
    }
}

/// The domain's schema with what a policy can meet here: the dataset, and what the policy names.
fn schema(side: &Side<'_>, named: &Named) -> String {
    let domain = &side.product.id.domain;
    let mut products: Vec<_> = side.domain.set.versions.values().map(|entities| entities.product.clone()).collect();
    products.retain(|product| {
        product.datasets.iter().any(|dataset| {
            dataset.name == side.dataset.name || named.types.contains(&dataset_type(domain, &dataset.name))
        })
    });
    products.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
    products.dedup();
    let mut shapes = BTreeMap::from([(domain.clone(), DomainShape::of(&products))]);
    if let Some(shape) = shapes.get_mut(domain.as_str()) {
        shape
            .datasets
            .retain(|dataset, _| *dataset == side.dataset.name || named.types.contains(&dataset_type(domain, dataset)));
    }
    // Datasets of other domains are bare names here, as in the schema that policies are validated in.
    for ty in &named.types {
        if let Some((other, dataset)) = ty.split_once("::")
            && let (Ok(other), Ok(dataset)) = (Name::parse(other), Name::parse(dataset))
            && other != *domain
        {
            shapes.entry(other).or_default().datasets.insert(dataset, Default::default());
        }
    }
    schema_text(Some(domain), &shapes, &side.domain.policies.cedar.attributes)
}

/// The part of a schema that an answer depends on: where a policy looks at no row, one dataset is like another.
fn relevant(schema: &str, named: &Named, resource: &str) -> String {
    let columns: BTreeSet<String> = named.columns.iter().map(|column| format!("\"{column}\"")).collect();
    let of_columns = |line: &&str| columns.iter().any(|column| line.contains(column.as_str()));
    let lines: String = schema.lines().filter(of_columns).collect();
    if named.types.contains(resource) { format!("{resource}\n{schema}") } else { lines }
}
