//! What is allowed and yet hardly meant: a row filter that another permit makes meaningless, a group that
//! nobody is in, a contract whose roles say other than the policies. Warnings, never faults: nothing here
//! shows more than the policies say.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{BinaryOp, Clause, EntityOrSlot, EntityUID, Expr, Literal, PrincipalConstraint, Var};

use super::Grantee;
use super::decide::Policies;
use super::load::{DatasetSlices, DomainSet};
use super::source_check::Findings;
use super::statement::{Origin, Statement, near};
use super::vocabulary::{Action, GROUP, ROW, USER};
use crate::fault::Fault;
use crate::product::{Name, Product};

/// For each group, every group it lies within, directly or not.
pub type GroupsAbove = BTreeMap<String, BTreeSet<String>>;

/// What advice needs to know of a policy.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    principal: PrincipalConstraint,
    /// A fault of nothing, for its place.
    place: Fault,
    ceiling: bool,
    /// Whether its condition looks at the row.
    filters: bool,
    /// The operands of its conditions that look at neither the row nor the clock.
    conditions: BTreeSet<String>,
    /// The groups it names, each with its place.
    groups: Vec<(String, Fault)>,
}

impl Fact {
    pub(super) fn of(statement: &Statement, findings: &Findings) -> Self {
        let mut conditions = BTreeSet::new();
        let mut groups = BTreeSet::new();
        for clause in statement.body.clauses() {
            match clause {
                Clause::When(condition) => operands(condition, &mut conditions),
                Clause::Unless(condition) => drop(conditions.insert(format!("!({condition})"))),
            }
        }
        for condition in statement.conditions() {
            groups.extend(condition.reduce(&groups_in, &|a: Vec<String>, b| [a, b].concat(), Vec::new()));
        }
        groups.extend(scope_entity(&statement.body.principal).and_then(group));
        let place = |group: String| {
            let fault = statement.fault(&format!("\"{group}\""), "");
            (group, fault)
        };
        Self {
            principal: statement.body.principal.clone(),
            place: statement.fault("", ""),
            ceiling: statement.origin == Origin::Ceiling,
            filters: findings.filters_rows,
            conditions,
            groups: groups.into_iter().map(place).collect(),
        }
    }

    /// Whether whoever `filtered` shows some rows is shown every row by this one, at least for a time.
    fn swallows(&self, filtered: &Self, above: &GroupsAbove) -> bool {
        self.conditions.is_subset(&filtered.conditions) && covers(&self.principal, &filtered.principal, above)
    }

    fn shown_place(&self) -> String {
        format!("{}:{}", self.place.file.display(), self.place.line.unwrap_or_default())
    }
}

impl Policies {
    /// Row filters that hide nothing, since another permit shows the same principals every row.
    pub fn swallowed_filters(&self, above: &GroupsAbove) -> Vec<Fault> {
        let mut found = Vec::new();
        for set in self.domains.values() {
            for slices in set.slices.values() {
                let permits: BTreeMap<&str, &Fact> = query_permits(set, slices).collect();
                let (filtered, whole): (Vec<_>, Vec<_>) = permits.into_iter().partition(|(_, fact)| fact.filters);
                for filtered in filtered {
                    let swallowing = whole.iter().filter(|(_, whole)| whole.swallows(filtered.1, above));
                    found.extend(swallowing.map(|whole| swallowed(filtered, *whole)));
                }
            }
        }
        sorted(found)
    }

    /// Groups that policies name and nobody knows. Where `complete` is false there may be others than `known`,
    /// and only what looks like a slip of the pen is reported.
    pub fn unknown_groups(&self, known: &BTreeSet<String>, complete: bool) -> Vec<Fault> {
        if known.is_empty() {
            return Vec::new();
        }
        let facts = self.domains.values().flat_map(|set| set.facts.values());
        let mut found = Vec::new();
        for (group, place) in facts.flat_map(|fact| &fact.groups) {
            if known.contains(group) {
                continue;
            }
            let near = near(group, known.iter().map(String::as_str));
            if near.is_empty() && !complete {
                continue;
            }
            let hint = match near.as_slice() {
                [] => "a permit for it shows nothing, and a forbid forbids nothing; is the group to come?".to_owned(),
                near => format!("did you mean `{}`?", near.join("` or `")),
            };
            let reason = format!("nobody is known to be in the group `{group}`");
            found.push(Fault { reason, ..place.clone() }.hint(hint));
        }
        sorted(found)
    }

    /// Where a contract's roles and the policies differ.
    pub fn roles_against_policies(&self, product: &Product, above: &GroupsAbove) -> Vec<Fault> {
        if product.roles.is_empty() || !product.is_served() {
            return Vec::new();
        }
        let permits = self.permits(&product.id.domain, product.datasets.iter().map(|dataset| &dataset.name));
        let mut found = Vec::new();
        for role in product.roles.iter().filter(|role| role.reads) {
            let permitted = permits.iter().any(|(_, fact)| covers_group(&fact.principal, &role.name, above));
            if !permitted {
                let reason = format!("the contract says that the role `{}` reads, and no policy permits it", role.name);
                found.push(Fault::new(&product.file, reason).at(role.line).hint(format!(
                    "grant it: `airside grant {} --to {}`; or take the role out of the contract",
                    product.id, role.name
                )));
            }
        }
        let named: BTreeSet<&str> = product.roles.iter().map(|role| role.name.as_str()).collect();
        let line = product.roles.first().map(|role| role.line).unwrap_or(1);
        for (id, fact) in &permits {
            let Some(group) = scope_entity(&fact.principal).and_then(group) else { continue };
            if !named.contains(group.as_str()) {
                let reason =
                    format!("`{id}` permits the group `{group}` to read, which the contract's roles do not name");
                let hint = format!("add `- {{role: {group}, access: read}}`; the policy is at {}", fact.shown_place());
                found.push(Fault::new(&product.file, reason).at(line).hint(hint));
            }
        }
        sorted(found)
    }

    /// The permits of rows of some datasets that reach everybody in a group, or one user by name: ids and places.
    pub fn permits_of(
        &self,
        domain: &Name,
        datasets: &[Name],
        to: &Grantee,
        above: &GroupsAbove,
    ) -> Vec<(String, String)> {
        let permits = self.permits(domain, datasets.iter());
        let reach = permits.into_iter().filter(|(_, fact)| match to {
            Grantee::Group(group) => covers_group(&fact.principal, group, above),
            Grantee::User(user) => covers_user(&fact.principal, user),
        });
        reach.map(|(id, fact)| (id.to_owned(), fact.shown_place())).collect()
    }

    /// The permits of rows of some datasets.
    fn permits<'a>(&'a self, domain: &Name, datasets: impl Iterator<Item = &'a Name>) -> BTreeMap<&'a str, &'a Fact> {
        let Some(set) = self.domains.get(domain) else { return BTreeMap::new() };
        let facts =
            datasets.filter_map(|dataset| set.slices.get(dataset)).flat_map(|slices| query_permits(set, slices));
        facts.filter(|(_, fact)| !fact.ceiling).collect()
    }
}

/// The permits of a dataset's rows: ids, and what is known of them.
fn query_permits<'a>(set: &'a DomainSet, slices: &'a DatasetSlices) -> impl Iterator<Item = (&'a str, &'a Fact)> {
    let permits = slices.of.get(&Action::Query).into_iter().flat_map(|slice| slice.permits.policies());
    permits.filter_map(|policy| {
        let id: &str = policy.id().as_ref();
        set.facts.get_key_value(id).map(|(id, fact)| (id.as_str(), fact))
    })
}

fn swallowed((id, filtered): (&str, &Fact), (other, whole): (&str, &Fact)) -> Fault {
    let reason = format!(
        "the row filter of `{id}` hides nothing: `{other}` shows the same principals every row ({})",
        whole.shown_place()
    );
    Fault { reason, ..filtered.place.clone() }.hint(format!(
        "if the filter is meant, narrow `{other}`: `action in [Action::\"discover\", Action::\"readColumn\"]` instead \
         of `Action::\"read\"`; if not, take `{id}` out"
    ))
}

/// Whether `wide` holds for every principal that `narrow` holds for.
fn covers(wide: &PrincipalConstraint, narrow: &PrincipalConstraint, above: &GroupsAbove) -> bool {
    if *wide == PrincipalConstraint::Any || wide == narrow {
        return true;
    }
    match narrow {
        PrincipalConstraint::Any => false,
        PrincipalConstraint::Is(_) => false,
        PrincipalConstraint::Eq(EntityOrSlot::Entity(entity)) if is(entity, USER) => covers_user(wide, &entity.eid),
        _ => match scope_entity(narrow).and_then(group) {
            Some(group) => covers_group(wide, &group, above),
            None => match (scope_entity(wide), scope_entity(narrow)) {
                (Some(wide), Some(narrow)) => wide == narrow,
                _ => {
                    matches!((wide, scope_entity(narrow)), (PrincipalConstraint::Is(ty), Some(entity)) if *ty == entity.ty)
                }
            },
        },
    }
}

fn covers_group(wide: &PrincipalConstraint, narrow: &str, above: &GroupsAbove) -> bool {
    match wide {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Is(ty) => ty.to_string() == USER,
        _ => scope_entity(wide)
            .and_then(group)
            .is_some_and(|wide| wide == narrow || above.get(narrow).is_some_and(|above| above.contains(&wide))),
    }
}

fn covers_user(wide: &PrincipalConstraint, user: &str) -> bool {
    match wide {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Is(ty) => ty.to_string() == USER,
        _ => scope_entity(wide).is_some_and(|entity| is(entity, USER) && entity.eid.as_str() == user),
    }
}

fn scope_entity(principal: &PrincipalConstraint) -> Option<&EntityUID> {
    match principal {
        PrincipalConstraint::Eq(EntityOrSlot::Entity(entity))
        | PrincipalConstraint::In(EntityOrSlot::Entity(entity))
        | PrincipalConstraint::IsIn(_, EntityOrSlot::Entity(entity)) => Some(entity),
        _ => None,
    }
}

fn is(entity: &EntityUID, ty: &str) -> bool {
    entity.ty.to_string() == ty
}

fn group(entity: &EntityUID) -> Option<String> {
    is(entity, GROUP).then(|| entity.eid.to_string())
}

fn groups_in(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Literal(Literal::EntityUID(entity)) => group(entity).map(|group| vec![group]),
        _ => None,
    }
}

/// The operands of a chain of `&&`, without those that look at the row or the clock.
fn operands(expr: &Expr, found: &mut BTreeSet<String>) {
    if let Expr::BinaryOp { op: BinaryOp::And, left, right } = expr {
        operands(left, found);
        operands(right, found);
    } else if !looks_at_row_or_clock(expr) {
        found.insert(expr.to_string());
    }
}

fn looks_at_row_or_clock(expr: &Expr) -> bool {
    let looks = |expr: &Expr| match expr {
        Expr::GetAttr { expr: of, attr } => {
            let row = **of == Expr::Var(Var::Resource) && attr == ROW;
            let clock = **of == Expr::Var(Var::Context) && attr == "now";
            (row || clock).then_some(true)
        }
        Expr::HasAttr { expr: of, attrs } => {
            let row = **of == Expr::Var(Var::Resource) && attrs.first() == ROW;
            row.then_some(true)
        }
        _ => None,
    };
    expr.reduce(&looks, &|a, b| a || b, false)
}

fn sorted(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort();
    faults.dedup();
    faults
}
