//! Masks: what a consumer sees in place of a column's values. The result has the column's own type.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Date64Array, LargeStringBuilder, RecordBatch, StringBuilder,
    StringViewBuilder, new_null_array,
};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::lower::text;
use crate::product::Mask;
use crate::query::MaskKey;

/// What stands for any text under `redact`.
const REDACTED: &str = "***";

/// Characters that `partial` shows.
const SHOWN: usize = 4;

/// A mask over a column, as an expression of the plan inside the leaf.
pub(super) struct MaskExpr {
    mask: Mask,
    column: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    key: MaskKey,
}

impl MaskExpr {
    /// `mask` over `column`, which has `data_type`.
    ///
    /// # Errors
    /// When the mask is not defined on the type. Loading has refused that; here it denies.
    pub(super) fn new(mask: Mask, column: Arc<dyn PhysicalExpr>, data_type: &DataType, key: &MaskKey) -> Result<Self> {
        if !mask.accepts(data_type) {
            return Err(DataFusionError::Internal(format!("mask {mask} on {data_type}")));
        }
        Ok(Self { mask, column, data_type: data_type.clone(), key: key.clone() })
    }
}

/// What a mask shows in every row, where that does not depend on the column's values: then nobody reads them. With
/// `has_no_null` none of them is NULL.
pub(super) fn constant(mask: Mask, data_type: &DataType, has_no_null: bool) -> Option<ScalarValue> {
    match mask {
        Mask::Null => ScalarValue::try_from(data_type).ok(),
        Mask::Redact if has_no_null => text(data_type, REDACTED.to_owned()),
        Mask::Redact | Mask::Hmac | Mask::Partial | Mask::Year => None,
    }
}

impl PhysicalExpr for MaskExpr {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        Ok(self.mask == Mask::Null || self.column.nullable(input)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.mask == Mask::Null {
            return Ok(ColumnarValue::Array(new_null_array(&self.data_type, batch.num_rows())));
        }
        let raw = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        apply(self.mask, &raw, &self.key).map(ColumnarValue::Array)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [column] =
            <[_; 1]>::try_from(children).map_err(|_| DataFusionError::Internal("a mask has one column".into()))?;
        Ok(Arc::new(Self { mask: self.mask, column, data_type: self.data_type.clone(), key: self.key.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mask")
    }
}

impl fmt::Display for MaskExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mask")
    }
}

impl fmt::Debug for MaskExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mask")
    }
}

impl PartialEq for MaskExpr {
    fn eq(&self, other: &Self) -> bool {
        self.mask == other.mask
            && self.data_type == other.data_type
            && self.key == other.key
            && self.column.eq(&other.column)
    }
}

impl Eq for MaskExpr {}

impl Hash for MaskExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.mask.hash(state);
        self.data_type.hash(state);
        self.column.hash(state);
    }
}

/// The array a consumer sees in place of `raw`. Built anew: nothing of `raw` is left in its buffers.
fn apply(mask: Mask, raw: &ArrayRef, key: &MaskKey) -> Result<ArrayRef> {
    match mask {
        Mask::Null => Ok(new_null_array(raw.data_type(), raw.len())),
        Mask::Redact => texts(raw, |_, shown| shown.push_str(REDACTED)),
        Mask::Partial => texts(raw, partial),
        Mask::Hmac => {
            let keyed = Hmac::<Sha256>::new_from_slice(key.expose())
                .map_err(|_| DataFusionError::Internal("the mask key is unusable".into()))?;
            let prefix = key.prefix();
            texts(raw, |text, shown| {
                let mut mac = keyed.clone();
                mac.update(text.as_bytes());
                shown.push_str(&prefix);
                URL_SAFE_NO_PAD.encode_string(mac.finalize().into_bytes(), shown);
            })
        }
        Mask::Year => years(raw),
    }
}

/// All but the last four characters replaced by `*`; all of a text that has no more than these.
fn partial(text: &str, shown: &mut String) {
    let length = text.chars().count();
    let hidden = if length > SHOWN { length - SHOWN } else { length };
    shown.extend(text.chars().enumerate().map(|(at, c)| if at < hidden { '*' } else { c }));
}

/// Texts made of `raw`'s; `mask` appends to what it is given, which is empty.
fn texts(raw: &ArrayRef, mask: impl Fn(&str, &mut String)) -> Result<ArrayRef> {
    let mut shown = String::new();
    macro_rules! built {
        ($texts:expr, $builder:expr) => {{
            let mut builder = $builder;
            for text in $texts.iter() {
                match text {
                    Some(text) => {
                        shown.clear();
                        mask(text, &mut shown);
                        builder.append_value(&shown);
                    }
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    let rows = raw.len();
    Ok(match raw.data_type() {
        DataType::Utf8 => built!(raw.as_string::<i32>(), StringBuilder::with_capacity(rows, rows)),
        DataType::LargeUtf8 => built!(raw.as_string::<i64>(), LargeStringBuilder::with_capacity(rows, rows)),
        DataType::Utf8View => built!(raw.as_string_view(), StringViewBuilder::with_capacity(rows)),
        other => return Err(DataFusionError::Internal(format!("a text mask on {other}"))),
    })
}

const SECONDS_PER_DAY: i64 = 86_400;
const MILLIS_PER_DAY: i64 = SECONDS_PER_DAY * 1_000;

/// 1 January of the year of a day counted from 1970-01-01; none beyond the calendar.
fn new_year(day: i64) -> Option<i64> {
    let date = DateTime::from_timestamp(day.checked_mul(SECONDS_PER_DAY)?, 0)?.date_naive();
    let first = NaiveDate::from_ymd_opt(date.year(), 1, 1)?;
    Some(first.signed_duration_since(NaiveDate::from_ymd_opt(1970, 1, 1)?).num_days())
}

fn years(raw: &ArrayRef) -> Result<ArrayRef> {
    macro_rules! timestamps {
        ($unit:ty, $per_second:expr, $zone:expr) => {{
            let per_day = SECONDS_PER_DAY * $per_second;
            let array = raw.as_primitive::<$unit>();
            let masked: arrow::array::PrimitiveArray<$unit> = array
                .iter()
                .map(|value| value.and_then(|value| new_year(value.div_euclid(per_day))?.checked_mul(per_day)))
                .collect();
            Arc::new(masked.with_timezone_opt($zone.clone())) as ArrayRef
        }};
    }
    Ok(match raw.data_type() {
        DataType::Date32 => Arc::new(
            raw.as_primitive::<Date32Type>()
                .iter()
                .map(|day| day.and_then(|day| i32::try_from(new_year(i64::from(day))?).ok()))
                .collect::<Date32Array>(),
        ),
        DataType::Date64 => Arc::new(
            raw.as_primitive::<Date64Type>()
                .iter()
                .map(|ms| ms.and_then(|ms| new_year(ms.div_euclid(MILLIS_PER_DAY))?.checked_mul(MILLIS_PER_DAY)))
                .collect::<Date64Array>(),
        ),
        DataType::Timestamp(TimeUnit::Second, zone) => timestamps!(TimestampSecondType, 1, zone),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => timestamps!(TimestampMillisecondType, 1_000, zone),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => timestamps!(TimestampMicrosecondType, 1_000_000, zone),
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => timestamps!(TimestampNanosecondType, 1_000_000_000, zone),
        other => return Err(DataFusionError::Internal(format!("the year mask on {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        LargeStringArray, StringArray, StringViewArray, TimestampMicrosecondArray, TimestampSecondArray,
    };

    use super::*;
    use crate::seal::Secret;

    fn masked(mask: Mask, raw: impl Array + 'static) -> ArrayRef {
        let raw: ArrayRef = Arc::new(raw);
        let key = MaskKey::new(Secret::new(vec![7; 32]));
        let shown = apply(mask, &raw, &key).unwrap();
        assert_eq!(shown.data_type(), raw.data_type());
        assert_eq!(shown.len(), raw.len());
        shown
    }

    #[test]
    fn texts_are_hidden_as_promised() {
        let raw = || StringArray::from(vec![Some("4111111111111234"), Some("abcd"), Some(""), None, Some("größe€")]);
        let shown = masked(Mask::Partial, raw());
        let shown: Vec<_> = shown.as_string::<i32>().iter().collect();
        assert_eq!(shown, [Some("************1234"), Some("****"), Some(""), None, Some("**öße€")]);
        let shown = masked(Mask::Redact, raw());
        let shown: Vec<_> = shown.as_string::<i32>().iter().collect();
        assert_eq!(shown, [Some("***"), Some("***"), Some("***"), None, Some("***")]);
        assert_eq!(masked(Mask::Null, raw()).null_count(), 5);
    }

    #[test]
    fn digests_are_equal_where_values_are_and_depend_on_the_key() {
        let raw = || vec![Some("a"), Some("b"), Some("a"), None];
        let view = masked(Mask::Hmac, StringViewArray::from(raw()));
        let large = masked(Mask::Hmac, LargeStringArray::from(raw()));
        let (view, large) = (view.as_string_view(), large.as_string::<i64>());
        assert_eq!(view.value(0), view.value(2));
        assert_ne!(view.value(0), view.value(1));
        assert!(view.is_null(3));
        assert_eq!(view.value(0), large.value(0), "the same in every text type");
        let other = apply(Mask::Hmac, &(Arc::new(StringArray::from(raw())) as ArrayRef), &MaskKey::random()).unwrap();
        assert_ne!(other.as_string::<i32>().value(0), view.value(0));
    }

    #[test]
    fn years_begin_on_their_first_day() {
        let day = |y, m, d| {
            let date = NaiveDate::from_ymd_opt(y, m, d).unwrap();
            i32::try_from(date.signed_duration_since(NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()).num_days()).unwrap()
        };
        let shown = masked(
            Mask::Year,
            Date32Array::from(vec![Some(day(2024, 12, 31)), Some(day(1969, 7, 20)), None, Some(i32::MAX)]),
        );
        let shown: Vec<_> = shown.as_primitive::<Date32Type>().iter().collect();
        assert_eq!(shown, [Some(day(2024, 1, 1)), Some(day(1969, 1, 1)), None, None]);
        let second = i64::from(day(1969, 7, 20)) * SECONDS_PER_DAY + 77;
        let expected = i64::from(day(1969, 1, 1)) * SECONDS_PER_DAY;
        let shown = masked(Mask::Year, TimestampSecondArray::from(vec![second]).with_timezone("UTC"));
        assert_eq!(shown.as_primitive::<TimestampSecondType>().value(0), expected);
        let shown = masked(Mask::Year, TimestampMicrosecondArray::from(vec![second * 1_000_000 + 5]));
        assert_eq!(shown.as_primitive::<TimestampMicrosecondType>().value(0), expected * 1_000_000);
        let shown = masked(Mask::Year, TimestampSecondArray::from(vec![i64::MAX]));
        assert!(shown.is_null(0), "beyond the calendar");
    }
}
