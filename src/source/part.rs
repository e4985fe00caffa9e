//! A part of a snapshot: what one of several readers fetches, so that together they have every row exactly once.

use std::ops::Range;

/// The `index`-th of `count` parts of a snapshot.
///
/// The files' bytes, one file after the other, are cut into `count` stretches of equal length. A row group belongs to the
/// part in whose stretch it begins, so the parts depend on nothing but the snapshot and `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: u32,
    count: u32,
}

impl Part {
    /// The `index`-th of `count`; none if there is no such part.
    pub fn new(index: u32, count: u32) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// How many parts of about `bytes` make `total` bytes of files; at most `most`, at least one.
    pub fn count_of(total: u64, bytes: u64, most: u32) -> u32 {
        u32::try_from(total.div_ceil(bytes.max(1))).unwrap_or(u32::MAX).clamp(1, most.max(1))
    }

    /// For files of these sizes, in order, the bytes of each that this part covers; empty ranges for the others.
    pub(super) fn ranges(self, sizes: &[u64]) -> Vec<Range<u64>> {
        let total: u128 = sizes.iter().copied().map(u128::from).sum();
        let cut = |index: u32| total * u128::from(index) / u128::from(self.count);
        let (begin, end) = (cut(self.index), cut(self.index + 1));
        let mut offset = 0_u128;
        let mut within = |size: &u64| {
            let (first, last) = (offset, offset + u128::from(*size));
            offset = last;
            let clip = |at: u128| u64::try_from(at.clamp(first, last) - first).unwrap_or(*size);
            clip(begin)..clip(end)
        };
        sizes.iter().map(&mut within).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_is_no_part_beyond_the_last() {
        assert!(Part::new(0, 0).is_none() && Part::new(3, 3).is_none());
        assert!(Part::new(2, 3).is_some());
    }

    proptest! {
        #[test]
        fn parts_cover_every_byte_once(sizes in prop::collection::vec(0u64..1 << 40, 0..20), count in 1u32..50) {
            let mut covered = vec![0; sizes.len()];
            for index in 0..count {
                let ranges = Part::new(index, count).unwrap().ranges(&sizes);
                prop_assert_eq!(ranges.len(), sizes.len());
                for (range, covered) in ranges.iter().zip(&mut covered) {
                    if !range.is_empty() {
                        prop_assert_eq!(range.start, *covered, "they follow each other");
                        *covered = range.end;
                    }
                }
            }
            prop_assert_eq!(covered, sizes);
        }
    }
}
