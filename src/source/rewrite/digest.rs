//! Whether two sets of files hold the same rows, in whatever order: their number, and a sum and an exclusive or over
//! a hash of each.
//!
//! It tells a mistake of ours, not a forger's work: who can write the files needs no collision.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use datafusion::error::Result;

/// What is kept of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub rows: u64,
    sum: u64,
    parity: u64,
}

impl Digest {
    /// Adds every row of a batch.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut hashes = vec![0; batch.num_rows()];
        create_hashes(batch.columns(), &HLL_RANDOM_STATE, &mut hashes)?;
        for hash in hashes {
            self.rows += 1;
            self.sum = self.sum.wrapping_add(hash);
            // Multiplied, so that it is no second look at the same bits.
            self.parity ^= hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn digest(rows: &[(Option<i64>, Option<&str>)]) -> Digest {
        let columns: [(&str, ArrayRef); 2] = [
            ("a", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
            ("b", Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>())),
        ];
        let mut digest = Digest::default();
        digest.add(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        digest
    }

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let (one, two) = ((Some(1), Some("x")), (None, Some("y")));
        assert_eq!(digest(&[one, two]), digest(&[two, one]));
        for other in [
            &[one][..],
            &[one, one],
            &[one, two, two],
            &[(Some(1), Some("y")), (None, Some("x"))],
            &[one, (Some(0), Some("y"))],
            &[one, (None, None)],
        ] {
            assert_ne!(digest(&[one, two]), digest(other), "{other:?}");
        }
    }
}
