//! What partial evaluation left of a policy, turned into a [`RowFilter`].
//!
//! Everything but the row has become literals by now. Negation is pushed to the leaves while
//! translating, so the tree holds only AND and OR over comparisons, and unknown (a comparison with
//! NULL) may be taken for false: it hides the row, under a permit and under a negated forbid alike.
//!
//! ```text
//! forbid when  row has note && row.note like "*secret*"
//! hides by     NOT (note IS NOT NULL AND note LIKE '%secret%')
//! becomes      note IS NULL OR note NOT LIKE '%secret%'
//! ```
//!
//! Anything outside the closed subset is an [`Untranslatable`] error, and the decision denies.

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal as CedarLiteral, PatternElem, Policy, UnaryOp};
use thiserror::Error;

use super::literals::literal;
use super::schema::{Kind, row_entity};
use super::source_check::MAX_FILTER;
use super::{Comparison, Literal, PatternElement, RowFilter};
use crate::product::{Column, Dataset, Name};

/// A residual that is no row filter. For the log: it may hold a principal's attributes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Untranslatable {
    #[error("the residual would error: {0}")]
    Errs(String),
    #[error("outside the subset that becomes row filters: {0}")]
    Form(String),
    #[error("`{0}` and `{1}` have different types")]
    Types(String, String),
    #[error("the row filter has more than {} comparisons", 4 * MAX_FILTER)]
    Size,
    #[error("not a tree: {0}")]
    Tree(String),
}

/// Translates residuals over one dataset's columns.
pub(super) struct Translator<'a> {
    dataset: &'a Dataset,
    row_type: String,
    row_id: &'static str,
    budget: usize,
}

/// A side of a comparison.
enum Operand<'a> {
    Column(&'a Column, Kind),
    /// A column that other versions of the dataset have and this one lacks: as if always NULL.
    Absent,
    Literal(Literal),
}

impl<'a> Translator<'a> {
    pub(super) fn new(domain: &Name, dataset: &'a Dataset) -> Self {
        let (row_type, row_id) = row_entity(domain, &dataset.name);
        // Twice what one policy may be in its source, twice again for what the versions unite.
        Self { dataset, row_type, row_id, budget: 4 * MAX_FILTER }
    }

    /// The rows for which a residual policy is satisfied or, if `negated`, surely is not.
    pub(super) fn policy(&mut self, policy: &Policy, negated: bool) -> Result<RowFilter, Untranslatable> {
        let mut parts = Vec::new();
        for clause in policy.body().clauses() {
            parts.push(match clause {
                Clause::When(condition) => self.condition(condition, negated)?,
                Clause::Unless(condition) => self.condition(condition, !negated)?,
            });
        }
        Ok(if negated { RowFilter::any_of(parts) } else { RowFilter::all_of(parts) })
    }

    fn condition(&mut self, expr: &Expr, negated: bool) -> Result<RowFilter, Untranslatable> {
        match expr {
            Expr::Literal(CedarLiteral::Bool(value)) => Ok(truth(*value != negated)),
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.condition(expr, !negated),
            Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
                let parts = [self.condition(left, negated)?, self.condition(right, negated)?];
                // De Morgan: a negated AND is an OR.
                Ok(if (*op == BinaryOp::And) == negated { RowFilter::any_of(parts) } else { RowFilter::all_of(parts) })
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                let then = [self.condition(cond, false)?, self.condition(then_expr, negated)?];
                let otherwise = [self.condition(cond, true)?, self.condition(else_expr, negated)?];
                Ok(RowFilter::any_of([RowFilter::all_of(then), RowFilter::all_of(otherwise)]))
            }
            Expr::ResidualError => Err(Untranslatable::Errs(expr.to_string())),
            leaf => {
                self.budget = self.budget.checked_sub(1).ok_or(Untranslatable::Size)?;
                self.leaf(leaf, negated)
            }
        }
    }

    fn leaf(&self, expr: &Expr, negated: bool) -> Result<RowFilter, Untranslatable> {
        let form = || Untranslatable::Form(expr.to_string());
        match expr {
            Expr::HasAttr { expr: of, attrs } if self.is_row(of) && attrs.len() == 1 => {
                Ok(match self.dataset.column(attrs.first()) {
                    None => truth(negated),
                    Some(column) if column.nullable => {
                        RowFilter::Present { column: column.name.clone(), present: !negated }
                    }
                    Some(_) => truth(!negated),
                })
            }
            Expr::GetAttr { .. } => match self.operand(expr)? {
                Operand::Column(column, Kind::Flag) => {
                    Ok(RowFilter::Flag { column: column.name.clone(), value: !negated })
                }
                Operand::Absent => Ok(RowFilter::Nothing),
                _ => Err(form()),
            },
            Expr::Like { expr: of, pattern } => match self.operand(of)? {
                Operand::Column(column, Kind::Text) => Ok(RowFilter::Like {
                    column: column.name.clone(),
                    pattern: pattern.iter().map(element).collect(),
                    negated,
                }),
                Operand::Absent => Ok(RowFilter::Nothing),
                _ => Err(form()),
            },
            Expr::BinaryOp { op: BinaryOp::Contains, left, right } => {
                let Expr::Set(items) = left.as_ref() else { return Err(form()) };
                let values = items.iter().map(|item| literal(item).ok_or_else(form)).collect::<Result<Vec<_>, _>>()?;
                match self.operand(right)? {
                    Operand::Column(column, kind) => member(column, kind, values, negated).ok_or_else(form),
                    Operand::Absent => Ok(RowFilter::Nothing),
                    Operand::Literal(_) => Err(form()),
                }
            }
            Expr::BinaryOp { op, left, right } => {
                let op = comparison(*op).ok_or_else(form)?;
                let op = if negated { op.negated() } else { op };
                match (self.operand(left)?, self.operand(right)?) {
                    (Operand::Column(column, kind), Operand::Literal(value)) => {
                        compare(column, kind, op, value).ok_or_else(form)
                    }
                    (Operand::Literal(value), Operand::Column(column, kind)) => {
                        compare(column, kind, op.flipped(), value).ok_or_else(form)
                    }
                    (Operand::Column(left, _), Operand::Column(right, _)) => {
                        if left.data_type != right.data_type {
                            return Err(Untranslatable::Types(left.name.clone(), right.name.clone()));
                        }
                        Ok(RowFilter::CompareColumns { left: left.name.clone(), op, right: right.name.clone() })
                    }
                    (Operand::Absent, _) | (_, Operand::Absent) => Ok(RowFilter::Nothing),
                    (Operand::Literal(_), Operand::Literal(_)) => Err(form()),
                }
            }
            Expr::ResidualError => Err(Untranslatable::Errs(expr.to_string())),
            _ => Err(form()),
        }
    }

    fn operand(&self, expr: &Expr) -> Result<Operand<'a>, Untranslatable> {
        if let Expr::GetAttr { expr: of, attr } = expr
            && self.is_row(of)
        {
            let Some(column) = self.dataset.column(attr) else { return Ok(Operand::Absent) };
            return match Kind::of(&column.data_type) {
                Some(kind) => Ok(Operand::Column(column, kind)),
                None => Err(Untranslatable::Form(expr.to_string())),
            };
        }
        literal(expr).map(Operand::Literal).ok_or_else(|| Untranslatable::Form(expr.to_string()))
    }

    /// The stand-in for every row of this dataset, and of no other.
    fn is_row(&self, expr: &Expr) -> bool {
        matches!(
            expr,
            Expr::Literal(CedarLiteral::EntityUID(entity))
                if entity.eid == self.row_id && entity.ty.to_string() == self.row_type
        )
    }
}

fn truth(value: bool) -> RowFilter {
    if value { RowFilter::All } else { RowFilter::Nothing }
}

fn element(element: &PatternElem) -> PatternElement {
    match element {
        PatternElem::Char(c) => PatternElement::Char(*c),
        PatternElem::Wildcard => PatternElement::Any,
    }
}

fn comparison(op: BinaryOp) -> Option<Comparison> {
    match op {
        BinaryOp::Eq => Some(Comparison::Equal),
        BinaryOp::NotEq => Some(Comparison::NotEqual),
        BinaryOp::Less | BinaryOp::DecimalLessThan => Some(Comparison::Less),
        BinaryOp::LessEq | BinaryOp::DecimalLessEq => Some(Comparison::LessOrEqual),
        BinaryOp::Greater | BinaryOp::DecimalGreater => Some(Comparison::Greater),
        BinaryOp::GreaterEq | BinaryOp::DecimalGreaterEq => Some(Comparison::GreaterOrEqual),
        _ => None,
    }
}

fn kind_of(value: &Literal) -> Kind {
    match value {
        Literal::Text(_) => Kind::Text,
        Literal::Number(_) => Kind::Number,
        Literal::Flag(_) => Kind::Flag,
        Literal::Decimal(_) => Kind::Decimal,
        Literal::Instant(_) => Kind::Instant,
    }
}

/// None when the types differ: the validator refuses such policies, so this would be our mistake.
fn compare(column: &Column, kind: Kind, op: Comparison, value: Literal) -> Option<RowFilter> {
    if kind_of(&value) != kind {
        return None;
    }
    let column = column.name.clone();
    match (op, value) {
        (Comparison::Equal, Literal::Flag(value)) => Some(RowFilter::Flag { column, value }),
        (Comparison::NotEqual, Literal::Flag(value)) => Some(RowFilter::Flag { column, value: !value }),
        (_, Literal::Flag(_)) => None,
        (Comparison::Equal | Comparison::NotEqual, value) => Some(RowFilter::Compare { column, op, value }),
        // Cedar orders numbers, decimals and datetimes, but no texts.
        (_, Literal::Text(_)) => None,
        (op, value) => Some(RowFilter::Compare { column, op, value }),
    }
}

fn member(column: &Column, kind: Kind, mut values: Vec<Literal>, negated: bool) -> Option<RowFilter> {
    if values.iter().any(|value| kind_of(value) != kind) {
        return None;
    }
    if values.is_empty() {
        // Nothing is in the empty set; whatever has a value is outside of it.
        return Some(match (negated, column.nullable) {
            (false, _) => RowFilter::Nothing,
            (true, false) => RowFilter::All,
            (true, true) => RowFilter::Present { column: column.name.clone(), present: true },
        });
    }
    values.sort();
    values.dedup();
    Some(RowFilter::In { column: column.name.clone(), values, negated })
}
