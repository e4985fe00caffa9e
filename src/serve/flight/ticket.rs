//! Sealed tickets and prepared statement handles.
//!
//! Both are questions, not capabilities: they are sealed so that nobody can read or alter them, bound to
//! their principal, and end; and whoever redeems one is authenticated and authorized again. They carry all
//! that is needed, so any replica with the same keys can answer.

use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use prost::Message;
use thiserror::Error;

use crate::gateway::Caller;
use crate::principal::{Identity, Purpose, PurposeError};
use crate::seal::SealKeys;
use crate::serve::proto::{self, ticket};

/// Why a ticket or handle is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TicketError {
    /// Altered, truncated, made up, or sealed with other keys.
    #[error("the ticket or handle is not one of this gateway's")]
    Invalid,
    /// Past its end.
    #[error("the ticket or handle has expired: ask again for a new one")]
    Expired,
    /// Another principal's.
    #[error("the ticket or handle belongs to another principal")]
    Foreign,
    /// Redeemed for another purpose than it was issued for.
    #[error("the ticket or handle was issued for another purpose")]
    Purpose,
}

impl From<PurposeError> for TicketError {
    fn from(_: PurposeError) -> Self {
        Self::Invalid
    }
}

/// Seals and opens tickets and handles.
#[derive(Clone)]
pub struct Tickets {
    keys: SealKeys,
    ttl: Duration,
}

const TICKET: &str = "ticket";
const HANDLE: &str = "prepared-statement";
const SESSION: &str = "session-options";

/// A prepared statement, as its handle carries it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The statement's text.
    pub sql: String,
    /// One bound row as an Arrow IPC stream; empty while nothing is bound.
    pub parameters: Vec<u8>,
    /// Tells two statements with the same text apart.
    pub nonce: Vec<u8>,
}

impl Tickets {
    /// Seals with `keys`; what is sealed ends after `ttl`.
    pub fn new(keys: SealKeys, ttl: Duration) -> Self {
        Self { keys, ttl }
    }

    /// How long a ticket is good for.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// A ticket for the caller's question.
    pub fn seal(&self, caller: &Caller, question: ticket::Question) -> Bytes {
        let ticket = proto::Ticket {
            identity: caller.principal.identity.to_string(),
            purpose: caller.purpose.as_str().to_owned(),
            expires: self.expires(),
            question: Some(question),
        };
        self.keys.seal(TICKET, &ticket.encode_to_vec()).into()
    }

    /// The question of a ticket, asked by its own principal, for the purpose it was issued for.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn open(&self, bytes: &[u8], caller: &mut Caller) -> Result<ticket::Question, TicketError> {
        let plain = self.open_sealed(TICKET, bytes)?;
        let ticket = proto::Ticket::decode(plain.as_slice()).map_err(|_| TicketError::Invalid)?;
        admit(caller, &ticket.identity, &ticket.purpose, ticket.expires)?;
        ticket.question.ok_or(TicketError::Invalid)
    }

    /// A handle for the caller's prepared statement.
    pub fn seal_handle(&self, caller: &Caller, prepared: &Prepared) -> Bytes {
        let handle = proto::PreparedStatement {
            identity: caller.principal.identity.to_string(),
            purpose: caller.purpose.as_str().to_owned(),
            expires: self.expires(),
            sql: prepared.sql.clone(),
            parameters: prepared.parameters.clone(),
            nonce: prepared.nonce.clone(),
        };
        self.keys.seal(HANDLE, &handle.encode_to_vec()).into()
    }

    /// The prepared statement of a handle, asked by its own principal, for the purpose it was prepared for.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn open_handle(&self, bytes: &[u8], caller: &mut Caller) -> Result<Prepared, TicketError> {
        let plain = self.open_sealed(HANDLE, bytes)?;
        let handle = proto::PreparedStatement::decode(plain.as_slice()).map_err(|_| TicketError::Invalid)?;
        admit(caller, &handle.identity, &handle.purpose, handle.expires)?;
        Ok(Prepared { sql: handle.sql, parameters: handle.parameters, nonce: handle.nonce })
    }

    /// A cookie's content: the purpose that a principal set for its session.
    pub fn seal_session(&self, identity: &Identity, purpose: &Purpose) -> String {
        let session = proto::Session {
            identity: identity.to_string(),
            expires: self.expires(),
            purpose: purpose.as_str().to_owned(),
        };
        self.keys.seal(SESSION, &session.encode_to_vec())
    }

    /// The purpose that a principal set for its session; none if the cookie is another's, has ended, or is none of ours:
    /// it stands for what its client said of itself, so a stale one says nothing.
    pub fn open_session(&self, cookie: &str, identity: &Identity) -> Option<Purpose> {
        let plain = self.open_sealed(SESSION, cookie.as_bytes()).ok()?;
        let session = proto::Session::decode(plain.as_slice()).ok()?;
        let own = session.identity == identity.to_string() && session.expires > Utc::now().timestamp_millis();
        own.then(|| Purpose::parse(&session.purpose).ok()).flatten()
    }

    fn open_sealed(&self, purpose: &'static str, bytes: &[u8]) -> Result<Vec<u8>, TicketError> {
        let text = std::str::from_utf8(bytes).map_err(|_| TicketError::Invalid)?;
        self.keys.open(purpose, text).map_err(|_| TicketError::Invalid)
    }

    fn expires(&self) -> i64 {
        let ttl = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        Utc::now().timestamp_millis().saturating_add(ttl)
    }
}

/// Lets the caller redeem what was sealed for `identity` and `purpose`. Who states no purpose goes by the sealed one.
fn admit(caller: &mut Caller, identity: &str, purpose: &str, expires: i64) -> Result<(), TicketError> {
    if caller.principal.identity.to_string() != identity {
        return Err(TicketError::Foreign);
    }
    if expires <= Utc::now().timestamp_millis() {
        return Err(TicketError::Expired);
    }
    let purpose = Purpose::parse(purpose)?;
    if caller.purpose != Purpose::default() && caller.purpose != purpose {
        return Err(TicketError::Purpose);
    }
    caller.purpose = purpose;
    Ok(())
}
