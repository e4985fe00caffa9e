//! Record batches into Flight messages.

use std::pin::Pin;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError as ArrowFlightError;
use futures::{Stream, TryStreamExt, stream};
use tonic::Status;

use super::cut::{MAX_BODY, cut};
use super::error::FlightError;

/// A stream of Flight messages, as a response carries it.
pub type FlightDataStream = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// Encodes the batches of `rows` as `options` say, after one message that holds `schema`. A failure ends the stream with its status.
pub fn encode<E>(
    schema: SchemaRef,
    options: IpcWriteOptions,
    rows: impl Stream<Item = Result<RecordBatch, E>> + Send + 'static,
) -> FlightDataStream
where
    E: Into<FlightError> + Send + 'static,
{
    let pieces = rows
        .map_ok(|batch| {
            metrics::counter!("airside_rows_total").increment(batch.num_rows() as u64);
            stream::iter(cut(batch, MAX_BODY).into_iter().map(Ok))
        })
        .map_err(|error| {
            let error = error.into();
            let code = error.code();
            tracing::info!(?code, %error, "stream broken off");
            metrics::counter!("airside_streams_failed_total", "code" => format!("{code:?}")).increment(1);
            ArrowFlightError::Tonic(Box::new(Status::from(error)))
        })
        .try_flatten();
    // Pieces have their size already, so the encoder must not cut again.
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .with_options(options)
        .with_max_flight_data_size(usize::MAX)
        .build(pieces)
        .map_ok(|data| {
            metrics::counter!("airside_bytes_total").increment(data.data_body.len() as u64);
            data
        })
        .map_err(|error| match error {
            ArrowFlightError::Tonic(status) => *status,
            other => FlightError::internal(other).into(),
        });
    Box::pin(messages)
}
