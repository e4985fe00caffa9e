//! The bound rows of a prepared statement: from a client's stream into a handle, and out of it as values.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::compute::concat_batches;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError as ArrowFlightError;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use futures::{FutureExt, Stream, TryStreamExt};

use super::error::FlightError;
use crate::query::Parameters;

/// The most bytes that bound values may take: they travel in the handle.
const MAX_BYTES: usize = 1024 * 1024;
/// The most rows bound: each is planned before the first is answered.
const MAX_ROWS: usize = 100;

/// Reads the rows that a client binds and encodes them for a handle.
///
/// # Errors
/// [`FlightError`] when the stream is no Arrow, or is too large.
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
    let mut bound: Vec<RecordBatch> = Vec::new();
    // Arrow panics on some malformed schemas.
    loop {
        let next = AssertUnwindSafe(batches.try_next()).catch_unwind().await.map_err(|_| malformed())?;
        let Some(batch) = next.map_err(|_| malformed())? else { break };
        if bound.iter().chain([&batch]).map(RecordBatch::num_rows).sum::<usize>() > MAX_ROWS {
            return Err(FlightError::Malformed(format!(
                "at most {MAX_ROWS} rows of parameters may be bound to a query"
            )));
        }
        if batch.num_rows() > 0 {
            bound.push(batch);
        }
    }
    let Some(first) = bound.first() else { return Ok(Vec::new()) };
    let rows = concat_batches(&first.schema(), &bound).map_err(|_| malformed())?;
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).map_err(FlightError::internal)?;
    writer.write(&rows).map_err(FlightError::internal)?;
    writer.into_inner().map_err(FlightError::internal)
}

/// The values of encoded rows, in order; one row without values when nothing is bound.
///
/// # Errors
/// [`FlightError::Malformed`] when the bytes are no such row, or a value is of a type SQL has no parameter for.
pub fn values(encoded: &[u8]) -> Result<Parameters, FlightError> {
    if encoded.is_empty() {
        return Ok(Vec::new().into());
    }
    let malformed = || FlightError::Malformed("the bound parameters cannot be read".to_owned());
    // Reads within the bytes there are; a reader of streams would first allocate whatever length they claim.
    let bound = catch_unwind(|| StreamDecoder::new().decode(&mut Buffer::from(encoded)))
        .map_err(|_| malformed())?
        .map_err(|_| malformed())?
        .ok_or_else(malformed)?;
    if bound.num_rows() == 0 || bound.num_rows() > MAX_ROWS {
        return Err(malformed());
    }
    let row = |at: usize| -> Result<Vec<_>, DataFusionError> {
        bound.columns().iter().map(|column| Ok(plain(ScalarValue::try_from_array(column.as_ref(), at)?))).collect()
    };
    let rows: Result<Vec<_>, DataFusionError> = (0..bound.num_rows()).map(row).collect();
    Ok(Parameters::rows(rows.map_err(|_| malformed())?))
}

/// The value that a union holds, since clients that do not know a parameter's type bind it as one of several; any other
/// value as it is.
fn plain(value: ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Union(Some((_, value)), ..) => *value,
        ScalarValue::Union(None, ..) => ScalarValue::Null,
        other => other,
    }
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

    async fn round_trip(rows: usize) -> Result<Parameters, FlightError> {
        let data = FlightDataEncoderBuilder::new().build(stream::iter([Ok(batch(rows))]));
        values(&receive(data).await?)
    }

    #[tokio::test]
    async fn rows_are_bound_with_their_types() {
        let bound = round_trip(1).await.unwrap();
        assert_eq!(Parameters::from(bound.first().to_vec()), bound);
        let bound = bound.first();
        assert_eq!(bound[0], ScalarValue::Int64(None));
        assert_eq!(bound[1], ScalarValue::from("x"));
        assert!(matches!(bound[2], ScalarValue::Decimal128(Some(7), _, _)));
        assert_eq!(round_trip(0).await.unwrap(), Vec::new().into());
        assert_eq!(round_trip(MAX_ROWS).await.unwrap(), Parameters::rows(vec![bound.to_vec(); MAX_ROWS]));
        assert!(matches!(round_trip(MAX_ROWS + 1).await, Err(FlightError::Malformed(_))));
        assert!(matches!(values(b"nonsense"), Err(FlightError::Malformed(_))));
    }
}
