//! Whether a file's type holds the values of a contract's type, and what reading it so takes.
//!
//! Three things are fine: another *encoding* of the same values (a view or dictionary for a string, another
//! offset width, another width of the same decimal, another display zone of the same instants), a *narrower*
//! type, each of whose values the contract's type has as well, and a nested child that the file lacks and the
//! contract does not require. Whatever rounds, cuts off or overflows is refused: the contract's author decides.

use std::cmp::Ordering;

use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// How a file's type relates to the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// The same values, maybe otherwise encoded.
    Same,
    /// Each value of the file is one of the contract's type: the cast cannot fail, and keeps their order.
    Wider,
    /// Timestamps in a coarser unit: exact as well, as long as no value is beyond the finer unit's range.
    Finer,
    /// Reading it would change values, or could.
    No,
}

/// How the file's type relates to the contract's; `int96` says that the file's is a legacy timestamp.
pub(super) fn fit(contract: &DataType, file: &DataType, int96: bool) -> Fit {
    use DataType as T;
    match (contract, file) {
        (T::Dictionary(_, contract), file) => fit(contract, file, int96),
        (contract, T::Dictionary(_, file)) => fit(contract, file, int96),
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8 | T::LargeUtf8 | T::Utf8View)
        | (T::Binary | T::LargeBinary | T::BinaryView, T::Binary | T::LargeBinary | T::BinaryView) => Fit::Same,
        // INT96 has neither unit nor zone of its own. Writers put microseconds into it; coarser would round.
        (T::Timestamp(unit, _), T::Timestamp(..)) if int96 => {
            same_if(matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond))
        }
        (T::Timestamp(unit, zone), T::Timestamp(file_unit, file_zone)) if zone.is_some() == file_zone.is_some() => {
            match digits(*unit).cmp(&digits(*file_unit)) {
                Ordering::Equal => Fit::Same,
                Ordering::Greater => Fit::Finer,
                Ordering::Less => Fit::No,
            }
        }
        (T::List(contract), T::List(file)) | (T::LargeList(contract), T::LargeList(file)) => child(contract, file),
        (T::List(contract) | T::LargeList(contract), T::List(file) | T::LargeList(file)) => arranged(contract, file),
        (T::FixedSizeList(contract, size), T::FixedSizeList(file, file_size)) if size == file_size => {
            child(contract, file)
        }
        (T::Struct(contract), T::Struct(file)) => children(contract, file),
        (T::Map(contract, _), T::Map(file, _)) => match (contract.data_type(), file.data_type()) {
            (T::Struct(contract), T::Struct(file)) if contract.len() == 2 && file.len() == 2 => {
                contract.iter().zip(file).map(|(contract, file)| arranged(contract, file)).max().unwrap_or(Fit::No)
            }
            _ => Fit::No,
        },
        _ => flat(contract, file),
    }
}

/// The file's type without its encoding as a dictionary.
pub(super) fn undictionaried(file: &DataType) -> &DataType {
    match file {
        DataType::Dictionary(_, value) => undictionaried(value),
        other => other,
    }
}

fn same_if(same: bool) -> Fit {
    if same { Fit::Same } else { Fit::No }
}

/// Types without children.
fn flat(contract: &DataType, file: &DataType) -> Fit {
    if contract == file {
        return Fit::Same;
    }
    if let (Some(contract), Some(file)) = (decimal(contract), decimal(file)) {
        let ((precision, scale), (file_precision, file_scale)) = (contract, file);
        let keeps_whole = precision - scale >= file_precision - file_scale;
        return match contract == file {
            true => Fit::Same,
            false if keeps_whole && scale >= file_scale && file_scale >= 0 => Fit::Wider,
            false => Fit::No,
        };
    }
    let wider = match (integer(contract), integer(file)) {
        // Every unsigned number fits a wider signed type, no negative one any unsigned type.
        (Some((signed, bits)), Some((file_signed, file_bits))) => bits > file_bits && (signed || !file_signed),
        _ => matches!((contract, file), (DataType::Float64, DataType::Float32)),
    };
    if wider { Fit::Wider } else { Fit::No }
}

/// Every child of the contract is there or may be NULL; others of the file are not read. Children's names are
/// compared exactly, and one that differs in case alone is not taken for missing.
fn children(contract: &Fields, file: &Fields) -> Fit {
    let mut shared = false;
    let each = contract.iter().map(|wanted| {
        let mut found = file.iter().filter(|field| field.name() == wanted.name());
        match (found.next(), found.next()) {
            (Some(field), None) => {
                shared = true;
                child(wanted, field)
            }
            (None, _) if wanted.is_nullable() && !file.iter().any(|field| alike(field.name(), wanted.name())) => {
                Fit::Wider
            }
            _ => Fit::No,
        }
    });
    let worst = each.max().unwrap_or(Fit::No);
    // A struct with none of its children would be a struct of NULLs where there was something.
    if shared { worst } else { Fit::No }
}

/// Something within something. A value that must be there has to be so in the file as well: nothing would check it.
fn child(contract: &Field, file: &Field) -> Fit {
    if file.is_nullable() && !contract.is_nullable() {
        return Fit::No;
    }
    match fit(contract.data_type(), file.data_type(), false) {
        // Footers do not bound what lies within lists.
        Fit::Finer => Fit::No,
        other => other,
    }
}

/// Something within a container that is cast as a whole, by which structs are cast place by place.
fn arranged(contract: &Field, file: &Field) -> Fit {
    same_if(child(contract, file) == Fit::Same && same_places(contract.data_type(), file.data_type()))
}

fn same_places(contract: &DataType, file: &DataType) -> bool {
    use DataType as T;
    match (contract, file) {
        (T::Struct(contract), T::Struct(file)) => {
            let same = |(c, f): (&std::sync::Arc<Field>, &std::sync::Arc<Field>)| {
                c.name() == f.name() && same_places(c.data_type(), f.data_type())
            };
            contract.len() == file.len() && contract.iter().zip(file).all(same)
        }
        (
            T::List(c) | T::LargeList(c) | T::FixedSizeList(c, _),
            T::List(f) | T::LargeList(f) | T::FixedSizeList(f, _),
        ) => same_places(c.data_type(), f.data_type()),
        _ => true,
    }
}

/// Names that differ in case at most.
pub(super) fn alike(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

/// Precision and scale, whatever the width.
fn decimal(data_type: &DataType) -> Option<(i16, i16)> {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Some((i16::from(*precision), i16::from(*scale))),
        _ => None,
    }
}

/// Whether it has negative numbers, and how many bits.
fn integer(data_type: &DataType) -> Option<(bool, usize)> {
    let bits = data_type.primitive_width().filter(|_| data_type.is_integer())? * 8;
    Some((data_type.is_signed_integer(), bits))
}

/// Of a second.
fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// What the owner of a file that does not fit can do.
pub(super) fn hint(contract: &DataType, file: &DataType, int96: bool) -> &'static str {
    use DataType as T;
    match (contract, undictionaried(file)) {
        (T::Timestamp(..), T::Timestamp(..)) if int96 => "legacy INT96 timestamps are read in micro- or nanoseconds",
        (T::Timestamp(unit, _), T::Timestamp(file_unit, _)) if unit != file_unit => {
            "a finer unit of time is not rounded: state the file's unit in the contract, or rewrite the file"
        }
        (T::Timestamp(..), T::Timestamp(..)) => {
            "instants (with a time zone) and local times are different: state which the file holds"
        }
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Binary | T::LargeBinary | T::BinaryView) => {
            "the file does not mark these bytes as text: write the column with the STRING logical type"
        }
        (contract, file) if contract.is_integer() && file.is_integer() => {
            "integers are read as wider ones only: state the file's width in the contract, or rewrite the file"
        }
        (contract, file) if decimal(contract).is_some() && decimal(file).is_some() => {
            "decimals are read with as many or more digits on either side of the point: state the file's, or rewrite it"
        }
        (contract, file) if contract.is_nested() && file.is_nested() => {
            "a field is missing, differs in case or type, or may be NULL where the contract requires a value"
        }
        _ => "state the file's type in the contract, or rewrite the file",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use DataType as T;

    use super::*;

    fn dictionary(value: T) -> T {
        T::Dictionary(Box::new(T::Int32), Box::new(value))
    }

    fn timestamp(unit: TimeUnit, zone: Option<&str>) -> T {
        T::Timestamp(unit, zone.map(Into::into))
    }

    fn list(name: &str, item: T) -> T {
        T::List(Arc::new(Field::new(name, item, true)))
    }

    /// Fields whose name ends in `!` are required.
    fn record(fields: &[(&str, T)]) -> T {
        let field = |(name, data_type): &(&str, T)| {
            Field::new(name.trim_end_matches('!'), data_type.clone(), !name.ends_with('!'))
        };
        T::Struct(fields.iter().map(field).collect())
    }

    fn map(value: T) -> T {
        let entries = record(&[("key!", T::Utf8), ("value", value)]);
        T::Map(Arc::new(Field::new("entries", entries, false)), false)
    }

    #[test]
    fn encodings_are_the_same() {
        let utc = Some("UTC");
        for (contract, file) in [
            (T::Utf8, T::LargeUtf8),
            (T::Utf8, T::Utf8View),
            (T::Utf8, dictionary(T::Utf8View)),
            (T::Binary, T::BinaryView),
            (T::Int64, dictionary(T::Int64)),
            (T::Decimal128(12, 2), T::Decimal64(12, 2)),
            (timestamp(TimeUnit::Microsecond, utc), timestamp(TimeUnit::Microsecond, Some("Europe/Berlin"))),
            (list("item", T::Utf8), list("element", T::LargeUtf8)),
            (list("item", T::Utf8), T::LargeList(Arc::new(Field::new("item", T::Utf8, true)))),
            (record(&[("a", T::Int32)]), record(&[("b", T::Utf8), ("a", T::Int32)])),
            (map(T::Utf8), map(T::LargeUtf8)),
        ] {
            assert_eq!(fit(&contract, &file, false), Fit::Same, "{contract} {file}");
        }
        assert_eq!(
            fit(&timestamp(TimeUnit::Microsecond, utc), &timestamp(TimeUnit::Nanosecond, None), true),
            Fit::Same
        );
    }

    #[test]
    fn narrower_types_are_widened() {
        for (contract, file) in [
            (T::Int16, T::Int8),
            (T::Int64, T::Int8),
            (T::Int64, dictionary(T::Int32)),
            (T::UInt64, T::UInt32),
            (T::Int16, T::UInt8),
            (T::Int64, T::UInt32),
            (T::Float64, T::Float32),
            (T::Decimal128(12, 2), T::Decimal128(10, 2)),
            (T::Decimal128(12, 4), T::Decimal32(9, 2)),
            (list("item", T::Int64), list("item", T::Int32)),
            (record(&[("a", T::Int64)]), record(&[("a", T::Int32)])),
            (record(&[("a", T::Int64), ("b", T::Utf8)]), record(&[("a", T::Int64)])),
            (list("item", record(&[("a", T::Int64), ("b", T::Utf8)])), list("e", record(&[("a", T::Int64)]))),
        ] {
            assert_eq!(fit(&contract, &file, false), Fit::Wider, "{contract} {file}");
        }
        let (coarse, fine) = (timestamp(TimeUnit::Millisecond, None), timestamp(TimeUnit::Microsecond, None));
        assert_eq!(fit(&fine, &coarse, false), Fit::Finer);
    }

    #[test]
    fn what_would_change_values_is_refused() {
        let micros = |zone| timestamp(TimeUnit::Microsecond, zone);
        for (contract, file) in [
            (T::Int32, T::Int64),
            (T::Int64, T::UInt64),
            (T::Int32, T::UInt32),
            (T::UInt64, T::Int8),
            (T::Int64, T::Boolean),
            (T::Utf8, T::Binary),
            (T::Utf8, T::Int64),
            (T::Float32, T::Float64),
            (T::Float64, T::Int32),
            (T::Decimal128(12, 2), T::Decimal128(12, 3)),
            (T::Decimal128(12, 3), T::Decimal128(12, 2)),
            (T::Decimal128(10, 2), T::Decimal128(12, 2)),
            (T::Decimal128(12, 2), T::Decimal128(12, -2)),
            (T::Decimal128(12, 2), T::Float64),
            (T::Decimal128(12, 0), T::Int32),
            (T::Date32, T::Date64),
            (micros(None), T::Date32),
            (micros(None), timestamp(TimeUnit::Nanosecond, None)),
            (micros(None), micros(Some("UTC"))),
            (timestamp(TimeUnit::Nanosecond, None), micros(Some("UTC"))),
            (record(&[("a", T::Int32)]), record(&[("A", T::Int32)])),
            (record(&[("a", T::Int32), ("b", T::Utf8)]), record(&[("a", T::Int32), ("B", T::Utf8)])),
            (record(&[("a", T::Int32), ("b!", T::Utf8)]), record(&[("a", T::Int32)])),
            (record(&[("a!", T::Int32)]), record(&[("a", T::Int32)])),
            (record(&[("a", T::Int32)]), record(&[("b", T::Int32)])),
            (record(&[("a", micros(None))]), record(&[("a", timestamp(TimeUnit::Millisecond, None))])),
            (list("item", T::Int32), list("item", T::Utf8)),
            (
                list("item", record(&[("a", T::Int32), ("b", T::Utf8)])),
                T::LargeList(Arc::new(Field::new("item", record(&[("b", T::Utf8), ("a", T::Int32)]), true))),
            ),
            (map(T::Int64), map(T::Int32)),
            (map(record(&[("a", T::Int32), ("b", T::Utf8)])), map(record(&[("b", T::Utf8), ("a", T::Int32)]))),
        ] {
            assert_eq!(fit(&contract, &file, false), Fit::No, "{contract} {file}");
            assert!(!hint(&contract, &file, false).is_empty());
        }
        let nanos = timestamp(TimeUnit::Nanosecond, None);
        assert_eq!(fit(&timestamp(TimeUnit::Second, None), &nanos, true), Fit::No);
    }
}
