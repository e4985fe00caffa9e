//! Handshake: a name and a password for a bearer token.
//!
//! Clients differ: most send Basic credentials in the header and read the token from the response's header or
//! payload; ODBC sends a bearer token it already has, with an empty payload, and expects it back.

use std::time::Duration;

use arrow_flight::{BasicAuth, HandshakeRequest, HandshakeResponse};
use futures::{StreamExt, stream};
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Streaming};

use super::authenticate::credentials;
use super::error::FlightError;
use super::{Flight, Replies};
use crate::authn::{AuthnError, Credentials};

const PATIENCE: Duration = Duration::from_secs(10);

impl Flight {
    pub(super) async fn answer_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Replies<HandshakeResponse>>, FlightError> {
        let token = match credentials(&request) {
            Ok(stated) => self.token(&stated).await?,
            Err(AuthnError::Missing) => {
                let mut payloads = request.into_inner();
                let first = tokio::time::timeout(PATIENCE, payloads.next()).await.ok().flatten();
                let payload = first.and_then(Result::ok).map(|first| first.payload).unwrap_or_default();
                self.token(&from_payload(&payload)?).await?
            }
            Err(error) => return Err(error.into()),
        };
        let header = (!token.is_empty()).then(|| MetadataValue::try_from(format!("Bearer {token}")));
        let header = header.transpose().map_err(FlightError::internal)?;
        let reply = HandshakeResponse { protocol_version: 0, payload: token.into() };
        let mut response: Response<Replies<HandshakeResponse>> =
            Response::new(Box::pin(stream::once(async move { Ok(reply) })));
        if let Some(header) = header {
            response.metadata_mut().insert("authorization", header);
        }
        Ok(response)
    }

    /// A token for these credentials: a new one for a password, the same again for one that holds. A certificate needs
    /// none.
    async fn token(&self, stated: &Credentials) -> Result<String, FlightError> {
        match stated {
            Credentials::Basic { user, password } => {
                let (_, token) = self.authenticator.handshake_basic(user, password).await?;
                Ok(token)
            }
            Credentials::Bearer(token) => {
                self.authenticator.bearer(token).await?;
                Ok(token.expose_str().unwrap_or_default().to_owned())
            }
            Credentials::Certificate(der) => {
                self.authenticator.certificate(der)?;
                Ok(String::new())
            }
        }
    }
}

/// Credentials in the payload: the protocol's `BasicAuth` message.
fn from_payload(payload: &[u8]) -> Result<Credentials, AuthnError> {
    match BasicAuth::decode(payload) {
        Ok(basic) if !basic.username.is_empty() => Credentials::password(&basic.username, basic.password),
        _ => Err(AuthnError::Missing),
    }
}
