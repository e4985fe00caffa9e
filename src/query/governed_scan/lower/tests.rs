//! Lowering against a naive reading of the row filter's meaning.

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int8Array, Int16Array, Int64Array, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt8Array, UInt32Array,
};
use proptest::prelude::*;

use super::*;

/// A value of a column, exactly: numbers as multiples of 10^-9 (instants: of a nanosecond).
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Value {
    Number(i128),
    Text(String),
    Flag(bool),
}

const NANO: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * NANO;

fn batch() -> RecordBatch {
    let ints = [i64::MIN, -301, -129, -128, -1, 0, 1, 2, 127, 128, 255, 256, 301, i64::MAX];
    let rows = ints.len();
    let narrow = |int: &i64| i8::try_from(*int).ok();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i8", Arc::new(Int8Array::from(ints.iter().map(narrow).collect::<Vec<_>>()))),
        ("i64", Arc::new(Int64Array::from(ints.to_vec()))),
        ("i16", Arc::new(Int16Array::from(ints.iter().map(|int| i16::try_from(*int).ok()).collect::<Vec<_>>()))),
        ("u8", Arc::new(UInt8Array::from(ints.iter().map(|int| u8::try_from(*int).ok()).collect::<Vec<_>>()))),
        // Beyond what a literal can say: whole numbers of 29 digits, nine more behind the point.
        (
            "d38",
            Arc::new(
                Decimal128Array::from(
                    ints.iter()
                        .map(|int| Some(i128::from(*int) * 10_i128.pow(18) + i128::from(*int % 7)))
                        .collect::<Vec<_>>(),
                )
                .with_precision_and_scale(38, 9)
                .unwrap(),
            ),
        ),
        (
            "whole",
            Arc::new(
                Decimal128Array::from(ints.iter().map(|int| Some(i128::from(*int))).collect::<Vec<_>>())
                    .with_precision_and_scale(20, 0)
                    .unwrap(),
            ),
        ),
        // Up to the ends of what a column can hold.
        ("ms", Arc::new(TimestampMillisecondArray::from(ints.to_vec()).with_timezone("UTC"))),
        ("ns", Arc::new(TimestampNanosecondArray::from(ints.to_vec()))),
        (
            "view",
            Arc::new(StringViewArray::from(
                (0..rows)
                    .map(|row| ["", "a", "aXb", "a much longer text than is inlined"].get(row % 5).copied())
                    .collect::<Vec<_>>(),
            )),
        ),
        ("u32", Arc::new(UInt32Array::from(ints.iter().map(|int| u32::try_from(*int).ok()).collect::<Vec<_>>()))),
        (
            "d2",
            Arc::new(
                Decimal128Array::from(ints.iter().map(|int| Some(i128::from(*int % 1000))).collect::<Vec<_>>())
                    .with_precision_and_scale(5, 2)
                    .unwrap(),
            ),
        ),
        (
            "d6",
            Arc::new(
                Decimal128Array::from(
                    ints.iter().map(|int| Some(i128::from(*int) % 10_i128.pow(12))).collect::<Vec<_>>(),
                )
                .with_precision_and_scale(12, 6)
                .unwrap(),
            ),
        ),
        ("day", Arc::new(Date32Array::from(ints.iter().map(|int| i32::try_from(*int).ok()).collect::<Vec<_>>()))),
        ("s", Arc::new(TimestampSecondArray::from(ints.iter().map(|int| int % 1_000_000).collect::<Vec<_>>()))),
        ("us", Arc::new(TimestampMicrosecondArray::from(ints.iter().map(|int| int % 1_000_000).collect::<Vec<_>>()))),
        (
            "text",
            Arc::new(StringArray::from(
                (0..rows)
                    .map(|row| ["", "a", "ab%", "a_b", "a\\b", "x\ny", "größe", "aXb"].get(row).copied())
                    .collect::<Vec<_>>(),
            )),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from(
                (0..rows).map(|row| [None, Some(true), Some(false)][row % 3]).collect::<Vec<_>>(),
            )),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn value(batch: &RecordBatch, column: &str, row: usize) -> Option<Value> {
    let scalar = ScalarValue::try_from_array(batch.column_by_name(column).unwrap(), row).unwrap();
    let power = |scale: i8| 10_i128.pow(u32::try_from(9 - scale).unwrap());
    match scalar {
        ScalarValue::Int8(value) => value.map(|value| Value::Number(i128::from(value) * NANO)),
        ScalarValue::Int64(value) => value.map(|value| Value::Number(i128::from(value) * NANO)),
        ScalarValue::Int16(value) => value.map(|value| Value::Number(i128::from(value) * NANO)),
        ScalarValue::UInt8(value) => value.map(|value| Value::Number(i128::from(value) * NANO)),
        ScalarValue::TimestampMillisecond(value, _) => value.map(|value| Value::Number(i128::from(value) * 1_000_000)),
        ScalarValue::TimestampNanosecond(value, _) => value.map(|value| Value::Number(i128::from(value))),
        ScalarValue::Utf8View(value) => value.map(Value::Text),
        ScalarValue::UInt32(value) => value.map(|value| Value::Number(i128::from(value) * NANO)),
        ScalarValue::Decimal128(value, _, scale) => value.map(|value| Value::Number(value * power(scale))),
        ScalarValue::Date32(value) => value.map(|value| Value::Number(i128::from(value) * DAY)),
        ScalarValue::TimestampSecond(value, _) => value.map(|value| Value::Number(i128::from(value) * NANO)),
        ScalarValue::TimestampMicrosecond(value, _) => value.map(|value| Value::Number(i128::from(value) * 1000)),
        ScalarValue::Utf8(value) => value.map(Value::Text),
        ScalarValue::Boolean(value) => value.map(Value::Flag),
        other => panic!("{other:?}"),
    }
}

fn literal(value: &Literal) -> Value {
    match value {
        Literal::Text(text) => Value::Text(text.clone()),
        Literal::Number(number) => Value::Number(i128::from(*number) * NANO),
        Literal::Decimal(number) => Value::Number(i128::from(*number) * 100_000),
        Literal::Instant(ms) => Value::Number(i128::from(*ms) * 1_000_000),
        Literal::Flag(flag) => Value::Flag(*flag),
    }
}

fn holds(op: Comparison, left: &Value, right: &Value) -> bool {
    match op {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
}

fn like(pattern: &[PatternElement], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [PatternElement::Any, rest @ ..] => (0..=text.len()).any(|skip| like(rest, &text[skip..])),
        [PatternElement::Char(c), rest @ ..] => text.first() == Some(c) && like(rest, &text[1..]),
    }
}

/// Whether the filter is TRUE of a row.
fn shows(filter: &RowFilter, batch: &RecordBatch, row: usize) -> bool {
    let of = |column: &str| value(batch, column, row);
    match filter {
        RowFilter::All => true,
        RowFilter::Nothing => false,
        RowFilter::And(parts) => parts.iter().all(|part| shows(part, batch, row)),
        RowFilter::Or(parts) => parts.iter().any(|part| shows(part, batch, row)),
        RowFilter::Compare { column, op, value } => of(column).is_some_and(|own| holds(*op, &own, &literal(value))),
        RowFilter::CompareColumns { left, op, right } => {
            matches!((of(left), of(right)), (Some(left), Some(right)) if holds(*op, &left, &right))
        }
        RowFilter::In { column, values, negated } => {
            of(column).is_some_and(|own| values.iter().any(|value| literal(value) == own) != *negated)
        }
        RowFilter::Like { column, pattern, negated } => match of(column) {
            Some(Value::Text(text)) => like(pattern, &text.chars().collect::<Vec<_>>()) != *negated,
            _ => false,
        },
        RowFilter::Flag { column, value } => of(column) == Some(Value::Flag(*value)),
        RowFilter::Present { column, present } => of(column).is_some() == *present,
    }
}

fn check(filter: &RowFilter) {
    let batch = batch();
    let schema = batch.schema();
    let expr = lower(filter, &schema, &|name| schema.index_of(name).ok()).unwrap();
    let shown = expr.evaluate(&batch).unwrap().into_array(batch.num_rows()).unwrap();
    let shown = arrow::array::AsArray::as_boolean(&shown);
    for row in 0..batch.num_rows() {
        let lowered = arrow::array::Array::is_valid(shown, row) && shown.value(row);
        assert_eq!(lowered, shows(filter, &batch, row), "row {row} of {filter:?} as {expr}");
    }
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    prop::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
}

/// Numbers near those of the batch, and the ends of the range.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![-310_i64..310, prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]), any::<i64>()]
}

/// A column and a literal that fits it.
fn operand() -> impl Strategy<Value = (String, Literal)> {
    let numbers = prop::sample::select(vec!["i8", "i16", "i64", "u8", "u32", "d2", "d6", "d38", "whole"]);
    let instants = prop::sample::select(vec!["day", "s", "ms", "us", "ns"]);
    let instant =
        prop_oneof![number(), number().prop_map(|day| day.saturating_mul(86_400_000)), -1_100_000_i64..1_100_000];
    prop_oneof![
        (numbers.clone(), number()).prop_map(|(column, value)| (column.to_owned(), Literal::Number(value))),
        (numbers, prop_oneof![number(), number().prop_map(|n| n.saturating_mul(10_000))])
            .prop_map(|(column, value)| (column.to_owned(), Literal::Decimal(value))),
        (instants, instant).prop_map(|(column, value)| (column.to_owned(), Literal::Instant(value))),
        ("[a%_\\\\bß]{0,3}", any::<bool>())
            .prop_map(|(text, view)| (if view { "view" } else { "text" }.to_owned(), Literal::Text(text))),
    ]
}

fn leaf() -> impl Strategy<Value = RowFilter> {
    let element = prop_oneof![
        Just(PatternElement::Any),
        prop::sample::select(vec!['a', 'b', '%', '_', '\\', 'ß', '\n', '.', '*']).prop_map(PatternElement::Char)
    ];
    let columns = prop::sample::select(vec![
        "i8", "i16", "i64", "u8", "u32", "d2", "d6", "d38", "whole", "day", "s", "ms", "us", "ns", "text", "view",
        "flag",
    ]);
    prop_oneof![
        (operand(), comparison()).prop_map(|((column, value), op)| RowFilter::Compare { column, op, value }),
        (operand(), number(), any::<bool>(), any::<bool>()).prop_map(|((column, value), other, two, negated)| {
            let second = match &value {
                Literal::Number(_) => Literal::Number(other),
                Literal::Decimal(_) => Literal::Decimal(other),
                Literal::Instant(_) => Literal::Instant(other),
                _ => Literal::Text("a_b".into()),
            };
            RowFilter::In { column, values: if two { vec![value, second] } else { vec![value] }, negated }
        }),
        (columns.clone(), any::<bool>()).prop_map(|(column, negated)| RowFilter::In {
            column: column.into(),
            values: vec![],
            negated
        }),
        (prop::collection::vec(element, 0..4), any::<bool>(), any::<bool>()).prop_map(|(pattern, negated, view)| {
            RowFilter::Like { column: if view { "view" } else { "text" }.into(), pattern, negated }
        }),
        any::<bool>().prop_map(|value| RowFilter::Flag { column: "flag".into(), value }),
        (columns.clone(), any::<bool>())
            .prop_map(|(column, present)| RowFilter::Present { column: column.into(), present }),
        (columns, comparison()).prop_map(|(column, op)| RowFilter::CompareColumns {
            left: column.into(),
            op,
            right: column.into()
        }),
        Just(RowFilter::All),
        Just(RowFilter::Nothing),
    ]
}

/// 2000 cases, or as many as `AIRSIDE_SOAK_CASES` asks for beyond that.
fn cases() -> u32 {
    std::env::var("AIRSIDE_SOAK_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000).max(2_000)
}

fn filter() -> impl Strategy<Value = RowFilter> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(RowFilter::And),
            prop::collection::vec(inner, 0..3).prop_map(RowFilter::Or),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn lowering_keeps_the_meaning(filter in filter()) {
        check(&filter);
    }
}

#[test]
fn what_is_asked_of_a_value_asks_for_one_as_well() {
    let schema = batch().schema();
    let present = |column: &str| RowFilter::Present { column: column.into(), present: true };
    let absent = |column: &str| RowFilter::Present { column: column.into(), present: false };
    let one =
        |column: &str| RowFilter::Compare { column: column.into(), op: Comparison::Equal, value: Literal::Number(1) };
    let columns = RowFilter::CompareColumns { left: "i8".into(), op: Comparison::Less, right: "i8".into() };
    let either = |parts: &[RowFilter]| RowFilter::Or(parts.to_vec());
    for (parts, expected) in [
        (vec![present("i8"), one("i8")], "i8@0 = 1"),
        (vec![one("i8"), present("i8"), present("i8")], "i8@0 = 1"),
        (vec![present("i8"), columns.clone(), present("i8")], "i8@0 < i8@0"),
        (vec![present("i8"), either(&[one("i8"), columns.clone()])], "i8@0 = 1 OR i8@0 < i8@0"),
        // Nothing else asks for it.
        (vec![present("i8"), one("i64")], "i8@0 IS NOT NULL AND i64@1 = 1"),
        (vec![present("i8"), either(&[one("i8"), one("i64")])], "i8@0 IS NOT NULL AND (i8@0 = 1 OR i64@1 = 1)"),
        (vec![absent("i8"), one("i64")], "i8@0 IS NULL AND i64@1 = 1"),
        (vec![present("i8"), absent("i64")], "i8@0 IS NOT NULL AND i64@1 IS NULL"),
        (vec![present("i8"), present("i8")], "i8@0 IS NOT NULL AND i8@0 IS NOT NULL"),
    ] {
        let filter = RowFilter::And(parts);
        check(&filter);
        assert_eq!(lower(&filter, &schema, &|name| schema.index_of(name).ok()).unwrap().to_string(), expected);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let schema = batch().schema();
    let compare = |column: &str, value| RowFilter::Compare { column: column.into(), op: Comparison::Less, value };
    for filter in [
        compare("text", Literal::Number(1)),
        compare("i8", Literal::Text("1".into())),
        compare("i8", Literal::Instant(1)),
        compare("day", Literal::Number(1)),
        compare("flag", Literal::Number(1)),
        compare("missing", Literal::Number(1)),
        RowFilter::Flag { column: "i8".into(), value: true },
        RowFilter::Like { column: "i8".into(), pattern: vec![], negated: false },
        RowFilter::CompareColumns { left: "i8".into(), op: Comparison::Equal, right: "i64".into() },
    ] {
        assert!(lower(&filter, &schema, &|name| schema.index_of(name).ok()).is_err(), "{filter:?}");
    }
}
