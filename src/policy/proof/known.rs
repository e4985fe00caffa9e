//! What is known of a question before anybody asks it: the thing asked for, with its parents, classification, tags and
//! columns, the action, and whether a user or a domain asks. Conditions are told all this, and what is left speaks of the
//! principal, the purpose, the clock and the row alone.
//!
//! Contracts are a part of it: a policy that did not change says another thing of a column whose tags did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, EntityType, EntityUID, Expr, Literal, Name, NonEmpty, SmolStr, UnaryOp, Var};

use cedar_policy::RequestEnv;

use super::logic::{self, Condition, constant, decided};
use crate::policy::vocabulary::{ACTION, Action, COLUMN, DOMAIN, GROUP, PRODUCT, READ, ROW, USER, uid};
use crate::policy::vocabulary::{column_id, dataset_id};
use crate::product::{Column, Dataset, Product};

/// The two kinds of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Asker {
    User,
    Domain,
}

impl Asker {
    pub(super) const ALL: [Self; 2] = [Self::User, Self::Domain];

    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::User => USER,
            Self::Domain => DOMAIN,
        }
    }
}

/// An attribute whose value the contract says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Texts(BTreeSet<String>),
}

/// A thing that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Thing {
    uid: EntityUID,
    above: Vec<EntityUID>,
    attributes: BTreeMap<&'static str, Value>,
    /// The columns of its rows; none for a thing without rows.
    row: Option<BTreeSet<String>>,
}

/// A question's known part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) asker: Asker,
    pub(super) action: Action,
    pub(super) thing: &'a Thing,
}

/// A condition that says more than can be told apart here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is more than the prover understands")]
pub(super) struct Beyond(String);

/// A request of this kind, as the solver takes it; none if a name is no name of Cedar.
pub(super) fn environment(asker: Asker, action: Action, resource: &str) -> Option<RequestEnv> {
    let action = uid(ACTION, action.as_str()).ok()?;
    Some(RequestEnv::new(asker.type_name().parse().ok()?, action, resource.parse().ok()?))
}

impl Beyond {
    pub(super) fn of(what: impl ToString) -> Self {
        Self(what.to_string())
    }
}

impl Thing {
    /// A dataset, for `discover` and `query`.
    pub(super) fn dataset(product: &Product, dataset: &Dataset) -> Option<Self> {
        let domain = &product.id.domain;
        let ty = Name::qualified([domain.as_str()], dataset.name.as_str()).ok()?;
        Some(Self {
            uid: EntityUID { ty: EntityType(ty), eid: dataset_id(domain, &dataset.name).into() },
            above: holders(product)?,
            attributes: BTreeMap::from([
                ("classification", Value::Text(product.classification.clone())),
                ("tags", Value::Texts(product.tags.clone())),
                ("owner", Value::Text(product.owner.clone())),
            ]),
            row: Some(dataset.columns.iter().map(|column| column.name.clone()).collect()),
        })
    }

    /// A column of a dataset.
    pub(super) fn column(product: &Product, dataset: &Dataset, column: &Column) -> Option<Self> {
        let of = Self::dataset(product, dataset)?;
        Some(Self {
            uid: named(COLUMN, &column_id(&product.id.domain, &dataset.name, &column.name))?,
            above: of.above.into_iter().chain([of.uid]).collect(),
            attributes: BTreeMap::from([
                ("name", Value::Text(column.name.clone())),
                ("classification", Value::Text(column.classification.clone())),
                ("tags", Value::Texts(column.tags.clone())),
            ]),
            row: None,
        })
    }

    /// A product, for `administer`.
    pub(super) fn product(product: &Product) -> Option<Self> {
        let mut above = holders(product)?;
        let uid = above.remove(0);
        Some(Self { uid, above, attributes: BTreeMap::new(), row: None })
    }

    /// A product's domain, for `administer`.
    pub(super) fn domain(product: &Product) -> Option<Self> {
        let uid = holders(product)?.pop()?;
        Some(Self { uid, above: Vec::new(), attributes: BTreeMap::new(), row: None })
    }

    fn is_in(&self, entity: &EntityUID) -> bool {
        self.uid == *entity || self.above.contains(entity)
    }
}

/// A product and its domain.
fn holders(product: &Product) -> Option<Vec<EntityUID>> {
    Some(vec![named(PRODUCT, &product.id.to_string())?, named(DOMAIN, product.id.domain.as_str())?])
}

fn named(ty: &str, id: &str) -> Option<EntityUID> {
    Some(EntityUID { ty: EntityType(Name::unqualified(ty).ok()?), eid: id.into() })
}

impl Known<'_> {
    /// A condition with all that is known told to it.
    ///
    /// # Errors
    /// [`Beyond`] where it uses the thing asked for in a way that is not foreseen.
    pub(super) fn tell(&self, condition: &Expr) -> Result<Condition, Beyond> {
        let beyond = || Err(Beyond(condition.to_string()));
        Ok(match condition {
            Expr::Var(Var::Resource) => logic::entity(&self.thing.uid),
            Expr::Var(Var::Action) => match named(ACTION, self.action.as_str()) {
                Some(action) => logic::entity(&action),
                None => return beyond(),
            },
            Expr::GetAttr { expr: of, attr } => match of.as_ref() {
                Expr::Var(Var::Resource) => match self.thing.attributes.get(attr.as_str()) {
                    Some(Value::Text(text)) => Arc::new(Expr::Literal(Literal::String(text.into()))),
                    Some(Value::Texts(texts)) => set(texts),
                    None => return beyond(),
                },
                of if is_row(of) => match &self.thing.row {
                    Some(columns) if columns.contains(attr.as_str()) => Arc::new(condition.clone()),
                    _ => return beyond(),
                },
                of => Arc::new(Expr::GetAttr { expr: self.tell(of)?, attr: attr.clone() }),
            },
            Expr::HasAttr { expr: of, attrs } => self.has(of, attrs)?,
            Expr::Is { expr: of, entity_type, in_expr } => {
                let ty = entity_type.to_string();
                let is = match of.as_ref() {
                    Expr::Var(Var::Principal) => ty == self.asker.type_name(),
                    Expr::Var(Var::Resource) => *entity_type == self.thing.uid.ty,
                    _ => return beyond(),
                };
                match in_expr {
                    Some(within) if is => self.within(of, within)?,
                    _ => constant(is),
                }
            }
            Expr::BinaryOp { op: BinaryOp::In, left, right } => self.within(left, right)?,
            Expr::BinaryOp { op: BinaryOp::And, left, right } => {
                let left = self.tell(left)?;
                if decided(&left) == Some(false) { left } else { logic::and(left, self.tell(right)?) }
            }
            Expr::BinaryOp { op: BinaryOp::Or, left, right } => {
                let left = self.tell(left)?;
                if decided(&left) == Some(true) { left } else { logic::or(left, self.tell(right)?) }
            }
            Expr::UnaryOp { op: UnaryOp::Not, expr } => logic::not(self.tell(expr)?),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                let cond = self.tell(cond)?;
                match decided(&cond) {
                    Some(true) => self.tell(then_expr)?,
                    Some(false) => self.tell(else_expr)?,
                    None => Arc::new(Expr::IfThenElse {
                        cond,
                        then_expr: self.tell(then_expr)?,
                        else_expr: self.tell(else_expr)?,
                    }),
                }
            }
            Expr::BinaryOp { op, left, right } => self.compared(*op, left, right)?,
            Expr::UnaryOp { op: UnaryOp::IsEmpty, expr } => {
                let set = self.tell(expr)?;
                match set.as_ref() {
                    Expr::Set(items) => constant(items.is_empty()),
                    _ => Arc::new(Expr::UnaryOp { op: UnaryOp::IsEmpty, expr: set }),
                }
            }
            Expr::UnaryOp { op, expr } => Arc::new(Expr::UnaryOp { op: *op, expr: self.tell(expr)? }),
            Expr::Like { expr, pattern } => Arc::new(Expr::Like { expr: self.tell(expr)?, pattern: pattern.clone() }),
            Expr::Set(items) => {
                Arc::new(Expr::Set(items.iter().map(|item| self.tell(item)).collect::<Result<_, _>>()?))
            }
            Expr::Literal(_) | Expr::Var(Var::Principal | Var::Context) => Arc::new(condition.clone()),
            _ => return beyond(),
        })
    }

    fn has(&self, of: &Expr, attrs: &NonEmpty<SmolStr>) -> Result<Condition, Beyond> {
        let as_it_is = || Arc::new(Expr::HasAttr { expr: Arc::new(of.clone()), attrs: attrs.clone() });
        let path: Vec<&str> = attrs.iter().map(SmolStr::as_str).collect();
        let column = |name: &str| match &self.thing.row {
            Some(columns) if columns.contains(name) => Arc::new(Expr::HasAttr {
                expr: Arc::new(Expr::GetAttr { expr: logic::var(Var::Resource), attr: ROW.into() }),
                attrs: NonEmpty::new(name.into()),
            }),
            _ => constant(false),
        };
        Ok(match (of, path.as_slice()) {
            (Expr::Var(Var::Resource), [ROW]) => constant(self.thing.row.is_some()),
            (Expr::Var(Var::Resource), [ROW, name]) => column(name),
            (Expr::Var(Var::Resource), [name]) => constant(self.thing.attributes.contains_key(name)),
            (row, [name]) if is_row(row) => column(name),
            // A domain has no attributes.
            (Expr::Var(Var::Principal), [_]) if self.asker == Asker::Domain => constant(false),
            (Expr::Var(Var::Principal | Var::Context), [_]) => as_it_is(),
            _ => return Err(Beyond(as_it_is().to_string())),
        })
    }

    fn within(&self, left: &Expr, right: &Expr) -> Result<Condition, Beyond> {
        let named = match right {
            Expr::Literal(Literal::EntityUID(entity)) => vec![entity],
            Expr::Set(items) => {
                let entities = items.iter().map(|item| match item.as_ref() {
                    Expr::Literal(Literal::EntityUID(entity)) => Some(entity),
                    _ => None,
                });
                entities.collect::<Option<Vec<_>>>().ok_or_else(|| Beyond(right.to_string()))?
            }
            // A principal is in a thing of the mesh only by being it.
            Expr::Var(Var::Resource) => vec![&self.thing.uid],
            _ => return Err(Beyond(format!("{left} in {right}"))),
        };
        Ok(match left {
            Expr::Var(Var::Resource) => constant(named.into_iter().any(|entity| self.thing.is_in(entity))),
            Expr::Var(Var::Action) => constant(named.into_iter().any(|entity| self.is_action(entity))),
            Expr::Var(Var::Principal) => {
                logic::any(named.into_iter().map(|entity| self.principal_in(entity)).collect())
            }
            _ => return Err(Beyond(format!("{left} in {right}"))),
        })
    }

    fn is_action(&self, entity: &EntityUID) -> bool {
        entity.ty.to_string() == ACTION
            && (entity.eid == self.action.as_str() || (entity.eid == READ && self.action.is_read()))
    }

    /// Users are in groups; besides, everybody is in themselves.
    fn principal_in(&self, entity: &EntityUID) -> Condition {
        let principal = || logic::var(Var::Principal);
        let ty = entity.ty.to_string();
        if ty == self.asker.type_name() {
            logic::binary(BinaryOp::Eq, principal(), logic::entity(entity))
        } else if self.asker == Asker::User && ty == GROUP {
            logic::binary(BinaryOp::In, principal(), logic::entity(entity))
        } else {
            constant(false)
        }
    }

    fn compared(&self, op: BinaryOp, left: &Expr, right: &Expr) -> Result<Condition, Beyond> {
        let (left, right) = (self.tell(left)?, self.tell(right)?);
        let known = match (op, left.as_ref(), right.as_ref()) {
            (BinaryOp::Eq | BinaryOp::NotEq, Expr::Literal(a), Expr::Literal(b)) => {
                Some((a == b) == (op == BinaryOp::Eq))
            }
            (BinaryOp::Eq | BinaryOp::NotEq, Expr::Var(Var::Principal), Expr::Literal(Literal::EntityUID(entity)))
            | (BinaryOp::Eq | BinaryOp::NotEq, Expr::Literal(Literal::EntityUID(entity)), Expr::Var(Var::Principal))
                if entity.ty.to_string() != self.asker.type_name() =>
            {
                Some(op == BinaryOp::NotEq)
            }
            (BinaryOp::Contains, Expr::Set(items), Expr::Literal(_)) if literals(items) => Some(items.contains(&right)),
            (BinaryOp::ContainsAny, Expr::Set(a), Expr::Set(b)) if literals(a) && literals(b) => {
                Some(b.iter().any(|item| a.contains(item)))
            }
            (BinaryOp::ContainsAll, Expr::Set(a), Expr::Set(b)) if literals(a) && literals(b) => {
                Some(b.iter().all(|item| a.contains(item)))
            }
            // Cedar's validator does not take an empty set: what it says is said otherwise.
            (BinaryOp::Contains | BinaryOp::ContainsAny, Expr::Set(items), _) if items.is_empty() => Some(false),
            (BinaryOp::ContainsAny, _, Expr::Set(items)) if items.is_empty() => Some(false),
            (BinaryOp::ContainsAll, _, Expr::Set(items)) if items.is_empty() => Some(true),
            _ => None,
        };
        if let Some(known) = known {
            return Ok(constant(known));
        }
        let is_empty = |set: &Expr| matches!(set, Expr::Set(items) if items.is_empty());
        let other = match (is_empty(&left), is_empty(&right)) {
            (true, false) => &right,
            (false, true) => &left,
            _ => return Ok(logic::binary(op, left, right)),
        };
        let empty = match other.as_ref() {
            Expr::Set(items) => constant(items.is_empty()),
            _ => Arc::new(Expr::UnaryOp { op: UnaryOp::IsEmpty, expr: Arc::clone(other) }),
        };
        match op {
            BinaryOp::Eq | BinaryOp::ContainsAll => Ok(empty),
            BinaryOp::NotEq => Ok(logic::not(empty)),
            _ => Ok(logic::binary(op, left, right)),
        }
    }
}

fn set(texts: &BTreeSet<String>) -> Condition {
    Arc::new(Expr::Set(texts.iter().map(|text| Arc::new(Expr::Literal(Literal::String(text.into())))).collect()))
}

fn literals(items: &[Condition]) -> bool {
    items.iter().all(|item| matches!(item.as_ref(), Expr::Literal(_)))
}

/// `resource.row`.
pub(super) fn is_row(expr: &Expr) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Resource) && attr == ROW)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use cedar_policy::Policy;

    use super::*;
    use crate::policy::proof::logic::condition_of;
    use crate::policy::tests::fixtures::orders;

    fn parsed(condition: &str) -> Condition {
        let policy =
            Policy::from_str(&format!("permit (principal, action, resource) when {{ {condition} }};")).unwrap();
        condition_of(policy.to_pst().unwrap().body())
    }

    fn check(thing: &Thing, asker: Asker, action: Action, condition: &str, expected: &str) {
        let told = Known { asker, action, thing }.tell(&parsed(condition));
        assert_eq!(told, Ok(parsed(expected)), "{condition}");
    }

    #[test]
    fn a_dataset_is_known_but_for_its_rows() {
        let product = orders();
        let thing = Thing::dataset(&product, &product.datasets[0]).unwrap();
        for (condition, expected) in [
            (r#"resource in Product::"sales.orders""#, "true"),
            (r#"resource in [Product::"sales.returns", Domain::"sales"]"#, "true"),
            (r#"resource in Domain::"marketing""#, "false"),
            (r#"resource is sales::orders in Domain::"sales""#, "true"),
            (r#"resource.classification == "internal""#, "true"),
            (r#"resource.tags.contains("pii") || resource.tags == ["a"]"#, "false"),
            (r#"resource.tags.isEmpty() && principal in Domain::"sales""#, "false"),
            (r#"action in Action::"read""#, "true"),
            (r#"action == Action::"readRaw""#, "false"),
            (r#"resource has row.nothing && resource.row.nothing == 1"#, "false"),
            (r#"resource.row has note"#, "resource.row has note"),
            (r#"principal == Domain::"sales""#, "false"),
            (r#"principal has region"#, "principal has region"),
            (r#"principal has regions && principal.regions.containsAll(resource.tags)"#, "principal has regions"),
            (r#"if resource.owner == "x" then principal == resource else true"#, "true"),
        ] {
            check(&thing, Asker::User, Action::Query, condition, expected);
        }
        check(&thing, Asker::Domain, Action::Query, r#"principal in Group::"a""#, "false");
        check(&thing, Asker::Domain, Action::Query, "principal has region", "false");
    }

    #[test]
    fn a_column_is_known() {
        let product = orders();
        let dataset = &product.datasets[0];
        let email = Thing::column(&product, dataset, dataset.column("email").unwrap()).unwrap();
        for (condition, expected) in [
            (r#"resource.tags.contains("pii") && resource.name == "email""#, "true"),
            (r#"resource in sales::orders::"sales.orders""#, "true"),
            (r#"["pii", "birth"].containsAny(resource.tags)"#, "true"),
            (r#"resource has row"#, "false"),
            (r#"resource == Column::"sales.orders.phone""#, "false"),
        ] {
            check(&email, Asker::User, Action::ReadColumn, condition, expected);
        }
    }
}
