//! What authentication has established about a caller, before the directory makes a principal of it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// A caller whose credentials were verified. Everything here comes from what was verified or from
/// the platform's own files, never from what the client says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// The caller's name.
    pub subject: Arc<str>,
    /// How it was verified.
    pub method: Method,
    /// Groups that the platform's users or tokens file gives it. A token's own list is still in
    /// `claims`: the directory knows where, and how to read it.
    pub groups: BTreeSet<String>,
    /// Verified claims.
    pub claims: Map<String, Value>,
    /// When the credentials end, if they do.
    pub expires: Option<DateTime<Utc>>,
    /// What the users or tokens file has of its credentials, as a digest: another one there means that these were
    /// withdrawn.
    pub entry: Option<Arc<str>>,
}

impl Verified {
    /// Somebody with these groups and claims, as if the users file named them: for those who ask what a principal
    /// would see. Nobody signs in by it.
    pub fn supposed(subject: &str, groups: BTreeSet<String>, claims: Map<String, Value>) -> Self {
        Self { subject: Arc::from(subject), method: Method::Session, groups, claims, expires: None, entry: None }
    }
}

/// How a caller was verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// Name and password.
    Password,
    /// A session token that a password handshake gave.
    Session,
    /// A service token of the tokens file.
    ServiceToken,
    /// A JWT of this issuer.
    Oidc(Arc<str>),
    /// A client certificate.
    Certificate,
    /// A personal token of somebody whom this issuer named at sign-in; without one, of the users file's.
    PersonalToken(Option<Arc<str>>),
}

impl Method {
    /// The issuer whose word the claims are.
    pub fn issuer(&self) -> Option<&Arc<str>> {
        match self {
            Self::Oidc(issuer) => Some(issuer),
            Self::PersonalToken(issuer) => issuer.as_ref(),
            Self::Password | Self::Session | Self::ServiceToken | Self::Certificate => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "password",
            Self::Session => "session",
            Self::ServiceToken => "service token",
            Self::Oidc(_) => "oidc",
            Self::Certificate => "certificate",
            Self::PersonalToken(_) => "personal token",
        })
    }
}

/// Longest name of a subject, in bytes.
pub(super) const MAX_SUBJECT: usize = 256;

/// Whether a text can name a caller: something that a log line and an audit record can show
/// without being misread. No control, invisible or text-direction characters, no blank but a
/// plain one inside, and not `domain:…`, as which derived products read.
pub fn names_a_subject(text: &str) -> bool {
    is_plain_text(text) && text.len() <= MAX_SUBJECT && !text.starts_with("domain:")
}

/// Whether a text shows as what it is: not empty, no control, invisible or text-direction characters, no blank but a
/// plain one inside.
pub(super) fn is_plain_text(text: &str) -> bool {
    let readable = |c: char| {
        let invisible = matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        c == ' ' || !(c.is_control() || c.is_whitespace() || invisible)
    };
    !text.is_empty() && text.trim() == text && text.chars().all(readable)
}

/// Whether a text has the form of a group's name: `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`.
pub fn names_a_group(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_readable() {
        for good in ["alice", "auth0|5f7c", "alice@example.com", "Ada Lovelace", "Zoë", "CN=x,O=y"] {
            assert!(names_a_subject(good), "{good}");
        }
        let long = "x".repeat(MAX_SUBJECT + 1);
        for bad in ["", " alice", "a\nb", "a\u{202e}b", "a\u{200b}", "a\u{a0}b", "domain:sales", "a\0", long.as_str()] {
            assert!(!names_a_subject(bad), "{bad:?}");
        }
    }

    #[test]
    fn groups_have_plain_names() {
        assert!(names_a_group("emea-analysts") && names_a_group("0f4e.x_1"));
        for bad in ["", "-x", "a b", "a,b", "é", "a\"b"] {
            assert!(!names_a_group(bad), "{bad}");
        }
    }
}
