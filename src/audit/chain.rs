//! The chain: what makes a file of lines a history that cannot be changed unnoticed.
//!
//! ```text
//! line    = prefix ‖ `,"mac":"` ‖ hex(mac) ‖ `"}`           one JSON object; no byte of it is left out
//! mac     = HMAC-SHA-256(chain key, mac of the line before ‖ prefix)
//! digest  = SHA-256(digest of the line before ‖ line)        what checkpoints sign; needs no key to check
//! ```
//!
//! The bytes as they stand are what is protected: nothing is parsed and written anew to check them, so there is no
//! canonical form of JSON to agree on.

use ring::{digest, hmac};
use serde::{Deserialize, Serialize};

use super::keys::{hex, unhex};

/// Where a chain stands: after which line, and what vouches for everything up to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the line, counted from 1 over all files; 0 before the first.
    pub seq: u64,
    /// Its mac.
    #[serde(with = "as_hex")]
    pub mac: [u8; 32],
    /// The digest of all lines up to it.
    #[serde(with = "as_hex")]
    pub digest: [u8; 32],
}

impl Head {
    /// Before the first line.
    pub(super) const BEGINNING: Self = Self { seq: 0, mac: [0; 32], digest: [0; 32] };

    /// Numbers and seals `body`, a JSON object, appends it to `out` as a line, and moves on.
    pub(super) fn append(&mut self, key: &hmac::Key, body: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let seq = self.seq + 1;
        out.extend_from_slice(format!("{{\"seq\":{seq},").as_bytes());
        // INVARIANT: a body is `{…}` with at least one member.
        out.extend_from_slice(body.strip_prefix(b"{").and_then(|body| body.strip_suffix(b"}")).unwrap_or_default());
        self.mac = mac(key, &self.mac, &out[start..]);
        out.extend_from_slice(MAC.as_bytes());
        out.extend_from_slice(hex(&self.mac).as_bytes());
        out.extend_from_slice(END.as_bytes());
        self.seq = seq;
        self.digest = advance(&self.digest, &out[start..]);
        out.push(b'\n');
    }

    /// The head after a line that is taken as it stands.
    pub(super) fn after(&self, line: &SealedLine<'_>) -> Self {
        Self { seq: line.seq, mac: line.mac, digest: advance(&self.digest, line.whole) }
    }
}

const MAC: &str = ",\"mac\":\"";
const END: &str = "\"}";
const SEAL: usize = MAC.len() + 64 + END.len();

fn mac(key: &hmac::Key, before: &[u8; 32], prefix: &[u8]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    context.update(before);
    context.update(prefix);
    bytes(context.sign().as_ref())
}

fn advance(before: &[u8; 32], line: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(before);
    context.update(line);
    bytes(context.finish().as_ref())
}

fn bytes(of: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(of);
    bytes
}

/// A line taken apart, without its line break. That it reads says nothing about its truth.
#[derive(Debug, Clone, Copy)]
pub(super) struct SealedLine<'a> {
    whole: &'a [u8],
    prefix: &'a [u8],
    pub(super) seq: u64,
    pub(super) mac: [u8; 32],
}

impl<'a> SealedLine<'a> {
    /// Takes a line apart; none when it is of another form.
    pub(super) fn parse(whole: &'a [u8]) -> Option<Self> {
        let (prefix, seal) = whole.split_at_checked(whole.len().checked_sub(SEAL)?)?;
        let mac = std::str::from_utf8(seal).ok()?.strip_prefix(MAC)?.strip_suffix(END)?;
        let digits = prefix.strip_prefix(b"{\"seq\":")?;
        let digits = &digits[..digits.iter().position(|byte| *byte == b',')?];
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with(['0', '+']))?;
        Some(Self { whole, prefix, seq: digits.parse().ok()?, mac: unhex(mac)? })
    }

    /// Whether the line was sealed with this key, after a line with the mac `before`.
    pub(super) fn follows(&self, key: &hmac::Key, before: &[u8; 32]) -> bool {
        // Nobody is told how much of a mac was right, so the comparison need not take constant time.
        mac(key, before, self.prefix) == self.mac
    }
}

/// Thirty-two bytes as 64 hex digits.
mod as_hex {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{hex, unhex};

    pub fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text).ok_or_else(|| serde::de::Error::custom("64 lowercase hex digits are expected"))
    }
}
