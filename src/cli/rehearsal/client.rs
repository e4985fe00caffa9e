//! The client: every way Flight and Flight SQL have to ask for a product.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    Any, CommandPreparedStatementQuery, CommandStatementQuery, ProstMessageExt,
};
use arrow_flight::{Action, FlightDescriptor, Ticket};
use futures::TryStreamExt;
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::masked;
use crate::gateway::insight::AskedAs;
use crate::product::Mask;
use crate::serve::proto::{Argument, ProductRequest};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(120);

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A descriptor's path.
    Path,
    /// A `ProductRequest`.
    ProductRequest,
    /// SQL as a descriptor's command.
    Sql,
    /// Flight SQL's statement.
    Statement,
    /// A prepared statement.
    Prepared,
    /// GetSchema of the path, or of the request where a path will not do: no rows.
    Schema,
}

impl Way {
    /// All of them; the first that gives rows sets what the others are held against.
    pub const ALL: [Self; 6] =
        [Self::Path, Self::ProductRequest, Self::Sql, Self::Statement, Self::Prepared, Self::Schema];

    /// Whether it can ask for this: a path takes no arguments.
    pub fn takes(self, asked: &AskedAs) -> bool {
        self != Self::Path || asked.arguments.as_ref().is_none_or(Vec::is_empty)
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::ProductRequest => "ProductRequest",
            Self::Sql => "SQL text",
            Self::Statement => "CommandStatementQuery",
            Self::Prepared => "prepared statement",
            Self::Schema => "GetSchema",
        }
    }
}

/// What a path gave.
pub struct Seen {
    pub schema: SchemaRef,
    /// How many rows; none where the path gives none.
    pub rows: Option<u64>,
    /// For each column and mask, the first row whose value is not of the mask's form.
    stray: Vec<(String, Mask, u64)>,
}

impl Seen {
    /// The first row, if there is one, whose value of a column is not of the mask's form.
    pub fn unmasked(&self, column: &str, mask: Mask) -> Option<u64> {
        self.stray.iter().find(|(name, of, _)| name == column && *of == mask).map(|(_, _, row)| *row)
    }
}

/// Somebody's connection.
pub struct Client {
    inner: FlightServiceClient<Channel>,
    bearer: MetadataValue<tonic::metadata::Ascii>,
    purpose: Option<MetadataValue<tonic::metadata::Ascii>>,
}

impl Client {
    pub async fn connect(addr: SocketAddr, token: &str, purpose: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let channel = Endpoint::new(format!("http://{addr}"))?.timeout(CALL).connect().await?;
        let purpose = (!purpose.is_empty()).then(|| MetadataValue::try_from(purpose)).transpose()?;
        let bearer = MetadataValue::try_from(format!("Bearer {token}"))?;
        Ok(Self { inner: FlightServiceClient::new(channel), bearer, purpose })
    }

    /// A call with the principal's credentials and purpose.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        if let Some(purpose) = &self.purpose {
            request.metadata_mut().insert("airside-purpose", purpose.clone());
        }
        request
    }

    /// The protocol's own client.
    pub fn flight(&self) -> FlightServiceClient<Channel> {
        self.inner.clone()
    }

    /// Asks for everything of a product.
    pub async fn ask(&self, way: Way, asked: &AskedAs) -> Result<Seen, Status> {
        let by_path = || FlightDescriptor::new_path(asked.path.clone());
        let by_request = || {
            let arguments = asked.arguments.iter().flatten().map(Argument::from).collect();
            let request = ProductRequest { address: asked.address.clone(), arguments, ..ProductRequest::default() };
            FlightDescriptor::new_cmd(request.encode_to_vec())
        };
        match way {
            Way::Path => self.rows(by_path(), asked).await,
            Way::ProductRequest => self.rows(by_request(), asked).await,
            Way::Sql => self.rows(FlightDescriptor::new_cmd(asked.sql.clone()), asked).await,
            Way::Statement => {
                let command = CommandStatementQuery { query: asked.sql.clone(), transaction_id: None };
                self.rows(FlightDescriptor::new_cmd(command.as_any().encode_to_vec()), asked).await
            }
            Way::Prepared => self.prepared(asked).await,
            Way::Schema => {
                let descriptor = if Way::Path.takes(asked) { by_path() } else { by_request() };
                let reply = self.flight().get_schema(self.request(descriptor)).await?.into_inner();
                let schema = Schema::try_from(&reply).map_err(|error| Status::internal(error.to_string()))?;
                Ok(Seen { schema: Arc::new(schema), rows: None, stray: Vec::new() })
            }
        }
    }

    async fn prepared(&self, asked: &AskedAs) -> Result<Seen, Status> {
        let create = ActionCreatePreparedStatementRequest { query: asked.sql.clone(), transaction_id: None };
        let body = self.act("CreatePreparedStatement", create.as_any()).await?;
        let undecodable = || Status::internal("the reply of CreatePreparedStatement cannot be decoded");
        let any = Any::decode(&*body).map_err(|_| undecodable())?;
        let created: ActionCreatePreparedStatementResult = any.unpack().ok().flatten().ok_or_else(undecodable)?;
        let handle = created.prepared_statement_handle;
        let command = CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() };
        let seen = self.rows(FlightDescriptor::new_cmd(command.as_any().encode_to_vec()), asked).await;
        let close = ActionClosePreparedStatementRequest { prepared_statement_handle: handle };
        self.act("ClosePreparedStatement", close.as_any()).await?;
        seen
    }

    async fn act(&self, name: &str, any: Any) -> Result<bytes::Bytes, Status> {
        let action = Action { r#type: name.to_owned(), body: any.encode_to_vec().into() };
        let mut replies = self.flight().do_action(self.request(action)).await?.into_inner();
        Ok(replies.try_next().await?.map(|reply| reply.body).unwrap_or_default())
    }

    /// GetFlightInfo, then DoGet of every endpoint; batches are looked at and let go.
    async fn rows(&self, descriptor: FlightDescriptor, asked: &AskedAs) -> Result<Seen, Status> {
        let info = self.flight().get_flight_info(self.request(descriptor)).await?.into_inner();
        let schema = Schema::try_from(info.clone()).map_err(|error| Status::internal(error.to_string()))?;
        let mut seen = Seen { schema: Arc::new(schema), rows: Some(0), stray: Vec::new() };
        for endpoint in info.endpoint {
            let ticket = endpoint.ticket.ok_or_else(|| Status::internal("an endpoint without a ticket"))?;
            self.read(ticket, asked, &mut seen).await?;
        }
        Ok(seen)
    }

    async fn read(&self, ticket: Ticket, asked: &AskedAs, seen: &mut Seen) -> Result<(), Status> {
        let data = self.flight().do_get(self.request(ticket)).await?.into_inner();
        let mut batches = FlightRecordBatchStream::new_from_flight_data(data.map_err(Into::into));
        while let Some(batch) = batches.try_next().await.map_err(Status::from)? {
            if batch.schema().fields() != seen.schema.fields() {
                return Err(Status::internal("DoGet sends another schema than FlightInfo told"));
            }
            let before = seen.rows.unwrap_or_default();
            for (column, mask) in asked.masked() {
                let Some(values) = batch.column_by_name(column) else { continue };
                let known = seen.stray.iter().any(|(name, of, _)| name == column && *of == mask);
                if let (false, Some(row)) = (known, masked::first_stray(mask, values)) {
                    seen.stray.push((column.to_owned(), mask, before + row as u64));
                }
            }
            seen.rows = Some(before + batch.num_rows() as u64);
        }
        // A stream without batches still tells its schema.
        match batches.schema() {
            Some(schema) if schema.fields() != seen.schema.fields() => {
                Err(Status::internal("DoGet sends another schema than FlightInfo told"))
            }
            _ => Ok(()),
        }
    }
}
