//! Whom and what a policy names: the candidates worth asking about, when nobody can list all principals.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{BinaryOp, EntityOrSlot, EntityUID, Expr, Literal as CedarLiteral, PrincipalConstraint, Var};

use super::Literal;
use super::literals::literal;
use super::statement::Statement;
use super::vocabulary::{DOMAIN, GROUP, USER};

/// What policies name of principals and of the context, in their scopes and in their conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Groups.
    pub groups: BTreeSet<String>,
    /// Users.
    pub users: BTreeSet<String>,
    /// Domains, as principals.
    pub domains: BTreeSet<String>,
    /// Purposes that conditions compare with.
    pub purposes: BTreeSet<String>,
    /// Whether a condition looks at the purpose in another way (`like`): then the purposes above are not all.
    pub purpose_patterns: bool,
    /// Attributes of the principal, each with the literals it is compared with.
    pub attributes: BTreeMap<String, BTreeSet<Literal>>,
}

impl Mentions {
    pub(super) fn of(statement: &Statement) -> Self {
        let mut found = Self::default();
        match &statement.body.principal {
            PrincipalConstraint::Eq(EntityOrSlot::Entity(entity))
            | PrincipalConstraint::In(EntityOrSlot::Entity(entity))
            | PrincipalConstraint::IsIn(_, EntityOrSlot::Entity(entity)) => found.principal(entity),
            _ => {}
        }
        for condition in statement.conditions() {
            let noted = condition.reduce(&|expr| Self::noted(expr), &Self::and, Self::default());
            found = found.and(noted);
        }
        found
    }

    /// All that either names.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.groups.extend(other.groups);
        self.users.extend(other.users);
        self.domains.extend(other.domains);
        self.purposes.extend(other.purposes);
        self.purpose_patterns |= other.purpose_patterns;
        for (name, literals) in other.attributes {
            self.attributes.entry(name).or_default().extend(literals);
        }
        self
    }

    fn principal(&mut self, entity: &EntityUID) {
        let id = entity.eid.to_string();
        match entity.ty.to_string().as_str() {
            GROUP => self.groups.insert(id),
            USER => self.users.insert(id),
            DOMAIN => self.domains.insert(id),
            _ => false,
        };
    }

    /// What one part of a condition names; none to look into its parts.
    fn noted(expr: &Expr) -> Option<Self> {
        let mut found = Self::default();
        match expr {
            Expr::Literal(CedarLiteral::EntityUID(entity)) => found.principal(entity),
            Expr::GetAttr { .. } => found.compared(expr, &[]).then_some(())?,
            Expr::HasAttr { expr: of, attrs } if **of == Expr::Var(Var::Principal) => {
                found.attributes.entry(attrs.first().to_string()).or_default();
            }
            Expr::Like { expr, .. } if is_purpose(expr) => found.purpose_patterns = true,
            Expr::BinaryOp { op: BinaryOp::In | BinaryOp::And | BinaryOp::Or, .. } => return None,
            Expr::BinaryOp { left, right, .. } => {
                let noted = found.compared(left, &literals_of(right)) | found.compared(right, &literals_of(left));
                noted.then_some(())?;
            }
            _ => return None,
        }
        Some(found)
    }

    /// Notes an expression of the purpose or of an attribute, and what it is compared with.
    fn compared(&mut self, expr: &Expr, with: &[Literal]) -> bool {
        if is_purpose(expr) {
            let texts = with.iter().filter_map(|literal| match literal {
                Literal::Text(text) => Some(text.clone()),
                _ => None,
            });
            self.purposes.extend(texts);
            return true;
        }
        match expr {
            Expr::GetAttr { expr: of, attr } if **of == Expr::Var(Var::Principal) => {
                self.attributes.entry(attr.to_string()).or_default().extend(with.iter().cloned());
                true
            }
            _ => false,
        }
    }
}

fn is_purpose(expr: &Expr) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Context) && attr == "purpose")
}

/// A literal, or those of a set.
fn literals_of(expr: &Expr) -> Vec<Literal> {
    match expr {
        Expr::Set(items) => items.iter().filter_map(|item| literal(item)).collect(),
        other => literal(other).into_iter().collect(),
    }
}
