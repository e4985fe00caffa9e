//! What a token's file says.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::token::{self, TokenId};
use crate::authn::config::PersonalTokensConfig;
use crate::authn::person::Person;
use crate::authn::verified::is_plain_text;

const VERSION: u32 = 1;
/// Longest label, in bytes.
pub(super) const MAX_LABEL: usize = 64;

/// A token as its file has it. What has more fields than these is not read: one of them may restrict it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    pub(super) id: TokenId,
    /// Of the whole token, in hex.
    sha256: String,
    pub(super) label: String,
    pub(super) created: DateTime<Utc>,
    pub(super) expires: DateTime<Utc>,
    pub(super) last_four: String,
    pub(super) person: Person,
}

impl Record {
    /// A record for a new token of this person, and the token.
    pub(super) fn new(person: &Person, label: &str, created: DateTime<Utc>, life: Duration) -> (Self, String) {
        let id = TokenId::fresh(person.subject());
        let token = token::mint(&id);
        let last_four = token.get(token.len().saturating_sub(4)..).unwrap_or_default().to_owned();
        let record = Self {
            version: VERSION,
            id,
            sha256: token::hash(&token),
            label: label.to_owned(),
            created,
            expires: created + life,
            last_four,
            person: person.clone(),
        };
        (record, token)
    }

    /// Reads the text of the file that this id names.
    pub(super) fn parse(text: &[u8], id: &TokenId) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(text).map_err(|error| {
            // The text is not repeated, and serde's message may repeat it.
            format!("is no token's file (line {}, column {})", error.line(), error.column())
        })?;
        let hash_is_one = record.sha256.len() == 64 && record.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        let reason = if record.version != VERSION {
            "is of another version of the format"
        } else if record.id != *id {
            "is called like another token"
        } else if !hash_is_one || !is_label(&record.label) || !record.person.is_sound() {
            "holds a hash, label or name of no valid form"
        } else if record.expires - record.created > chrono::Duration::days(PersonalTokensConfig::LONGEST.into()) {
            "lasts longer than any token may"
        } else {
            return Ok(record);
        };
        Err(reason.to_owned())
    }

    /// Whether this is the record of the token.
    pub(super) fn is_of(&self, token: &str) -> bool {
        self.sha256.as_bytes().ct_eq(token::hash(token).as_bytes()).into()
    }

    /// When the token ends: a shorter life that is configured later holds for it too.
    pub(super) fn end(&self, longest: Duration) -> DateTime<Utc> {
        let longest = chrono::Duration::from_std(longest).ok().and_then(|life| self.created.checked_add_signed(life));
        longest.map_or(self.expires, |longest| self.expires.min(longest))
    }

    /// What tells it from another under the same id.
    pub(super) fn entry(&self) -> String {
        format!("{}:{}", self.id, self.sha256)
    }
}

/// Whether a text can be a label.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= MAX_LABEL && is_plain_text(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_whole_records_of_their_name_are_read() {
        let now = Utc::now();
        let (record, token) = Record::new(&Person::of_users("ada", "x"), "laptop", now, Duration::from_secs(60));
        let text = serde_json::to_vec(&record).unwrap();
        let read = Record::parse(&text, &record.id).unwrap();
        assert_eq!(read, record);
        assert!(read.is_of(&token) && !read.is_of(&format!("{token}A")) && !read.is_of(&token[..token.len() - 1]));
        assert_eq!(read.end(Duration::from_secs(1)), now + Duration::from_secs(1), "a shorter life holds at once");
        assert!(Record::parse(&text, &TokenId::fresh("ada")).is_err());

        let good: Value = serde_json::from_slice(&text).unwrap();
        for (field, value) in [
            ("version", json!(2)),
            ("sha256", json!("00")),
            ("label", json!("a\nb")),
            ("expires", json!("2999-01-01T00:00:00Z")),
            ("scope", json!("read")),
            ("person", json!({ "subject": "domain:sales", "origin": { "users": { "fingerprint": "x" } } })),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            let reason = Record::parse(&serde_json::to_vec(&bad).unwrap(), &record.id).unwrap_err();
            assert!(!reason.contains("ada"), "{reason}");
        }
        assert!(Record::parse(b"", &record.id).is_err() && Record::parse(b"\xff{", &record.id).is_err());
    }

    #[test]
    fn labels_are_short_and_plain() {
        assert!(is_label("DBeaver on my laptop") && is_label("Zoë's"));
        for bad in ["", " x", "a\r\nb", "a\u{202e}b", &"x".repeat(65)] {
            assert!(!is_label(bad), "{bad:?}");
        }
    }
}
