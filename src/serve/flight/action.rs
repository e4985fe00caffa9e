//! DoAction: one file for each family of actions.

mod cancel;
mod changes;
mod insight;
mod prepared;
mod renew;
mod transaction;

use arrow_flight::sql::{ActionBeginTransactionRequest, Any, ProstMessageExt};
use arrow_flight::{Action, ActionType};
use futures::stream;
use prost::Message;
use tonic::{Request, Response};

use super::error::FlightError;
use super::session::Reply;
use super::{Flight, Replies};

const CREATE: &str = "CreatePreparedStatement";
const CLOSE: &str = "ClosePreparedStatement";
const BEGIN: &str = "BeginTransaction";
const END: &str = "EndTransaction";
const CANCEL: &str = "CancelFlightInfo";
const CANCEL_QUERY: &str = "CancelQuery";
const RENEW: &str = "RenewFlightEndpoint";
const SET_OPTIONS: &str = "SetSessionOptions";
const GET_OPTIONS: &str = "GetSessionOptions";
const CLOSE_SESSION: &str = "CloseSession";

/// The actions of Flight and Flight SQL.
const TYPES: [(&str, &str); 10] = [
    (CREATE, "prepares a statement; gives its handle and schemas"),
    (CLOSE, "forgets a prepared statement"),
    (BEGIN, "begins a transaction: there is nothing to commit, and each statement reads the snapshots of its moment"),
    (END, "ends a transaction"),
    (CANCEL, "ends what runs of one's own FlightInfo; its tickets are not answered any more"),
    (CANCEL_QUERY, "the same under its former name"),
    (RENEW, "gives a ticket of one's own a later end"),
    (SET_OPTIONS, "sets options of the session, `purpose` among them, in a cookie"),
    (GET_OPTIONS, "gives the options of the session"),
    (CLOSE_SESSION, "forgets the options of the session"),
];

/// The actions there are.
pub fn types() -> Vec<ActionType> {
    let all = TYPES.into_iter().chain([changes::TYPE]).chain(insight::TYPES);
    all.map(|(name, description)| ActionType { r#type: name.to_owned(), description: description.to_owned() }).collect()
}

impl Flight {
    pub(super) async fn answer_do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Replies<arrow_flight::Result>>, FlightError> {
        if request.get_ref().r#type == changes::CHANGES {
            return self.answer_changes(request).await;
        }
        let caller = self.caller(&request).await?;
        let schema = self.default_schema(&request, &caller)?;
        let parameters = prepared::Parameters::of(request.metadata());
        let action = request.into_inner();
        let mut cookie = None;
        let mut session = |reply: Reply| {
            cookie = reply.cookie;
            vec![arrow_flight::Result { body: reply.body.into() }]
        };
        let results = match action.r#type.as_str() {
            SET_OPTIONS => session(self.set_session_options(&caller, schema, &action.body)?),
            GET_OPTIONS => session(self.get_session_options(&caller, schema, &action.body)?),
            CLOSE_SESSION => session(Self::close_session(&action.body)?),
            CANCEL => vec![self.cancel_flight_info(&caller, &action.body)?],
            CANCEL_QUERY => vec![self.cancel_query(&caller, &unpack(&action.body)?)?],
            RENEW => vec![self.renew(caller, &action.body).await?],
            BEGIN => {
                unpack::<ActionBeginTransactionRequest>(&action.body)?;
                vec![self.begin_transaction(&caller)]
            }
            END => {
                self.end_transaction(&caller, &unpack(&action.body)?)?;
                Vec::new()
            }
            CREATE => vec![self.create_prepared(&caller, schema.as_ref(), unpack(&action.body)?, parameters).await?],
            CLOSE => {
                self.close_prepared(caller, &unpack(&action.body)?);
                Vec::new()
            }
            insight::EXPLAIN | insight::ACCESS | insight::TEST => {
                vec![self.answer_insight(&caller, &action.r#type, &action.body).await?]
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
}

/// The message that an action of Flight has for its body.
pub(super) fn decode<M: Message + Default>(body: &[u8]) -> Result<M, FlightError> {
    M::decode(body).map_err(|_| undecodable())
}

/// The message that an action of Flight SQL has in its body.
fn unpack<M: ProstMessageExt>(body: &[u8]) -> Result<M, FlightError> {
    decode::<Any>(body)?.unpack::<M>().map_err(|_| undecodable())?.ok_or_else(undecodable)
}

fn undecodable() -> FlightError {
    FlightError::Malformed("the action's body cannot be decoded".to_owned())
}
