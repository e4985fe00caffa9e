//! What a question would give, before a row of it is read.

use std::time::{Duration, SystemTime};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::error::FlightError;
use super::{Flight, descriptor, parameters};
use crate::gateway::{Caller, Outline, Parts, Question, Receipt, SnapshotRef, ToldColumn};
use crate::serve::proto::ticket::Question as Sealed;
use crate::serve::proto::{Query, Snapshot};

use super::sql;
pub use super::sql::metadata_schema;
use super::told::Told;

/// A planned question.
pub struct Described {
    /// The result's schema as Flight carries it: what every call says of it.
    pub schema: Bytes,
    /// The content of the ticket that fetches it.
    pub sealed: Sealed,
    /// In how many parts it comes.
    pub parts: u32,
    /// What the answer is made of; none for metadata.
    pub receipt: Option<Receipt>,
}

impl Flight {
    pub(super) async fn describe_rows(
        &self,
        caller: &Caller,
        question: &Question,
        bound: Vec<u8>,
        wanted: Parts,
    ) -> Result<Described, FlightError> {
        let values = parameters::values(&bound)?;
        if bound.is_empty()
            && let Some(outline) = self.gateway.outline(caller, question)
        {
            return self.outlined(question, bound, wanted, outline);
        }
        let answer = self.gateway.ask(caller, question, values, None).await?;
        let described = self.outlined(question, bound, wanted, answer.outline())?;
        if described.parts == 1 {
            answer.set_aside();
        }
        Ok(described)
    }

    /// A question whose outline is known.
    pub(super) fn outlined(
        &self,
        question: &Question,
        bound: Vec<u8>,
        wanted: Parts,
        outline: Outline,
    ) -> Result<Described, FlightError> {
        let parts = self.endpoints.count(&outline, wanted);
        let Outline { schema, columns, snapshots, receipt, .. } = outline;
        let told = self.told(schema, columns)?;
        let snapshots = snapshots.into_iter().map(|SnapshotRef { dataset, id }| Snapshot { dataset, id });
        let query = Query {
            asked: Some(descriptor::seal(question)),
            parameters: bound,
            snapshots: snapshots.collect(),
            schema: told.digest.to_vec(),
            decision: receipt.decision.as_bytes().to_vec(),
            part: None,
        };
        Ok(Described { schema: told.bytes, sealed: Sealed::Query(query), parts, receipt: Some(receipt) })
    }

    /// A result's schema as every call tells it, encoded.
    pub(super) fn told(&self, schema: SchemaRef, columns: Vec<Option<ToldColumn>>) -> Result<Told, FlightError> {
        self.schemas.of(self.gateway.mesh_name(), schema, columns)
    }

    /// A result's schema as every call tells it: with what is told of its columns.
    pub(super) fn annotated(&self, schema: &SchemaRef, columns: &[Option<ToldColumn>]) -> SchemaRef {
        sql::annotated(&self.gateway.mesh_name(), schema, columns)
    }
}

/// A schema as Flight carries it: an encapsulated IPC message.
pub fn schema_bytes(schema: &Schema) -> Result<Bytes, FlightError> {
    let options = IpcWriteOptions::default();
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &options).try_into().map_err(FlightError::internal)?;
    Ok(bytes)
}

/// A digest of a schema, types and nullability included.
pub fn schema_digest(schema: &Schema) -> Result<Vec<u8>, FlightError> {
    Ok(digest(&schema_bytes(schema)?))
}

pub(super) fn digest(schema: &[u8]) -> Vec<u8> {
    Sha256::digest(schema).to_vec()
}

/// The moment `ttl` from now, as protobuf has it.
pub fn expiration(ttl: Duration) -> prost_types::Timestamp {
    (SystemTime::now() + ttl).into()
}
