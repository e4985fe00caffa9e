//! The tokens file: static tokens of services, stored as hashes.
//!
//! ```toml
//! [tokens.reporting]
//! hash = "sha256:…"                 # 64 hex digits
//! subject = "reporting"             # default: the entry's name
//! groups = ["services"]
//! expires = 2027-01-01T00:00:00Z    # optional
//! ```
//!
//! A plain hash is enough because a token is 256 random bits: there is nothing to guess.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use toml::de::DeTable;

use super::error::AuthnError;
use super::toml_reader::Faults;
use super::verified::{Method, Verified};
use crate::fault::Fault;
use crate::seal::Secret;

/// How every service token begins.
pub(super) const PREFIX: &str = "airt_";

/// A fresh service token: the token itself, to be shown once, and the `sha256:…` of it for the
/// tokens file.
pub fn mint_service_token() -> (Secret, String) {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes);
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = hash_service_token(&token);
    (Secret::new(token), hash)
}

/// The `sha256:…` of a service token, as the tokens file has it.
pub fn hash_service_token(token: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(token)))
}

/// The tokens of one reading of the file.
#[derive(Debug, Default)]
pub(super) struct ServiceTokens(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    hash: [u8; 32],
    subject: Arc<str>,
    groups: BTreeSet<String>,
    expires: Option<DateTime<Utc>>,
}

impl ServiceTokens {
    /// Every group that a token's owner is in.
    pub(super) fn groups(&self) -> BTreeSet<String> {
        self.0.iter().flat_map(|entry| entry.groups.iter().cloned()).collect()
    }

    /// Reads the file's text.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, Vec<Fault>> {
        let (mut faults, root) = Faults::parse(text, file);
        faults.only(&root, &["tokens"]);
        let mut entries: Vec<Entry> = Vec::new();
        for (name, value) in faults.table_at(&root, "tokens").into_iter().flatten() {
            let Some(table) = faults.table(value, name.get_ref()) else { continue };
            let Some(entry) = Entry::parse(name.get_ref(), name.span(), table, &mut faults) else { continue };
            if entries.iter().any(|other| other.hash == entry.hash) {
                faults.add(name.span(), format!("`{}` has the same hash as another token", name.get_ref()));
            }
            entries.push(entry);
        }
        faults.result(Self(entries))
    }

    /// Whom a token names.
    pub(super) fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Verified, AuthnError> {
        let presented = Sha256::digest(token);
        // INVARIANT: every entry is compared, and in constant time.
        let found = self.0.iter().fold(None, |found, entry| {
            if bool::from(entry.hash.as_slice().ct_eq(&presented)) { Some(entry) } else { found }
        });
        let entry = found.ok_or_else(|| AuthnError::rejected("no such service token"))?;
        if entry.expires.is_some_and(|expires| expires <= now) {
            return Err(AuthnError::Expired);
        }
        Ok(entry.verified())
    }

    /// Whom a token accepted earlier names by now; none when it is no longer in the file.
    pub(super) fn recall(&self, verified: &Verified) -> Option<Verified> {
        self.0.iter().map(Entry::verified).find(|today| today.entry == verified.entry)
    }

    /// The service of this name, by whichever of its tokens lasts longest.
    pub(super) fn of_subject(&self, subject: &str) -> Option<Verified> {
        let all = self.0.iter().filter(|entry| &*entry.subject == subject);
        // No end is the latest of all.
        all.max_by_key(|entry| (entry.expires.is_none(), entry.expires)).map(Entry::verified)
    }

    /// Whether a token of the file names this subject.
    pub(super) fn name(&self, subject: &str) -> bool {
        self.0.iter().any(|entry| &*entry.subject == subject)
    }
}

impl Entry {
    fn verified(&self) -> Verified {
        Verified {
            subject: Arc::clone(&self.subject),
            method: Method::ServiceToken,
            groups: self.groups.clone(),
            claims: serde_json::Map::new(),
            expires: self.expires,
            entry: Some(URL_SAFE_NO_PAD.encode(self.hash).into()),
        }
    }

    fn parse(name: &str, place: Range<usize>, table: &DeTable<'_>, faults: &mut Faults<'_>) -> Option<Self> {
        faults.only(table, &["hash", "subject", "groups", "expires"]);
        let groups = faults.groups(table);
        let (subject, span) = match table.get("subject") {
            Some(value) => (faults.text(value, "subject")?, value.span()),
            None => (name, place.clone()),
        };
        let formed = faults.names_a_subject(subject, span);
        let expires = match table.get("expires") {
            None => None,
            Some(value) => {
                // TOML's own date-time, or the same as a string; in either case with an offset.
                let written = value.get_ref().as_datetime().map(ToString::to_string);
                let written = written.or_else(|| value.get_ref().as_str().map(str::to_owned)).unwrap_or_default();
                let Ok(expires) = DateTime::parse_from_rfc3339(&written) else {
                    faults.advise(value.span(), "`expires` is no moment", "write it as 2027-01-01T00:00:00Z");
                    return None;
                };
                Some(expires.to_utc())
            }
        };
        let Some(value) = table.get("hash") else {
            faults.add(place, "a token without `hash`");
            return None;
        };
        let Some(hash) = parse_hash(faults.text(value, "hash")?) else {
            faults.advise(
                value.span(),
                "`hash` is no hash",
                "write `sha256:` and 64 hex digits, never the token itself",
            );
            return None;
        };
        formed.then(|| Self { hash, subject: subject.into(), groups, expires })
    }
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:")?.as_bytes();
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if digits.len() != 64 {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        digits.chunks_exact(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.last()?)?)).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ServiceTokens, Vec<Fault>> {
        ServiceTokens::parse(text, Path::new("tokens.toml"))
    }

    #[test]
    fn a_token_names_its_service_until_it_expires() {
        let (token, hash) = mint_service_token();
        let token = token.expose_str().unwrap();
        let file = format!("[tokens.service]\nhash = '{hash}'\ngroups = ['jobs']\nexpires = 2027-01-01T00:00:00Z\n");
        let tokens = parse(&file).unwrap();
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();

        let verified = tokens.verify(token, at("2026-12-31T23:59:59Z")).unwrap();
        assert_eq!((&*verified.subject, verified.groups.len()), ("service", 1));
        assert_eq!(tokens.verify(token, at("2027-01-01T00:00:00Z")), Err(AuthnError::Expired));
        let other = mint_service_token().0;
        for wrong in [other.expose_str().unwrap(), &token[..token.len() - 1], hash.as_str(), ""] {
            let refused = tokens.verify(wrong, at("2026-01-01T00:00:00Z"));
            assert!(matches!(refused, Err(AuthnError::Rejected { .. })), "{wrong}");
        }
    }

    #[test]
    fn every_fault_has_its_line() {
        let text = "[tokens.a]\nhash = 'airt_secret'\n[tokens.b]\nexpires = 2027-01-01\n[tokens.c]\nhsah = 'x'\n";
        let found = parse(text).err().unwrap();
        let lines: BTreeSet<_> = found.iter().map(|f| f.line.unwrap()).collect();
        assert_eq!(lines, BTreeSet::from([2, 4, 5, 6]), "{found:?}");
        assert!(!format!("{found:?}").contains("airt_secret"), "a token written there is not repeated");
    }
}
