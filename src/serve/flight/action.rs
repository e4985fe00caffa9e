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
use super::session::Reply;
use super::ticket::Prepared;
use super::{Flight, Replies};
use crate::gateway::{Caller, Question};

const CREATE: &str = "CreatePreparedStatement";
const CLOSE: &str = "ClosePreparedStatement";
const SET_OPTIONS: &str = "SetSessionOptions";
const GET_OPTIONS: &str = "GetSessionOptions";
const CLOSE_SESSION: &str = "CloseSession";

/// The actions there are.
pub fn types() -> [ActionType; 5] {
    [
        (CREATE, "prepares a statement; gives its handle and schemas"),
        (CLOSE, "forgets a prepared statement"),
        (SET_OPTIONS, "sets options of the session, `purpose` among them, in a cookie"),
        (GET_OPTIONS, "gives the options of the session"),
        (CLOSE_SESSION, "forgets the options of the session"),
    ]
    .map(|(name, description)| ActionType { r#type: name.to_owned(), description: description.to_owned() })
}

impl Flight {
    pub(super) async fn answer_do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Replies<arrow_flight::Result>>, FlightError> {
        let caller = self.caller(&request).await?;
        let action = request.into_inner();
        let mut cookie = None;
        let mut session = |reply: Reply| {
            cookie = reply.cookie;
            vec![arrow_flight::Result { body: reply.body.into() }]
        };
        let results = match action.r#type.as_str() {
            SET_OPTIONS => session(self.set_session_options(&caller, &action.body)?),
            GET_OPTIONS => session(self.get_session_options(&caller, &action.body)?),
            CLOSE_SESSION => session(Self::close_session(&action.body)?),
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
        let mut response: Response<Replies<arrow_flight::Result>> =
            Response::new(Box::pin(stream::iter(results.into_iter().map(Ok))));
        Reply::set_cookie(cookie, &mut response)?;
        Ok(response)
    }

    async fn create_prepared(
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
