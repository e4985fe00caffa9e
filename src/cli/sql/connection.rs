//! The shell's connection: signed in, asked, told in the gateway's own words.

use std::error::Error;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{Any, CommandGetTables, CommandStatementQuery, ProstMessageExt};
use arrow_flight::{FlightDescriptor, FlightInfo, HandshakeRequest, IpcMessage, Ticket};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::principal::Purpose;
use crate::seal::Secret;
use crate::serve::proto::Receipt;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Where a gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    encrypted: bool,
    authority: String,
}

/// A URL that is no gateway's.
#[derive(Debug, Error)]
#[error("write `grpc://host:port`, or `grpc+tls://host:port`")]
pub(super) struct NoTarget;

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let (scheme, authority) = text.trim_end_matches('/').split_once("://").ok_or(NoTarget)?;
        let encrypted = match scheme {
            "grpc" | "grpc+tcp" => false,
            "grpc+tls" => true,
            _ => return Err(NoTarget),
        };
        let known: http::uri::Authority = authority.parse().map_err(|_| NoTarget)?;
        if known.port().is_none() || authority.contains('@') {
            return Err(NoTarget);
        }
        Ok(Self { encrypted, authority: authority.to_owned() })
    }
}

/// As whom the shell signs in.
pub(super) enum Credentials {
    Password { user: String, password: Secret },
    Token(Secret),
}

/// A connection of somebody, for a purpose.
pub(super) struct Connection {
    client: FlightServiceClient<Channel>,
    bearer: MetadataValue<Ascii>,
    purpose: Purpose,
}

/// An answer under way.
pub(super) struct Answer {
    pub(super) schema: SchemaRef,
    pub(super) receipt: Option<Receipt>,
    tickets: Vec<Ticket>,
}

/// A table that the caller may know of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) domain: String,
    pub(super) name: String,
    /// Its columns as far as the caller sees them.
    pub(super) schema: Schema,
}

impl Connection {
    /// Connects and signs in.
    pub(super) async fn open(
        target: &Target,
        ca: Option<&Path>,
        credentials: Credentials,
        purpose: Purpose,
    ) -> Result<Self, Box<dyn Error>> {
        let scheme = if target.encrypted { "https" } else { "http" };
        let mut endpoint = Endpoint::new(format!("{scheme}://{}", target.authority))?.connect_timeout(CONNECT);
        if target.encrypted {
            let tls = match ca {
                Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read(file)?)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            endpoint = endpoint.tls_config(tls)?;
        }
        let channel = endpoint.user_agent("airside-sql")?.connect().await.map_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("no connection to {}{cause}", target.authority)
        })?;
        // A single row may be as large as it is.
        let client = FlightServiceClient::new(channel).max_decoding_message_size(usize::MAX);
        let nobody = MetadataValue::from_static("");
        let mut connection = Self { client, bearer: nobody, purpose };
        connection.sign_in(credentials).await?;
        Ok(connection)
    }

    /// Signs in as somebody else.
    pub(super) async fn sign_in(&mut self, credentials: Credentials) -> Result<(), Status> {
        let header = match credentials {
            Credentials::Token(token) => header("Bearer ", token.expose())?,
            Credentials::Password { user, password } => {
                let mut pair = zeroize::Zeroizing::new(format!("{user}:").into_bytes());
                pair.extend_from_slice(password.expose());
                let mut request = Request::new(stream::iter([HandshakeRequest::default()]));
                let basic = header("Basic ", STANDARD.encode(&*pair).as_bytes())?;
                request.metadata_mut().insert("authorization", basic);
                let response = self.client.handshake(request).await?;
                let token = response.metadata().get("authorization").cloned();
                token.ok_or_else(|| Status::internal("the gateway gave no token"))?
            }
        };
        self.bearer = header;
        Ok(())
    }

    pub(super) fn set_purpose(&mut self, purpose: Purpose) {
        self.purpose = purpose;
    }

    /// Asks a statement; nothing of its rows is read yet.
    pub(super) async fn ask(&self, sql: &str) -> Result<Answer, Status> {
        let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
        let info = self.info(command.as_any()).await?;
        let receipt = (!info.app_metadata.is_empty()).then(|| Receipt::decode(info.app_metadata.clone()));
        let receipt = receipt.transpose().map_err(|_| Status::internal("the receipt cannot be decoded"))?;
        let schema: Schema = IpcMessage(info.schema).try_into().map_err(undecodable)?;
        let tickets = info.endpoint.into_iter().filter_map(|endpoint| endpoint.ticket).collect();
        Ok(Answer { schema: Arc::new(schema), receipt, tickets })
    }

    /// The rows of an answer, endpoint after endpoint.
    pub(super) fn rows(&self, answer: &Answer) -> impl Stream<Item = Result<RecordBatch, Status>> + Send + use<> {
        let client = self.client.clone();
        let requests: Vec<_> = answer.tickets.iter().map(|ticket| self.request(ticket.clone())).collect();
        stream::iter(requests)
            .then(move |request| {
                let mut client = client.clone();
                async move {
                    let data = client.do_get(request).await?.into_inner().map_err(Into::into);
                    Ok::<_, Status>(FlightRecordBatchStream::new_from_flight_data(data).map_err(Status::from))
                }
            })
            .try_flatten()
    }

    /// The tables that the caller may know of.
    pub(super) async fn tables(&self) -> Result<Vec<Table>, Status> {
        let command = CommandGetTables { include_schema: true, ..CommandGetTables::default() };
        let info = self.info(command.as_any()).await?;
        let schema: Schema = IpcMessage(info.schema.clone()).try_into().map_err(undecodable)?;
        let tickets = info.endpoint.into_iter().filter_map(|endpoint| endpoint.ticket).collect();
        let answer = Answer { schema: Arc::new(schema), receipt: None, tickets };
        let batches: Vec<RecordBatch> = self.rows(&answer).try_collect().await?;
        let mut tables = Vec::new();
        for batch in &batches {
            let unexpected = || Status::internal("the list of tables is not as the protocol has it");
            let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
            let domains = text("db_schema_name").ok_or_else(unexpected)?;
            let names = text("table_name").ok_or_else(unexpected)?;
            let schemas = batch.column_by_name("table_schema").and_then(|column| column.as_binary_opt::<i32>());
            let schemas = schemas.ok_or_else(unexpected)?;
            for row in 0..batch.num_rows() {
                let schema = IpcMessage(schemas.value(row).to_vec().into()).try_into().map_err(undecodable)?;
                let (domain, name) = (domains.value(row).to_owned(), names.value(row).to_owned());
                tables.push(Table { domain, name, schema });
            }
        }
        Ok(tables)
    }

    async fn info(&self, command: Any) -> Result<FlightInfo, Status> {
        let descriptor = FlightDescriptor::new_cmd(command.encode_to_vec());
        Ok(self.client.clone().get_flight_info(self.request(descriptor)).await?.into_inner())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        // A purpose's letters are a header's.
        if let Ok(purpose) = MetadataValue::try_from(self.purpose.as_str())
            && !self.purpose.as_str().is_empty()
        {
            request.metadata_mut().insert("airside-purpose", purpose);
        }
        request
    }
}

fn header(scheme: &str, secret: &[u8]) -> Result<MetadataValue<Ascii>, Status> {
    let bytes = zeroize::Zeroizing::new([scheme.as_bytes(), secret].concat());
    let value = MetadataValue::try_from(&bytes[..]);
    let mut value =
        value.map_err(|_| Status::invalid_argument("the credentials hold characters that no header has"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn undecodable(_: arrow::error::ArrowError) -> Status {
    Status::internal("a schema cannot be decoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_gateways() {
        for good in ["grpc://127.0.0.1:50051", "grpc+tls://gateway.example.com:443/", "grpc+tcp://[::1]:1"] {
            assert!(good.parse::<Target>().is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:1", "http://h:1", "grpc://h", "grpc://u@h:1", "grpc://h:1/x"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
