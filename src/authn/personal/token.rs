//! The text of a personal token, and its parts.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

/// How every personal token begins.
pub(in crate::authn) const PREFIX: &str = "airp_";

/// Digits of an id that are its owner's.
const OWNER: usize = 8;
/// Digits of an id.
const ID: usize = 20;
/// Characters of 32 bytes in base64.
const SECRET: usize = 43;

/// What names a token: it is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TokenId(String);

impl TokenId {
    /// A new one for this owner.
    pub(super) fn fresh(owner: &str) -> Self {
        let mut random = [0_u8; (ID - OWNER) / 2];
        rand::fill(&mut random);
        Self(owner_digits(owner) + &hex::encode(random))
    }

    /// The id of this text: twenty hex digits, so that it can name a file and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        (text.len() == ID && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no id of a token"))
    }
}

/// How the ids of an owner's tokens begin. Two owners may share it; the files tell them apart.
pub(super) fn owner_digits(owner: &str) -> String {
    let digest = Sha256::digest(owner);
    hex::encode(digest.get(..OWNER / 2).unwrap_or_default())
}

/// A new token of this id.
pub(super) fn mint(id: &TokenId) -> String {
    let mut secret = [0_u8; 32];
    rand::fill(&mut secret);
    format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret))
}

/// The id of a text that has the form of a token; no password that anybody would choose has it.
pub(in crate::authn) fn split(token: &str) -> Option<TokenId> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let formed = secret.len() == SECRET && secret.bytes().all(letter);
    TokenId::parse(id).filter(|_| formed)
}

/// What a token's file has of it.
pub(super) fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_its_id() {
        let id = TokenId::fresh("ada");
        let token = mint(&id);
        assert_eq!(split(&token), Some(id.clone()));
        assert!(id.as_str().starts_with(&owner_digits("ada")));
        assert_ne!(token, mint(&id));
        let secret = &token[PREFIX.len() + ID + 1..];
        for other in [
            String::new(),
            "airp_".to_owned(),
            format!("airt_{id}_{secret}"),
            format!("airp_{id}"),
            format!("airp_{id}_{}", &secret[1..]),
            format!("airp_{id}_{secret}A"),
            format!("airp_{id}_{}!", &secret[1..]),
            format!("airp_../../../../../etc/x_{secret}"),
            format!("airp_{}_{secret}", id.as_str().to_uppercase()),
        ] {
            assert!(split(&other).is_none() || other == token, "{other}");
        }
    }
}
