//! DoAction: one file for each family of actions.

mod insight;
mod prepared;

use arrow_flight::sql::{Any, ProstMessageExt};
use arrow_flight::{Action, ActionType};
use futures::stream;
use prost::Message;
use tonic::{Request, Response};

use super::error::FlightError;
use super::session::Reply;
use super::{Flight, Replies};

const CREATE: &str = "CreatePreparedStatement";
const CLOSE: &str = "ClosePreparedStatement";
const SET_OPTIONS: &str = "SetSessionOptions";
const GET_OPTIONS: &str = "GetSessionOptions";
const CLOSE_SESSION: &str = "CloseSession";

/// The actions of Flight SQL.
const TYPES: [(&str, &str); 5] = [
    (CREATE, "prepares a statement; gives its handle and schemas"),
    (CLOSE, "forgets a prepared statement"),
    (SET_OPTIONS, "sets options of the session, `purpose` among them, in a cookie"),
    (GET_OPTIONS, "gives the options of the session"),
    (CLOSE_SESSION, "forgets the options of the session"),
];

/// The actions there are.
pub fn types() -> Vec<ActionType> {
    let all = TYPES.into_iter().chain(insight::TYPES);
    all.map(|(name, description)| ActionType { r#type: name.to_owned(), description: description.to_owned() }).collect()
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

fn unpack<M: ProstMessageExt>(body: &[u8]) -> Result<M, FlightError> {
    let malformed = || FlightError::Malformed("the action's body cannot be decoded".to_owned());
    let any = Any::decode(body).map_err(|_| malformed())?;
    any.unpack::<M>().map_err(|_| malformed())?.ok_or_else(malformed)
}
