//! Preparing and closing statements.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow_flight::sql::{ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, Any};
use prost::Message;
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use crate::gateway::{Caller, Question};
use crate::product::Name;
use crate::serve::flight::Flight;
use crate::serve::flight::describe::schema_bytes;
use crate::serve::flight::error::FlightError;
use crate::serve::flight::ticket::Prepared;
use crate::serve::proto::flight::sql::ActionCreatePreparedStatementResult;

const RESULT: &str = "type.googleapis.com/arrow.flight.protocol.sql.ActionCreatePreparedStatementResult";

/// How the types of parameters are told to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    AsTheyAre,
    /// Times in milliseconds. The JDBC driver binds those whatever unit it was told, which would be another moment.
    InMilliseconds,
}

impl Parameters {
    /// As the client that sends `metadata` takes them.
    pub(super) fn of(metadata: &MetadataMap) -> Self {
        let agent = metadata.get("user-agent").map(|agent| agent.as_bytes()).unwrap_or_default();
        if agent.starts_with(b"grpc-java") { Self::InMilliseconds } else { Self::AsTheyAre }
    }

    fn told(self, data_type: DataType) -> DataType {
        match (self, data_type) {
            (Self::InMilliseconds, DataType::Timestamp(_, zone)) => DataType::Timestamp(TimeUnit::Millisecond, zone),
            (Self::InMilliseconds, DataType::Time32(_) | DataType::Time64(_)) => {
                DataType::Time32(TimeUnit::Millisecond)
            }
            (_, other) => other,
        }
    }
}

/// Tells of a parameter's field that its type is a suggestion: the statement takes values of any.
const PARAMETER: &str = "airside.parameter";

impl Flight {
    pub(super) async fn create_prepared(
        &self,
        caller: &Caller,
        schema: Option<&Name>,
        mut request: ActionCreatePreparedStatementRequest,
        told_as: Parameters,
    ) -> Result<arrow_flight::Result, FlightError> {
        self.check_transaction(caller, request.transaction_id.as_ref())?;
        if let Some(sql) = schema.and_then(|schema| self.gateway.within_schema(&request.query, schema)) {
            request.query = sql;
        }
        let description = self.gateway.describe(caller, &Question::Sql(request.query.clone())).await?;
        let nonce = Uuid::new_v4().as_bytes().to_vec();
        let prepared = Prepared { sql: request.query, parameters: Vec::new(), nonce };
        let parameters: Vec<Field> = description
            .parameters
            .iter()
            .zip(description.suggestions)
            .enumerate()
            .map(|(i, (told, suggested))| {
                let name = format!("${}", i + 1);
                match told {
                    Some(data_type) => Field::new(name, told_as.told(data_type.clone()), true),
                    // A driver could bind nothing to a parameter without a type.
                    None => Field::new(name, told_as.told(suggested.unwrap_or(DataType::Utf8)), true)
                        .with_metadata([(PARAMETER.to_owned(), "any".to_owned())].into()),
                }
            })
            .collect();
        let result = ActionCreatePreparedStatementResult {
            prepared_statement_handle: self.tickets.seal_handle(caller, &prepared).into(),
            dataset_schema: self.told(description.schema, description.columns)?.bytes.to_vec(),
            parameter_schema: schema_bytes(&Schema::new(parameters))?.to_vec(),
            // Without it a client may take a statement that gives no columns for one that changes data.
            is_update: Some(false),
        };
        let packed = Any { type_url: RESULT.to_owned(), value: result.encode_to_vec().into() };
        Ok(arrow_flight::Result { body: packed.encode_to_vec().into() })
    }

    /// Handles carry their statement, so there is nothing to forget but what was bound on the side. Closing twice,
    /// or after the handle's end, is no error.
    pub(super) fn close_prepared(&self, mut caller: Caller, request: &ActionClosePreparedStatementRequest) {
        if let Ok(prepared) = self.tickets.open_handle(&request.prepared_statement_handle, &mut caller) {
            self.bindings.forget(&prepared);
        }
    }
}
