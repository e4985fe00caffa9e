//! The schema on the wire: decided here, once, so that what is announced is what is sent.
//!
//! Inside the engine texts may be views and columns may be dictionaries; clients disagree about both. So
//! neither leaves: views become plain texts, dictionaries their values, at every depth. Metadata of fields
//! stays behind, since it may hold what a file's writer put there.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::Result;

/// The schema under which results of `schema` are sent.
pub fn wire_schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|field| wire_field(field)).collect::<Vec<_>>()))
}

fn wire_field(field: &Field) -> Field {
    Field::new(field.name(), wire_type(field.data_type()), field.is_nullable())
}

pub(super) fn wire_type(data_type: &DataType) -> DataType {
    let child = |field: &FieldRef| Arc::new(wire_field(field));
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => wire_type(values),
        DataType::RunEndEncoded(_, values) => wire_type(values.data_type()),
        DataType::List(field) | DataType::ListView(field) => DataType::List(child(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(child(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(child(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(child).collect()),
        DataType::Map(field, ordered) => DataType::Map(child(field), *ordered),
        other => other.clone(),
    }
}

/// The batch under `schema`, which is its wire schema.
pub(super) fn to_wire(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| to_wire_array(column, field.data_type()))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

fn to_wire_array(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type { Ok(Arc::clone(array)) } else { cast(array, data_type) }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, DictionaryArray, StringArray, StringViewArray, StructArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn views_and_dictionaries_become_plain_at_every_depth() {
        let dictionary: ArrayRef =
            Arc::new([Some("a"), None, Some("a")].into_iter().collect::<DictionaryArray<Int32Type>>());
        let view: ArrayRef = Arc::new(StringViewArray::from(vec![Some("x"), None, Some("z")]));
        let inner = Field::new("v", DataType::Utf8View, true).with_metadata([("k".into(), "v".into())].into());
        let nested: ArrayRef = Arc::new(StructArray::new(vec![inner].into(), vec![view.clone()], None));
        let fields: Vec<Field> = [("d", &dictionary), ("v", &view), ("v", &nested)]
            .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
            .to_vec();
        let schema = Arc::new(Schema::new_with_metadata(fields, [("writer".into(), "secret".into())].into()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![dictionary, view, nested]).unwrap();
        let wire = wire_schema(&schema);
        insta::assert_snapshot!(
            format!("{wire}"),
            @r#"Field { "d": nullable Utf8 }, Field { "v": nullable Utf8 }, Field { "v": nullable Struct("v": Utf8) }"#
        );
        let sent = to_wire(&batch, &wire).unwrap();
        assert_eq!(sent.schema(), wire);
        assert_eq!(sent.column(0).as_string::<i32>(), &StringArray::from(vec![Some("a"), None, Some("a")]));
        assert_eq!(sent.column(2).as_struct().column(0).as_string::<i32>().value(2), "z");
        let none = RecordBatch::try_new_with_options(
            Arc::new(Schema::empty()),
            vec![],
            &RecordBatchOptions::new().with_row_count(Some(3)),
        );
        assert_eq!(to_wire(&none.unwrap(), &Arc::new(Schema::empty())).unwrap().num_rows(), 3);
    }
}
