//! An issuer's published keys (JWKS), and which of them may verify what.

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Keys read of one set; nobody publishes as many.
const MAX_KEYS: usize = 100;

/// The usable keys of one fetch.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Arc<VerificationKey>>,
    fetched: Instant,
}

/// A public key, and the algorithms that its type allows.
#[derive(Debug)]
pub(super) struct VerificationKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(super) decoding: DecodingKey,
}

/// The JWKS document. Each key is read on its own: one of a new kind does not spoil the others.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    keys: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Published {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// The keys of a set that can verify signatures.
    ///
    /// # Errors
    /// When there are none: an empty set must not replace a good one.
    pub(super) fn parse(document: &Document) -> Result<Self, String> {
        let mut keys = Vec::new();
        for value in document.keys.iter().take(MAX_KEYS) {
            match Published::deserialize(value).map_err(|error| error.to_string()).and_then(VerificationKey::new) {
                Ok(key) => keys.push(Arc::new(key)),
                Err(reason) => tracing::debug!(reason, "a published key is left out"),
            }
        }
        if keys.is_empty() {
            return Err("the issuer publishes no key that can verify signatures".to_owned());
        }
        Ok(Self { keys, fetched: Instant::now() })
    }

    /// The key to verify a token with. `kid` is compared and never interpreted; without one the
    /// key must be the only one for the algorithm.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<Arc<VerificationKey>> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithms.contains(&algorithm) && kid.is_none_or(|kid| key.id.as_deref() == Some(kid)));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(Arc::clone(key)),
            _ => None,
        }
    }

    pub(super) fn age(&self) -> std::time::Duration {
        self.fetched.elapsed()
    }
}

impl VerificationKey {
    fn new(key: Published) -> Result<Self, String> {
        if key.used_for.as_deref().is_some_and(|used| used != "sig") {
            return Err("not for signatures".to_owned());
        }
        if key.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
            return Err("not for verifying".to_owned());
        }
        let (possible, decoding) = key.material()?;
        let algorithms: Vec<Algorithm> = possible
            .iter()
            .filter(|algorithm| key.alg.as_ref().is_none_or(|named| *named == format!("{algorithm:?}")))
            .copied()
            .collect();
        if algorithms.is_empty() {
            return Err("of an algorithm that is not supported".to_owned());
        }
        Ok(Self { id: key.kid, algorithms, decoding })
    }
}

impl Published {
    /// The key itself and the algorithms for keys of its type. There is none for a shared secret
    /// (`oct`): what is published is no secret.
    fn material(&self) -> Result<(&'static [Algorithm], DecodingKey), String> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (part(&self.n, "n", None)?, part(&self.e, "e", None)?);
                let bits = bits(&n);
                // Less can be factored; more is refused by the library, and slow.
                if !(2048..=4096).contains(&bits) {
                    return Err(format!("an RSA key of {bits} bits"));
                }
                Ok((&[RS256, RS384, RS512, PS256, PS384, PS512], DecodingKey::from_rsa_raw_components(&n, &e)))
            }
            ("EC", Some("P-256")) => Ok((&[ES256], self.point(32)?)),
            ("EC", Some("P-384")) => Ok((&[ES384], self.point(48)?)),
            ("OKP", Some("Ed25519")) => Ok((&[EdDSA], DecodingKey::from_ed_der(&part(&self.x, "x", Some(32))?))),
            (kty, crv) => Err(format!("of type `{kty}`, curve {crv:?}")),
        }
    }

    fn point(&self, size: usize) -> Result<DecodingKey, String> {
        let (x, y) = (part(&self.x, "x", Some(size))?, part(&self.y, "y", Some(size))?);
        Ok(DecodingKey::from_ec_der(&[&[4], x.as_slice(), &y].concat()))
    }
}

/// A part of a key, of a given size if there is one.
fn part(text: &Option<String>, name: &str, size: Option<usize>) -> Result<Vec<u8>, String> {
    let text = text.as_deref().ok_or_else(|| format!("without `{name}`"))?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("with a `{name}` not in base64url"))?;
    if size.is_some_and(|size| size != bytes.len()) {
        return Err(format!("with a `{name}` of {} bytes", bytes.len()));
    }
    Ok(bytes)
}

fn bits(big_endian: &[u8]) -> usize {
    let significant = big_endian.iter().skip_while(|byte| **byte == 0).count();
    let first = big_endian.iter().find(|byte| **byte != 0).map_or(0, |byte| byte.leading_zeros() as usize);
    (significant * 8).saturating_sub(first)
}
