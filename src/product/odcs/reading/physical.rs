//! Physical types: the words of databases, of which Airside knows those that have one meaning.

use arrow::datatypes::{DataType, TimeUnit};

/// A physical type as far as its text tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Physical {
    /// Exactly this type.
    Exactly(DataType),
    /// A timestamp; whether it has a time zone, if the text says.
    Timestamp(TimeUnit, Option<bool>),
    /// A list, of items that the text may tell.
    List(Option<Box<Physical>>),
    /// A struct: `properties` tell its fields.
    Struct,
    /// A map: `map` tells its key and value.
    Map,
}

/// Why a text names no type: a reason to follow "`TEXT` ", and advice.
pub(super) struct Unreadable {
    pub reason: &'static str,
    pub hint: &'static str,
}

const UNKNOWN: Unreadable = Unreadable {
    reason: "is no physical type that Airside knows",
    hint: "leave `physicalType` out, or write VARCHAR, BOOLEAN, TINYINT to BIGINT, INT8 to UINT64, REAL, DOUBLE, \
           DECIMAL(p,s), DATE, TIME, TIMESTAMP, BINARY, ARRAY, STRUCT or MAP",
};
const LONGEST: usize = 256;

/// Reads a physical type, in any case.
pub(super) fn parse(text: &str) -> Result<Physical, Unreadable> {
    if text.len() > LONGEST {
        return Err(UNKNOWN);
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
    if let Some(item) = text.strip_suffix("[]") {
        return Ok(Physical::List(Some(Box::new(parse(item)?))));
    }
    for word in ["ARRAY", "LIST"] {
        if let Some(item) = text.strip_prefix(word).and_then(enclosed) {
            return Ok(Physical::List(Some(Box::new(parse(item)?))));
        }
    }
    for (word, physical) in [("STRUCT", Physical::Struct), ("ROW", Physical::Struct), ("MAP", Physical::Map)] {
        if text.strip_prefix(word).and_then(enclosed).is_some() {
            return Ok(physical);
        }
    }
    let (name, arguments) = split(&text).ok_or(UNKNOWN)?;
    named(&name, &arguments)
}

/// The inside of `<…>` or `(…)`.
fn enclosed(text: &str) -> Option<&str> {
    let text = text.trim();
    let pair = |open, close| text.strip_prefix(open)?.strip_suffix(close);
    pair('<', '>').or_else(|| pair('(', ')')).map(str::trim).filter(|inner| !inner.is_empty())
}

/// `TIMESTAMP(6) WITH TIME ZONE` → `TIMESTAMP WITH TIME ZONE`, `[6]`.
fn split(text: &str) -> Option<(String, Vec<i16>)> {
    let Some((name, rest)) = text.split_once('(') else { return Some((text.to_owned(), Vec::new())) };
    let (inner, suffix) = rest.split_once(')')?;
    let arguments = match inner.trim() {
        "MAX" => Vec::new(),
        inner => inner.split(',').map(|n| n.trim().parse().ok().filter(|n| *n >= 0)).collect::<Option<_>>()?,
    };
    Some((format!("{} {}", name.trim(), suffix.trim()).trim().to_owned(), arguments))
}

fn named(name: &str, arguments: &[i16]) -> Result<Physical, Unreadable> {
    use DataType as D;
    // Lengths of text and display widths of integers mean nothing to Arrow.
    let exactly = |data_type| Ok(Physical::Exactly(data_type));
    match name {
        "VARCHAR" | "CHAR" | "TEXT" | "STRING" | "CHARACTER" | "CHARACTER VARYING" | "NVARCHAR" | "NCHAR"
        | "BPCHAR" | "VARCHAR2" | "NVARCHAR2" | "CLOB" | "UTF8" | "UUID" | "ENUM" | "JSON" => exactly(D::Utf8),
        "BOOLEAN" | "BOOL" => exactly(D::Boolean),
        "TINYINT" | "BYTE" | "INT8" => exactly(D::Int8),
        "SMALLINT" | "SHORT" | "INT16" => exactly(D::Int16),
        "INTEGER" | "INT" | "INT32" => exactly(D::Int32),
        "BIGINT" | "LONG" | "INT64" => exactly(D::Int64),
        "UTINYINT" | "UINT8" => exactly(D::UInt8),
        "USMALLINT" | "UINT16" => exactly(D::UInt16),
        "UINTEGER" | "UINT32" => exactly(D::UInt32),
        "UBIGINT" | "UINT64" => exactly(D::UInt64),
        "FLOAT" if arguments.first().is_some_and(|bits| *bits > 24) => exactly(D::Float64),
        "REAL" | "FLOAT" | "FLOAT32" => exactly(D::Float32),
        "DOUBLE" | "DOUBLE PRECISION" | "FLOAT64" => exactly(D::Float64),
        "DECIMAL" | "NUMERIC" | "DECIMAL128" | "NUMBER" => decimal(arguments),
        "DATE" | "DATE32" => exactly(D::Date32),
        "TIME" | "TIME WITHOUT TIME ZONE" => time(arguments),
        "BINARY" | "VARBINARY" | "BLOB" | "BYTEA" | "BYTES" => exactly(D::Binary),
        "ARRAY" | "LIST" => Ok(Physical::List(None)),
        "STRUCT" | "RECORD" | "ROW" | "OBJECT" => Ok(Physical::Struct),
        "MAP" => Ok(Physical::Map),
        "TIMESTAMP_S" => Ok(Physical::Timestamp(TimeUnit::Second, None)),
        "TIMESTAMP_MS" => Ok(Physical::Timestamp(TimeUnit::Millisecond, None)),
        "TIMESTAMP_US" => Ok(Physical::Timestamp(TimeUnit::Microsecond, None)),
        "TIMESTAMP_NS" => Ok(Physical::Timestamp(TimeUnit::Nanosecond, None)),
        "TIMESTAMP" | "DATETIME" => timestamp(arguments, None),
        "TIMESTAMP WITH TIME ZONE" | "TIMESTAMPTZ" | "TIMESTAMP_TZ" => timestamp(arguments, Some(true)),
        "TIMESTAMP WITHOUT TIME ZONE" | "TIMESTAMP_NTZ" => timestamp(arguments, Some(false)),
        _ => Err(UNKNOWN),
    }
}

fn unit(arguments: &[i16]) -> Result<TimeUnit, Unreadable> {
    match arguments {
        [0] => Ok(TimeUnit::Second),
        [3] => Ok(TimeUnit::Millisecond),
        [] | [6] => Ok(TimeUnit::Microsecond),
        [9] => Ok(TimeUnit::Nanosecond),
        _ => Err(Unreadable {
            reason: "has a precision that Arrow has no unit for",
            hint: "the precision is 0, 3, 6 or 9",
        }),
    }
}

fn timestamp(arguments: &[i16], zone: Option<bool>) -> Result<Physical, Unreadable> {
    Ok(Physical::Timestamp(unit(arguments)?, zone))
}

fn time(arguments: &[i16]) -> Result<Physical, Unreadable> {
    let unit = unit(arguments)?;
    Ok(Physical::Exactly(match unit {
        TimeUnit::Second | TimeUnit::Millisecond => DataType::Time32(unit),
        TimeUnit::Microsecond | TimeUnit::Nanosecond => DataType::Time64(unit),
    }))
}

fn decimal(arguments: &[i16]) -> Result<Physical, Unreadable> {
    const HINT: &str = "write DECIMAL(precision, scale) with a precision of at most 38, and a scale no larger";
    let (precision, scale) = match arguments {
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => return Err(Unreadable { reason: "says neither precision nor scale", hint: HINT }),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(digits)) if scale <= i16::from(precision) => {
            Ok(Physical::Exactly(DataType::Decimal128(precision, digits)))
        }
        _ => Err(Unreadable { reason: "has a precision or scale out of range", hint: HINT }),
    }
}
