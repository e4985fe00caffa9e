//! Whether ranges of values overlap: if all do, none is ever skipped.

use std::cmp::Ordering;

use datafusion::common::ScalarValue;

/// The smallest and the largest value of a row group or page.
pub(super) type Range = (ScalarValue, ScalarValue);

/// How many of the pairs of ranges have values in common, from 0 (sorted) to 1 (any order). Ranges that only touch do
/// not count: a value may end one row group and begin the next.
///
/// ```text
/// |---|        overlap(a, b): b begins before a ends
///    |----|    pairs = for each range, those that began before it less those that have ended by then
///          |-|
/// ```
pub(super) fn overlap(ranges: &[Range]) -> f64 {
    let mut begins: Vec<&ScalarValue> = ranges.iter().map(|(begin, _)| begin).collect();
    let mut ends: Vec<&ScalarValue> = ranges.iter().map(|(_, end)| end).collect();
    begins.sort_by(|a, b| compare(a, b));
    ends.sort_by(|a, b| compare(a, b));
    let mut ended = 0;
    let mut pairs = 0;
    for (begun, begin) in begins.iter().enumerate() {
        while ends.get(ended).is_some_and(|end| compare(end, begin) != Ordering::Greater) {
            ended += 1;
        }
        // A range of one value ends where it begins, so it may be counted among the ended too early.
        pairs += begun.saturating_sub(ended);
    }
    let all = ranges.len() * ranges.len().saturating_sub(1) / 2;
    if all == 0 { 0.0 } else { pairs as f64 / all as f64 }
}

/// Whether each range begins where the one before has ended, or later.
pub(super) fn ascending(ranges: &[Range]) -> bool {
    ranges.windows(2).all(|pair| match pair {
        [(_, end), (begin, _)] => compare(end, begin) != Ordering::Greater,
        _ => true,
    })
}

fn compare(a: &ScalarValue, b: &ScalarValue) -> Ordering {
    a.partial_cmp(b).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(of: &[(i64, i64)]) -> Vec<Range> {
        of.iter().map(|(a, b)| (ScalarValue::from(*a), ScalarValue::from(*b))).collect()
    }

    #[test]
    fn sorted_ranges_do_not_overlap_and_shuffled_ones_do() {
        for (of, expected) in [
            (&[][..], 0.0),
            (&[(1, 9)], 0.0),
            (&[(1, 2), (2, 3), (3, 3), (3, 5)], 0.0),
            (&[(5, 6), (1, 2), (3, 4)], 0.0),
            (&[(1, 99), (2, 97), (1, 98), (3, 99)], 1.0),
            (&[(1, 4), (3, 6), (7, 8)], 1.0 / 3.0),
        ] {
            assert!((overlap(&ranges(of)) - expected).abs() < 1e-9, "{of:?}: {}", overlap(&ranges(of)));
        }
        assert!(ascending(&ranges(&[(1, 2), (2, 3)])) && !ascending(&ranges(&[(3, 4), (1, 2)])));
    }
}
