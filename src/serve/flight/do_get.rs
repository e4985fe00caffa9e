//! DoGet: a ticket redeemed. The caller is authenticated and authorized again, under today's policy.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow_flight::sql::Any;
use arrow_flight::{FlightData, Ticket};
use futures::stream;
use prost::Message;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::deadline::deadline;
use super::describe::schema_digest;
use super::encode::{Encoder, Manner};
use super::error::FlightError;
use super::frames::Framed;
use super::ticket::TicketError;
use super::{Flight, Replies, body, descriptor, parameters};
use crate::gateway::{Answer, AnswerError, Caller, Counted, Part, Pinned, Reader, SnapshotRef};
use crate::serve::connections;
use crate::serve::proto::Query;
use crate::serve::proto::ticket::Question as Sealed;

impl Flight {
    pub(super) async fn answer_do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Replies<FlightData>>, FlightError> {
        let deadline = deadline(&request);
        let manner = Manner::asked(request.metadata())?;
        let (mut caller, verified) = self.verified_caller(&request).await?;
        match self.tickets.open(&request.into_inner().ticket, &mut caller)? {
            Sealed::Query(query) => {
                let reader = Reader {
                    verified,
                    authenticator: Arc::clone(&self.authenticator),
                    deadline,
                    cut: connections::cut(),
                    send_timeout: self.send_timeout,
                };
                self.rows(&caller, query, reader, manner).await
            }
            Sealed::Command(command) => {
                let any = Any::decode(command.as_slice()).map_err(|_| TicketError::Invalid)?;
                let batch = self.metadata(&caller, descriptor::flight_sql(any)?)?;
                let encoder = Encoder::new(&batch.schema(), manner)?;
                Ok(body::response(encoder.messages(stream::iter([Ok::<_, FlightError>(batch)]))))
            }
        }
    }

    async fn rows(
        &self,
        caller: &Caller,
        query: Query,
        reader: Reader,
        manner: Manner,
    ) -> Result<Response<Replies<FlightData>>, FlightError> {
        let (answer, schema) = self.redeem(caller, query).await?;
        let encoder = Encoder::new(&schema, manner)?;
        let messages = |rows: Counted| encoder.messages(rows);
        let weigh = |message: &Framed| message.body;
        let refuse = |error| Status::from(FlightError::Answer(error));
        Ok(body::response(Box::pin(self.gateway.run(answer, reader, messages, weigh, refuse).await?)))
    }

    /// The answer to a sealed query as its reader was told of it: under today's policy, of the same snapshots, with the
    /// same schema.
    pub(super) async fn redeem(&self, caller: &Caller, query: Query) -> Result<(Answer, SchemaRef), FlightError> {
        let question = descriptor::unseal(query.asked)?;
        let snapshots = query.snapshots.into_iter().map(|s| SnapshotRef { dataset: s.dataset, id: s.id }).collect();
        let part = query.part.map(|part| Part::new(part.index, part.count).ok_or(TicketError::Invalid)).transpose()?;
        let values = parameters::values(&query.parameters)?;
        let answer = self.gateway.ask(caller, &question, values, Some(&Pinned { snapshots, part })).await?;
        let answer = answer.decided(Uuid::from_slice(&query.decision).map_err(|_| TicketError::Invalid)?);
        let schema = self.annotated(&answer.schema(), answer.columns());
        if schema_digest(&schema)? != query.schema {
            return Err(AnswerError::Outdated.into());
        }
        Ok((answer, schema))
    }
}
