//! From a call's metadata to its caller.

use tonic::Request;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};

use super::Flight;
use super::error::FlightError;
use crate::authn::{AuthnError, Credentials, Verified};
use crate::gateway::Caller;
use crate::principal::{Purpose, PurposeError};

const PURPOSE: &str = "airside-purpose";

impl Flight {
    /// Authenticates a call.
    pub(super) async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, FlightError> {
        Ok(self.verified_caller(request).await?.0)
    }

    /// Authenticates a call, and keeps as whom.
    pub(super) async fn verified_caller<T>(&self, request: &Request<T>) -> Result<(Caller, Verified), FlightError> {
        let stated = purpose(request)?;
        let verified = self.authenticator.authenticate(&credentials(request)?).await?;
        let principal = self.gateway.principal(&verified)?;
        // A header speaks for its call, a session for all of its calls.
        let purpose = stated.or_else(|| Some(self.session(request, &principal.identity)?.purpose)).unwrap_or_default();
        let span = tracing::Span::current();
        span.record("principal", tracing::field::display(&principal.identity));
        span.record("purpose", purpose.as_str());
        Ok((Caller { principal, purpose }, verified))
    }
}

/// What a call presents: its header `authorization`, else the client certificate that TLS has verified.
///
/// # Errors
/// [`AuthnError`] when there is neither, or the header cannot be read.
pub fn credentials<T>(request: &Request<T>) -> Result<Credentials, AuthnError> {
    let header = request.metadata().get_all("authorization");
    let certificate = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>().and_then(TlsConnectInfo::peer_certs);
    let der = certificate.as_deref().and_then(|chain| chain.first()).map(AsRef::as_ref);
    Credentials::parse(header.iter().map(|value| value.as_bytes()), der)
}

/// The purpose of the header `airside-purpose`, if there is one; two different ones are refused.
fn purpose<T>(request: &Request<T>) -> Result<Option<Purpose>, PurposeError> {
    let mut values = request.metadata().get_all(PURPOSE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.any(|other| other != value) {
        return Err(PurposeError);
    }
    Purpose::parse(value.to_str().map_err(|_| PurposeError)?).map(Some)
}
