//! TLS for every listener, from one certificate.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use thiserror::Error;

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
    /// Clients' certificates cannot be verified with these authorities.
    #[error("client certificates cannot be verified: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// A checked TLS identity, as each listener presents it.
#[derive(Clone)]
pub struct Tls {
    /// gRPC: HTTP/2 alone, and clients' certificates are asked for if configured.
    pub grpc: Arc<ServerConfig>,
    /// Pages and probes, which identify nobody.
    pub http: Arc<ServerConfig>,
}

impl Tls {
    /// Reads and checks the files of `[tls]`.
    ///
    /// # Errors
    /// [`TlsError`] when a file is missing, is no PEM, or certificate and key do not fit.
    pub fn load(config: &TlsConfig) -> Result<Self, TlsError> {
        let chain = certificates(&config.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&read(&config.key)?)
            .map_err(|_| TlsError::Pem { path: config.key.clone(), what: "private key" })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            || ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();

        let grpc = match &config.client_ca {
            None => builder()?.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
                let verifier =
                    if config.client_certificate_required { verifier } else { verifier.allow_unauthenticated() };
                builder()?.with_client_cert_verifier(verifier.build()?)
            }
        };
        let mut grpc = grpc.with_single_cert(chain.clone(), key.clone_key())?;
        grpc.alpn_protocols = vec![b"h2".to_vec()];
        let mut http = builder()?.with_no_client_auth().with_single_cert(chain, key)?;
        http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { grpc: Arc::new(grpc), http: Arc::new(http) })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::Pem { path: path.to_owned(), what: "certificate" }),
    }
}
