//! Connections: accepted, encrypted, served, drained; the same way for gRPC and HTTP.
//!
//! A peer that stops reading is not asked again by HTTP/2 until it reads, so nothing inside a response can end that
//! response. Each HTTP/2 stream therefore runs in a task that can be cut from outside, by the [`Cut`] which whoever
//! answers the call finds in its task. Cutting drops what is buffered and resets that one stream; the
//! connection's others go on.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tower::ServiceExt;

/// Ends one HTTP/2 stream at once when it is cancelled, whether its peer reads or not.
pub type Cut = CancellationToken;

tokio::task_local! {
    static CUT: Cut;
}

/// What cuts the stream of the call that is being answered; outside of one, something that cuts nothing.
pub fn cut() -> Cut {
    CUT.try_with(Clone::clone).unwrap_or_default()
}

/// What a listener lets its peers do.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// HTTP/2 only: what is not, is closed.
    pub http2_only: bool,
    /// Concurrent streams of one connection.
    pub max_streams: u32,
    /// Bytes of a request's headers.
    pub max_headers: u32,
}

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often a silent peer is asked whether it is there, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Before accepting again when it failed: out of file descriptors, or the peer is gone already.
const BREATH: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` until `draining` is cancelled and the last connection has ended; or `ended` is
/// cancelled, which cuts all there are.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    manners: Manners,
    draining: CancellationToken,
    ended: CancellationToken,
) {
    let (running, mut all_ended) = mpsc::channel(1);
    let streams = Streams { ended: ended.clone(), running };
    let acceptor = tls.map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = draining.cancelled() => break,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        let (streams, draining) = (streams.clone(), draining.clone());
        connections.spawn(async move {
            let builder = streams.builder(manners);
            if let Err(error) = connect(stream, acceptor, router, builder, draining).await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = ended.cancelled() => {}
        () = async { while connections.join_next().await.is_some() {} } => {}
    }
    drop(connections);
    // Each says its last word to the audit.
    drop(streams);
    all_ended.recv().await;
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connect(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    builder: Builder<Streams>,
    draining: CancellationToken,
) -> Result<(), Failure> {
    // Small messages leave at once: an answer waits for no acknowledgement.
    stream.set_nodelay(true)?;
    match acceptor {
        None => converse(stream, router, builder, draining).await,
        Some(acceptor) => {
            let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
            let stream = handshake.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            converse(stream, router, builder, draining).await
        }
    }
}

async fn converse<S>(
    stream: S,
    router: Router,
    builder: Builder<Streams>,
    draining: CancellationToken,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let peer = stream.connect_info();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request)
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = draining.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Runs each HTTP/2 stream of a connection as a task that can be cut.
#[derive(Clone)]
struct Streams {
    /// Cuts them all.
    ended: CancellationToken,
    /// Held by each while it runs; nothing is sent.
    running: mpsc::Sender<()>,
}

impl Streams {
    fn builder(self, manners: Manners) -> Builder<Self> {
        let mut builder = Builder::new(self);
        if manners.http2_only {
            builder = builder.http2_only();
        }
        builder.http1().timer(TokioTimer::new());
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(manners.max_streams)
            .max_header_list_size(manners.max_headers)
            .keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .adaptive_window(true);
        builder
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        let cut = self.ended.child_token();
        let running = self.running.clone();
        tokio::spawn(CUT.scope(cut.clone(), async move {
            let _running = running;
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                _ = stream => {}
            }
        }));
    }
}
