//! The types of results under the names and codes that SQL, ODBC and JDBC have for them: one table, for
//! `GetXdbcTypeInfo` and for the metadata of columns alike.

use std::sync::LazyLock;

use arrow::datatypes::{DataType, TimeUnit};
use arrow_flight::error::FlightError as ArrowFlightError;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType as Code, XdbcDatetimeSubcode as Subcode};

/// A type as drivers know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SqlType {
    pub(super) name: &'static str,
    code: Code,
    /// Digits, characters or bytes at most.
    size: Option<i32>,
    /// What stands around a literal of it.
    literal: Option<(&'static str, &'static str)>,
    create: &'static [&'static str],
    pub(super) case_sensitive: bool,
    searchable: Searchable,
    /// Of a number: whether it has no sign.
    unsigned: Option<bool>,
    /// The least and greatest number of decimal places.
    scale: Option<(i32, i32)>,
    /// Of a moment or a span: what ODBC calls it without a subcode, and the subcode.
    datetime: Option<(Code, Subcode)>,
}

const PLAIN: SqlType = SqlType {
    name: "",
    code: Code::XdbcUnknownType,
    size: None,
    literal: None,
    create: &[],
    case_sensitive: false,
    searchable: Searchable::Basic,
    unsigned: None,
    scale: None,
    datetime: None,
};

const fn whole(name: &'static str, code: Code, digits: i32, unsigned: bool) -> SqlType {
    SqlType { name, code, size: Some(digits), unsigned: Some(unsigned), scale: Some((0, 0)), ..PLAIN }
}

const fn moment(
    name: &'static str,
    code: Code,
    size: i32,
    prefix: &'static str,
    places: Option<(i32, i32)>,
    subcode: Subcode,
) -> SqlType {
    let datetime = Some((Code::XdbcDatetime, subcode));
    SqlType { name, code, size: Some(size), literal: Some((prefix, "'")), scale: places, datetime, ..PLAIN }
}

const fn nested(name: &'static str) -> SqlType {
    SqlType { name, searchable: Searchable::None, ..PLAIN }
}

const NULL: SqlType = SqlType { name: "NULL", ..PLAIN };
const BOOLEAN: SqlType = SqlType { name: "BOOLEAN", code: Code::XdbcBit, size: Some(1), ..PLAIN };
const TINYINT: SqlType = whole("TINYINT", Code::XdbcTinyint, 3, false);
const SMALLINT: SqlType = whole("SMALLINT", Code::XdbcSmallint, 5, false);
const INTEGER: SqlType = whole("INTEGER", Code::XdbcInteger, 10, false);
const BIGINT: SqlType = whole("BIGINT", Code::XdbcBigint, 19, false);
const TINYINT_UNSIGNED: SqlType = whole("TINYINT UNSIGNED", Code::XdbcTinyint, 3, true);
const SMALLINT_UNSIGNED: SqlType = whole("SMALLINT UNSIGNED", Code::XdbcSmallint, 5, true);
const INTEGER_UNSIGNED: SqlType = whole("INTEGER UNSIGNED", Code::XdbcInteger, 10, true);
const BIGINT_UNSIGNED: SqlType = whole("BIGINT UNSIGNED", Code::XdbcBigint, 20, true);
const REAL: SqlType = SqlType { name: "REAL", code: Code::XdbcReal, size: Some(7), unsigned: Some(false), ..PLAIN };
const DOUBLE: SqlType =
    SqlType { name: "DOUBLE", code: Code::XdbcDouble, size: Some(15), unsigned: Some(false), ..PLAIN };
const DECIMAL: SqlType = SqlType {
    name: "DECIMAL",
    code: Code::XdbcDecimal,
    size: Some(76),
    create: &["precision", "scale"],
    unsigned: Some(false),
    scale: Some((0, 76)),
    ..PLAIN
};
const VARCHAR: SqlType = SqlType {
    name: "VARCHAR",
    code: Code::XdbcVarchar,
    size: Some(i32::MAX),
    literal: Some(("'", "'")),
    case_sensitive: true,
    searchable: Searchable::Full,
    ..PLAIN
};
const VARBINARY: SqlType =
    SqlType { name: "VARBINARY", code: Code::XdbcVarbinary, size: Some(i32::MAX), literal: Some(("X'", "'")), ..PLAIN };
// ODBC's code of a date without time is 1, which the protocol's enumeration calls a year.
const DATE: SqlType = moment("DATE", Code::XdbcDate, 10, "DATE '", None, Subcode::XdbcSubcodeYear);
const TIME: SqlType = moment("TIME", Code::XdbcTime, 18, "TIME '", Some((0, 9)), Subcode::XdbcSubcodeTime);
const TIMESTAMP: SqlType =
    moment("TIMESTAMP", Code::XdbcTimestamp, 29, "TIMESTAMP '", Some((0, 9)), Subcode::XdbcSubcodeTimestamp);
const TIMESTAMP_WITH_ZONE: SqlType = moment(
    "TIMESTAMP WITH TIME ZONE",
    Code::XdbcTimestamp,
    35,
    "TIMESTAMP WITH TIME ZONE '",
    Some((0, 9)),
    Subcode::XdbcSubcodeTimestampWithTimezone,
);
const INTERVAL: SqlType = SqlType {
    name: "INTERVAL",
    code: Code::XdbcInterval,
    literal: Some(("INTERVAL '", "'")),
    datetime: Some((Code::XdbcInterval, Subcode::XdbcSubcodeUnknown)),
    ..PLAIN
};
const DURATION: SqlType = SqlType { name: "DURATION", searchable: Searchable::Basic, ..PLAIN };
const ARRAY: SqlType = nested("ARRAY");
const STRUCT: SqlType = nested("STRUCT");
const MAP: SqlType = nested("MAP");

const ALL: [SqlType; 24] = [
    NULL,
    BOOLEAN,
    TINYINT,
    SMALLINT,
    INTEGER,
    BIGINT,
    TINYINT_UNSIGNED,
    SMALLINT_UNSIGNED,
    INTEGER_UNSIGNED,
    BIGINT_UNSIGNED,
    REAL,
    DOUBLE,
    DECIMAL,
    VARCHAR,
    VARBINARY,
    DATE,
    TIME,
    TIMESTAMP,
    TIMESTAMP_WITH_ZONE,
    INTERVAL,
    DURATION,
    ARRAY,
    STRUCT,
    MAP,
];

/// The type as drivers know it.
pub(super) fn sql_type(data_type: &DataType) -> SqlType {
    match data_type {
        DataType::Null => NULL,
        DataType::Boolean => BOOLEAN,
        DataType::Int8 => TINYINT,
        DataType::Int16 => SMALLINT,
        DataType::Int32 => INTEGER,
        DataType::Int64 => BIGINT,
        DataType::UInt8 => TINYINT_UNSIGNED,
        DataType::UInt16 => SMALLINT_UNSIGNED,
        DataType::UInt32 => INTEGER_UNSIGNED,
        DataType::UInt64 => BIGINT_UNSIGNED,
        DataType::Float16 | DataType::Float32 => REAL,
        DataType::Float64 => DOUBLE,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            DECIMAL
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => VARCHAR,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => VARBINARY,
        DataType::Date32 | DataType::Date64 => DATE,
        DataType::Time32(_) | DataType::Time64(_) => TIME,
        DataType::Timestamp(_, None) => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => TIMESTAMP_WITH_ZONE,
        DataType::Interval(_) => INTERVAL,
        DataType::Duration(_) => DURATION,
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..) => ARRAY,
        DataType::Struct(_) | DataType::Union(..) => STRUCT,
        DataType::Map(..) => MAP,
        DataType::Dictionary(_, values) => sql_type(values),
        DataType::RunEndEncoded(_, values) => sql_type(values.data_type()),
    }
}

/// How many digits, characters or bytes a value of the type has at most, and how many decimal places, where it tells.
pub(super) fn precision_and_scale(data_type: &DataType) -> (Option<i32>, Option<i32>) {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => (Some((*precision).into()), Some((*scale).into())),
        DataType::Time32(unit) | DataType::Time64(unit) | DataType::Timestamp(unit, _) => {
            let (places, whole) = (places(*unit), sql_type(data_type).size.unwrap_or_default() - 10);
            (Some(if places == 0 { whole } else { whole + 1 + places }), Some(places))
        }
        DataType::FixedSizeBinary(size) => (Some(*size), None),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => (None, None),
        other => {
            let known = sql_type(other);
            (known.size, known.scale.map(|(_, most)| most))
        }
    }
}

fn places(unit: TimeUnit) -> i32 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// What `GetXdbcTypeInfo` tells.
///
/// # Errors
/// When Arrow refuses to build the batch, which would be a fault of this file.
pub(super) fn xdbc_info() -> Result<&'static XdbcTypeInfoData, &'static ArrowFlightError> {
    static INFO: LazyLock<Result<XdbcTypeInfoData, ArrowFlightError>> = LazyLock::new(|| {
        let mut info = XdbcTypeInfoDataBuilder::new();
        ALL.iter().for_each(|each| info.append(xdbc(each)));
        info.build()
    });
    INFO.as_ref()
}

fn xdbc(each: &SqlType) -> XdbcTypeInfo {
    let text = |part: &str| part.to_owned();
    XdbcTypeInfo {
        type_name: text(each.name),
        data_type: each.code,
        column_size: each.size,
        literal_prefix: each.literal.map(|(prefix, _)| text(prefix)),
        literal_suffix: each.literal.map(|(_, suffix)| text(suffix)),
        create_params: (!each.create.is_empty()).then(|| each.create.iter().copied().map(text).collect()),
        nullable: Nullable::NullabilityNullable,
        case_sensitive: each.case_sensitive,
        searchable: each.searchable,
        unsigned_attribute: each.unsigned,
        fixed_prec_scale: false,
        auto_increment: each.unsigned.map(|_| false),
        local_type_name: Some(text(each.name)),
        minimum_scale: each.scale.map(|(least, _)| least),
        maximum_scale: each.scale.map(|(_, most)| most),
        sql_data_type: each.datetime.map_or(each.code, |(code, _)| code),
        datetime_subcode: each.datetime.map(|(_, subcode)| subcode),
        num_prec_radix: each.unsigned.map(|_| 10),
        interval_precision: None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn every_type_is_listed_once_in_the_order_of_its_code() {
        let all = xdbc_info().unwrap().record_batch(None).unwrap();
        let codes = all.column(1).as_primitive::<Int32Type>().values().to_vec();
        assert!(codes.is_sorted());
        let mut names: Vec<_> = all.column(0).as_string::<i32>().iter().flatten().collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        let dates = xdbc_info().unwrap().record_batch(91).unwrap();
        assert_eq!(dates.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["DATE"]);
        assert_eq!(xdbc_info().unwrap().record_batch(4711).unwrap().num_rows(), 0);
    }

    #[test]
    fn precision_and_scale_are_those_of_jdbc() {
        let zone = Some("UTC".into());
        for (data_type, name, expected) in [
            (DataType::Int64, "BIGINT", (Some(19), Some(0))),
            (DataType::Decimal128(12, 2), "DECIMAL", (Some(12), Some(2))),
            (DataType::Utf8, "VARCHAR", (None, None)),
            (DataType::Date32, "DATE", (Some(10), None)),
            (DataType::Time64(TimeUnit::Microsecond), "TIME", (Some(15), Some(6))),
            (DataType::Timestamp(TimeUnit::Second, None), "TIMESTAMP", (Some(19), Some(0))),
            (DataType::Timestamp(TimeUnit::Nanosecond, zone), "TIMESTAMP WITH TIME ZONE", (Some(35), Some(9))),
            (DataType::Float64, "DOUBLE", (Some(15), None)),
            (DataType::FixedSizeBinary(16), "VARBINARY", (Some(16), None)),
        ] {
            assert_eq!(sql_type(&data_type).name, name);
            assert_eq!(precision_and_scale(&data_type), expected, "{data_type}");
        }
    }
}
