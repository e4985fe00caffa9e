//! A small issuer on the loopback, for tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use rsa::pkcs1::EncodeRsaPrivateKey;
use serde_json::{Value, json};

use super::Issuer;
use crate::authn::config::OidcConfig;

/// A key pair of the issuer's, or of somebody else's.
#[derive(Clone)]
pub(in crate::authn) struct Signer {
    pub(in crate::authn) kid: &'static str,
    pub(in crate::authn) algorithm: Algorithm,
    pub(in crate::authn) key: EncodingKey,
}

impl Signer {
    pub(in crate::authn) fn new(kid: &'static str, algorithm: Algorithm) -> Self {
        let ec = |of| EncodingKey::from_ec_der(rcgen::KeyPair::generate_for(of).unwrap().serialized_der());
        let key = match algorithm {
            Algorithm::ES256 => ec(&rcgen::PKCS_ECDSA_P256_SHA256),
            Algorithm::ES384 => ec(&rcgen::PKCS_ECDSA_P384_SHA384),
            Algorithm::EdDSA => {
                // PKCS #8 around a seed; the form rcgen writes is not one the signer reads.
                let mut der = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\
                    ________________________________";
                rand::fill(&mut der[16..]);
                EncodingKey::from_ed_der(&der)
            }
            _ => rsa(2048),
        };
        Self { kid, algorithm, key }
    }

    pub(in crate::authn) fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = self.kid.into();
        jwk["use"] = "sig".into();
        jwk
    }

    pub(in crate::authn) fn header(&self) -> Value {
        json!({ "alg": format!("{:?}", self.algorithm), "typ": "at+jwt", "kid": self.kid })
    }

    pub(in crate::authn) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }

    pub(in crate::authn) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

pub(in crate::authn) fn rsa(bits: usize) -> EncodingKey {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).unwrap();
    EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes())
}

/// One RSA key for all tests: making one takes a while.
pub(in crate::authn) fn rsa_signer() -> Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| Signer::new("rsa", Algorithm::RS256)).clone()
}

pub(in crate::authn) fn message(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// What the issuer serves.
#[derive(Clone)]
pub(in crate::authn) struct Served {
    pub(in crate::authn) jwks: Value,
    pub(in crate::authn) discovery: Value,
    pub(in crate::authn) status: StatusCode,
}

pub(in crate::authn) struct Provider {
    pub(in crate::authn) url: String,
    pub(in crate::authn) served: Arc<Mutex<Served>>,
    pub(in crate::authn) fetches: Arc<AtomicUsize>,
}

type Shared = (Arc<Mutex<Served>>, Arc<AtomicUsize>);

impl Provider {
    pub(in crate::authn) async fn start(keys: &[&Signer]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Served {
            jwks: json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }),
            discovery: json!({ "issuer": url, "jwks_uri": format!("{url}/jwks"), "token_endpoint": "unused" }),
            status: StatusCode::OK,
        };
        let (served, fetches) = (Arc::new(Mutex::new(served)), Arc::new(AtomicUsize::new(0)));
        let answer = |status: StatusCode, body: &Value| -> Response {
            (status, [(header::LOCATION, "/jwks")], body.to_string()).into_response()
        };
        let discovery = move |State((served, _)): State<Shared>| async move {
            let served = served.lock().unwrap();
            answer(served.status, &served.discovery)
        };
        let jwks = move |State((served, fetches)): State<Shared>| async move {
            fetches.fetch_add(1, Ordering::SeqCst);
            let served = served.lock().unwrap();
            answer(served.status, &served.jwks)
        };
        let app = axum::Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .with_state((Arc::clone(&served), Arc::clone(&fetches)));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, served, fetches }
    }

    pub(in crate::authn) fn serve(&self, change: impl FnOnce(&mut Served)) {
        change(&mut self.served.lock().unwrap());
    }

    pub(in crate::authn) fn config(&self) -> OidcConfig {
        toml::from_str(&format!(
            "issuer = '{}'\naudience = ['airside', 'gateway']\nallow_http_loopback = true\nkeys_ttl = '1h'",
            self.url
        ))
        .unwrap()
    }

    pub(in crate::authn) fn issuer(&self) -> Issuer {
        Issuer::with_pause(&self.config(), Duration::ZERO)
    }

    pub(in crate::authn) fn claims(&self) -> Value {
        let now = Utc::now().timestamp();
        json!({ "iss": self.url, "aud": "airside", "sub": "alice", "iat": now, "exp": now + 300, "groups": ["a"] })
    }

    /// The usual claims with some changed; `null` takes one away.
    pub(in crate::authn) fn claims_with(&self, changes: Value) -> Value {
        let mut claims = self.claims();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }
}
