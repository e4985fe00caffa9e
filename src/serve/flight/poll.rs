//! PollFlightInfo: a question planned while its client asks again now and then.
//!
//! Before DoGet, planning is what takes time here; rows are made while they are fetched. So a poll is answered in full
//! as soon as the question is planned, and until then with a FlightInfo that has no endpoints yet and a handle to ask
//! again with. How far planning has come nobody can tell, so no progress is stated before it is done.
//!
//! The handle is sealed to its principal and holds the question: a replica that does not know it, or has forgotten its
//! answer, plans anew. What is kept here is bounded, and gone soon after the last poll.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::sql::Any;
use arrow_flight::{FlightDescriptor, FlightInfo, PollInfo};
use bytes::Bytes;
use futures::FutureExt;
use prost::Message;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response};
use tracing::Instrument;
use uuid::Uuid;

use super::Flight;
use super::deadline::deadline;
use super::describe::expiration;
use super::descriptor::parse;
use super::endpoints;
use super::error::FlightError;
use super::observe::panic_text;
use super::ticket::TicketError;
use crate::gateway::{Caller, Parts};
use crate::principal::Identity;

/// The type URL of a handle to poll with.
const HANDLE: &str = "type.googleapis.com/airside.v1.Poll";
/// How long the first poll waits: most questions are planned by then.
const FIRST: Duration = Duration::from_millis(500);
/// How long a later one waits.
const LATER: Duration = Duration::from_secs(5);
/// How long an answer is kept: it was made under the policy of its moment.
const KEPT: Duration = Duration::from_secs(10);
/// Questions that are kept.
const MOST: usize = 256;
/// Those of one principal.
const MOST_OF_ONE: usize = 16;

/// The questions being planned.
#[derive(Clone, Default)]
pub struct Polls(Arc<Mutex<HashMap<Uuid, Pending>>>);

struct Pending {
    identity: Identity,
    outcome: Arc<Planned>,
    since: Instant,
    task: AbortHandle,
}

/// Whoever forgets a question stops asking it.
impl Drop for Pending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What planning came to, once it has.
#[derive(Default)]
struct Planned {
    outcome: Mutex<Option<Result<FlightInfo, FlightError>>>,
    done: Notify,
}

impl Planned {
    fn set(&self, outcome: Result<FlightInfo, FlightError>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.done.notify_waiters();
    }

    /// The answer, to be told again; a failure is told once.
    fn take(&self) -> Option<Result<FlightInfo, FlightError>> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome.as_ref()? {
            Ok(info) => Some(Ok(info.clone())),
            Err(_) => outcome.take(),
        }
    }

    async fn wait(&self, until: Instant) -> Option<Result<FlightInfo, FlightError>> {
        loop {
            let done = self.done.notified();
            tokio::pin!(done);
            // Registered before looking, so that nothing is missed in between.
            done.as_mut().enable();
            if let Some(outcome) = self.take() {
                return Some(outcome);
            }
            timeout_at(until, done).await.ok()?;
        }
    }
}

impl Polls {
    /// Forgets a question, and stops planning it.
    pub fn forget(&self, id: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// The question of this id, begun by `start` if it is not known.
    fn find_or(
        &self,
        id: Uuid,
        identity: &Identity,
        start: impl FnOnce(Arc<Planned>) -> AbortHandle,
    ) -> Result<Arc<Planned>, FlightError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Planning ends within its own time, after which only its outcome is kept.
        all.retain(|_, pending| pending.since.elapsed() < KEPT || !pending.task.is_finished());
        if let Some(pending) = all.get(&id) {
            return Ok(Arc::clone(&pending.outcome));
        }
        let own = all.values().filter(|pending| pending.identity == *identity).count();
        if all.len() >= MOST || own >= MOST_OF_ONE {
            return Err(FlightError::TooManyPolls);
        }
        let outcome = Arc::<Planned>::default();
        let task = start(Arc::clone(&outcome));
        let pending =
            Pending { identity: identity.clone(), outcome: Arc::clone(&outcome), since: Instant::now(), task };
        all.insert(id, pending);
        Ok(outcome)
    }
}

impl Flight {
    pub(super) async fn answer_poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, FlightError> {
        let deadline = deadline(&request);
        let mut caller = self.caller(&request).await?;
        let wanted = endpoints::wanted(request.metadata())?;
        let schema = self.default_schema(&request, &caller)?;
        let descriptor = request.into_inner();
        let (id, descriptor, patience) = match handle(&descriptor) {
            None => (Uuid::now_v7(), self.within_schema(schema.as_ref(), &descriptor), FIRST),
            Some(handle) => {
                let (id, descriptor) = self.tickets.open_poll(&handle, &mut caller)?;
                let descriptor = FlightDescriptor::decode(descriptor.as_slice()).map_err(|_| TicketError::Invalid)?;
                (id, descriptor, LATER)
            }
        };
        self.gateway.check_cancelled(&caller, id)?;
        let identity = &caller.principal.identity;
        let planned =
            self.polls.find_or(id, identity, |planned| self.plan(&caller, descriptor.clone(), wanted, planned))?;
        let outcome = planned.wait(within(patience, deadline)).await;
        // Whoever called it off meanwhile is not told that it was planned.
        self.gateway.check_cancelled(&caller, id)?;
        match outcome {
            Some(Ok(mut info)) => {
                // It may have been planned for a poll at another listener.
                for endpoint in &mut info.endpoint {
                    endpoint.location = self.endpoints.locations();
                }
                Ok(Response::new(PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() }))
            }
            Some(Err(error)) => {
                self.polls.forget(id);
                Err(error)
            }
            None => Ok(Response::new(self.unfinished(&caller, id, descriptor))),
        }
    }

    /// Plans in the background, until it is done or forgotten.
    fn plan(&self, caller: &Caller, descriptor: FlightDescriptor, wanted: Parts, planned: Arc<Planned>) -> AbortHandle {
        let (flight, mut caller) = (self.clone(), caller.clone());
        let work = async move {
            let info = async {
                let described = flight.describe(&mut caller, parse(&descriptor)?, wanted).await?;
                Ok(flight.described_info(&caller, described).with_descriptor(descriptor))
            };
            let outcome = AssertUnwindSafe(info).catch_unwind().await;
            planned.set(outcome.unwrap_or_else(|panic| Err(FlightError::internal(panic_text(&*panic)))));
        };
        tokio::spawn(work.in_current_span()).abort_handle()
    }

    fn unfinished(&self, caller: &Caller, id: Uuid, descriptor: FlightDescriptor) -> PollInfo {
        let handle = self.tickets.seal_poll(caller, id, descriptor.encode_to_vec());
        let again = Any { type_url: HANDLE.to_owned(), value: handle.clone() };
        let info = FlightInfo {
            schema: Bytes::new(),
            flight_descriptor: Some(descriptor),
            endpoint: Vec::new(),
            total_records: -1,
            total_bytes: -1,
            ordered: false,
            // What CancelFlightInfo knows it by.
            app_metadata: handle,
        };
        PollInfo {
            info: Some(info),
            flight_descriptor: Some(FlightDescriptor::new_cmd(again.encode_to_vec())),
            progress: None,
            expiration_time: Some(expiration(self.tickets.ttl())),
        }
    }
}

/// The handle in a descriptor, if it is one to poll again with.
fn handle(descriptor: &FlightDescriptor) -> Option<Bytes> {
    let command = (descriptor.r#type == DescriptorType::Cmd as i32).then(|| Any::decode(descriptor.cmd.clone()));
    command?.ok().filter(|any| any.type_url == HANDLE).map(|any| any.value)
}

/// The moment `patience` from now, but well before the client gives up, which would lose it the handle.
fn within(patience: Duration, deadline: Option<Instant>) -> Instant {
    let now = Instant::now();
    let left = deadline.map_or(patience, |deadline| deadline.saturating_duration_since(now) / 2);
    now + patience.min(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> Identity {
        Identity::User(name.into())
    }

    fn never(_: Arc<Planned>) -> AbortHandle {
        tokio::spawn(std::future::pending::<()>()).abort_handle()
    }

    #[tokio::test]
    async fn one_principal_cannot_take_every_place() {
        let polls = Polls::default();
        for _ in 0..MOST_OF_ONE {
            assert!(polls.find_or(Uuid::new_v4(), &identity("ada"), never).is_ok());
        }
        let id = Uuid::new_v4();
        assert!(matches!(polls.find_or(id, &identity("ada"), never), Err(FlightError::TooManyPolls)));
        assert!(polls.find_or(id, &identity("eve"), never).is_ok());
        polls.forget(id);
        assert_eq!(polls.0.lock().unwrap().len(), MOST_OF_ONE);
    }

    #[tokio::test]
    async fn an_answer_is_told_again_and_a_failure_once() {
        let planned = Arc::new(Planned::default());
        assert!(planned.wait(Instant::now() + Duration::from_millis(5)).await.is_none());
        let waiting = tokio::spawn({
            let planned = Arc::clone(&planned);
            async move { planned.wait(Instant::now() + Duration::from_secs(10)).await }
        });
        tokio::task::yield_now().await;
        planned.set(Ok(FlightInfo::default()));
        assert!(waiting.await.unwrap().unwrap().is_ok());
        assert!(planned.take().unwrap().is_ok());
        planned.set(Err(FlightError::Deadline));
        assert!(planned.take().unwrap().is_err() && planned.take().is_none());
    }
}
