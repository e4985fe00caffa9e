//! Checkpoints: signed words about where the chain stood.
//!
//! A chain alone cannot tell that its end was cut off, nor that whoever has its key wrote it anew. A checkpoint kept
//! elsewhere can: it names a line, its mac and the digest of everything before, under an Ed25519 signature that anyone
//! may check who has the public key.

use chrono::Utc;
use serde::{Deserialize, Serialize};

use super::chain::Head;
use super::keys::{AuditKeys, PublicKey, hex, unhex};
use super::record::timestamp;

/// A signed word about where a chain stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Whose chain.
    pub instance: String,
    /// The last line it vouches for.
    pub head: Head,
    /// When it was signed.
    pub taken: String,
    /// The public key, in hex.
    pub key: String,
    /// The signature, in hex.
    pub signature: String,
}

impl Checkpoint {
    /// Signs where the chain of `instance` stands now.
    pub(super) fn sign(keys: &AuditKeys, instance: &str, head: &Head) -> Self {
        let taken = timestamp(Utc::now());
        let signature = hex(keys.signing.sign(&message(instance, head, &taken)).as_ref());
        Self { instance: instance.to_owned(), head: head.clone(), taken, key: keys.public_key().to_string(), signature }
    }

    /// The key it says it was signed with.
    pub fn public_key(&self) -> Option<PublicKey> {
        PublicKey::parse(&self.key)
    }

    /// Whether `key` signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let signature: Option<[u8; 64]> = unhex(&self.signature);
        signature.is_some_and(|signature| {
            key.has_signed(&message(&self.instance, &self.head, &self.taken), signature.as_slice())
        })
    }
}

fn message(instance: &str, head: &Head, taken: &str) -> Vec<u8> {
    let Head { seq, mac, digest } = head;
    format!("airside audit checkpoint 1\n{instance}\n{seq}\n{}\n{}\n{taken}\n", hex(mac), hex(digest)).into_bytes()
}
