//! DoPut: binding parameters to a prepared statement.

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::error::FlightError as ArrowFlightError;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::sql::{Any, Command, DoPutPreparedStatementResult};
use arrow_flight::{FlightData, PutResult};
use futures::{StreamExt, TryStreamExt, stream};
use moka::sync::Cache;
use prost::Message;
use tonic::{Request, Response, Streaming};

use super::error::FlightError;
use super::ticket::Prepared;
use super::{Flight, Replies, descriptor, parameters};
use crate::gateway::Caller;

/// What clients bound that ignore the new handle they are sent.
///
/// The handle that DoPut gives back carries the bound row, so that any replica can answer. Clients older
/// than that rule ask again with the handle they first got; for them the row is kept here, on this replica.
#[derive(Clone)]
pub struct Bindings(Cache<Vec<u8>, Arc<Vec<u8>>>);

/// Bytes of bound rows kept at most; the least recently used go first.
const KEPT: u64 = 64 * 1024 * 1024;

impl Bindings {
    /// Keeps each row for `ttl` at most.
    pub fn new(ttl: Duration) -> Self {
        let weigh = |key: &Vec<u8>, row: &Arc<Vec<u8>>| u32::try_from(key.len() + row.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(KEPT).weigher(weigh).time_to_live(ttl).build())
    }

    /// The row bound to a statement.
    pub fn get(&self, prepared: &Prepared) -> Option<Vec<u8>> {
        self.0.get(&prepared.nonce).map(|row| row.to_vec())
    }

    /// Forgets what was bound to a statement.
    pub fn forget(&self, prepared: &Prepared) {
        self.0.invalidate(&prepared.nonce);
    }

    fn keep(&self, prepared: &Prepared) {
        self.0.insert(prepared.nonce.clone(), Arc::new(prepared.parameters.clone()));
    }
}

impl Flight {
    pub(super) async fn answer_do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Replies<PutResult>>, FlightError> {
        let caller = self.caller(&request).await?;
        let mut data = request.into_inner();
        let no_descriptor = || FlightError::Malformed("the first message of a DoPut names a command".to_owned());
        let first = data.next().await.and_then(Result::ok).ok_or_else(no_descriptor)?;
        let descriptor = first.flight_descriptor.clone().ok_or_else(no_descriptor)?;
        if descriptor.r#type == DescriptorType::Path as i32 {
            return Err(FlightError::ReadOnly("storing data".to_owned()));
        }
        let command = descriptor.cmd;
        let any = Any::decode(command).map_err(|_| no_descriptor())?;
        match descriptor::flight_sql(any)? {
            Command::CommandPreparedStatementQuery(command) => {
                let rest = data.map_err(|status| ArrowFlightError::Tonic(Box::new(status)));
                let stream = stream::once(async { Ok(first) }).chain(rest);
                let bound = parameters::receive(stream).await?;
                self.bind(caller, &command.prepared_statement_handle, bound)
            }
            other => {
                let name = other.type_url().rsplit('.').next().unwrap_or_default().to_owned();
                Err(FlightError::ReadOnly(name))
            }
        }
    }

    fn bind(
        &self,
        mut caller: Caller,
        handle: &[u8],
        parameters: Vec<u8>,
    ) -> Result<Response<Replies<PutResult>>, FlightError> {
        let mut prepared = self.tickets.open_handle(handle, &mut caller)?;
        prepared.parameters = parameters;
        self.bindings.keep(&prepared);
        let updated = self.tickets.seal_handle(&caller, &prepared);
        let result = DoPutPreparedStatementResult { prepared_statement_handle: Some(updated) };
        let reply = PutResult { app_metadata: result.encode_to_vec().into() };
        Ok(Response::new(Box::pin(stream::once(async move { Ok(reply) }))))
    }
}
