//! GetFlightInfo and GetSchema: what would come back, and the ticket to fetch it with.

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
use super::ticket::Prepared;
use crate::gateway::{Caller, Parts, Question};
use crate::serve::proto::ticket::Question as Sealed;

impl Flight {
    pub(super) async fn answer_get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, FlightError> {
        let mut caller = self.caller(&request).await?;
        let wanted = endpoints::wanted(request.metadata())?;
        let schema = self.default_schema(&request, &caller)?;
        let descriptor = request.into_inner();
        let in_full = self.within_schema(schema.as_ref(), &descriptor);
        let described = self.describe(&mut caller, parse(&in_full)?, wanted).await?;
        let info = self.described_info(&caller, described);
        Ok(Response::new(info.with_descriptor(descriptor)))
    }

    pub(super) async fn answer_get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, FlightError> {
        let mut caller = self.caller(&request).await?;
        let schema = self.default_schema(&request, &caller)?;
        let descriptor = self.within_schema(schema.as_ref(), &request.into_inner());
        let schema = match parse(&descriptor)? {
            Asked::Command(Command::CommandStatementQuery(CommandStatementQuery { query, transaction_id })) => {
                self.check_transaction(&caller, transaction_id.as_ref())?;
                self.unbound_schema(&caller, query).await?
            }
            Asked::Command(Command::CommandPreparedStatementQuery(command)) => {
                let Prepared { sql, parameters, .. } = self.prepared(&mut caller, &command)?;
                if parameters.is_empty() {
                    self.unbound_schema(&caller, sql).await?
                } else {
                    self.describe_rows(&caller, &Question::Sql(sql), parameters, Parts::One).await?.schema
                }
            }
            asked => self.describe(&mut caller, asked, Parts::One).await?.schema,
        };
        Ok(Response::new(SchemaResult { schema }))
    }

    /// The schema of a statement to which nothing is bound yet: it is told all the same.
    async fn unbound_schema(&self, caller: &Caller, sql: String) -> Result<Bytes, FlightError> {
        let described = self.gateway.describe(caller, &Question::Sql(sql)).await?;
        Ok(self.told(described.schema, described.columns)?.bytes)
    }

    /// What is asked for, planned but not read.
    pub(super) async fn describe(
        &self,
        caller: &mut Caller,
        asked: Asked,
        wanted: Parts,
    ) -> Result<Described, FlightError> {
        match asked {
            Asked::Rows(question, Manner { purpose, parallel }) => {
                if let Some(purpose) = purpose {
                    caller.purpose = purpose;
                }
                let wanted = if parallel { Parts::Many } else { wanted };
                self.describe_rows(caller, &question, Vec::new(), wanted).await
            }
            Asked::Command(Command::CommandStatementQuery(CommandStatementQuery { query, transaction_id })) => {
                self.check_transaction(caller, transaction_id.as_ref())?;
                self.describe_rows(caller, &Question::Sql(query), Vec::new(), wanted).await
            }
            Asked::Command(Command::CommandPreparedStatementQuery(command)) => {
                let Prepared { sql, parameters, .. } = self.prepared(caller, &command)?;
                self.describe_rows(caller, &Question::Sql(sql), parameters, wanted).await
            }
            Asked::Command(command) => {
                let schema = schema_bytes(metadata_schema(&command)?.as_ref())?;
                let sealed = Sealed::Command(command.into_any().encode_to_vec());
                Ok(Described { schema, sealed, parts: 1, receipt: None })
            }
        }
    }

    /// The prepared statement of a handle, with what is bound to it.
    fn prepared(&self, caller: &mut Caller, command: &CommandPreparedStatementQuery) -> Result<Prepared, FlightError> {
        let mut prepared = self.tickets.open_handle(&command.prepared_statement_handle, caller)?;
        if prepared.parameters.is_empty()
            && let Some(bound) = self.bindings.get(&prepared)
        {
            prepared.parameters = bound;
        }
        Ok(prepared)
    }

    /// The answer to GetFlightInfo, its receipt included.
    pub(super) fn described_info(&self, caller: &Caller, described: Described) -> FlightInfo {
        let Described { schema, sealed, parts, receipt } = described;
        let info = self.flight_info(caller, schema, divided(sealed, parts));
        info.with_app_metadata(receipt.map(|receipt| receipt::encode(&receipt)).unwrap_or_default())
    }

    /// The answer to GetFlightInfo, with an endpoint for each of `sealed`.
    pub(super) fn flight_info(
        &self,
        caller: &Caller,
        schema: Bytes,
        sealed: impl IntoIterator<Item = Sealed>,
    ) -> FlightInfo {
        let endpoint = sealed.into_iter().map(|sealed| FlightEndpoint {
            app_metadata: part_of(&sealed),
            ticket: Some(Ticket { ticket: self.tickets.seal(caller, sealed) }),
            location: self.endpoints.locations(),
            expiration_time: Some(expiration(self.tickets.ttl())),
        });
        FlightInfo {
            schema,
            flight_descriptor: None,
            endpoint: endpoint.collect(),
            // A count would tell of hidden rows.
            total_records: -1,
            total_bytes: -1,
            ordered: false,
            app_metadata: Bytes::new(),
        }
    }
}
