//! Hive partitions: the `key=value` folders on a file's path, and their values as a column's type.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use percent_encoding::percent_decode_str;

/// How writers spell NULL in a folder's name.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// One `key=value` folder, decoded; no value is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartitionKey {
    pub key: String,
    pub value: Option<String>,
}

/// The keys of a path's folders (without the file's own name), in order. Fails with the reason on a name
/// that cannot be decoded and on a key that comes twice.
pub(super) fn keys<'a>(folders: impl Iterator<Item = &'a str>) -> Result<Vec<PartitionKey>, String> {
    let mut found: Vec<PartitionKey> = Vec::new();
    for folder in folders {
        let Some((key, value)) = folder.split_once('=') else { continue };
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
            decoded.map_err(|_| format!("folder `{folder}` does not decode to UTF-8"))
        };
        let key = decode(key)?;
        let value = if value == NULL { None } else { Some(decode(value)?) };
        if found.iter().any(|other| other.key == key) {
            return Err(format!("folder `{folder}` repeats a partition key"));
        }
        found.push(PartitionKey { key, value });
    }
    Ok(found)
}

/// The value as the contract's type. Fails with the reason if it is no such value.
pub(super) fn typed(value: Option<&str>, data_type: &DataType) -> Result<ScalarValue, String> {
    let Some(text) = value else {
        return ScalarValue::try_new_null(data_type).map_err(|_| format!("cannot hold a value of type {data_type}"));
    };
    let parsed = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ScalarValue::from(text).cast_to(data_type),
        // Casting trims and rounds; a folder's name says exactly what it means or is refused.
        _ if text != text.trim() || text.is_empty() => {
            return Err(format!("is `{text}`, no value of type {data_type}"));
        }
        _ => ScalarValue::try_from_string(text.to_owned(), data_type),
    };
    match parsed {
        Ok(value) if !value.is_null() => Ok(value),
        _ => Err(format!("is `{text}`, no value of type {data_type}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(path: &str) -> Result<Vec<(String, Option<String>)>, String> {
        keys(path.split('/')).map(|keys| keys.into_iter().map(|key| (key.key, key.value)).collect())
    }

    #[test]
    fn keys_are_decoded() {
        let expected = vec![
            ("year".into(), Some("2024".into())),
            ("at".into(), Some("12:30".into())),
            ("region".into(), None),
            ("note".into(), Some(String::new())),
        ];
        assert_eq!(pairs("orders/year=2024/at=12%3A30/region=__HIVE_DEFAULT_PARTITION__/note=/plain"), Ok(expected));
        assert_eq!(pairs("path=..%2F..%2Fetc"), Ok(vec![("path".into(), Some("../../etc".into()))]));
        assert!(pairs("a=%ff").is_err());
        assert!(pairs("a=1/b=2/a=3").is_err());
    }

    #[test]
    fn values_take_the_contracts_type() {
        assert_eq!(typed(Some("7"), &DataType::Int32), Ok(ScalarValue::Int32(Some(7))));
        assert_eq!(typed(Some("2024-02-29"), &DataType::Date32), Ok(ScalarValue::Date32(Some(19782))));
        assert_eq!(typed(Some(""), &DataType::Utf8), Ok(ScalarValue::Utf8(Some(String::new()))));
        assert_eq!(typed(None, &DataType::Utf8), Ok(ScalarValue::Utf8(None)));
        for (text, data_type) in [
            ("x", DataType::Int64),
            ("", DataType::Int64),
            (" 1", DataType::Int64),
            ("300", DataType::UInt8),
            ("2024-13-01", DataType::Date32),
            ("maybe", DataType::Boolean),
        ] {
            assert!(typed(Some(text), &data_type).is_err(), "{text}");
        }
    }
}
