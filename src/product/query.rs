//! Named queries: questions that an owner has worked out for consumers, with typed parameters.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type, TimeUnit};
use thiserror::Error;

use super::name::Name;

/// A query that a contract declares.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedQuery {
    /// Unique in its domain, together with products and datasets.
    pub name: Name,
    /// The contract's description.
    pub description: Option<String>,
    /// What it asks for, in the order of its arguments.
    pub parameters: Vec<Parameter>,
    /// One SELECT over datasets; `$name` stands for the argument of that name.
    pub sql: String,
    /// Where the SQL stands in the contract.
    pub line: u32,
}

/// What a named query asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// The contract's description.
    pub description: Option<String>,
    /// Its type: one that [`ParameterType`] has.
    pub data_type: ParameterType,
    /// What stands in where no argument is given; without it, one must be.
    pub default: Option<Argument>,
}

/// A value for a parameter, as its giver wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// NULL.
    Null,
    /// True or false.
    Flag(bool),
    /// A number.
    Number(String),
    /// A text; also how dates, timestamps and exact numbers are written.
    Text(String),
}

/// The type of a parameter: an Arrow type whose values can be written in one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterType(DataType);

/// An argument is no value of its parameter's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the value does not fit")]
pub struct Misfit;

impl NamedQuery {
    /// Whether it can be asked without an argument.
    pub fn needs_nothing(&self) -> bool {
        self.parameters.iter().all(|parameter| parameter.default.is_some())
    }
}

impl ParameterType {
    /// The type, if a parameter may have it.
    pub fn new(data_type: DataType) -> Option<Self> {
        let plain = data_type.is_integer()
            || matches!(
                data_type,
                DataType::Utf8
                    | DataType::Boolean
                    | DataType::Float32
                    | DataType::Float64
                    | DataType::Decimal128(..)
                    | DataType::Date32
                    | DataType::Timestamp(..)
            );
        plain.then_some(Self(data_type))
    }

    /// As Arrow has it.
    pub fn as_arrow(&self) -> &DataType {
        &self.0
    }

    /// Whether the argument is exactly a value of this type: nothing is rounded or cut off.
    ///
    /// # Errors
    /// [`Misfit`] when it is not.
    pub fn fits(&self, argument: &Argument) -> Result<(), Misfit> {
        let fits = match (argument, &self.0) {
            (Argument::Null, _) | (Argument::Text(_), DataType::Utf8) => true,
            (Argument::Flag(_), data_type) => *data_type == DataType::Boolean,
            (Argument::Text(text), DataType::Boolean) => ["true", "false"].contains(&text.to_lowercase().as_str()),
            (Argument::Number(text) | Argument::Text(text), data_type) if data_type.is_numeric() => {
                fits_number(text, data_type)
            }
            (Argument::Text(text), DataType::Date32) => text.len() <= 16 && is_date(text) && reads(text, &self.0),
            (Argument::Text(text), DataType::Timestamp(unit, zone)) => {
                // With a zone, SQL has nanoseconds only.
                let unit = if zone.is_some() { &TimeUnit::Nanosecond } else { unit };
                text.len() <= 64
                    && fraction(text) <= digits(*unit)
                    && reads(text, &DataType::Timestamp(*unit, zone.clone()))
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(Misfit) }
    }
}

/// As SQL calls it.
impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            DataType::Boolean => "BOOLEAN",
            DataType::Int8 => "TINYINT",
            DataType::Int16 => "SMALLINT",
            DataType::Int32 => "INTEGER",
            DataType::Int64 => "BIGINT",
            DataType::UInt8 => "TINYINT UNSIGNED",
            DataType::UInt16 => "SMALLINT UNSIGNED",
            DataType::UInt32 => "INTEGER UNSIGNED",
            DataType::UInt64 => "BIGINT UNSIGNED",
            DataType::Float32 => "REAL",
            DataType::Float64 => "DOUBLE",
            DataType::Decimal128(precision, scale) => return write!(f, "DECIMAL({precision},{scale})"),
            DataType::Date32 => "DATE",
            DataType::Timestamp(_, None) => "TIMESTAMP",
            DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE",
            _ => "VARCHAR",
        })
    }
}

fn fits_number(text: &str, data_type: &DataType) -> bool {
    const LONGEST: usize = 400;
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let written = all_digits(whole)
        && all_digits(decimals)
        && !(whole.is_empty() && decimals.is_empty())
        && exponent.is_none_or(|exponent| {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !digits.is_empty() && all_digits(digits)
        });
    if !written || text.len() > LONGEST {
        return false;
    }
    match data_type {
        DataType::Float32 | DataType::Float64 => is_finite(text, data_type),
        DataType::Decimal128(_, scale) => {
            let decimals = decimals.trim_end_matches('0').len();
            exponent.is_none() && decimals <= usize::try_from(*scale).unwrap_or_default() && reads(text, data_type)
        }
        _ => exponent.is_none() && !mantissa.contains('.') && reads(text, data_type),
    }
}

/// The text as a value of the type, by the same cast that SQL has.
fn read(text: &str, data_type: &DataType) -> Option<Arc<dyn Array>> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&StringArray::from(vec![text]), data_type, &strict).ok().filter(|array| array.is_valid(0))
}

fn reads(text: &str, data_type: &DataType) -> bool {
    read(text, data_type).is_some()
}

fn is_finite(text: &str, data_type: &DataType) -> bool {
    let Some(array) = read(text, data_type) else { return false };
    match data_type {
        DataType::Float32 => array.as_primitive::<Float32Type>().value(0).is_finite(),
        _ => array.as_primitive::<Float64Type>().value(0).is_finite(),
    }
}

/// A day, without a time that would be cut off.
fn is_date(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'))
}

/// How many digits of a second a text gives, zeros at the end left out.
fn fraction(text: &str) -> usize {
    let Some((_, decimals)) = text.split_once('.') else { return 0 };
    let end = decimals.find(|c: char| !c.is_ascii_digit()).unwrap_or(decimals.len());
    decimals.get(..end).unwrap_or_default().trim_end_matches('0').len()
}

fn digits(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_rounded_or_cut_off() {
        use Argument::{Flag, Null, Number, Text};
        let number = |text: &str| Number(text.to_owned());
        let text = |text: &str| Text(text.to_owned());
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (data_type, good, bad) in [
            (
                DataType::Int8,
                vec![Null, number("127"), number("-128"), text("5")],
                vec![number("128"), number("1.0"), number("1e1"), text(""), text(" 5"), text("five"), Flag(true)],
            ),
            (
                DataType::UInt64,
                vec![number("18446744073709551615")],
                vec![number("-1"), number("18446744073709551616")],
            ),
            (
                DataType::Decimal128(5, 2),
                vec![number("123.45"), number("1"), text("-0.500"), number(".5")],
                vec![number("1.234"), number("1234"), number("1e1"), number("."), text("1,5")],
            ),
            (DataType::Float32, vec![number("1.5e3"), number("0.1")], vec![number("1e300"), text("nan"), text("inf")]),
            (DataType::Utf8, vec![Null, text("'; DROP"), text("")], vec![number("5"), Flag(false)]),
            (DataType::Boolean, vec![Flag(true), text("FALSE")], vec![number("1"), text("yes")]),
            (
                DataType::Date32,
                vec![text("2026-02-28")],
                vec![text("2026-02-30"), text("2026-02-28 10:00"), number("1")],
            ),
            (
                micros,
                vec![text("2026-02-28T10:00:00.123456"), text("2026-02-28")],
                vec![text("2026-02-28T10:00:00.1234567"), text("now"), text("10:00")],
            ),
            (zoned, vec![text("2026-02-28T10:00:00Z")], vec![text("9999-01-01T00:00:00Z")]),
        ] {
            let data_type = ParameterType::new(data_type).unwrap();
            for argument in good {
                assert_eq!(data_type.fits(&argument), Ok(()), "{data_type}: {argument:?}");
            }
            for argument in bad {
                assert_eq!(data_type.fits(&argument), Err(Misfit), "{data_type}: {argument:?}");
            }
        }
        for other in [DataType::Binary, DataType::Null, DataType::new_list(DataType::Int8, true)] {
            assert_eq!(ParameterType::new(other), None);
        }
    }
}
