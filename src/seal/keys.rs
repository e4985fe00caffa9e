//! Sealing: XChaCha20-Poly1305 under keys shared by all replicas.
//!
//! A sealed text is `version(1) ‖ key id(4) ‖ nonce(24) ‖ ciphertext ‖ tag(16)`, base64url without
//! padding. The header and the purpose are authenticated, and every purpose has a subkey of its
//! own, so a session token can never be opened as a ticket. Nonces are random: 192 bits make a
//! collision out of the question, and no counter has to be shared.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::secret::{Secret, SecretError, SecretRef};

const VERSION: u8 = 1;
const KEY: usize = 32;
const KEY_ID: usize = 4;
const NONCE: usize = 24;
const TAG: usize = 16;
const HEADER: usize = 1 + KEY_ID;

/// The text is not one that these keys sealed for this purpose. It does not say why: to whoever
/// forges, an unknown key, a flipped bit and another purpose look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not sealed by this gateway for this use")]
pub struct SealError;

/// The keys that seal and open. The first seals, all of them open: put a new key first, keep the
/// old one until what it sealed has expired, then drop it.
#[derive(Clone)]
pub struct SealKeys {
    sealing: Key,
    retired: Vec<Key>,
    ephemeral: bool,
}

#[derive(Clone)]
struct Key {
    id: [u8; KEY_ID],
    root: Zeroizing<[u8; KEY]>,
}

impl SealKeys {
    /// The keys that configuration names, each 32 random bytes in hex or base64. Without any, a
    /// random key that lives as long as the process, with a warning in the log.
    ///
    /// # Errors
    /// [`SecretError`] when a reference cannot be read or holds no key.
    pub fn from_config(references: &[SecretRef], base: &Path) -> Result<Self, SecretError> {
        let Some((sealing, retired)) = references.split_first() else {
            tracing::warn!(
                "no sealing keys are configured: session tokens and tickets end with this process \
                 and are not accepted by other replicas"
            );
            return Ok(Self::ephemeral());
        };
        let read = |reference: &SecretRef| {
            let secret = reference.resolve(base)?;
            decode(&secret).map(Key::new).ok_or_else(|| SecretError::Key(reference.clone()))
        };
        Ok(Self {
            sealing: read(sealing)?,
            retired: retired.iter().map(read).collect::<Result<_, _>>()?,
            ephemeral: false,
        })
    }

    /// One random key that lives as long as the process.
    pub fn ephemeral() -> Self {
        let mut root = Zeroizing::new([0; KEY]);
        rand::fill(root.as_mut_slice());
        Self { sealing: Key::new(root), retired: Vec::new(), ephemeral: true }
    }

    /// Whether the key is random and ends with the process.
    pub fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// Seals `plaintext` for `purpose`, a constant of the caller's such as `airside.ticket`.
    pub fn seal(&self, purpose: &'static str, plaintext: &[u8]) -> String {
        let key = &self.sealing;
        let mut sealed = Vec::with_capacity(HEADER + NONCE + plaintext.len() + TAG);
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id);
        let aad = associated_data(&sealed, purpose);
        let mut nonce = [0; NONCE];
        rand::fill(&mut nonce);
        let Ok(ciphertext) = key.cipher(purpose).encrypt(&nonce.into(), Payload { msg: plaintext, aad: &aad }) else {
            // Only a plaintext of 256 GiB gets here; nothing opens an empty text.
            return String::new();
        };
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Opens a text that [`SealKeys::seal`] made for the same purpose, here or on a replica.
    ///
    /// # Errors
    /// [`SealError`] for any other text.
    pub fn open(&self, purpose: &'static str, sealed: &str) -> Result<Vec<u8>, SealError> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealError)?;
        let (header, rest) = sealed.split_at_checked(HEADER).ok_or(SealError)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(SealError)?;
        let (version, id) = header.split_first().ok_or(SealError)?;
        if *version != VERSION {
            return Err(SealError);
        }
        let aad = associated_data(header, purpose);
        // Ids are public and short; two keys may share one, so every match is tried.
        std::iter::once(&self.sealing)
            .chain(&self.retired)
            .filter(|key| key.id == id)
            .find_map(|key| key.cipher(purpose).decrypt(&(*nonce).into(), Payload { msg: ciphertext, aad: &aad }).ok())
            .ok_or(SealError)
    }
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKeys").field("keys", &(1 + self.retired.len())).field("ephemeral", &self.ephemeral).finish()
    }
}

impl Key {
    fn new(root: Zeroizing<[u8; KEY]>) -> Self {
        let digest = derive(&root, "airside seal 1 key id", "");
        let [a, b, c, d, ..] = *digest;
        Self { id: [a, b, c, d], root }
    }

    fn cipher(&self, purpose: &str) -> XChaCha20Poly1305 {
        let subkey = derive(&self.root, "airside seal 1 subkey", purpose);
        XChaCha20Poly1305::new(&(*subkey).into())
    }
}

/// HMAC-SHA-256 of a label and a purpose under the root: one block of HKDF's expansion. The root
/// is uniform already, so there is nothing to extract.
fn derive(root: &[u8; KEY], label: &str, purpose: &str) -> Zeroizing<[u8; KEY]> {
    // HMAC pads a short key with zeros to its block; done here, the type says it cannot fail.
    let mut block = Zeroizing::new([0; 64]);
    block[..KEY].copy_from_slice(root);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac.update(purpose.as_bytes());
    mac.update(&[1]);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn associated_data(header: &[u8], purpose: &str) -> Vec<u8> {
    [header, purpose.as_bytes()].concat()
}

/// A key written as 64 hex digits, or as base64 in either alphabet, padded or not.
pub(super) fn decode(secret: &Secret) -> Option<Zeroizing<[u8; KEY]>> {
    let text = secret.expose_str()?.trim();
    let bytes = Zeroizing::new(if text.len() == 2 * KEY {
        (0..KEY)
            .map(|i| {
                let pair = text.get(2 * i..2 * i + 2).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
                u8::from_str_radix(pair, 16).ok()
            })
            .collect::<Option<Vec<u8>>>()?
    } else {
        let text = text.trim_end_matches('=');
        STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?
    });
    let key: [u8; KEY] = bytes.as_slice().try_into().ok()?;
    // A key of one repeated byte was typed, not drawn.
    let [first, rest @ ..] = &key;
    if rest.iter().all(|byte| byte == first) {
        return None;
    }
    Some(Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "test.session";
    const TICKET: &str = "test.ticket";

    fn keys(texts: &[&str]) -> Result<SealKeys, SecretError> {
        let folder = tempfile::tempdir().unwrap();
        let references: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| {
                std::fs::write(folder.path().join(i.to_string()), text).unwrap();
                format!("file:{i}").parse().unwrap()
            })
            .collect();
        SealKeys::from_config(&references, folder.path())
    }

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    const NEW: &str = "sWJ9mSRyiDvVcBV4PvYFVgu+PFlHD+gGKB0Yz6iKqvI=";

    #[test]
    fn what_was_sealed_opens_for_its_purpose_only() {
        let keys = SealKeys::ephemeral();
        let sealed = keys.seal(SESSION, b"alice");
        assert_eq!(keys.open(SESSION, &sealed).unwrap(), b"alice");
        assert_eq!(keys.open(TICKET, &sealed), Err(SealError));
        assert_eq!(SealKeys::ephemeral().open(SESSION, &sealed), Err(SealError));
        assert_ne!(sealed, keys.seal(SESSION, b"alice"), "nonces are fresh");
    }

    #[test]
    fn rotation_keeps_what_the_old_key_sealed() {
        let old = keys(&[OLD]).unwrap();
        let both = keys(&[NEW, OLD]).unwrap();
        let new = keys(&[NEW]).unwrap();
        let from_old = old.seal(SESSION, b"x");
        assert!(both.open(SESSION, &from_old).is_ok());
        assert_eq!(new.open(SESSION, &from_old), Err(SealError));
        assert!(new.open(SESSION, &both.seal(SESSION, b"x")).is_ok(), "the first key seals");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let keys = SealKeys::ephemeral();
        let sealed = keys.seal(SESSION, b"alice");
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.open(SESSION, &URL_SAFE_NO_PAD.encode(flipped)), Err(SealError), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(keys.open(SESSION, &sealed[..length]), Err(SealError), "length {length}");
        }
        assert_eq!(keys.open(SESSION, "ä!"), Err(SealError));
    }

    #[test]
    fn only_thirty_two_drawn_bytes_are_a_key() {
        for good in [NEW, NEW.trim_end_matches('='), &NEW.replace('+', "-").replace('/', "_"), OLD] {
            assert!(keys(&[good]).is_ok(), "{good}");
        }
        for bad in ["hunter2", &"00".repeat(32), &"zz".repeat(32), "AAAA", &"é".repeat(32)] {
            assert!(matches!(keys(&[bad]), Err(SecretError::Key(_))), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", SealKeys::ephemeral()), "SealKeys { keys: 1, ephemeral: true }");
    }
}
