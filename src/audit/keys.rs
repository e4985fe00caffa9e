//! The audit's three keys: one chains, one signs, one makes digests of literals.
//!
//! Whoever checks the chain needs the first, whoever looks for a value the third; to check a checkpoint, the public
//! half of the second will do. All three are derived from one secret unless they are named, so that one is enough.

use std::fmt;
use std::path::Path;

use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::config::AuditConfig;
use super::error::AuditSetupError;
use crate::seal::{Key32, SecretRef};

/// The keys of a writing gateway.
pub struct AuditKeys {
    pub(super) chain: hmac::Key,
    pub(super) signing: Ed25519KeyPair,
    digests: DigestKey,
}

/// Makes the digests that stand for literals and unknown names.
#[derive(Clone)]
pub struct DigestKey(hmac::Key);

/// The public half of the key that signs checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl AuditKeys {
    /// The keys that the configuration names. None for its chain is an error with files, and a random one without.
    ///
    /// # Errors
    /// [`AuditSetupError::Secret`] when a reference holds no key, [`AuditSetupError::NoKey`] when there must be one.
    pub fn from_config(config: &AuditConfig, base: &Path) -> Result<Self, AuditSetupError> {
        let root = match &config.key {
            Some(reference) => Key32::resolve(reference, base)?,
            None if config.to == super::Destination::Files => return Err(AuditSetupError::NoKey),
            None => {
                tracing::warn!("`audit.key` is not set: nobody will be able to check this process's audit");
                Key32::random()
            }
        };
        let named = |reference: &Option<SecretRef>| reference.as_ref().map(|r| Key32::resolve(r, base)).transpose();
        Self::new(&root, named(&config.signing_key)?.as_ref(), named(&config.digest_key)?.as_ref())
    }

    /// The keys under `root`, except for those given.
    ///
    /// # Errors
    /// [`AuditSetupError::NoKey`] when the seed of the signing key is not accepted.
    pub fn new(root: &Key32, signing: Option<&Key32>, digests: Option<&Key32>) -> Result<Self, AuditSetupError> {
        let derived = |label: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, root.expose()), label.as_bytes());
        let seed = derived("airside audit 1 checkpoints");
        let seed = signing.map_or(seed.as_ref(), |seed| seed.expose().as_slice());
        let digests = match digests {
            Some(key) => DigestKey::new(key),
            None => DigestKey(hmac::Key::new(hmac::HMAC_SHA256, derived("airside audit 1 digests").as_ref())),
        };
        Ok(Self {
            chain: hmac::Key::new(hmac::HMAC_SHA256, derived("airside audit 1 chain").as_ref()),
            signing: Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| AuditSetupError::NoKey)?,
            digests,
        })
    }

    /// The key of the digests.
    pub fn digests(&self) -> &DigestKey {
        &self.digests
    }

    /// What checks the checkpoints.
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.signing.public_key().as_ref());
        PublicKey(bytes)
    }
}

impl DigestKey {
    /// A digest key of its own.
    pub fn new(key: &Key32) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// Sixteen hex digits that stand for a value: the same for the same value, and for nobody without the key.
    pub fn digest(&self, value: &str) -> String {
        hex(&hmac::sign(&self.0, value.as_bytes()).as_ref()[..8])
    }
}

impl PublicKey {
    /// Reads the 64 hex digits of a public key.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// Whether `signature` is this key's, of `message`.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for AuditKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditKeys").field("public", &self.public_key().to_string()).finish_non_exhaustive()
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(…)")
    }
}

/// Lowercase hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes of exactly `2 * N` lowercase hex digits: any other spelling is another text.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
