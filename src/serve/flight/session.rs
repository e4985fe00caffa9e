//! Session options: what a client sets once instead of sending a header with every call.
//!
//! They live in a sealed cookie that the client sends back, so any replica understands them and none remembers them.
//! A session grants nothing: it holds what its client says of itself, and says it again with every call.

use std::collections::HashMap;

use arrow_flight::FlightDescriptor;
use arrow_flight::sql::{Command, ProstMessageExt};
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response};

use super::Flight;
use super::action::decode;
use super::descriptor::{Asked, parse};
use super::error::FlightError;
use super::ticket::SessionOptions;
use crate::gateway::{Caller, Question};
use crate::principal::{Identity, Purpose};
use crate::product::Name;
use crate::serve::proto::flight::session_option_value::OptionValue;
use crate::serve::proto::flight::set_session_options_result::{Error, ErrorValue};
use crate::serve::proto::flight::{
    CloseSessionRequest, CloseSessionResult, GetSessionOptionsRequest, GetSessionOptionsResult, SessionOptionValue,
    SetSessionOptionsRequest, SetSessionOptionsResult, close_session_result,
};

/// The cookie's name.
const COOKIE: &str = "airside_session";
/// The option that states the purpose of the calls that follow.
const PURPOSE: &str = "purpose";
/// The option that JDBC sets; there is one catalog.
const CATALOG: &str = "catalog";
/// The option that names the domain of tables which a statement names without one.
const SCHEMA: &str = "schema";
/// The header that does the same for one call.
const SCHEMA_HEADER: &str = "airside-schema";

impl Flight {
    /// The options of the caller's session, if its cookie is there and its own.
    pub(super) fn session<T>(&self, request: &Request<T>, identity: &Identity) -> Option<SessionOptions> {
        let cookies = request.metadata().get_all("cookie").iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(name, value)| {
            (name == COOKIE).then(|| self.tickets.open_session(value.trim_matches('"'), identity)).flatten()
        })
    }

    /// The domain of tables that statements of this call name without one: the header's, else the session's.
    ///
    /// # Errors
    /// [`FlightError::Malformed`] when the header holds no name.
    pub(super) fn default_schema<T>(&self, request: &Request<T>, caller: &Caller) -> Result<Option<Name>, FlightError> {
        match request.metadata().get(SCHEMA_HEADER) {
            Some(header) => {
                let name = header.to_str().ok().and_then(|text| Name::parse(text).ok());
                let malformed = || FlightError::Malformed(format!("the header `{SCHEMA_HEADER}` names no domain"));
                name.ok_or_else(malformed).map(Some)
            }
            None => Ok(self.session(request, &caller.principal.identity).and_then(|options| options.schema)),
        }
    }

    /// What a descriptor asks, every table of its statement named with a schema.
    pub(super) fn within_schema(&self, schema: Option<&Name>, descriptor: &FlightDescriptor) -> FlightDescriptor {
        let in_full = schema.and_then(|schema| match parse(descriptor).ok()? {
            Asked::Rows(Question::Sql(sql), _) => {
                Some(FlightDescriptor::new_cmd(self.gateway.within_schema(&sql, schema)?))
            }
            Asked::Command(Command::CommandStatementQuery(mut command)) => {
                command.query = self.gateway.within_schema(&command.query, schema)?;
                Some(FlightDescriptor::new_cmd(command.as_any().encode_to_vec()))
            }
            _ => None,
        });
        in_full.unwrap_or_else(|| descriptor.clone())
    }

    /// Sets options. One that is not known or has no such value is named in the result, and the others are set.
    pub(super) fn set_session_options(
        &self,
        caller: &Caller,
        schema: Option<Name>,
        body: &[u8],
    ) -> Result<Reply, FlightError> {
        let request = decode::<SetSessionOptionsRequest>(body)?;
        let mut options = SessionOptions { purpose: caller.purpose.clone(), schema };
        let mut errors = HashMap::new();
        for (name, value) in request.session_options {
            let outcome = match name.as_str() {
                PURPOSE => {
                    text(value).and_then(|text| Purpose::parse(&text).ok()).map(|stated| options.purpose = stated)
                }
                CATALOG => text(value).filter(|text| text.is_empty() || *text == self.gateway.mesh_name()).map(|_| ()),
                SCHEMA => {
                    text(value).and_then(|text| self.known_schema(caller, &text)).map(|schema| options.schema = schema)
                }
                _ => {
                    errors.insert(name, Error { value: ErrorValue::InvalidName.into() });
                    continue;
                }
            };
            if outcome.is_none() {
                errors.insert(name, Error { value: ErrorValue::InvalidValue.into() });
            }
        }
        let cookie = self.tickets.seal_session(&caller.principal.identity, &options);
        let cookie = format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict");
        Ok(Reply { body: SetSessionOptionsResult { errors }.encode_to_vec(), cookie: Some(cookie) })
    }

    /// A domain that the caller may know of; an empty text names none.
    fn known_schema(&self, caller: &Caller, text: &str) -> Option<Option<Name>> {
        if text.is_empty() {
            return Some(None);
        }
        let known = self.gateway.catalog(caller).iter().any(|listing| listing.domain() == text);
        Name::parse(text).ok().filter(|_| known).map(Some)
    }

    /// What is set.
    pub(super) fn get_session_options(
        &self,
        caller: &Caller,
        schema: Option<Name>,
        body: &[u8],
    ) -> Result<Reply, FlightError> {
        decode::<GetSessionOptionsRequest>(body)?;
        let value = |text: String| SessionOptionValue { option_value: Some(OptionValue::StringValue(text)) };
        let purpose = Some(caller.purpose.as_str()).filter(|purpose| !purpose.is_empty());
        let purpose = purpose.map(|purpose| (PURPOSE, purpose.to_owned()));
        let schema = schema.map(|schema| (SCHEMA, schema.to_string()));
        let options = [(CATALOG, self.gateway.mesh_name())].into_iter().chain(purpose).chain(schema);
        let session_options = options.map(|(name, text)| (name.to_owned(), value(text))).collect();
        Ok(Reply { body: GetSessionOptionsResult { session_options }.encode_to_vec(), cookie: None })
    }

    /// Forgets what was set: the client does, for nobody else knows it.
    pub(super) fn close_session(body: &[u8]) -> Result<Reply, FlightError> {
        decode::<CloseSessionRequest>(body)?;
        let closed = CloseSessionResult { status: close_session_result::Status::Closed.into() };
        let cookie = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
        Ok(Reply { body: closed.encode_to_vec(), cookie: Some(cookie) })
    }
}

/// The result of an action, and the cookie that goes with it.
pub struct Reply {
    /// The message.
    pub body: Vec<u8>,
    /// The header `set-cookie`.
    pub cookie: Option<String>,
}

impl Reply {
    /// Puts the cookie where the client looks for it.
    pub fn set_cookie<T>(cookie: Option<String>, response: &mut Response<T>) -> Result<(), FlightError> {
        if let Some(cookie) = cookie {
            let value = MetadataValue::try_from(cookie).map_err(FlightError::internal)?;
            response.metadata_mut().insert("set-cookie", value);
        }
        Ok(())
    }
}

/// A text; an option that is unset is an empty one.
fn text(value: SessionOptionValue) -> Option<String> {
    match value.option_value {
        None => Some(String::new()),
        Some(OptionValue::StringValue(text)) => Some(text),
        Some(_) => None,
    }
}
