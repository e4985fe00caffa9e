//! A grant's row filter as an expression over a dataset's raw columns.
//!
//! Literals are brought to the column's type, exactly; the column is never cast, so that Parquet can prune
//! by its statistics. A filter shows a row only where it is TRUE and has no negation above its leaves, so a
//! leaf may be lowered to FALSE where it would be unknown: `x < 300` on an 8-bit column is `x IS NOT NULL`.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef, TimeUnit, i256};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNotNullExpr, IsNullExpr, LikeExpr, in_list, lit};

use crate::policy::{Comparison, Literal, PatternElement, RowFilter};

type Expr = Arc<dyn PhysicalExpr>;

/// Lowers `filter` over `schema`; `position` finds a column by its name for consumers.
///
/// # Errors
/// When the filter does not fit the columns. Policies were checked against the contract, so that would be a
/// fault of ours, and denies.
pub(super) fn lower(filter: &RowFilter, schema: &SchemaRef, position: &dyn Fn(&str) -> Option<usize>) -> Result<Expr> {
    Lowering { schema, position }.lower(filter)
}

struct Lowering<'a> {
    schema: &'a SchemaRef,
    position: &'a dyn Fn(&str) -> Option<usize>,
}

fn unfit(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("row filter cannot be lowered: {what}"))
}

impl Lowering<'_> {
    fn lower(&self, filter: &RowFilter) -> Result<Expr> {
        match filter {
            RowFilter::All => Ok(lit(true)),
            RowFilter::Nothing => Ok(lit(false)),
            RowFilter::And(parts) => self.combine(&needed(parts), Operator::And),
            RowFilter::Or(parts) => self.combine(&parts.iter().collect::<Vec<_>>(), Operator::Or),
            RowFilter::Compare { column, op, value } => {
                let (column, data_type) = self.column(column)?;
                compare(column, &data_type, *op, value)
            }
            RowFilter::CompareColumns { left, op, right } => {
                let (left, left_type) = self.column(left)?;
                let (right, right_type) = self.column(right)?;
                if left_type != right_type || left_type.is_nested() || left_type.is_floating() {
                    return Err(unfit("columns of two types"));
                }
                Ok(binary(left, operator(*op), right))
            }
            RowFilter::In { column, values, negated } => {
                let (column, data_type) = self.column(column)?;
                let mut list: Vec<Expr> = Vec::with_capacity(values.len());
                for value in values {
                    if let Some(scalar) = exact(&data_type, value)? {
                        list.push(lit(scalar));
                    }
                }
                match (list.is_empty(), negated) {
                    (true, false) => Ok(lit(false)),
                    (true, true) => Ok(present(column)),
                    (false, _) => in_list(column, list, negated, self.schema),
                }
            }
            RowFilter::Like { column, pattern, negated } => {
                let (column, data_type) = self.column(column)?;
                let pattern = text(&data_type, like_pattern(pattern)).ok_or_else(|| unfit("LIKE on another type"))?;
                Ok(Arc::new(LikeExpr::new(*negated, false, column, lit(pattern))))
            }
            RowFilter::Flag { column, value } => {
                let (column, data_type) = self.column(column)?;
                if data_type != DataType::Boolean {
                    return Err(unfit("a flag of another type"));
                }
                Ok(binary(column, Operator::Eq, lit(*value)))
            }
            RowFilter::Present { column, present: true } => Ok(present(self.column(column)?.0)),
            RowFilter::Present { column, present: false } => Ok(Arc::new(IsNullExpr::new(self.column(column)?.0))),
        }
    }

    fn column(&self, name: &str) -> Result<(Expr, DataType)> {
        let index = (self.position)(name).ok_or_else(|| unfit("no such column"))?;
        let field = self.schema.fields().get(index).ok_or_else(|| unfit("no such position"))?;
        Ok((Arc::new(Column::new(field.name(), index)), field.data_type().clone()))
    }

    /// A tree as flat as can be: policies may be many.
    fn combine(&self, parts: &[&RowFilter], op: Operator) -> Result<Expr> {
        match parts {
            [] => Ok(lit(op == Operator::And)),
            [part] => self.lower(part),
            _ => {
                let (left, right) = parts.split_at(parts.len() / 2);
                Ok(binary(self.combine(left, op)?, op, self.combine(right, op)?))
            }
        }
    }
}

/// Conjuncts without those that others imply: what is asked of a value asks for one as well. Parquet decodes a column
/// for each conjunct that looks at it.
fn needed(parts: &[RowFilter]) -> Vec<&RowFilter> {
    let asked = |column: &str| {
        parts.iter().any(|part| !matches!(part, RowFilter::Present { .. }) && is_false_of_null(part, column))
    };
    let implied = |part: &RowFilter| matches!(part, RowFilter::Present { column, present: true } if asked(column));
    parts.iter().filter(|part| !implied(part)).collect()
}

/// Whether a filter never holds where the column is NULL.
fn is_false_of_null(filter: &RowFilter, null: &str) -> bool {
    match filter {
        RowFilter::All => false,
        RowFilter::Nothing => true,
        RowFilter::And(parts) => parts.iter().any(|part| is_false_of_null(part, null)),
        RowFilter::Or(parts) => parts.iter().all(|part| is_false_of_null(part, null)),
        RowFilter::CompareColumns { left, right, .. } => left == null || right == null,
        RowFilter::Present { column, present } => *present && column == null,
        RowFilter::Compare { column, .. }
        | RowFilter::In { column, .. }
        | RowFilter::Like { column, .. }
        | RowFilter::Flag { column, .. } => column == null,
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Arc::new(BinaryExpr::new(left, op, right))
}

fn present(column: Expr) -> Expr {
    Arc::new(IsNotNullExpr::new(column))
}

fn operator(op: Comparison) -> Operator {
    match op {
        Comparison::Equal => Operator::Eq,
        Comparison::NotEqual => Operator::NotEq,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::LtEq,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::GtEq,
    }
}

/// The elements as a LIKE pattern, escaped.
fn like_pattern(elements: &[PatternElement]) -> String {
    let mut pattern = String::new();
    for element in elements {
        match element {
            PatternElement::Any => pattern.push('%'),
            PatternElement::Char(c) => {
                if matches!(c, '%' | '_' | '\\') {
                    pattern.push('\\');
                }
                pattern.push(*c);
            }
        }
    }
    pattern
}

/// A text of the column's type; none for other types.
pub(super) fn text(data_type: &DataType, text: String) -> Option<ScalarValue> {
    match data_type {
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(text))),
        DataType::LargeUtf8 => Some(ScalarValue::LargeUtf8(Some(text))),
        DataType::Utf8View => Some(ScalarValue::Utf8View(Some(text))),
        _ => None,
    }
}

/// The literal as a value of the column's type; none when the type has no such value.
fn exact(data_type: &DataType, value: &Literal) -> Result<Option<ScalarValue>> {
    match value {
        Literal::Text(value) => {
            text(data_type, value.clone()).map(Some).ok_or_else(|| unfit("a text and another type"))
        }
        Literal::Flag(value) if *data_type == DataType::Boolean => Ok(Some(ScalarValue::Boolean(Some(*value)))),
        Literal::Flag(_) => Err(unfit("a flag and another type")),
        Literal::Number(_) | Literal::Decimal(_) | Literal::Instant(_) => {
            let scaled = Scaled::new(data_type, value)?;
            match scaled.whole() {
                Some(units) if scaled.kind.holds(units) => scaled.kind.scalar(units).map(Some),
                _ => Ok(None),
            }
        }
    }
}

fn compare(column: Expr, data_type: &DataType, op: Comparison, value: &Literal) -> Result<Expr> {
    if matches!(op, Comparison::Equal | Comparison::NotEqual) || Units::of(data_type).is_none() {
        return Ok(match (exact(data_type, value)?, op) {
            (Some(scalar), _) => binary(column, operator(op), lit(scalar)),
            (None, Comparison::NotEqual) => present(column),
            (None, _) => lit(false),
        });
    }
    let scaled = Scaled::new(data_type, value)?;
    // An integer is below p/q exactly if it is below its ceiling, and at most p/q exactly if it is at most
    // its floor.
    let bound = match op {
        Comparison::Less | Comparison::GreaterOrEqual => scaled.ceiling(),
        _ => scaled.floor(),
    };
    let (min, max) = scaled.kind.range();
    let (all, none) = match op {
        Comparison::Less => (bound > max, bound <= min),
        Comparison::LessOrEqual => (bound >= max, bound < min),
        Comparison::Greater => (bound < min, bound >= max),
        _ => (bound <= min, bound > max),
    };
    if all {
        Ok(present(column))
    } else if none {
        Ok(lit(false))
    } else {
        Ok(binary(column, operator(op), lit(scaled.kind.scalar(bound)?)))
    }
}

/// A column's values as whole numbers of some unit.
#[derive(Debug, Clone)]
enum Units {
    Integer(DataType),
    /// Units of 10 to the minus scale.
    Decimal(DataType, u8, i8),
    Days,
    /// Milliseconds.
    Date64,
    Timestamp(TimeUnit, Option<Arc<str>>),
}

impl Units {
    fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            integer if integer.is_integer() => Some(Self::Integer(integer.clone())),
            DataType::Decimal32(p, s)
            | DataType::Decimal64(p, s)
            | DataType::Decimal128(p, s)
            | DataType::Decimal256(p, s) => Some(Self::Decimal(data_type.clone(), *p, *s)),
            DataType::Date32 => Some(Self::Days),
            DataType::Date64 => Some(Self::Date64),
            DataType::Timestamp(unit, zone) => Some(Self::Timestamp(*unit, zone.clone())),
            _ => None,
        }
    }

    /// The smallest and the largest value.
    fn range(&self) -> (i256, i256) {
        let between = |min: i128, max: i128| (i256::from_i128(min), i256::from_i128(max));
        match self {
            Self::Integer(DataType::Int8) => between(i8::MIN.into(), i8::MAX.into()),
            Self::Integer(DataType::Int16) => between(i16::MIN.into(), i16::MAX.into()),
            Self::Integer(DataType::Int32) | Self::Days => between(i32::MIN.into(), i32::MAX.into()),
            Self::Integer(DataType::UInt8) => between(0, u8::MAX.into()),
            Self::Integer(DataType::UInt16) => between(0, u16::MAX.into()),
            Self::Integer(DataType::UInt32) => between(0, u32::MAX.into()),
            Self::Integer(DataType::UInt64) => between(0, u64::MAX.into()),
            Self::Integer(_) | Self::Date64 | Self::Timestamp(..) => between(i64::MIN.into(), i64::MAX.into()),
            Self::Decimal(_, precision, _) => {
                let max = power_of_ten((*precision).into()).map_or(i256::MAX, |power| power.wrapping_sub(i256::ONE));
                (max.wrapping_neg(), max)
            }
        }
    }

    fn holds(&self, units: i256) -> bool {
        let (min, max) = self.range();
        units >= min && units <= max
    }

    /// So many units as a value of the column's type.
    fn scalar(&self, units: i256) -> Result<ScalarValue> {
        let wide = units.to_i128();
        let long = wide.and_then(|wide| i64::try_from(wide).ok());
        let found = match self {
            Self::Integer(DataType::UInt64) => {
                wide.and_then(|wide| u64::try_from(wide).ok()).map(|wide| ScalarValue::UInt64(Some(wide)))
            }
            Self::Integer(data_type) => match long {
                Some(long) => Some(ScalarValue::Int64(Some(long)).cast_to(data_type)?),
                None => None,
            },
            Self::Decimal(DataType::Decimal256(p, s), ..) => Some(ScalarValue::Decimal256(Some(units), *p, *s)),
            Self::Decimal(DataType::Decimal128(p, s), ..) => {
                wide.map(|wide| ScalarValue::Decimal128(Some(wide), *p, *s))
            }
            Self::Decimal(DataType::Decimal64(p, s), ..) => long.map(|long| ScalarValue::Decimal64(Some(long), *p, *s)),
            Self::Decimal(_, p, s) => {
                long.and_then(|long| i32::try_from(long).ok()).map(|int| ScalarValue::Decimal32(Some(int), *p, *s))
            }
            Self::Days => long.and_then(|long| i32::try_from(long).ok()).map(|day| ScalarValue::Date32(Some(day))),
            Self::Date64 => long.map(|long| ScalarValue::Date64(Some(long))),
            Self::Timestamp(unit, zone) => long.map(|long| match unit {
                TimeUnit::Second => ScalarValue::TimestampSecond(Some(long), zone.clone()),
                TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(Some(long), zone.clone()),
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(Some(long), zone.clone()),
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(Some(long), zone.clone()),
            }),
        };
        found.ok_or_else(|| unfit("a literal out of range"))
    }
}

/// A literal as a fraction of a column's units: `p / q`, `q` positive.
struct Scaled {
    kind: Units,
    p: i256,
    q: i256,
}

/// Digits after the point of Cedar's decimal.
const DECIMAL_DIGITS: i32 = 4;

impl Scaled {
    fn new(data_type: &DataType, value: &Literal) -> Result<Self> {
        let kind = Units::of(data_type).ok_or_else(|| unfit("a number and another type"))?;
        let (number, digits) = match (&kind, value) {
            (Units::Integer(_) | Units::Decimal(..), Literal::Number(number)) => (*number, 0),
            (Units::Integer(_) | Units::Decimal(..), Literal::Decimal(number)) => (*number, DECIMAL_DIGITS),
            (Units::Days | Units::Date64 | Units::Timestamp(..), Literal::Instant(ms)) => (*ms, 0),
            _ => return Err(unfit("a literal of another type")),
        };
        let number = i256::from_i128(number.into());
        // The literal is number / 10^digits; a unit is 10^-scale of it.
        let (up, down) = match &kind {
            Units::Integer(_) => (0, digits),
            Units::Decimal(_, _, scale) => {
                let shift = i32::from(*scale) - digits;
                (shift.max(0), (-shift).max(0))
            }
            Units::Date64 | Units::Timestamp(TimeUnit::Millisecond, _) => (0, 0),
            Units::Timestamp(TimeUnit::Second, _) => (0, 3),
            Units::Timestamp(TimeUnit::Microsecond, _) => (3, 0),
            Units::Timestamp(TimeUnit::Nanosecond, _) => (6, 0),
            Units::Days => return Ok(Self { kind, p: number, q: i256::from_i128(86_400_000) }),
        };
        let power = |digits: i32| power_of_ten(digits.unsigned_abs()).ok_or_else(|| unfit("a scale out of range"));
        // What does not fit 256 bits is beyond any column's range; either end of the range says so.
        let p = number.checked_mul(power(up)?).unwrap_or(if number < i256::ZERO { i256::MIN } else { i256::MAX });
        Ok(Self { kind, p, q: power(down)? })
    }

    fn floor(&self) -> i256 {
        let quotient = self.p.wrapping_div(self.q);
        if self.p.wrapping_rem(self.q) < i256::ZERO { quotient.wrapping_sub(i256::ONE) } else { quotient }
    }

    fn ceiling(&self) -> i256 {
        let quotient = self.p.wrapping_div(self.q);
        if self.p.wrapping_rem(self.q) > i256::ZERO { quotient.wrapping_add(i256::ONE) } else { quotient }
    }

    /// The units, if they are a whole number.
    fn whole(&self) -> Option<i256> {
        (self.p.wrapping_rem(self.q) == i256::ZERO).then(|| self.p.wrapping_div(self.q))
    }
}

/// Ten to the power of `digits`; none beyond 256 bits.
fn power_of_ten(digits: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(digits)
}

#[cfg(test)]
mod tests;
