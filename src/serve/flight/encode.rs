//! Record batches into Flight messages.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::writer::IpcWriteOptions;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::body::FramedStream;
use super::compression::Compression;
use super::cut::cut;
use super::error::FlightError;
use super::frames::{Framed, Framer};
use super::message_size::MessageSize;

/// How an answer is written.
#[derive(Debug, Clone)]
pub struct Manner {
    options: IpcWriteOptions,
    size: MessageSize,
}

impl Manner {
    /// As a call's headers ask for it.
    ///
    /// # Errors
    /// [`FlightError::Malformed`] for headers that ask for what there is not.
    pub fn asked(metadata: &MetadataMap) -> Result<Self, FlightError> {
        Ok(Self { options: Compression::asked(metadata)?.options()?, size: MessageSize::asked(metadata)? })
    }
}

/// Writes the batches of one answer.
pub struct Encoder {
    framer: Framer,
    first: Framed,
    limit: usize,
}

impl Encoder {
    /// For batches of `schema`.
    ///
    /// # Errors
    /// [`FlightError::Internal`] for a schema that cannot be sent.
    pub fn new(schema: &Schema, manner: Manner) -> Result<Self, FlightError> {
        let (framer, first) = Framer::new(schema, manner.options).map_err(FlightError::internal)?;
        Ok(Self { framer, first, limit: manner.size.body() })
    }

    /// One message that holds the schema, then those of the batches. A failure ends the stream with its status.
    pub fn messages<E>(self, rows: impl Stream<Item = Result<RecordBatch, E>> + Send + 'static) -> FramedStream
    where
        E: Into<FlightError> + Send + 'static,
    {
        let Self { mut framer, first, limit } = self;
        let pieces = rows.map_err(failed).map_ok(move |batch| {
            metrics::counter!("airside_rows_total").increment(batch.num_rows() as u64);
            stream::iter(cut(batch, limit).into_iter().map(Ok::<_, Status>))
        });
        let messages = pieces.try_flatten().map(move |piece| {
            let messages = framer.batch(&piece?).map_err(|error| Status::from(FlightError::internal(error)))?;
            Ok::<_, Status>(stream::iter(messages.map(Ok::<_, Status>)))
        });
        let counted = messages.try_flatten().inspect_ok(|message| {
            metrics::counter!("airside_bytes_total").increment(message.body as u64);
        });
        Box::pin(stream::iter([Ok(first)]).chain(counted))
    }
}

fn failed(error: impl Into<FlightError>) -> Status {
    let error = error.into();
    let code = error.code();
    tracing::info!(?code, %error, "stream broken off");
    metrics::counter!("airside_streams_failed_total", "code" => format!("{code:?}")).increment(1);
    Status::from(error)
}
