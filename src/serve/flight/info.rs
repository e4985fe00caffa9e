//! GetFlightInfo and GetSchema: what would come back, and the ticket to fetch it with.

use arrow::datatypes::Schema;
use arrow_flight::sql::{Command, CommandPreparedStatementQuery, CommandStatementQuery};
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, SchemaResult, Ticket};
use bytes::Bytes;
use prost::Message;
use tonic::{Request, Response};

use super::Flight;
use super::describe::{Described, expiration, metadata_schema, schema_bytes};
use super::descriptor::{Asked, Manner, parse};
use super::endpoints::{self, divided, part_of};
use super::error::FlightError;
use super::receipt;
use crate::gateway::{Caller, Parts, Question};
use crate::serve::proto::ticket::Question as Sealed;

impl Flight {
    pub(super) async fn answer_get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, FlightError> {
        let mut caller = self.caller(&request).await?;
        let wanted = endpoints::wanted(request.metadata())?;
        let descriptor = request.into_inner();
        let described = self.describe(&mut caller, &descriptor, wanted).await?;
        let info = self.described_info(&caller, described)?;
        Ok(Response::new(info.with_descriptor(descriptor)))
    }

    pub(super) async fn answer_get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, FlightError> {
        let mut caller = self.caller(&request).await?;
        let described = self.describe(&mut caller, &request.into_inner(), Parts::One).await?;
        Ok(Response::new(SchemaResult { schema: schema_bytes(&described.schema)? }))
    }

    /// What a descriptor asks for, planned but not read.
    async fn describe(
        &self,
        caller: &mut Caller,
        descriptor: &FlightDescriptor,
        wanted: Parts,
    ) -> Result<Described, FlightError> {
        match parse(descriptor)? {
            Asked::Rows(question, Manner { purpose, parallel }) => {
                if let Some(purpose) = purpose {
                    caller.purpose = purpose;
                }
                let wanted = if parallel { Parts::Many } else { wanted };
                self.describe_rows(caller, &question, Vec::new(), wanted).await
            }
            Asked::Command(Command::CommandStatementQuery(CommandStatementQuery { query, .. })) => {
                self.describe_rows(caller, &Question::Sql(query), Vec::new(), wanted).await
            }
            Asked::Command(Command::CommandPreparedStatementQuery(command)) => {
                self.describe_prepared(caller, &command, wanted).await
            }
            Asked::Command(command) => {
                let schema = metadata_schema(&command)?;
                let sealed = Sealed::Command(command.into_any().encode_to_vec());
                Ok(Described { schema, sealed, parts: 1, receipt: None })
            }
        }
    }

    async fn describe_prepared(
        &self,
        caller: &mut Caller,
        command: &CommandPreparedStatementQuery,
        wanted: Parts,
    ) -> Result<Described, FlightError> {
        let handle = &command.prepared_statement_handle;
        let mut prepared = self.tickets.open_handle(handle, caller)?;
        if prepared.parameters.is_empty()
            && let Some(bound) = self.bindings.get(&prepared)
        {
            prepared.parameters = bound;
        }
        self.describe_rows(caller, &Question::Sql(prepared.sql), prepared.parameters, wanted).await
    }

    /// The answer to GetFlightInfo, its receipt included.
    pub(super) fn described_info(&self, caller: &Caller, described: Described) -> Result<FlightInfo, FlightError> {
        let Described { schema, sealed, parts, receipt } = described;
        let info = self.flight_info(caller, &schema, divided(sealed, parts))?;
        Ok(info.with_app_metadata(receipt.map(|receipt| receipt::encode(&receipt)).unwrap_or_default()))
    }

    /// The answer to GetFlightInfo, with an endpoint for each of `sealed`.
    pub(super) fn flight_info(
        &self,
        caller: &Caller,
        schema: &Schema,
        sealed: impl IntoIterator<Item = Sealed>,
    ) -> Result<FlightInfo, FlightError> {
        let endpoint = sealed.into_iter().map(|sealed| FlightEndpoint {
            app_metadata: part_of(&sealed),
            ticket: Some(Ticket { ticket: self.tickets.seal(caller, sealed) }),
            location: self.endpoints.locations(),
            expiration_time: Some(expiration(self.tickets.ttl())),
        });
        Ok(FlightInfo {
            schema: schema_bytes(schema)?,
            flight_descriptor: None,
            endpoint: endpoint.collect(),
            // A count would tell of hidden rows.
            total_records: -1,
            total_bytes: -1,
            ordered: false,
            app_metadata: Bytes::new(),
        })
    }
}
