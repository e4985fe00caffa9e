//! TLS for both listeners, from one certificate.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// The section `[tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Certificate authorities whose client certificates identify their bearers, PEM. Absent, no
    /// client certificate is asked for.
    pub client_ca: Option<PathBuf>,
    /// Whether a client must present a certificate. Otherwise it may, or authenticate by other means.
    #[serde(default)]
    pub client_certificate_required: bool,
}

/// Why TLS cannot be had.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{}` holds no {what} in PEM form", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was expected in it.
        what: &'static str,
    },
    /// Certificate and key do not fit.
    #[error("certificate and key do not make a TLS identity: {0}")]
    Identity(#[from] rustls::Error),
}

/// A checked TLS identity.
#[derive(Clone)]
pub struct Tls {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
    client_certificate_required: bool,
    server: Arc<rustls::ServerConfig>,
}

impl Tls {
    /// Reads and checks the files of `[tls]`.
    ///
    /// # Errors
    /// [`TlsError`] when a file is missing, is no PEM, or certificate and key do not fit.
    pub fn load(config: &TlsConfig) -> Result<Self, TlsError> {
        let certificate = read(&config.certificate)?;
        let key = read(&config.key)?;
        let chain = certificates(&config.certificate, &certificate)?;
        let private = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| TlsError::Pem { path: config.key.clone(), what: "private key" })?;
        let client_ca = config.client_ca.as_deref().map(read).transpose()?;
        if let (Some(path), Some(pem)) = (&config.client_ca, &client_ca) {
            certificates(path, pem)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, private)?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            certificate,
            key,
            client_ca,
            client_certificate_required: config.client_certificate_required,
            server: Arc::new(server),
        })
    }

    /// The identity as tonic takes it, client certificates included.
    pub fn tonic(&self) -> ServerTlsConfig {
        let identity = Identity::from_pem(&self.certificate, &self.key);
        let config = ServerTlsConfig::new().identity(identity);
        match &self.client_ca {
            Some(ca) => {
                config.client_ca_root(Certificate::from_pem(ca)).client_auth_optional(!self.client_certificate_required)
            }
            None => config,
        }
    }
}

fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, TlsError> {
    fs::read(&path).map_err(|source| TlsError::Read { path: path.as_ref().to_owned(), source })
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::Pem { path: path.to_owned(), what: "certificate" }),
    }
}

/// Accepts TLS connections for axum. Handshakes run beside each other, so that a slow one delays nobody.
pub struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    addr: io::Result<SocketAddr>,
}

const HANDSHAKE: Duration = Duration::from_secs(10);
const WAITING: usize = 64;

impl TlsListener {
    /// Accepts on `listener` with the identity of `tls`.
    pub fn new(listener: TcpListener, tls: &Tls) -> Self {
        let addr = listener.local_addr();
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.server));
        let (sender, ready) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = sender.closed() => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok((stream, peer)) = accepted else {
                    // Out of file descriptors, or the peer is gone already.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        // The listener is gone: so is the connection.
                        let _ = sender.send((stream, peer)).await;
                    }
                });
            }
        });
        Self { ready, addr }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.addr.as_ref().copied().map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }
}
