//! Preparing and closing statements.

use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    ProstMessageExt,
};
use prost::Message;
use uuid::Uuid;

use crate::gateway::{Caller, Question};
use crate::serve::flight::Flight;
use crate::serve::flight::describe::schema_bytes;
use crate::serve::flight::error::FlightError;
use crate::serve::flight::ticket::Prepared;

impl Flight {
    pub(super) async fn create_prepared(
        &self,
        caller: &Caller,
        request: ActionCreatePreparedStatementRequest,
    ) -> Result<arrow_flight::Result, FlightError> {
        let description = self.gateway.describe(caller, &Question::Sql(request.query.clone())).await?;
        let nonce = Uuid::new_v4().as_bytes().to_vec();
        let prepared = Prepared { sql: request.query, parameters: Vec::new(), nonce };
        let parameters: Vec<Field> = description
            .parameters
            .iter()
            .enumerate()
            .map(|(i, data_type)| {
                let data_type = data_type.clone().unwrap_or(DataType::Null);
                Field::new(format!("${}", i + 1), data_type, true)
            })
            .collect();
        let result = ActionCreatePreparedStatementResult {
            prepared_statement_handle: self.tickets.seal_handle(caller, &prepared),
            dataset_schema: schema_bytes(&description.schema)?,
            parameter_schema: schema_bytes(&Schema::new(parameters))?,
        };
        Ok(arrow_flight::Result { body: result.as_any().encode_to_vec().into() })
    }

    /// Handles carry their statement, so there is nothing to forget but what was bound on the side. Closing twice,
    /// or after the handle's end, is no error.
    pub(super) fn close_prepared(&self, mut caller: Caller, request: &ActionClosePreparedStatementRequest) {
        if let Ok(prepared) = self.tickets.open_handle(&request.prepared_statement_handle, &mut caller) {
            self.bindings.forget(&prepared);
        }
    }
}
