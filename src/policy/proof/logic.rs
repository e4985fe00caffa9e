//! Conditions put together: policies as one boolean expression each, joined and simplified.
//!
//! Simplifying keeps Cedar's order of evaluation: a part is dropped only where the part before it decides.

use std::sync::Arc;

use cedar_policy::pst::{
    BinaryOp, Clause, EntityOrSlot, EntityType, EntityUID, Expr, Literal, PrincipalConstraint, ResourceConstraint,
    Template, UnaryOp, Var,
};

/// A condition, shared: the same one stands in many questions.
pub(super) type Condition = Arc<Expr>;

/// A literal truth.
pub(super) fn constant(value: bool) -> Condition {
    Arc::new(Expr::Literal(Literal::Bool(value)))
}

/// The literal truth that a condition is.
pub(super) fn decided(condition: &Expr) -> Option<bool> {
    match condition {
        Expr::Literal(Literal::Bool(value)) => Some(*value),
        _ => None,
    }
}

pub(super) fn not(condition: Condition) -> Condition {
    match condition.as_ref() {
        Expr::Literal(Literal::Bool(value)) => constant(!value),
        Expr::UnaryOp { op: UnaryOp::Not, expr } => Arc::clone(expr),
        _ => Arc::new(Expr::UnaryOp { op: UnaryOp::Not, expr: condition }),
    }
}

pub(super) fn and(left: Condition, right: Condition) -> Condition {
    match (decided(&left), decided(&right)) {
        (Some(false), _) | (_, Some(true)) => left,
        (Some(true), _) => right,
        _ if left == right => left,
        _ => binary(BinaryOp::And, left, right),
    }
}

pub(super) fn or(left: Condition, right: Condition) -> Condition {
    match (decided(&left), decided(&right)) {
        (Some(true), _) | (_, Some(false)) => left,
        (Some(false), _) => right,
        _ if left == right => left,
        _ => binary(BinaryOp::Or, left, right),
    }
}

pub(super) fn binary(op: BinaryOp, left: Condition, right: Condition) -> Condition {
    Arc::new(Expr::BinaryOp { op, left, right })
}

/// Whether one of them holds; equal ones count once. The tree is balanced: a chain would be as deep as it is long.
pub(super) fn any(conditions: Vec<Condition>) -> Condition {
    let mut distinct: Vec<Condition> = Vec::new();
    for condition in conditions {
        match decided(&condition) {
            Some(true) => return condition,
            Some(false) => {}
            None if distinct.contains(&condition) => {}
            None => distinct.push(condition),
        }
    }
    joined(&distinct, false, or)
}

/// Whether all of them hold.
pub(super) fn all(conditions: Vec<Condition>) -> Condition {
    joined(&conditions, true, and)
}

fn joined(conditions: &[Condition], empty: bool, join: fn(Condition, Condition) -> Condition) -> Condition {
    match conditions {
        [] => constant(empty),
        [only] => Arc::clone(only),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            join(joined(left, empty, join), joined(right, empty, join))
        }
    }
}

pub(super) fn entity(entity: &EntityUID) -> Condition {
    Arc::new(Expr::Literal(Literal::EntityUID(entity.clone())))
}

pub(super) fn var(var: Var) -> Condition {
    Arc::new(Expr::Var(var))
}

/// When a policy holds: its scope and its clauses, but for its action, which is what was asked.
pub(super) fn condition_of(policy: &Template) -> Condition {
    let mut parts = vec![principal(&policy.principal), resource(&policy.resource)];
    parts.extend(policy.clauses().iter().map(|clause| match clause {
        Clause::When(condition) => Arc::clone(condition),
        Clause::Unless(condition) => not(Arc::clone(condition)),
    }));
    // In their order: what a clause knows to be there, the next may look at.
    parts.into_iter().fold(constant(true), and)
}

fn principal(scope: &PrincipalConstraint) -> Condition {
    let subject = || var(Var::Principal);
    match scope {
        PrincipalConstraint::Any => constant(true),
        PrincipalConstraint::Eq(named) => related(BinaryOp::Eq, subject(), named),
        PrincipalConstraint::In(named) => related(BinaryOp::In, subject(), named),
        PrincipalConstraint::Is(ty) => is(subject(), ty),
        PrincipalConstraint::IsIn(ty, named) => and(is(subject(), ty), related(BinaryOp::In, subject(), named)),
    }
}

fn resource(scope: &ResourceConstraint) -> Condition {
    let subject = || var(Var::Resource);
    match scope {
        ResourceConstraint::Any => constant(true),
        ResourceConstraint::Eq(named) => related(BinaryOp::Eq, subject(), named),
        ResourceConstraint::In(named) => related(BinaryOp::In, subject(), named),
        ResourceConstraint::Is(ty) => is(subject(), ty),
        ResourceConstraint::IsIn(ty, named) => and(is(subject(), ty), related(BinaryOp::In, subject(), named)),
    }
}

fn is(subject: Condition, ty: &EntityType) -> Condition {
    Arc::new(Expr::Is { expr: subject, entity_type: ty.clone(), in_expr: None })
}

fn related(op: BinaryOp, subject: Condition, named: &EntityOrSlot) -> Condition {
    match named {
        EntityOrSlot::Entity(named) => binary(op, subject, entity(named)),
        // Templates are refused at load.
        EntityOrSlot::Slot(_) => constant(false),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use cedar_policy::Policy;

    use super::*;

    fn condition(text: &str) -> String {
        condition_of(Policy::from_str(text).unwrap().to_pst().unwrap().body()).to_string()
    }

    #[test]
    fn a_policy_is_its_scope_and_its_clauses() {
        for (policy, expected) in [
            ("permit (principal, action, resource);", "true"),
            (
                r#"permit (principal in Group::"a", action, resource) unless { context.x } when { true };"#,
                r#"principal in Group::"a" && !context.x"#,
            ),
            (
                r#"forbid (principal is User in Group::"a", action, resource == P::"x");"#,
                r#"principal is User && principal in Group::"a" && resource == P::"x""#,
            ),
        ] {
            assert_eq!(condition(policy).replace(['(', ')'], ""), expected.replace(['(', ')'], ""), "{policy}");
        }
    }

    #[test]
    fn what_is_decided_disappears() {
        let open = || var(Var::Context);
        assert_eq!(any(vec![constant(false), open(), open()]), open());
        assert_eq!(decided(&any(vec![open(), constant(true)])), Some(true));
        assert_eq!(all(vec![constant(true), open()]), open());
        assert_eq!(decided(&and(constant(false), open())), Some(false));
        assert_eq!(not(not(open())), open());
        // What stands before is evaluated before: it stays.
        assert_eq!(decided(&and(open(), constant(false))), None);
    }
}
