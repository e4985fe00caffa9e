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
use uuid::Uuid;

use crate::gateway::Caller;
use crate::principal::{Identity, Purpose, PurposeError};
use crate::product::Name;
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

/// How often a ticket's time may be had again by renewing it.
const RENEWALS: i64 = 24;

/// Seals and opens tickets and handles.
#[derive(Clone)]
pub struct Tickets {
    keys: SealKeys,
    ttl: Duration,
}

const TICKET: &str = "ticket";
const HANDLE: &str = "prepared-statement";
const SESSION: &str = "session-options";
const POLL: &str = "poll";
const TRANSACTION: &str = "transaction";

/// What a principal set for its session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionOptions {
    /// Why it asks.
    pub purpose: Purpose,
    /// The domain of tables that a statement names without one.
    pub schema: Option<Name>,
}

/// A prepared statement, as its handle carries it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The statement's text.
    pub sql: String,
    /// The bound rows as an Arrow IPC stream; empty while nothing is bound.
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
            issued: Utc::now().timestamp_millis(),
        };
        self.keys.seal(TICKET, &ticket.encode_to_vec()).into()
    }

    /// The same ticket with a later end, and that end in milliseconds since the epoch: a ticket's time from now, but no
    /// later than a number of such times after it was first issued.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn renew(&self, bytes: &[u8], caller: &mut Caller) -> Result<(Bytes, i64), TicketError> {
        let mut ticket: proto::Ticket = self.message(TICKET, bytes)?;
        admit(caller, &ticket.identity, &ticket.purpose, ticket.expires)?;
        let last = ticket.issued.saturating_add(self.ttl_millis().saturating_mul(RENEWALS));
        ticket.expires = self.expires().min(last).max(ticket.expires);
        Ok((self.keys.seal(TICKET, &ticket.encode_to_vec()).into(), ticket.expires))
    }

    /// The question of the caller's own ticket, be it past its end or for another purpose: to call it off.
    ///
    /// # Errors
    /// [`TicketError::Invalid`], for another's as for one that is none.
    pub fn own(&self, bytes: &[u8], caller: &Caller) -> Result<ticket::Question, TicketError> {
        let ticket: proto::Ticket = self.message(TICKET, bytes)?;
        own(caller, &ticket.identity)?;
        ticket.question.ok_or(TicketError::Invalid)
    }

    /// The question of a ticket, asked by its own principal, for the purpose it was issued for.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn open(&self, bytes: &[u8], caller: &mut Caller) -> Result<ticket::Question, TicketError> {
        let ticket: proto::Ticket = self.message(TICKET, bytes)?;
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
        let handle: proto::PreparedStatement = self.message(HANDLE, bytes)?;
        admit(caller, &handle.identity, &handle.purpose, handle.expires)?;
        Ok(Prepared { sql: handle.sql, parameters: handle.parameters, nonce: handle.nonce })
    }

    /// A cookie's content: what a principal set for its session.
    pub fn seal_session(&self, identity: &Identity, options: &SessionOptions) -> String {
        let session = proto::Session {
            identity: identity.to_string(),
            expires: self.expires(),
            purpose: options.purpose.as_str().to_owned(),
            schema: options.schema.as_ref().map(Name::to_string).unwrap_or_default(),
        };
        self.keys.seal(SESSION, &session.encode_to_vec())
    }

    /// What a principal set for its session; none if the cookie is another's, has ended, or is none of ours:
    /// it stands for what its client said of itself, so a stale one says nothing.
    pub fn open_session(&self, cookie: &str, identity: &Identity) -> Option<SessionOptions> {
        let session: proto::Session = self.message(SESSION, cookie.as_bytes()).ok()?;
        let own = session.identity == identity.to_string() && session.expires > Utc::now().timestamp_millis();
        if !own {
            return None;
        }
        let schema = match session.schema.as_str() {
            "" => None,
            schema => Some(Name::parse(schema).ok()?),
        };
        Some(SessionOptions { purpose: Purpose::parse(&session.purpose).ok()?, schema })
    }

    /// A handle of a question that is being planned for the caller.
    pub fn seal_poll(&self, caller: &Caller, id: Uuid, descriptor: Vec<u8>) -> Bytes {
        let poll = proto::Poll {
            identity: caller.principal.identity.to_string(),
            purpose: caller.purpose.as_str().to_owned(),
            expires: self.expires(),
            descriptor,
            id: id.as_bytes().to_vec(),
        };
        self.keys.seal(POLL, &poll.encode_to_vec()).into()
    }

    /// The name and the descriptor of a question that is being planned for the caller.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn open_poll(&self, bytes: &[u8], caller: &mut Caller) -> Result<(Uuid, Vec<u8>), TicketError> {
        let poll: proto::Poll = self.message(POLL, bytes)?;
        admit(caller, &poll.identity, &poll.purpose, poll.expires)?;
        let id = Uuid::from_slice(&poll.id).map_err(|_| TicketError::Invalid)?;
        Ok((id, poll.descriptor))
    }

    /// The name of the caller's own question that is being planned, be it past its end or for another purpose.
    ///
    /// # Errors
    /// [`TicketError::Invalid`], for another's as for one that is none.
    pub fn own_poll(&self, bytes: &[u8], caller: &Caller) -> Result<Uuid, TicketError> {
        let poll: proto::Poll = self.message(POLL, bytes)?;
        own(caller, &poll.identity)?;
        Uuid::from_slice(&poll.id).map_err(|_| TicketError::Invalid)
    }

    /// An id of a transaction of the caller's. It does not end by itself, for nothing is kept for it.
    pub fn seal_transaction(&self, caller: &Caller) -> Bytes {
        let transaction = proto::Transaction {
            identity: caller.principal.identity.to_string(),
            nonce: Uuid::new_v4().as_bytes().to_vec(),
        };
        self.keys.seal(TRANSACTION, &transaction.encode_to_vec()).into()
    }

    /// Whether the bytes are the id of a transaction of the caller's.
    ///
    /// # Errors
    /// [`TicketError::Invalid`], for another's as for one that is none.
    pub fn check_transaction(&self, bytes: &[u8], caller: &Caller) -> Result<(), TicketError> {
        let transaction: proto::Transaction = self.message(TRANSACTION, bytes)?;
        own(caller, &transaction.identity)
    }

    /// What was sealed as `purpose`.
    fn message<M: Message + Default>(&self, purpose: &'static str, bytes: &[u8]) -> Result<M, TicketError> {
        let text = std::str::from_utf8(bytes).map_err(|_| TicketError::Invalid)?;
        let plain = self.keys.open(purpose, text).map_err(|_| TicketError::Invalid)?;
        M::decode(plain.as_slice()).map_err(|_| TicketError::Invalid)
    }

    fn expires(&self) -> i64 {
        Utc::now().timestamp_millis().saturating_add(self.ttl_millis())
    }

    fn ttl_millis(&self) -> i64 {
        i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Whether something was sealed for the caller; another's is as good as none.
fn own(caller: &Caller, identity: &str) -> Result<(), TicketError> {
    if caller.principal.identity.to_string() == identity { Ok(()) } else { Err(TicketError::Invalid) }
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
