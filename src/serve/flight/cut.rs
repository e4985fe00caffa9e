//! Cuts record batches so that no message outgrows what plain gRPC clients accept.
//!
//! The stock encoder divides a batch by its average row, so one run of large cells still makes a message that the client
//! refuses. Here a batch is halved until each piece fits, or is a single row: that one row's size is the data's own.

use arrow::array::{Array, ArrayRef, RecordBatch};

/// The pieces of `batch`, in order, each of at most `limit` bytes or of a single row.
pub fn cut(batch: RecordBatch, limit: usize) -> Vec<RecordBatch> {
    let mut pieces = Vec::new();
    halve(batch, limit, &mut pieces);
    pieces
}

fn halve(batch: RecordBatch, limit: usize, pieces: &mut Vec<RecordBatch>) {
    let rows = batch.num_rows();
    if rows <= 1 || size(&batch) <= limit {
        pieces.push(batch);
        return;
    }
    let half = rows / 2;
    halve(batch.slice(0, half), limit, pieces);
    halve(batch.slice(half, rows - half), limit, pieces);
}

/// What the batch's rows take on the wire, about: only the slice's own part of each buffer, each
/// padded to 64 bytes as Arrow IPC does.
fn size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_size).sum()
}

const PADDING: usize = 192;

fn array_size(array: &ArrayRef) -> usize {
    let data = array.to_data();
    data.get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()) + PADDING
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::compute::concat_batches;
    use proptest::prelude::*;

    use super::*;

    fn batch(lengths: &[usize]) -> RecordBatch {
        let ids = Int64Array::from_iter_values(0..lengths.len() as i64);
        let texts = StringArray::from_iter_values(lengths.iter().map(|n| "x".repeat(*n)));
        RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef), ("text", Arc::new(texts) as ArrayRef)]).unwrap()
    }

    #[test]
    fn a_run_of_large_cells_is_cut_where_it_stands() {
        let mut lengths = vec![1; 1000];
        lengths.extend([40_000; 20]);
        let whole = batch(&lengths);
        let pieces = cut(whole.clone(), 100_000);
        assert!(pieces.iter().all(|piece| piece.num_rows() == 1 || size(piece) <= 100_000));
        assert!(pieces.len() < 40, "small rows stay together: {}", pieces.len());
    }

    proptest! {
        #[test]
        fn pieces_make_the_whole(lengths in prop::collection::vec(0usize..5000, 0..60), limit in 1usize..20_000) {
            let whole = batch(&lengths);
            let pieces = cut(whole.clone(), limit);
            prop_assert!(pieces.iter().all(|piece| piece.num_rows() <= 1 || size(piece) <= limit));
            prop_assert_eq!(concat_batches(&whole.schema(), &pieces).unwrap(), whole);
        }
    }
}
