//! The scope of a policy: which actions and which of the mesh's things it speaks of.
//!
//! Read once at load, for two ends: a domain's policy must stay within its domain, and a decision
//! need only look at the policies that can touch its dataset.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{self, ActionConstraint, EntityOrSlot, EntityUID, PrincipalConstraint, ResourceConstraint};

use super::schema::DomainShape;
use super::statement::{Origin, Statement, near};
use super::vocabulary::{ACTION, Action, COLUMN, DOMAIN, GROUP, PRODUCT, READ, USER, dataset_id, dataset_type};
use crate::fault::Fault;
use crate::principal::{Identity, Principal};
use crate::product::Name;

/// A thing of the mesh that a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Domain(Name),
    Product { domain: Name, product: Name },
    Dataset { domain: Name, dataset: Name },
    Column { domain: Name, dataset: Name, column: String },
}

/// A kind of thing that a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Domain,
    Product,
    Dataset { domain: Name, dataset: Name },
    Column,
}

/// What a policy's resource may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResourceScope {
    /// `==`: exactly this.
    pub(super) exactly: Option<Target>,
    /// `in`: this or something of it.
    pub(super) within: Option<Target>,
    /// `is`: of this kind.
    pub(super) is: Option<Type>,
}

/// A policy's scope, understood.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) actions: BTreeSet<Action>,
    /// Whether the policy names its actions at all.
    pub(super) any_action: bool,
    pub(super) resource: ResourceScope,
}

impl Target {
    fn domain(&self) -> &Name {
        match self {
            Self::Domain(domain)
            | Self::Product { domain, .. }
            | Self::Dataset { domain, .. }
            | Self::Column { domain, .. } => domain,
        }
    }

    /// Reads an entity; faults say what is wrong with it.
    pub(super) fn parse(
        entity: &EntityUID,
        shapes: &BTreeMap<Name, DomainShape>,
        statement: &Statement,
    ) -> Result<Self, Fault> {
        let id = entity.eid.as_str();
        let ty = entity.ty.to_string();
        let unknown = |what: &str, near: Vec<&str>| {
            let fault = statement.fault(id, format!("the mesh has no {what} `{id}`"));
            if near.is_empty() { fault } else { fault.hint(format!("did you mean `{}`?", near.join("` or `"))) }
        };
        match ty.as_str() {
            DOMAIN => match shapes.get_key_value(id) {
                Some((domain, _)) => Ok(Self::Domain(domain.clone())),
                None => Err(unknown("domain", near(id, shapes.keys().map(Name::as_str)))),
            },
            PRODUCT => {
                let found = id.split_once('.').and_then(|(domain, product)| {
                    let (domain, shape) = shapes.get_key_value(domain)?;
                    let product = shape.products.get(product)?;
                    Some(Self::Product { domain: domain.clone(), product: product.clone() })
                });
                found.ok_or_else(|| {
                    let all: Vec<String> = shapes
                        .iter()
                        .flat_map(|(domain, shape)| {
                            shape.products.iter().map(move |product| format!("{domain}.{product}"))
                        })
                        .collect();
                    unknown("product", near(id, all.iter().map(String::as_str)))
                })
            }
            COLUMN => {
                let mut parts = id.splitn(3, '.');
                let found = (|| {
                    let (domain, shape) = shapes.get_key_value(parts.next()?)?;
                    let (dataset, row) = shape.datasets.get_key_value(parts.next()?)?;
                    let column = parts.next().filter(|column| row.has(column))?;
                    Some(Self::Column { domain: domain.clone(), dataset: dataset.clone(), column: column.to_owned() })
                })();
                found.ok_or_else(|| {
                    unknown("column", Vec::new()).hint("a column is named `Column::\"domain.dataset.column\"`")
                })
            }
            _ => match Type::parse(&entity.ty, shapes, statement)? {
                Type::Dataset { domain, dataset } if dataset_id(&domain, &dataset) == id => {
                    Ok(Self::Dataset { domain, dataset })
                }
                Type::Dataset { domain, dataset } => Err(unknown("dataset", Vec::new()).hint(format!(
                    "write `{}::\"{}\"`",
                    dataset_type(&domain, &dataset),
                    dataset_id(&domain, &dataset)
                ))),
                _ => Err(unknown("resource", Vec::new())),
            },
        }
    }
}

impl Type {
    pub(super) fn parse(
        ty: &pst::EntityType,
        shapes: &BTreeMap<Name, DomainShape>,
        statement: &Statement,
    ) -> Result<Self, Fault> {
        let text = ty.to_string();
        match text.as_str() {
            DOMAIN => return Ok(Self::Domain),
            PRODUCT => return Ok(Self::Product),
            COLUMN => return Ok(Self::Column),
            _ => {}
        }
        let found = text.split_once("::").and_then(|(domain, dataset)| {
            let (domain, shape) = shapes.get_key_value(domain)?;
            let (dataset, _) = shape.datasets.get_key_value(dataset)?;
            Some(Self::Dataset { domain: domain.clone(), dataset: dataset.clone() })
        });
        found.ok_or_else(|| {
            let all: Vec<String> = shapes
                .iter()
                .flat_map(|(domain, shape)| shape.datasets.keys().map(move |dataset| dataset_type(domain, dataset)))
                .collect();
            let fault = statement.fault(&text, format!("`{text}` is no dataset of the mesh"));
            match near(&text, all.iter().map(String::as_str)).as_slice() {
                [] => fault.hint("a dataset is named `domain::dataset`"),
                near => fault.hint(format!("did you mean `{}`?", near.join("` or `"))),
            }
        })
    }
}

impl Scope {
    /// Reads and checks a policy's scope. All its faults at once.
    pub(super) fn of(statement: &Statement, shapes: &BTreeMap<Name, DomainShape>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        check_principal(statement, &mut faults);
        let any_action = statement.body.action == ActionConstraint::Any;
        let actions = actions(statement, &mut faults);
        let resource = resource(statement, shapes, &mut faults);
        if let (Origin::Domain(domain), Some(resource)) = (&statement.origin, &resource) {
            check_within(domain, resource, statement, &mut faults);
        }
        match resource {
            Some(resource) if faults.is_empty() => Ok(Self { actions, any_action, resource }),
            _ => Err(faults),
        }
    }

    /// Whether the policy can apply to `action` on `dataset`, or on one of its columns.
    pub(super) fn touches(&self, action: Action, domain: &Name, products: &BTreeSet<Name>, dataset: &Name) -> bool {
        if !self.actions.contains(&action) {
            return false;
        }
        let of_columns = action.is_of_columns();
        // Asked of the product that holds the dataset, and of its domain.
        let of_holders = action == Action::Administer;
        let exactly = self.resource.exactly.as_ref().is_none_or(|target| match target {
            Target::Dataset { domain: d, dataset: s } => !of_columns && d == domain && s == dataset,
            Target::Column { domain: d, dataset: s, .. } => of_columns && d == domain && s == dataset,
            Target::Domain(d) => of_holders && d == domain,
            Target::Product { domain: d, product } => of_holders && d == domain && products.contains(product),
        });
        let within = self.resource.within.as_ref().is_none_or(|target| match target {
            Target::Domain(d) => d == domain,
            Target::Product { domain: d, product } => d == domain && products.contains(product),
            Target::Dataset { domain: d, dataset: s } => d == domain && s == dataset,
            Target::Column { domain: d, dataset: s, .. } => of_columns && d == domain && s == dataset,
        });
        let is = self.resource.is.as_ref().is_none_or(|ty| match ty {
            Type::Dataset { domain: d, dataset: s } => !of_columns && d == domain && s == dataset,
            Type::Column => of_columns,
            Type::Domain | Type::Product => of_holders,
        });
        exactly && within && is
    }

    /// Whether the scope names columns one by one.
    pub(super) fn names_columns(&self) -> bool {
        [&self.resource.exactly, &self.resource.within].into_iter().any(|t| matches!(t, Some(Target::Column { .. })))
    }
}

/// Whether a policy's scope can hold for this principal.
pub(super) fn concerns(constraint: &PrincipalConstraint, principal: &Principal) -> bool {
    let is = |ty: &pst::EntityType| match principal.identity {
        Identity::User(_) => ty.to_string() == USER,
        Identity::Domain(_) => ty.to_string() == DOMAIN,
    };
    let equals = |entity: &EntityUID| match &principal.identity {
        Identity::User(name) => entity.ty.to_string() == USER && entity.eid.as_str() == &**name,
        Identity::Domain(name) => entity.ty.to_string() == DOMAIN && entity.eid.as_str() == name.as_str(),
    };
    let within = |entity: &EntityUID| {
        equals(entity) || (entity.ty.to_string() == GROUP && principal.groups.contains(entity.eid.as_str()))
    };
    match constraint {
        PrincipalConstraint::Eq(EntityOrSlot::Entity(entity)) => equals(entity),
        PrincipalConstraint::In(EntityOrSlot::Entity(entity)) => within(entity),
        PrincipalConstraint::Is(ty) => is(ty),
        PrincipalConstraint::IsIn(ty, EntityOrSlot::Entity(entity)) => is(ty) && within(entity),
        // Templates are refused at load; if one came here, it would concern everyone.
        PrincipalConstraint::Any
        | PrincipalConstraint::Eq(EntityOrSlot::Slot(_))
        | PrincipalConstraint::In(EntityOrSlot::Slot(_))
        | PrincipalConstraint::IsIn(_, EntityOrSlot::Slot(_)) => true,
    }
}

fn check_principal(statement: &Statement, faults: &mut Vec<Fault>) {
    let mut check_type = |ty: &pst::EntityType| {
        let text = ty.to_string();
        if text != USER && text != DOMAIN {
            faults.push(
                statement
                    .fault(&text, format!("no principal is a `{text}`"))
                    .hint("a principal is a `User` or, for derived products, a `Domain`; for a group write `principal in Group::\"…\"`"),
            );
        }
    };
    match &statement.body.principal {
        PrincipalConstraint::Eq(EntityOrSlot::Entity(entity)) => check_type(&entity.ty),
        PrincipalConstraint::Is(ty) | PrincipalConstraint::IsIn(ty, _) => check_type(ty),
        PrincipalConstraint::Any | PrincipalConstraint::Eq(_) | PrincipalConstraint::In(_) => {}
    }
    if let PrincipalConstraint::In(EntityOrSlot::Entity(entity))
    | PrincipalConstraint::IsIn(_, EntityOrSlot::Entity(entity)) = &statement.body.principal
    {
        let text = entity.ty.to_string();
        if ![USER, DOMAIN, GROUP].contains(&text.as_str()) {
            faults.push(
                statement
                    .fault(&text, format!("no principal is in a `{text}`"))
                    .hint("principals are in groups: write `principal in Group::\"…\"`"),
            );
        }
    }
}

fn actions(statement: &Statement, faults: &mut Vec<Fault>) -> BTreeSet<Action> {
    let known = Action::ALL.map(Action::as_str).join("`, `");
    let mut resolve = |entity: &EntityUID, grouped: bool| -> BTreeSet<Action> {
        let id = entity.eid.as_str();
        if entity.ty.to_string() == ACTION {
            if id == READ {
                if !grouped {
                    faults.push(
                        statement
                            .fault(READ, "`read` is a group of actions: nothing equals it")
                            .hint(format!("write `action in Action::\"{READ}\"`")),
                    );
                }
                return Action::read_group();
            }
            if let Some(action) = Action::parse(id) {
                return BTreeSet::from([action]);
            }
        }
        let near = near(id, Action::ALL.iter().map(|action| action.as_str()).chain([READ]));
        let fault = statement.fault(id, format!("`{}` is no action", entity));
        faults.push(match near.as_slice() {
            [] => fault.hint(format!("the actions are `{known}`, and the group `{READ}`")),
            near => fault.hint(format!("did you mean `Action::\"{}\"`?", near.join("\"` or `Action::\""))),
        });
        BTreeSet::new()
    };
    match &statement.body.action {
        ActionConstraint::Any => Action::ALL.into_iter().collect(),
        ActionConstraint::Eq(entity) => resolve(entity, false),
        ActionConstraint::In(entities) => entities.iter().flat_map(|entity| resolve(entity, true)).collect(),
    }
}

fn resource(
    statement: &Statement,
    shapes: &BTreeMap<Name, DomainShape>,
    faults: &mut Vec<Fault>,
) -> Option<ResourceScope> {
    let mut target = |named: &EntityOrSlot| match named {
        EntityOrSlot::Entity(entity) => match Target::parse(entity, shapes, statement) {
            Ok(target) => Some(target),
            Err(fault) => {
                faults.push(fault);
                None
            }
        },
        EntityOrSlot::Slot(_) => {
            faults.push(statement.fault("?resource", "a policy template cannot be checked"));
            None
        }
    };
    let mut scope = ResourceScope { exactly: None, within: None, is: None };
    match &statement.body.resource {
        ResourceConstraint::Any => {}
        ResourceConstraint::Eq(named) => scope.exactly = Some(target(named)?),
        ResourceConstraint::In(named) => scope.within = Some(target(named)?),
        ResourceConstraint::Is(ty) | ResourceConstraint::IsIn(ty, _) => {
            if let ResourceConstraint::IsIn(_, named) = &statement.body.resource {
                scope.within = Some(target(named)?);
            }
            match Type::parse(ty, shapes, statement) {
                Ok(ty) => scope.is = Some(ty),
                Err(fault) => {
                    faults.push(fault);
                    return None;
                }
            }
        }
    }
    Some(scope)
}

/// A domain speaks of its own things alone.
fn check_within(domain: &Name, resource: &ResourceScope, statement: &Statement, faults: &mut Vec<Fault>) {
    let hint = format!("write `resource in Domain::\"{domain}\"`, or name one of its products or datasets");
    let foreign = |other: &Name| {
        statement
            .fault(other.as_str(), format!("a policy of `{domain}` may not speak of the domain `{other}`"))
            .hint(hint.clone())
    };
    let named = [&resource.exactly, &resource.within];
    for target in named.into_iter().flatten() {
        if target.domain() != domain {
            faults.push(foreign(target.domain()));
        }
    }
    match &resource.is {
        Some(Type::Dataset { domain: other, .. }) if other != domain => faults.push(foreign(other)),
        Some(Type::Dataset { .. }) => {}
        _ if named.into_iter().all(Option::is_none) => {
            faults.push(
                statement
                    .fault(
                        "resource",
                        format!("the resource is not bounded: a policy of `{domain}` speaks of its own domain alone"),
                    )
                    .hint(hint),
            );
        }
        _ => {}
    }
}
