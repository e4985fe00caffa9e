//! Arrow Flight and Flight SQL: one file for each family of calls.
//!
//! The protocol's service is implemented here rather than through arrow-flight's `FlightSqlService`, which has
//! no ListFlights, GetSchema or PollFlightInfo and leaves no room between parsing and answering.

mod action;
mod authenticate;
mod body;
mod compression;
mod config;
mod cut;
mod deadline;
mod describe;
mod descriptor;
mod do_get;
mod do_put;
mod encode;
mod endpoints;
mod error;
mod frames;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod info;
mod list;
mod message_size;
mod observe;
mod parameters;
mod poll;
mod receipt;
mod server;
mod session;
mod sql;
mod ticket;
mod told;

pub use config::{FlightConfig, TicketConfig};
pub use server::FlightServer;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::Stream;
use tonic::{Request, Response, Status, Streaming};

use self::deadline::deadline;
use self::do_put::Bindings;
use self::endpoints::Endpoints;
use self::error::FlightError;
use self::observe::observe;
use self::poll::Polls;
use self::ticket::Tickets;
use self::told::ToldSchemas;
use crate::authn::Authenticator;
use crate::gateway::Gateway;

/// The Flight service: authenticates each call and hands it to the gateway.
#[derive(Clone)]
pub struct Flight {
    gateway: Arc<Gateway>,
    authenticator: Arc<Authenticator>,
    tickets: Tickets,
    bindings: Bindings,
    polls: Polls,
    send_timeout: Duration,
    endpoints: Endpoints,
    schemas: ToldSchemas,
}

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl FlightService for Flight {
    type HandshakeStream = Replies<HandshakeResponse>;
    type ListFlightsStream = Replies<FlightInfo>;
    type DoGetStream = Replies<FlightData>;
    type DoPutStream = Replies<PutResult>;
    type DoActionStream = Replies<arrow_flight::Result>;
    type ListActionsStream = Replies<ActionType>;
    type DoExchangeStream = Replies<FlightData>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        observe("Handshake", deadline(&request), self.answer_handshake(request)).await
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        observe("ListFlights", deadline(&request), self.answer_list_flights(request)).await
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        observe("GetFlightInfo", deadline(&request), self.answer_get_flight_info(request)).await
    }

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        observe("PollFlightInfo", deadline(&request), self.answer_poll_flight_info(request)).await
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        observe("GetSchema", deadline(&request), self.answer_get_schema(request)).await
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        observe("DoGet", deadline(&request), self.answer_do_get(request)).await
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        observe("DoPut", deadline(&request), self.answer_do_put(request)).await
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        observe("DoExchange", deadline(&request), self.refuse(request, "DoExchange")).await
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        observe("DoAction", deadline(&request), self.answer_do_action(request)).await
    }

    async fn list_actions(&self, request: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        observe("ListActions", deadline(&request), self.answer_list_actions(request)).await
    }
}

impl Flight {
    /// Refuses a call by name; strangers are told only that they are strangers.
    async fn refuse<T, R>(&self, request: Request<T>, call: &str) -> Result<R, FlightError> {
        self.caller(&request).await?;
        Err(FlightError::Unimplemented(call.to_owned()))
    }
}
