//! Column masks: a closed set, so that each keeps its promise on every type it accepts.

use std::fmt;
use std::str::FromStr;

use arrow::datatypes::DataType;
use thiserror::Error;

/// What a consumer sees instead of a column's values. Ordered by strength: the smaller, the
/// stricter. The result has the column's own type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mask {
    /// Always NULL. Any type; the field becomes nullable.
    Null,
    /// A constant that says something is there: `***`. Strings.
    Redact,
    /// A keyed digest: equal values stay equal, joins and counts still work. Strings.
    Hmac,
    /// The last four characters, the rest replaced by `*`. Strings.
    Partial,
    /// 1 January of the value's year. Dates and timestamps.
    Year,
}

impl Mask {
    /// Every mask, strictest first.
    pub const ALL: [Self; 5] = [Self::Null, Self::Redact, Self::Hmac, Self::Partial, Self::Year];

    /// Whether the mask is defined on a column of this type.
    pub fn accepts(self, data_type: &DataType) -> bool {
        match self {
            Self::Null => true,
            Self::Redact | Self::Hmac | Self::Partial => {
                matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            }
            Self::Year => {
                matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
            }
        }
    }

    /// The word contracts and policies use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Redact => "redact",
            Self::Hmac => "hmac",
            Self::Partial => "partial",
            Self::Year => "year",
        }
    }
}

/// A word that names no mask.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a mask: the masks are null, redact, hmac, partial and year")]
pub struct UnknownMask(pub String);

impl FromStr for Mask {
    type Err = UnknownMask;

    fn from_str(text: &str) -> Result<Self, UnknownMask> {
        Self::ALL.into_iter().find(|mask| mask.as_str() == text).ok_or_else(|| UnknownMask(text.to_owned()))
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
