//! RenewFlightEndpoint: more time for a ticket of one's own.
//!
//! The question is asked again as DoGet would, under today's policy and of the ticket's snapshots, so that no time is
//! given to what would not be answered.

use std::time::{Duration, UNIX_EPOCH};

use arrow_flight::{FlightEndpoint, RenewFlightEndpointRequest, Ticket};
use prost::Message;
use uuid::Uuid;

use super::{decode, undecodable};
use crate::gateway::Caller;
use crate::serve::flight::Flight;
use crate::serve::flight::error::FlightError;
use crate::serve::flight::ticket::TicketError;
use crate::serve::proto::ticket::Question as Sealed;

impl Flight {
    pub(super) async fn renew(&self, mut caller: Caller, body: &[u8]) -> Result<arrow_flight::Result, FlightError> {
        let request: RenewFlightEndpointRequest = decode(body)?;
        let endpoint = request.endpoint.ok_or_else(undecodable)?;
        let ticket = endpoint.ticket.ok_or_else(undecodable)?.ticket;
        if let Sealed::Query(query) = self.tickets.open(&ticket, &mut caller)? {
            let decision = Uuid::from_slice(&query.decision).map_err(|_| TicketError::Invalid)?;
            self.gateway.check_cancelled(&caller, decision)?;
            self.redeem(&caller, query).await?;
        }
        let (ticket, expires) = self.tickets.renew(&ticket, &mut caller)?;
        let expires = UNIX_EPOCH + Duration::from_millis(u64::try_from(expires).unwrap_or_default());
        let renewed = FlightEndpoint {
            ticket: Some(Ticket { ticket }),
            location: self.endpoints.locations(),
            expiration_time: Some(expires.into()),
            app_metadata: endpoint.app_metadata,
        };
        Ok(arrow_flight::Result { body: renewed.encode_to_vec().into() })
    }
}
