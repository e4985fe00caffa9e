//! Shared policies where only a part of the mesh is at hand, as in a domain's own CI.
//!
//! A global policy may name other domains' things. Whether these exist is for the platform's check to say; here
//! a policy that speaks of others alone is of no concern, and in one that also speaks of this domain the names
//! of others are taken as they stand.

use std::collections::BTreeMap;

use cedar_policy::pst::{EntityOrSlot, EntityUID, Expr, Literal, ResourceConstraint};

use super::load::DomainPolicies;
use super::schema::DomainShape;
use super::statement::Statement;
use super::vocabulary::{COLUMN, DOMAIN, PRODUCT};
use crate::product::Name;

/// A name of another domain, or of something of it.
#[derive(Debug, Clone)]
struct Foreign {
    domain: Name,
    product: Option<Name>,
    dataset: Option<Name>,
    column: Option<String>,
}

impl Foreign {
    /// What an entity names, if it is of a domain that is not there.
    fn entity(entity: &EntityUID, here: &BTreeMap<Name, DomainPolicies>) -> Option<Self> {
        let id = entity.eid.as_str();
        let ty = entity.ty.to_string();
        let mut parts = id.splitn(3, '.');
        let domain = parts.next()?;
        let second = parts.next().and_then(|part| Name::parse(part).ok());
        let found = match ty.as_str() {
            DOMAIN => Self::of(id, None, None, None)?,
            PRODUCT => Self::of(domain, Some(second?), None, None)?,
            COLUMN => Self::of(domain, None, Some(second?), Some(parts.next()?.to_owned()))?,
            _ => return Self::dataset_type(&ty, here),
        };
        (!here.contains_key(&found.domain)).then_some(found)
    }

    /// What the type of a dataset names, `hr::staff`.
    fn dataset_type(ty: &str, here: &BTreeMap<Name, DomainPolicies>) -> Option<Self> {
        let (domain, dataset) = ty.split_once("::")?;
        let found = Self::of(domain, None, Some(Name::parse(dataset).ok()?), None)?;
        (!here.contains_key(&found.domain)).then_some(found)
    }

    fn of(domain: &str, product: Option<Name>, dataset: Option<Name>, column: Option<String>) -> Option<Self> {
        Some(Self { domain: Name::parse(domain).ok()?, product, dataset, column })
    }
}

/// Whether a policy's scope lies in a domain that is not there.
pub(super) fn is_of_others(statement: &Statement, here: &BTreeMap<Name, DomainPolicies>) -> bool {
    let is_foreign = |named: &EntityOrSlot| match named {
        EntityOrSlot::Entity(entity) => Foreign::entity(entity, here).is_some(),
        EntityOrSlot::Slot(_) => false,
    };
    match &statement.body.resource {
        ResourceConstraint::Any => false,
        ResourceConstraint::Eq(named) | ResourceConstraint::In(named) => is_foreign(named),
        ResourceConstraint::Is(ty) => Foreign::dataset_type(&ty.to_string(), here).is_some(),
        ResourceConstraint::IsIn(ty, named) => {
            is_foreign(named) || Foreign::dataset_type(&ty.to_string(), here).is_some()
        }
    }
}

/// Gives the names of others in a policy's conditions a shape, so that they are found.
pub(super) fn take_on_trust(
    statement: &Statement,
    here: &BTreeMap<Name, DomainPolicies>,
    shapes: &mut BTreeMap<Name, DomainShape>,
) {
    let note = |expr: &Expr| -> Option<Vec<Foreign>> {
        let found = match expr {
            Expr::Literal(Literal::EntityUID(entity)) => Foreign::entity(entity, here),
            _ => None,
        };
        found.map(|found| vec![found])
    };
    for condition in statement.conditions() {
        let mut named = condition.reduce(&note, &|a, b| [a, b].concat(), Vec::new());
        named.extend(types(condition, here));
        for foreign in named {
            let shape = shapes.entry(foreign.domain.clone()).or_default();
            shape.products.extend(foreign.product.clone());
            if let Some(dataset) = &foreign.dataset {
                let row = shape.datasets.entry(dataset.clone()).or_default();
                if let Some(column) = &foreign.column {
                    row.unfilterable.insert(column.clone(), "its contract is not at hand".to_owned());
                }
            }
        }
    }
}

/// The types that `resource is …` names.
fn types(expr: &Expr, here: &BTreeMap<Name, DomainPolicies>) -> Vec<Foreign> {
    let note = |expr: &Expr| match expr {
        Expr::Is { entity_type, .. } => Some(vec![entity_type.to_string()]),
        _ => None,
    };
    let named = expr.reduce(&note, &|a: Vec<String>, b| [a, b].concat(), Vec::new());
    named.iter().filter_map(|ty| Foreign::dataset_type(ty, here)).collect()
}
