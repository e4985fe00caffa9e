//! A running gateway on a small demo mesh, and clients of it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::{FlightDescriptor, FlightInfo, SchemaResult, Ticket};
use futures::TryStreamExt;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A debug build on a busy machine; what takes longer hangs.
const START: Duration = Duration::from_secs(120);
const CALL: Duration = Duration::from_secs(60);

/// A gateway process. It ends when this is dropped.
pub struct Gateway {
    process: Child,
    /// `host:port` of the Flight listener.
    pub flight: String,
    passwords: HashMap<String, String>,
    log: PathBuf,
}

/// Whether a process runs. Nobody can hold a gateway any more while its process yet ends, and two would write one audit.
static RUNS: Mutex<bool> = Mutex::new(false);
static ENDED: Condvar = Condvar::new();

fn runs() -> MutexGuard<'static, bool> {
    RUNS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The gateway that tests share while at least one of them runs. Nothing lives in a `static`, which is
/// never dropped: the last test to let go ends the process.
pub fn shared() -> Arc<Gateway> {
    static SHARED: Mutex<Weak<Gateway>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    shared.upgrade().unwrap_or_else(|| {
        drop(ENDED.wait_while(runs(), |runs| *runs));
        let gateway = Arc::new(Gateway::demo());
        *shared = Arc::downgrade(&gateway);
        gateway
    })
}

/// The folder for what tests write, below Cargo's own.
pub fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The binary under test. The environment's settings are those of the tests, not of the gateway.
pub fn airside() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airside"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AIRSIDE_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

impl Gateway {
    fn demo() -> Self {
        let folder = scratch("integration");
        let log = folder.join(format!("gateway-{}.log", std::process::id()));
        let process = airside()
            .args(["demo", "--scale", "0.001", "--flight-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--dir"])
            .arg(folder.join("demo"))
            .stdout(Stdio::piped())
            .stderr(std::fs::File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        *runs() = true;
        let mut gateway = Self { process, flight: String::new(), passwords: HashMap::new(), log };
        gateway.wait_until_ready();
        gateway
    }

    fn wait_until_ready(&mut self) {
        let lines = lines_of(&mut self.process);
        let end = Instant::now() + START;
        while self.flight.is_empty() || self.passwords.len() < 6 {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.understand(&line),
                Err(RecvTimeoutError::Timeout) => panic!("not ready within {START:?}\n{}", self.log()),
                Err(RecvTimeoutError::Disconnected) => panic!("ended before it was ready\n{}", self.log()),
            }
        }
    }

    fn understand(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["ready", flight, _] => self.flight = flight.trim_start_matches("flight=grpc://").to_owned(),
            ["user", name, "password", password, ..] => {
                self.passwords.insert(name.to_owned(), password.to_owned());
            }
            _ => {}
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A connection on which nobody has signed in.
    pub async fn channel(&self) -> Channel {
        let endpoint = Endpoint::new(format!("http://{}", self.flight)).unwrap().timeout(CALL);
        endpoint.connect().await.unwrap()
    }

    /// A Flight SQL client after the handshake.
    pub async fn sign_in(&self, user: &str) -> FlightSqlServiceClient<Channel> {
        let mut client = FlightSqlServiceClient::new(self.channel().await);
        client.handshake(user, &self.passwords[user]).await.unwrap();
        client
    }

    /// A client of the bare protocol, as `user`.
    pub async fn caller(&self, user: &str) -> Caller {
        let token = self.sign_in(user).await.token().cloned().unwrap();
        Caller { client: FlightServiceClient::new(self.channel().await), bearer: Some(format!("Bearer {token}")) }
    }

    /// A client of the bare protocol that says nothing of who it is.
    pub async fn stranger(&self) -> Caller {
        Caller { client: FlightServiceClient::new(self.channel().await), bearer: None }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let log = self.log();
        let _ = std::fs::remove_file(&self.log);
        *runs() = false;
        ENDED.notify_all();
        // A test that fails already says why: a second panic would end the whole run.
        if !std::thread::panicking() {
            assert!(!log.contains("panicked"), "the gateway panicked:\n{log}");
        }
    }
}

fn lines_of(process: &mut Child) -> Receiver<String> {
    let (sender, lines) = channel();
    let output = BufReader::new(process.stdout.take().unwrap());
    // Reads to the end, so that the gateway never waits for a full pipe.
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// The protocol without a library's help.
#[derive(Clone)]
pub struct Caller {
    pub client: FlightServiceClient<Channel>,
    bearer: Option<String>,
}

impl Caller {
    /// A request with the caller's credentials.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(bearer) = &self.bearer {
            request.metadata_mut().insert("authorization", MetadataValue::try_from(bearer).unwrap());
        }
        request
    }

    pub async fn info(&self, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
        let reply = self.client.clone().get_flight_info(self.request(descriptor)).await?;
        Ok(reply.into_inner())
    }

    pub async fn schema(&self, descriptor: FlightDescriptor) -> Result<SchemaResult, Status> {
        let reply = self.client.clone().get_schema(self.request(descriptor)).await?;
        Ok(reply.into_inner())
    }

    /// The schema and the rows behind a ticket.
    pub async fn read(&self, ticket: Ticket) -> Result<(SchemaRef, Vec<RecordBatch>), Status> {
        let data = self.client.clone().do_get(self.request(ticket)).await?.into_inner();
        let mut stream = FlightRecordBatchStream::new_from_flight_data(data.map_err(Into::into));
        let mut batches = Vec::new();
        while let Some(batch) = stream.try_next().await.map_err(Status::from)? {
            batches.push(batch);
        }
        let schema = stream.schema().cloned().ok_or_else(|| Status::internal("no schema was sent"))?;
        Ok((schema, batches))
    }

    /// The rows of a question, all endpoints.
    pub async fn ask(&self, descriptor: FlightDescriptor) -> Result<Vec<RecordBatch>, Status> {
        let mut batches = Vec::new();
        for endpoint in self.info(descriptor).await?.endpoint {
            batches.extend(self.read(endpoint.ticket.unwrap()).await?.1);
        }
        Ok(batches)
    }
}

/// Checks that FlightInfo, GetSchema and every DoGet tell the same schema, to the nullability bit, of types
/// that every client knows; answers it.
pub async fn check_one_schema(caller: &Caller, descriptor: FlightDescriptor) -> SchemaRef {
    let info = caller.info(descriptor.clone()).await.unwrap();
    let announced = Schema::try_from(info.clone()).unwrap();
    let told = Schema::try_from(&caller.schema(descriptor).await.unwrap()).unwrap();
    assert_eq!(told, announced, "GetSchema and FlightInfo differ");
    assert!(!info.endpoint.is_empty(), "no endpoint");
    for endpoint in info.endpoint {
        let (sent, _) = caller.read(endpoint.ticket.unwrap()).await.unwrap();
        assert_eq!(*sent, announced, "DoGet and FlightInfo differ");
    }
    for field in announced.fields() {
        let unusual = matches!(field.data_type(), DataType::Utf8View | DataType::BinaryView | DataType::Dictionary(..));
        assert!(!unusual, "{field}");
    }
    announced.into()
}

/// How many rows.
pub fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// A path's descriptor.
pub fn path(parts: &[&str]) -> FlightDescriptor {
    FlightDescriptor::new_path(parts.iter().map(|part| (*part).to_owned()).collect())
}

/// A descriptor whose command is SQL text.
pub fn sql(text: &str) -> FlightDescriptor {
    FlightDescriptor::new_cmd(text.to_owned())
}
