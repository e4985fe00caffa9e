//! DoAction: preparing and closing statements.

use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    Any, ProstMessageExt,
};
use arrow_flight::{Action, ActionType};
use futures::stream;
use prost::Message;
use tonic::{Request, Response};
use uuid::Uuid;

use super::describe::schema_bytes;
use super::error::FlightError;
use super::ticket::Prepared;
use super::{Flight, Replies};
use crate::gateway::{Caller, Question};

const CREATE: &str = "CreatePreparedStatement";
const CLOSE: &str = "ClosePreparedStatement";

/// The actions there are.
pub fn types() -> [ActionType; 2] {
    [(CREATE, "prepares a statement; gives its handle and schemas"), (CLOSE, "forgets a prepared statement")]
        .map(|(name, description)| ActionType { r#type: name.to_owned(), description: description.to_owned() })
}

impl Flight {
    pub(super) async fn answer_do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Replies<arrow_flight::Result>>, FlightError> {
        let caller = self.caller(&request).await?;
        let action = request.into_inner();
        let results = match action.r#type.as_str() {
            CREATE => vec![self.create_prepared(&caller, unpack(&action.body)?).await?],
            CLOSE => {
                self.close_prepared(caller, &unpack(&action.body)?);
                Vec::new()
            }
            other => {
                let name = other.chars().take(64).collect::<String>();
                return Err(FlightError::Unimplemented(format!("action `{name}`")));
            }
        };
        Ok(Response::new(Box::pin(stream::iter(results.into_iter().map(Ok)))))
    }

    async fn create_prepared(
        &self,
        caller: &Caller,
        request: ActionCreatePreparedStatementRequest,
    ) -> Result<arrow_flight::Result, FlightError> {
        let statement = self.gateway.statement(caller, &Question::Sql(request.query.clone()))?;
        let description = self.gateway.describe(caller, &statement).await?;
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
    fn close_prepared(&self, mut caller: Caller, request: &ActionClosePreparedStatementRequest) {
        if let Ok(prepared) = self.tickets.open_handle(&request.prepared_statement_handle, &mut caller) {
            self.bindings.forget(&prepared);
        }
    }
}

fn unpack<M: ProstMessageExt>(body: &[u8]) -> Result<M, FlightError> {
    let malformed = || FlightError::Malformed("the action's body cannot be decoded".to_owned());
    let any = Any::decode(body).map_err(|_| malformed())?;
    any.unpack::<M>().map_err(|_| malformed())?.ok_or_else(malformed)
}
