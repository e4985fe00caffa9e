//! The one bound row of a prepared statement: from a client's stream into a handle, and out of it as values.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError as ArrowFlightError;
use datafusion::common::ScalarValue;
use futures::{FutureExt, Stream, TryStreamExt};

use super::error::FlightError;

/// The most bytes that bound values may take: they travel in the handle.
const MAX_BYTES: usize = 1024 * 1024;

/// Reads the row that a client binds and encodes it for a handle.
///
/// # Errors
/// [`FlightError`] when the stream is no Arrow, holds several rows, or is too large.
pub async fn receive(
    stream: impl Stream<Item = Result<FlightData, ArrowFlightError>> + Send + 'static,
) -> Result<Vec<u8>, FlightError> {
    let malformed = || FlightError::Malformed("the bound parameters are no valid Arrow stream".to_owned());
    let mut received = 0;
    let bounded = stream.and_then(move |data| {
        received += data.data_body.len() + data.data_header.len();
        let within = received <= MAX_BYTES;
        async move { if within { Ok(data) } else { Err(ArrowFlightError::DecodeError("too large".to_owned())) } }
    });
    let mut batches = FlightRecordBatchStream::new_from_flight_data(bounded);
    let mut bound: Option<RecordBatch> = None;
    // Arrow panics on some malformed schemas.
    loop {
        let next = AssertUnwindSafe(batches.try_next()).catch_unwind().await.map_err(|_| malformed())?;
        let Some(batch) = next.map_err(|_| malformed())? else { break };
        match batch.num_rows() {
            0 => {}
            1 if bound.is_none() => bound = Some(batch),
            _ => return Err(FlightError::Unimplemented("binding several rows to a query".to_owned())),
        }
    }
    let Some(row) = bound else { return Ok(Vec::new()) };
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema()).map_err(FlightError::internal)?;
    writer.write(&row).map_err(FlightError::internal)?;
    writer.into_inner().map_err(FlightError::internal)
}

/// The values of an encoded row, in order; none when nothing is bound.
///
/// # Errors
/// [`FlightError::Malformed`] when the bytes are no such row, or a value is of a type SQL has no parameter for.
pub fn values(encoded: &[u8]) -> Result<Vec<ScalarValue>, FlightError> {
    if encoded.is_empty() {
        return Ok(Vec::new());
    }
    let malformed = || FlightError::Malformed("the bound parameters cannot be read".to_owned());
    // Reads within the bytes there are; a reader of streams would first allocate whatever length they claim.
    let row = catch_unwind(|| StreamDecoder::new().decode(&mut Buffer::from(encoded)))
        .map_err(|_| malformed())?
        .map_err(|_| malformed())?
        .ok_or_else(malformed)?;
    if row.num_rows() == 0 {
        return Err(malformed());
    }
    let values: Result<Vec<_>, _> =
        row.columns().iter().map(|column| ScalarValue::try_from_array(column.as_ref(), 0)).collect();
    values.map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Decimal128Array, Int64Array, StringArray};
    use arrow_flight::encode::FlightDataEncoderBuilder;
    use futures::stream;

    use super::*;

    fn batch(rows: usize) -> RecordBatch {
        let numbers = Arc::new(Int64Array::from_iter((0..rows).map(|_| None::<i64>))) as ArrayRef;
        let texts = Arc::new(StringArray::from_iter_values((0..rows).map(|_| "x"))) as ArrayRef;
        let decimals = Arc::new(Decimal128Array::from_iter_values((0..rows).map(|_| 7))) as ArrayRef;
        RecordBatch::try_from_iter_with_nullable([("a", numbers, true), ("b", texts, false), ("c", decimals, false)])
            .unwrap()
    }

    async fn round_trip(rows: usize) -> Result<Vec<ScalarValue>, FlightError> {
        let data = FlightDataEncoderBuilder::new().build(stream::iter([Ok(batch(rows))]));
        values(&receive(data).await?)
    }

    #[tokio::test]
    async fn one_row_is_bound_with_its_types() {
        let bound = round_trip(1).await.unwrap();
        assert_eq!(bound[0], ScalarValue::Int64(None));
        assert_eq!(bound[1], ScalarValue::from("x"));
        assert!(matches!(bound[2], ScalarValue::Decimal128(Some(7), _, _)));
        assert_eq!(round_trip(0).await.unwrap(), vec![]);
        assert!(matches!(round_trip(2).await, Err(FlightError::Unimplemented(_))));
        assert!(matches!(values(b"nonsense"), Err(FlightError::Malformed(_))));
    }
}
