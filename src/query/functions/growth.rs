//! Functions whose results can be longer than their arguments, with a bound on how much.
//!
//! Constant folding evaluates functions inside planning, synchronously and outside the memory pool;
//! `repeat('x', 2000000000)` or a text doubled two dozen times would take the process down. So the longest
//! possible result is computed from the lengths of the arguments before a row is evaluated.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_int64_array;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::query::QueryError;

/// Bytes of one value that a growing function may make.
const MAX_VALUE: u64 = 256 << 10;
/// Bytes of all values of one batch.
const MAX_BATCH: u64 = 64 << 20;
/// Rows are evaluated in runs whose results cannot be longer than this.
const RUN: u64 = 8 << 20;

/// How long a result can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    /// As long as the arguments together.
    Sum,
    /// The same, NULL if an argument is NULL: the operator `||`.
    SumOrNull,
    /// As long as the arguments together, the first between each two.
    Join,
    /// Twice as long.
    Encode,
    /// The first argument, padded to a number of characters with the third.
    Pad,
    /// The first argument so many times.
    Repeat,
    /// The first argument, the second replaced by the third wherever it occurs.
    Replace,
    /// The same, with matches and captures of a pattern.
    RegexpReplace,
    /// A date in the format of the second argument.
    Format,
}

/// `function`, refusing to make values longer than permitted.
pub(super) fn bounded(function: Arc<ScalarUDF>, rule: Rule) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Bounded { function, rule }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    function: Arc<ScalarUDF>,
    rule: Rule,
}

/// Delegates what describes the function. `simplify` is not delegated: it would put the unbounded function
/// in the place of this one.
impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        match self.rule {
            Rule::SumOrNull => "concat_operator",
            _ => self.function.name(),
        }
    }

    fn aliases(&self) -> &[String] {
        match self.rule {
            Rule::SumOrNull => &[],
            _ => self.function.aliases(),
        }
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.function.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = self.function.return_field_from_args(args)?;
        match self.rule {
            Rule::SumOrNull => Ok(Arc::new(field.as_ref().clone().with_nullable(true))),
            _ => Ok(field),
        }
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.inner().coerce_types(arg_types)
    }

    fn short_circuits(&self) -> bool {
        self.function.short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.function.conditional_arguments(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows =
            if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) { 1 } else { args.number_rows };
        let lengths = args.args.iter().map(Argument::of).collect::<Result<Vec<_>>>()?;
        let bounds: Vec<u64> = (0..rows).map(|row| self.rule.bound(&lengths, row)).collect();
        if bounds.iter().any(|bound| *bound > MAX_VALUE) {
            return Err(QueryError::limit(format!(
                "function `{}` may not make a text of more than {MAX_VALUE} bytes",
                self.function.name()
            ))
            .into());
        }
        if rows <= 1 || bounds.iter().sum::<u64>() <= RUN {
            return self.invoke(args);
        }
        self.invoke_in_runs(&args, &bounds)
    }
}

impl Bounded {
    /// Evaluates runs of rows, stopping where they have made too much.
    fn invoke_in_runs(&self, args: &ScalarFunctionArgs, bounds: &[u64]) -> Result<ColumnarValue> {
        let mut made: Vec<ArrayRef> = Vec::new();
        let (mut start, mut bytes) = (0, 0);
        while start < bounds.len() {
            let mut end = start + 1;
            let mut sum = bounds[start];
            while end < bounds.len() && sum + bounds[end] <= RUN {
                sum += bounds[end];
                end += 1;
            }
            let run = ScalarFunctionArgs {
                args: args
                    .args
                    .iter()
                    .map(|arg| match arg {
                        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, end - start)),
                        ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(scalar.clone()),
                    })
                    .collect(),
                arg_fields: args.arg_fields.clone(),
                number_rows: end - start,
                return_field: Arc::clone(&args.return_field),
                config_options: Arc::clone(&args.config_options),
            };
            let array = self.invoke(run)?.into_array(end - start)?;
            bytes += array.get_array_memory_size() as u64;
            if bytes > MAX_BATCH {
                return Err(QueryError::limit(format!(
                    "function `{}` makes too much text at a time: at most {MAX_BATCH} bytes",
                    self.function.name()
                ))
                .into());
            }
            made.push(array);
            start = end;
        }
        let parts: Vec<&dyn Array> = made.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.rule != Rule::SumOrNull {
            return self.function.invoke_with_args(args);
        }
        let rows = args.number_rows;
        let mut nulls = None;
        for arg in &args.args {
            match arg {
                ColumnarValue::Scalar(scalar) if scalar.is_null() => {
                    return Ok(ColumnarValue::Scalar(ScalarValue::try_from(args.return_field.data_type())?));
                }
                ColumnarValue::Scalar(_) => {}
                ColumnarValue::Array(array) => {
                    nulls = arrow::buffer::NullBuffer::union(nulls.as_ref(), array.logical_nulls().as_ref());
                }
            }
        }
        match self.function.invoke_with_args(args)? {
            ColumnarValue::Array(array) if nulls.is_some() => {
                let data = array.to_data().into_builder().nulls(nulls).len(rows).build()?;
                Ok(ColumnarValue::Array(arrow::array::make_array(data)))
            }
            value => Ok(value),
        }
    }
}

impl Rule {
    fn bound(self, args: &[Argument], row: usize) -> u64 {
        let bytes = |index: usize| args.get(index).map_or(0, |arg| arg.bytes(row));
        let number = |index: usize| args.get(index).map_or(0, |arg| arg.number(row));
        let sum = (0..args.len()).fold(0_u64, |sum, index| sum.saturating_add(bytes(index)));
        match self {
            Self::Sum | Self::SumOrNull => sum,
            Self::Join => sum.saturating_add(bytes(0).saturating_mul(args.len() as u64)),
            Self::Encode => bytes(0).saturating_mul(2).saturating_add(4),
            Self::Pad => bytes(0).saturating_add(number(1).saturating_mul(bytes(2).max(4))),
            Self::Repeat => bytes(0).saturating_mul(number(1)),
            Self::Replace => {
                let places = bytes(0).checked_div(bytes(1)).unwrap_or(bytes(0) + 1);
                bytes(0).saturating_add(places.saturating_mul(bytes(2)))
            }
            // The replacement may stand between any two bytes, and each capture it names (two bytes at least)
            // may be all of the text.
            Self::RegexpReplace => {
                let inserted = bytes(0).saturating_add(1).saturating_mul(bytes(2));
                inserted.saturating_add(bytes(0).saturating_mul(bytes(2) / 2 + 1))
            }
            // `%+`, the longest for its two bytes, makes about 35.
            Self::Format => bytes(1).saturating_mul(32).saturating_add(64),
        }
    }
}

/// An argument, as far as lengths are concerned.
enum Argument {
    Constant { bytes: u64, number: u64 },
    Bytes(Vec<u64>),
    Numbers(Vec<u64>),
}

/// No number, date or truth value is longer as text.
const LONGEST_PLAIN: u64 = 96;

impl Argument {
    fn of(value: &ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Scalar(scalar) => {
                let array = scalar.to_array_of_size(1)?;
                let (bytes, number) = match Self::of_array(&array)? {
                    Self::Bytes(bytes) => (bytes[0], 0),
                    Self::Numbers(numbers) => (LONGEST_PLAIN, numbers[0]),
                    Self::Constant { bytes, number } => (bytes, number),
                };
                Ok(Self::Constant { bytes, number })
            }
            ColumnarValue::Array(array) => Self::of_array(array),
        }
    }

    fn of_array(array: &ArrayRef) -> Result<Self> {
        let lengths = |length: &dyn Fn(usize) -> usize| {
            Self::Bytes((0..array.len()).map(|row| if array.is_null(row) { 0 } else { length(row) as u64 }).collect())
        };
        Ok(match array.data_type() {
            DataType::Utf8 => lengths(&|row| array.as_string::<i32>().value(row).len()),
            DataType::LargeUtf8 => lengths(&|row| array.as_string::<i64>().value(row).len()),
            DataType::Utf8View => lengths(&|row| array.as_string_view().value(row).len()),
            DataType::Binary => lengths(&|row| array.as_binary::<i32>().value(row).len()),
            DataType::LargeBinary => lengths(&|row| array.as_binary::<i64>().value(row).len()),
            DataType::BinaryView => lengths(&|row| array.as_binary_view().value(row).len()),
            DataType::FixedSizeBinary(size) => lengths(&|_| usize::try_from(*size).unwrap_or(0)),
            DataType::Dictionary(_, values) => return Self::of_array(&arrow::compute::cast(array, values)?),
            DataType::Int64 => {
                let numbers = as_int64_array(array)?;
                Self::Numbers(
                    (0..array.len())
                        .map(|row| if array.is_null(row) { 0 } else { u64::try_from(numbers.value(row)).unwrap_or(0) })
                        .collect(),
                )
            }
            number if number.is_integer() => {
                return Self::of_array(&arrow::compute::cast(array, &DataType::Int64)?);
            }
            DataType::Null => Self::Constant { bytes: 0, number: 0 },
            plain if !plain.is_nested() => Self::Constant { bytes: LONGEST_PLAIN, number: 0 },
            _ => {
                return Err(DataFusionError::from(QueryError::unsupported(
                    "a list or struct as argument of this function",
                )));
            }
        })
    }

    fn bytes(&self, row: usize) -> u64 {
        match self {
            Self::Constant { bytes, .. } => *bytes,
            Self::Bytes(bytes) => bytes.get(row).copied().unwrap_or(0),
            Self::Numbers(_) => LONGEST_PLAIN,
        }
    }

    fn number(&self, row: usize) -> u64 {
        match self {
            Self::Constant { number, .. } => *number,
            Self::Numbers(numbers) => numbers.get(row).copied().unwrap_or(0),
            Self::Bytes(_) => 0,
        }
    }
}
