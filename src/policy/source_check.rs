//! What a policy may say, checked in its source when the mesh is loaded.
//!
//! Cedar's validator knows types; this knows what Airside can turn into a row filter and decide
//! without surprise. Whatever passes here and the validator translates at run time (a property test
//! holds that); whatever does not is refused before it is in service, with what to write instead.
//!
//! - The row occurs only as `resource.row.x` and `resource.row has x`: a comparison of the row itself
//!   would compare the stand-in for all rows, and be true of every one.
//! - Columns are compared with things that are no columns, or with columns of the same type.
//! - No arithmetic: it overflows, and Cedar skips a policy that errors.
//! - `context.now` is compared with `datetime("…")` only, so that a decision knows when it ends.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp, Var};

use super::literals;
use super::schema::{DomainShape, RowShape};
use super::scope::{Scope, Target, Type};
use super::statement::{Origin, Statement, near};
use super::vocabulary::{Action, ROW};
use crate::fault::Fault;
use crate::product::Name;

/// Largest row filter a policy may become, in comparisons.
pub(super) const MAX_FILTER: usize = 512;

/// What the check learned of a policy.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    /// The literals `context.now` is compared with.
    pub(super) moments: BTreeSet<i64>,
    /// Whether its condition looks at the row.
    pub(super) filters_rows: bool,
    /// Whether it looks at columns one by one (by name).
    pub(super) names_columns: bool,
    /// The datasets that its condition names, as domain and dataset: by their types, or as entities.
    pub(super) datasets: BTreeSet<(Name, Name)>,
}

/// Checks one policy. All its faults at once.
pub(super) fn check(
    statement: &Statement,
    scope: &Scope,
    shapes: &BTreeMap<Name, DomainShape>,
) -> Result<Findings, Vec<Fault>> {
    let rows = reachable_rows(scope, shapes);
    let mut check = Check {
        statement,
        shapes,
        rows,
        faults: Vec::new(),
        findings: Findings { names_columns: scope.names_columns(), ..Findings::default() },
        row_mentioned: false,
    };
    let mut size = 0_usize;
    for condition in statement.conditions() {
        size = size.saturating_add(check.condition(condition));
    }
    check.form(scope, size);
    check.findings.filters_rows = check.row_mentioned;
    if check.faults.is_empty() { Ok(check.findings) } else { Err(check.faults) }
}

/// The rows a policy's `resource.row` may be.
fn reachable_rows<'a>(scope: &Scope, shapes: &'a BTreeMap<Name, DomainShape>) -> Vec<&'a RowShape> {
    shapes
        .iter()
        .flat_map(|(domain, shape)| shape.datasets.iter().map(move |(dataset, row)| (domain, dataset, row)))
        .filter(|(domain, dataset, row)| scope.touches(Action::Query, domain, &row.products, dataset))
        .map(|(_, _, row)| row)
        .collect()
}

struct Check<'a> {
    statement: &'a Statement,
    shapes: &'a BTreeMap<Name, DomainShape>,
    rows: Vec<&'a RowShape>,
    faults: Vec<Fault>,
    findings: Findings,
    row_mentioned: bool,
}

impl Check<'_> {
    fn fault(&mut self, words: &str, reason: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(self.statement.fault(words, reason).hint(hint));
    }

    /// What a policy as a whole must be, given its origin, its actions and its mask.
    fn form(&mut self, scope: &Scope, size: usize) {
        if size > MAX_FILTER {
            self.fault(
                "",
                format!("the row filter would have {size} comparisons, more than {MAX_FILTER}"),
                "nest `if` less deeply, or compare with a set: `[…].contains(resource.row.x)`",
            );
        }
        let others: Vec<&str> =
            scope.actions.iter().filter(|action| **action != Action::Query).map(|action| action.as_str()).collect();
        if self.row_mentioned && !others.is_empty() {
            self.fault(
                "resource.row",
                format!("only `query` is asked of rows, but the policy also speaks of {}", listed(&others)),
                "write the row condition in a policy of `action == Action::\"query\"`, and the other actions in one without it",
            );
        }
        if self.statement.origin == Origin::Ceiling && !self.statement.permits() {
            self.fault(
                "forbid",
                "a ceiling says what domains may permit at most: it cannot forbid",
                "write the `forbid` in the governance folder itself, where it holds for everyone",
            );
        }
        self.mask(scope);
        self.kinds(scope);
    }

    fn mask(&mut self, scope: &Scope) {
        let only_masked = scope.actions.len() == 1 && scope.actions.contains(&Action::ReadMasked);
        let names_masked = !scope.any_action && scope.actions.contains(&Action::ReadMasked);
        let permits = self.statement.permits() && self.statement.origin != Origin::Ceiling;
        if self.statement.policy.annotation("mask").is_some() {
            if !permits || !only_masked {
                self.fault(
                    "@mask",
                    "`@mask` belongs to a permit of `readMasked` alone",
                    "write `@mask(\"…\") permit (…, action == Action::\"readMasked\", …)`",
                );
            }
        } else if permits && names_masked {
            self.fault(
                "readMasked",
                "a permit of `readMasked` must name its mask",
                "write `@mask(\"hmac\")` before a permit of `readMasked` alone; the masks are null, redact, hmac, partial and year",
            );
        }
    }

    /// Actions of columns asked of a dataset, or the other way round, would never apply.
    fn kinds(&mut self, scope: &Scope) {
        if scope.any_action {
            return;
        }
        let (of_columns, of_datasets): (Vec<Action>, Vec<Action>) = scope
            .actions
            .iter()
            .filter(|action| !matches!(action, Action::Publish | Action::Administer))
            .partition(|action| action.is_of_columns());
        let dataset = match (&scope.resource.exactly, &scope.resource.is) {
            (Some(Target::Dataset { domain, dataset }), _) | (_, Some(Type::Dataset { domain, dataset })) => {
                Some((domain.clone(), dataset.clone()))
            }
            _ => None,
        };
        let column =
            matches!(scope.resource.exactly, Some(Target::Column { .. })) || scope.resource.is == Some(Type::Column);
        if let (Some((domain, dataset)), true, false) = (dataset, of_datasets.is_empty(), of_columns.is_empty()) {
            self.fault(
                "resource",
                format!("`{}` is asked of columns, and a dataset is none", of_columns[0]),
                format!("write `resource in {domain}::{dataset}::\"{domain}.{dataset}\"`"),
            );
        } else if column && of_columns.is_empty() && !of_datasets.is_empty() {
            self.fault(
                "resource",
                format!("`{}` is asked of datasets, and a column is none", of_datasets[0]),
                "name the dataset, or an action of columns: `readColumn`, `readRaw` or `readMasked`",
            );
        }
    }

    /// Checks a condition; how many comparisons it becomes at most.
    fn condition(&mut self, expr: &Expr) -> usize {
        if !mentions_row(expr) {
            self.plain(expr);
            return 0;
        }
        match expr {
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.condition(expr),
            Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
                self.condition(left).saturating_add(self.condition(right))
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                let test = self.condition(cond);
                test.saturating_mul(2)
                    .saturating_add(self.condition(then_expr))
                    .saturating_add(self.condition(else_expr))
            }
            Expr::GetAttr { .. } => {
                self.operand(expr);
                1
            }
            Expr::HasAttr { expr: of, attrs } => {
                let path: Vec<&str> = attrs.iter().map(|attr| attr.as_str()).collect();
                match (of.as_ref(), path.as_slice()) {
                    (Expr::Var(Var::Resource), [ROW, column]) => self.column(column),
                    (of, [column]) if is_row(of) => self.column(column),
                    _ => self.bare_row(expr),
                }
                1
            }
            Expr::BinaryOp {
                op:
                    BinaryOp::Eq
                    | BinaryOp::NotEq
                    | BinaryOp::Less
                    | BinaryOp::LessEq
                    | BinaryOp::Greater
                    | BinaryOp::GreaterEq
                    | BinaryOp::DecimalLessThan
                    | BinaryOp::DecimalLessEq
                    | BinaryOp::DecimalGreater
                    | BinaryOp::DecimalGreaterEq,
                left,
                right,
            } => {
                self.operand(left);
                self.operand(right);
                if let (Some(left), Some(right)) = (column_of(left), column_of(right)) {
                    self.same_type(left, right);
                }
                1
            }
            Expr::BinaryOp { op: BinaryOp::Contains, left, right } => {
                if mentions_row(left) {
                    self.fault(
                        "contains",
                        "a set that holds columns cannot become a row filter",
                        "compare each column: `resource.row.a == v || resource.row.b == v`",
                    );
                } else {
                    self.plain(left);
                    self.operand(right);
                }
                1
            }
            Expr::Like { expr, .. } => {
                self.operand(expr);
                1
            }
            other => {
                self.untranslatable(other);
                1
            }
        }
    }

    /// A side of a comparison: a column, or something without any.
    fn operand(&mut self, expr: &Expr) {
        if let Some(column) = column_of(expr) {
            self.column(column);
        } else if mentions_row(expr) {
            if is_row(expr) { self.bare_row(expr) } else { self.untranslatable(expr) }
        } else {
            self.plain(expr);
        }
    }

    fn bare_row(&mut self, expr: &Expr) {
        self.row_mentioned = true;
        self.fault(
            &expr.to_string(),
            "the row itself stands for every row: it cannot be compared",
            "name a column: `resource.row.x`, or ask whether it has a value: `resource.row has x`",
        );
    }

    fn untranslatable(&mut self, expr: &Expr) {
        self.row_mentioned = true;
        let (words, reason) = match expr {
            Expr::BinaryOp { op: BinaryOp::Add, .. } => ("+", "arithmetic on a column cannot become a row filter"),
            Expr::BinaryOp { op: BinaryOp::Sub, .. } => ("-", "arithmetic on a column cannot become a row filter"),
            Expr::BinaryOp { op: BinaryOp::Mul, .. } => ("*", "arithmetic on a column cannot become a row filter"),
            Expr::UnaryOp { op: UnaryOp::Neg, .. } => ("-", "arithmetic on a column cannot become a row filter"),
            _ => ("resource.row", "this use of a column cannot become a row filter"),
        };
        self.fault(
            words,
            reason,
            "compare the column itself: == != < <= > >=, `like`, `has`, `[…].contains(resource.row.x)`, \
             decimal comparisons, joined by `&&`, `||`, `!` and `if`",
        );
    }

    /// A column that the policy names: some dataset it reaches must have it.
    fn column(&mut self, name: &str) {
        self.row_mentioned = true;
        if self.rows.is_empty() || self.rows.iter().any(|row| row.columns.contains_key(name)) {
            return;
        }
        if let Some(why) = self.rows.iter().find_map(|row| row.unfilterable.get(name)) {
            let reason = format!("rows cannot be filtered by `{name}`: {why}");
            self.fault(name, reason, "filter by a text, whole number, boolean, decimal, date or timestamp column");
            return;
        }
        let all: BTreeSet<&str> = self.rows.iter().flat_map(|row| row.columns.keys().map(String::as_str)).collect();
        let near = near(name, all.iter().copied());
        let hint = if near.is_empty() {
            let some: Vec<&str> = all.iter().copied().take(12).collect();
            format!("rows can be filtered by {}", listed(&some))
        } else {
            format!("did you mean {}?", listed(&near))
        };
        self.fault(name, format!("no dataset the policy speaks of has a column `{name}`"), hint);
    }

    fn same_type(&mut self, left: &str, right: &str) {
        let differs = self.rows.iter().any(|row| match (row.columns.get(left), row.columns.get(right)) {
            (Some(left), Some(right)) => left
                .data_types
                .iter()
                .any(|(version, left)| right.data_types.get(version).is_some_and(|right| right != left)),
            _ => false,
        });
        if differs {
            self.fault(
                left,
                format!("`{left}` and `{right}` have different types in the contract, and columns are never cast"),
                "compare columns of the same type",
            );
        }
    }

    /// An expression without columns: Cedar folds it before any row is looked at.
    fn plain(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(Literal::EntityUID(entity)) => self.entity(entity),
            Expr::Literal(_) | Expr::Var(_) => {
                if *expr == Expr::Var(Var::Context) {
                    self.refuse(expr, "`context` itself cannot be compared", "name what you need: `context.purpose` or `context.now`");
                }
            }
            Expr::UnaryOp { op: UnaryOp::Not | UnaryOp::IsEmpty, expr } => self.plain(expr),
            Expr::UnaryOp { op: UnaryOp::Decimal | UnaryOp::Datetime, expr: text } => {
                if !matches!(text.as_ref(), Expr::Literal(Literal::String(_))) {
                    self.refuse(expr, "only a literal text can be read as a decimal or datetime", "write `datetime(\"2026-12-31\")`");
                }
            }
            Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
                self.plain(left);
                self.plain(right);
            }
            Expr::BinaryOp {
                op:
                    BinaryOp::Eq
                    | BinaryOp::NotEq
                    | BinaryOp::Less
                    | BinaryOp::LessEq
                    | BinaryOp::Greater
                    | BinaryOp::GreaterEq,
                left,
                right,
            } => match (is_now(left), is_now(right)) {
                (false, false) => {
                    self.plain(left);
                    self.plain(right);
                }
                (true, false) => self.moment(right),
                (false, true) => self.moment(left),
                (true, true) => self.moment(left),
            },
            Expr::BinaryOp {
                op:
                    BinaryOp::Contains
                    | BinaryOp::ContainsAll
                    | BinaryOp::ContainsAny
                    | BinaryOp::DecimalLessThan
                    | BinaryOp::DecimalLessEq
                    | BinaryOp::DecimalGreater
                    | BinaryOp::DecimalGreaterEq,
                left,
                right,
            } => {
                self.plain(left);
                self.plain(right);
            }
            // Of other entities Cedar does not know the parents here: it could not decide.
            Expr::BinaryOp { op: BinaryOp::In, left, right }
                if matches!(left.as_ref(), Expr::Var(Var::Principal | Var::Resource | Var::Action)) =>
            {
                self.plain(right);
            }
            Expr::Is { expr: of, entity_type, in_expr }
                if matches!(of.as_ref(), Expr::Var(Var::Principal | Var::Resource)) =>
            {
                match Type::parse(entity_type, self.shapes, self.statement) {
                    Ok(Type::Dataset { domain, dataset }) => {
                        self.findings.datasets.insert((domain, dataset));
                    }
                    Ok(Type::Domain | Type::Product | Type::Column) => {}
                    Err(fault) if matches!(of.as_ref(), Expr::Var(Var::Resource)) => self.faults.push(fault),
                    // Principals are of other types: Cedar's validation knows them.
                    Err(_) => {}
                }
                if let Some(within) = in_expr {
                    self.plain(within);
                }
            }
            Expr::GetAttr { expr: of, attr } if matches!(of.as_ref(), Expr::Var(_)) => {
                if is_now(expr) {
                    self.refuse(
                        expr,
                        "`context.now` is compared with a literal only, so that the decision knows when it ends",
                        "write `context.now < datetime(\"2026-12-31\")`",
                    );
                }
                self.findings.names_columns |= **of == Expr::Var(Var::Resource) && attr == "name";
            }
            Expr::HasAttr { expr: of, attrs } if matches!(of.as_ref(), Expr::Var(_)) && attrs.len() == 1 => {}
            Expr::Like { expr, .. } => self.plain(expr),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.plain(cond);
                self.plain(then_expr);
                self.plain(else_expr);
            }
            Expr::Set(items) => items.iter().for_each(|item| self.plain(item)),
            Expr::BinaryOp {
                op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Offset | BinaryOp::DurationSince,
                ..
            }
            | Expr::UnaryOp { op: UnaryOp::Neg, .. } => {
                self.refuse(
                    expr,
                    "arithmetic can overflow, and a policy that errors would be skipped",
                    "write the result as a literal, or compare without computing",
                );
            }
            _ => self.refuse(
                expr,
                "this is more than a policy of Airside may say",
                "use attributes of `principal`, `resource` and `context`, literals, sets, comparisons, `in`, `is`, `has`, `like` and `contains`",
            ),
        }
    }

    fn refuse(&mut self, expr: &Expr, reason: &str, hint: &str) {
        self.fault(&expr.to_string(), reason, hint);
    }

    /// Something of the mesh named in a condition must exist: a forbid on a misspelt name never fires.
    fn entity(&mut self, entity: &cedar_policy::pst::EntityUID) {
        use super::vocabulary::{ACTION, GROUP, READ, USER};
        match entity.ty.to_string().as_str() {
            USER | GROUP => {}
            ACTION => {
                let id = entity.eid.as_str();
                if id != READ && Action::parse(id).is_none() {
                    self.refuse(
                        &Expr::Literal(Literal::EntityUID(entity.clone())),
                        "there is no such action",
                        "the scope names the actions",
                    );
                }
            }
            _ => match Target::parse(entity, self.shapes, self.statement) {
                Ok(Target::Column { .. }) => self.findings.names_columns = true,
                Ok(Target::Dataset { domain, dataset }) => {
                    self.findings.datasets.insert((domain, dataset));
                }
                Ok(Target::Domain(_) | Target::Product { .. }) => {}
                Err(fault) => self.faults.push(fault),
            },
        }
    }

    fn moment(&mut self, literal: &Expr) {
        match literals::instant(literal) {
            Some(moment) if matches!(literal, Expr::UnaryOp { .. }) => {
                self.findings.moments.insert(moment);
            }
            _ => self.fault(
                "context.now",
                "`context.now` is compared with a literal only, so that the decision knows when it ends",
                "write `context.now < datetime(\"2026-12-31\")`",
            ),
        }
    }
}

/// `resource.row`.
fn is_row(expr: &Expr) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Resource) && attr == ROW)
}

/// `context.now`.
fn is_now(expr: &Expr) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Context) && attr == "now")
}

/// The column of `resource.row.x`.
fn column_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::GetAttr { expr, attr } if is_row(expr) => Some(attr),
        _ => None,
    }
}

/// Whether the row occurs anywhere in an expression.
fn mentions_row(expr: &Expr) -> bool {
    expr.reduce(
        &|expr| match expr {
            Expr::GetAttr { .. } if is_row(expr) => Some(true),
            Expr::HasAttr { expr, attrs } if **expr == Expr::Var(Var::Resource) && attrs.first() == ROW => Some(true),
            _ => None,
        },
        &|a, b| a || b,
        false,
    )
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
