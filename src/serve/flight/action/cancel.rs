//! CancelFlightInfo, and CancelQuery as it was called before.
//!
//! A FlightInfo is known by its tickets, which are sealed to their principal, or, while it is planned, by the handle in
//! its `app_metadata`. Another's gives the same answer as one that is none. What is called off ends in the process
//! that is asked; another replica does not hear of it.

use arrow_flight::sql::{ActionCancelQueryRequest, ActionCancelQueryResult, ProstMessageExt};
use arrow_flight::{CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo};
use prost::Message;
use uuid::Uuid;

use super::{decode, undecodable};
use crate::gateway::Caller;
use crate::serve::flight::Flight;
use crate::serve::flight::error::FlightError;
use crate::serve::flight::ticket::TicketError;
use crate::serve::proto::ticket::Question as Sealed;

/// Endpoints that one call may name.
const MAX_ENDPOINTS: usize = 10_000;

impl Flight {
    pub(super) fn cancel_flight_info(&self, caller: &Caller, body: &[u8]) -> Result<arrow_flight::Result, FlightError> {
        let request: CancelFlightInfoRequest = decode(body)?;
        let status = self.call_off(caller, &request.info.ok_or_else(undecodable)?)?;
        let result = CancelFlightInfoResult { status: status.into() };
        Ok(arrow_flight::Result { body: result.encode_to_vec().into() })
    }

    pub(super) fn cancel_query(
        &self,
        caller: &Caller,
        request: &ActionCancelQueryRequest,
    ) -> Result<arrow_flight::Result, FlightError> {
        let malformed = |_| FlightError::Malformed("the FlightInfo cannot be decoded".to_owned());
        let info = FlightInfo::decode(request.info.clone()).map_err(malformed)?;
        // Both messages number what can come of it alike.
        let result = ActionCancelQueryResult { result: self.call_off(caller, &info)?.into() };
        Ok(arrow_flight::Result { body: result.as_any().encode_to_vec().into() })
    }

    /// Ends what runs of an answer, and what was to begin. All of the info is looked at before any of it is ended.
    fn call_off(&self, caller: &Caller, info: &FlightInfo) -> Result<CancelStatus, FlightError> {
        if info.endpoint.len() > MAX_ENDPOINTS {
            return Err(FlightError::Malformed("the FlightInfo has too many endpoints".to_owned()));
        }
        let mut decisions = Vec::new();
        for endpoint in &info.endpoint {
            let ticket = endpoint.ticket.as_ref().ok_or(TicketError::Invalid)?;
            match self.tickets.own(&ticket.ticket, caller)? {
                Sealed::Query(query) => {
                    decisions.push(Uuid::from_slice(&query.decision).map_err(|_| TicketError::Invalid)?);
                }
                // Answered in one batch, at once.
                Sealed::Command(_) => {}
            }
        }
        if info.endpoint.is_empty() {
            decisions.push(self.tickets.own_poll(&info.app_metadata, caller)?);
        }
        if decisions.is_empty() {
            return Ok(CancelStatus::NotCancellable);
        }
        decisions.sort_unstable();
        decisions.dedup();
        for decision in decisions {
            self.gateway.cancel(caller, decision);
            self.polls.forget(decision);
        }
        Ok(CancelStatus::Cancelled)
    }
}
