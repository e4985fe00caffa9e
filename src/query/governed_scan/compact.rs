//! Batches without the bytes of what is not shown.
//!
//! Arrow IPC ships whole buffers. A filtered view array still owns the texts of the hidden rows, a
//! dictionary its unused values, a list the children between its slots, and a NULL made by `nullif` covers
//! the value in its slot. So every array is rebuilt to hold what its rows show and nothing else.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, MutableArrayData, OffsetSizeTrait,
    RecordBatch, RecordBatchOptions, StructArray, make_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::{ArrowError, Result};

/// The batch under `schema`, each column compacted. With `scrub`, values under NULLs go as well: what
/// Parquet decodes or a mask makes has none there, what an expression computed may.
pub(super) fn compact(batch: &RecordBatch, schema: &SchemaRef, scrub: bool) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| compact_array(column, scrub)).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

fn compact_array(array: &ArrayRef, scrub: bool) -> Result<ArrayRef> {
    let nested = array.data_type().is_nested();
    let array =
        if array.null_count() > 0 && (scrub || nested) { without_hidden_slots(array)? } else { Arc::clone(array) };
    Ok(match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
        DataType::Dictionary(_, values) => cast(&cast(&array, values)?, array.data_type())?,
        DataType::List(_) => Arc::new(compact_list::<i32>(array.as_list(), scrub)?),
        DataType::LargeList(_) => Arc::new(compact_list::<i64>(array.as_list(), scrub)?),
        DataType::FixedSizeList(field, size) => {
            let list = array.as_fixed_size_list();
            let values = compact_array(list.values(), scrub)?;
            let list = FixedSizeListArray::try_new_with_length(
                Arc::clone(field),
                *size,
                values,
                list.nulls().cloned(),
                list.len(),
            )?;
            Arc::new(list)
        }
        DataType::Struct(fields) => {
            let structs = array.as_struct();
            let columns =
                structs.columns().iter().map(|column| compact_array(column, scrub)).collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                structs.nulls().cloned(),
                structs.len(),
            )?)
        }
        DataType::Map(field, ordered) => {
            let map = array.as_map();
            let (offsets, first, length) = rebased(map.offsets())?;
            let entries: ArrayRef = Arc::new(map.entries().slice(first, length));
            let entries = compact_array(&entries, scrub)?.as_struct().clone();
            Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, map.nulls().cloned(), *ordered)?)
        }
        // Contracts have no such types. A scan that has one all the same shows nothing.
        other @ (DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)) => {
            return Err(ArrowError::NotYetImplemented(format!("compacting {other}")));
        }
        _ => array,
    })
}

fn compact_list<O: OffsetSizeTrait>(list: &GenericListArray<O>, scrub: bool) -> Result<GenericListArray<O>> {
    let field = match list.data_type() {
        DataType::List(field) | DataType::LargeList(field) => Arc::clone(field),
        other => return Err(ArrowError::InvalidArgumentError(format!("a list of type {other}"))),
    };
    let (offsets, first, length) = rebased(list.offsets())?;
    let values = compact_array(&list.values().slice(first, length), scrub)?;
    GenericListArray::try_new(field, offsets, values, list.nulls().cloned())
}

/// Offsets that begin at zero, and the part of the values they speak of.
fn rebased<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> Result<(OffsetBuffer<O>, usize, usize)> {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
        return Err(ArrowError::InvalidArgumentError("a list without offsets".into()));
    };
    let moved = offsets.iter().map(|offset| *offset - *first).collect::<Vec<_>>();
    Ok((OffsetBuffer::new(moved.into()), first.as_usize(), last.as_usize() - first.as_usize()))
}

/// A copy of the slots that hold a value; the others hold nothing.
fn without_hidden_slots(array: &ArrayRef) -> Result<ArrayRef> {
    let Some(nulls) = array.nulls() else { return Ok(Arc::clone(array)) };
    let data = array.to_data();
    let mut copy = MutableArrayData::new(vec![&data], true, array.len());
    let mut next = 0;
    for (start, end) in nulls.valid_slices() {
        copy.try_extend_nulls(start - next)?;
        copy.try_extend(0, start, end)?;
        next = end;
    }
    copy.try_extend_nulls(array.len() - next)?;
    Ok(make_array(copy.freeze()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, Int32Array, ListArray, StringArray, StringViewArray};
    use arrow::compute::{filter, nullif};
    use arrow::datatypes::{Field, Int32Type, Schema};
    use arrow::ipc::writer::StreamWriter;

    use super::*;

    const CANARY: &str = "CANARY that is longer than an inlined view";

    /// The bytes that a client would get.
    fn wire(array: &ArrayRef) -> Vec<u8> {
        let schema = Arc::new(Schema::new(vec![Field::new("c", array.data_type().clone(), true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(array)]).unwrap();
        let batch = compact(&batch, &schema, true).unwrap();
        assert_eq!(&batch.columns()[0].to_data(), &array.to_data(), "compacting changes no row");
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn check(array: ArrayRef) {
        let bytes = wire(&array);
        assert!(!bytes.windows(6).any(|window| window == b"CANARY"), "canary in {}", array.data_type());
    }

    #[test]
    fn hidden_values_do_not_reach_the_wire() {
        let texts = [Some("shown"), Some(CANARY), None, Some(CANARY), Some("also shown")];
        let rows = arrow::array::BooleanArray::from(vec![true, false, true, false, true]);
        let view: ArrayRef = Arc::new(StringViewArray::from(texts.to_vec()));
        let flat: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let dictionary: ArrayRef = Arc::new(texts.iter().copied().collect::<DictionaryArray<Int32Type>>());
        for array in [&view, &flat, &dictionary] {
            check(filter(array, &rows).unwrap());
            check(array.slice(2, 1));
        }
        // NULLs over values.
        let hidden = arrow::array::BooleanArray::from(vec![false, true, false, true, false]);
        check(nullif(&view, &hidden).unwrap());
        check(nullif(&flat, &hidden).unwrap());
        check(nullif(&dictionary, &hidden).unwrap());
        // The children of nested values.
        let item = Arc::new(Field::new("item", DataType::Utf8View, true));
        let offsets = OffsetBuffer::new(vec![0, 1, 2, 2, 4, 5].into());
        let list: ArrayRef = Arc::new(ListArray::new(Arc::clone(&item), offsets, Arc::clone(&view), None));
        check(list.slice(0, 1));
        check(list.slice(4, 1));
        check(nullif(&list.slice(0, 3), &arrow::array::BooleanArray::from(vec![false, true, false])).unwrap());
        let fields = vec![Field::new("s", DataType::Utf8View, true), Field::new("n", DataType::Int32, true)];
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5]));
        let structs: ArrayRef = Arc::new(StructArray::new(fields.into(), vec![view, numbers], None));
        check(structs.slice(4, 1));
        check(nullif(&structs, &hidden).unwrap());
    }
}
