//! What a statement's parameters are bound to.

use datafusion::common::ScalarValue;

/// The values of a statement's parameters: a row for each time that it is to be answered, the answers one after the
/// other. There is at least one row, if an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parameters(pub(super) Vec<Vec<ScalarValue>>);

impl Parameters {
    /// Several rows; no row at all is the same as one without values.
    pub fn rows(rows: Vec<Vec<ScalarValue>>) -> Self {
        if rows.is_empty() { Self(vec![Vec::new()]) } else { Self(rows) }
    }

    /// The bytes of memory that they take.
    pub(super) fn size(&self) -> usize {
        self.0.iter().flatten().map(ScalarValue::size).sum()
    }

    /// The first row.
    pub fn first(&self) -> &[ScalarValue] {
        self.0.first().map_or(&[], Vec::as_slice)
    }
}

/// One row.
impl From<Vec<ScalarValue>> for Parameters {
    fn from(row: Vec<ScalarValue>) -> Self {
        Self(vec![row])
    }
}
