//! What a caller presents, read from the `authorization` header and the connection.
//!
//! No other header is read: an identity that the client claims for itself is worth nothing.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::AuthnError;
use super::verified::MAX_SUBJECT;
use crate::seal::Secret;

/// Longest `authorization` value accepted, in bytes. Identity providers' largest tokens (with some
/// 200 groups) take 10 KiB.
const MAX_AUTHORIZATION: usize = 16 * 1024;

/// Longest password accepted, in bytes.
pub(super) const MAX_PASSWORD: usize = 1024;

/// RFC 7617 wants padding; some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a caller presented, in form but not yet checked.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A name and a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A bearer token.
    Bearer(Secret),
    /// The connection's client certificate (DER), whose chain TLS has verified.
    Certificate(Vec<u8>),
}

impl Credentials {
    /// Reads what a request presents: all values of its `authorization` header, and the verified
    /// certificate of its connection. The header speaks first; with a header that is refused, the
    /// certificate is not tried.
    ///
    /// # Errors
    /// [`AuthnError::Missing`] when there is neither, [`AuthnError::Malformed`] for a header that
    /// cannot be read or says two things at once.
    pub fn parse<'a>(
        authorization: impl IntoIterator<Item = &'a [u8]>,
        certificate: Option<&[u8]>,
    ) -> Result<Self, AuthnError> {
        let mut values = authorization.into_iter();
        let Some(value) = values.next() else {
            return certificate.map(|der| Self::Certificate(der.to_vec())).ok_or(AuthnError::Missing);
        };
        if values.any(|other| other != value) {
            return Err(AuthnError::malformed("several different `authorization` values"));
        }
        if value.len() > MAX_AUTHORIZATION {
            return Err(AuthnError::malformed(format!("an `authorization` value of {} bytes", value.len())));
        }
        if !value.is_ascii() {
            return Err(AuthnError::malformed("an `authorization` value that is not ASCII"));
        }
        let value = std::str::from_utf8(value).map_err(|_| AuthnError::malformed("not text"))?.trim();
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_start();
        if rest.is_empty() {
            return Err(AuthnError::malformed("an `authorization` value without credentials"));
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            Ok(Self::Bearer(Secret::new(rest)))
        } else if scheme.eq_ignore_ascii_case("basic") {
            Self::basic(rest)
        } else {
            Err(AuthnError::malformed("an `authorization` scheme that is neither Basic nor Bearer"))
        }
    }

    fn basic(encoded: &str) -> Result<Self, AuthnError> {
        let decoded = BASE64.decode(encoded).map_err(|_| AuthnError::malformed("Basic credentials not in base64"))?;
        let decoded = Secret::new(decoded);
        let colon = decoded.expose().iter().position(|b| *b == b':');
        let (user, password) = colon
            .and_then(|at| decoded.expose().split_at_checked(at))
            .ok_or_else(|| AuthnError::malformed("Basic credentials without a colon"))?;
        let user = std::str::from_utf8(user).map_err(|_| AuthnError::malformed("a user name that is not UTF-8"))?;
        Self::password(user, password.get(1..).unwrap_or_default())
    }

    /// A name and a password from elsewhere, such as the payload of a handshake.
    ///
    /// # Errors
    /// [`AuthnError::Malformed`] when one of them is empty or too long.
    pub fn password(user: &str, password: impl Into<Vec<u8>>) -> Result<Self, AuthnError> {
        let password = Secret::new(password);
        if user.is_empty() || user.len() > MAX_SUBJECT {
            return Err(AuthnError::malformed("a user name that is empty or too long"));
        }
        if password.expose().is_empty() || password.expose().len() > MAX_PASSWORD {
            return Err(AuthnError::malformed("a password that is empty or too long"));
        }
        Ok(Self::Basic { user: user.to_owned(), password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Credentials, AuthnError> {
        Credentials::parse([value.as_bytes()], None)
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text))
    }

    #[test]
    fn basic_and_bearer_are_read() {
        for value in [basic("alice:a:b"), basic("alice:a:b").replace('=', "").replace("Basic", "bAsIc")] {
            let Credentials::Basic { user, password } = parse(&value).unwrap() else { panic!("{value}") };
            assert_eq!((user.as_str(), password.expose_str()), ("alice", Some("a:b")));
        }
        assert!(matches!(parse("bearer  abc"), Ok(Credentials::Bearer(token)) if token.expose() == b"abc"));
    }

    #[test]
    fn what_has_no_form_is_malformed() {
        let huge = format!("Bearer {}", "x".repeat(MAX_AUTHORIZATION));
        let long = basic(&format!("{}:x", "u".repeat(MAX_SUBJECT + 1)));
        for value in [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Basic !!!",
            "Digest x",
            "Bearer é",
            "Negotiate",
            huge.as_str(),
            long.as_str(),
        ] {
            assert!(matches!(parse(value), Err(AuthnError::Malformed { .. })), "{value}");
        }
        for pair in ["", "alice", ":secret", "alice:"] {
            assert!(matches!(parse(&basic(pair)), Err(AuthnError::Malformed { .. })), "{pair}");
        }
        let not_text = Credentials::parse([&b"Basic \xff\xfe"[..]], None);
        assert!(matches!(not_text, Err(AuthnError::Malformed { .. })));
    }

    #[test]
    fn the_header_speaks_before_the_certificate() {
        let der = b"der".as_slice();
        assert!(matches!(Credentials::parse([], Some(der)), Ok(Credentials::Certificate(_))));
        assert!(matches!(Credentials::parse([&b"Bearer x"[..]], Some(der)), Ok(Credentials::Bearer(_))));
        assert!(matches!(Credentials::parse([&b""[..]], Some(der)), Err(AuthnError::Malformed { .. })));
        assert!(matches!(Credentials::parse([], None), Err(AuthnError::Missing)));
    }

    #[test]
    fn two_different_headers_are_refused() {
        assert!(Credentials::parse([&b"Bearer x"[..], b"Bearer x"], None).is_ok());
        assert!(Credentials::parse([&b"Bearer x"[..], b"Bearer y"], None).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_header_breaks_it(bytes: Vec<u8>, pair: Vec<u8>) {
            drop(Credentials::parse([bytes.as_slice()], None));
            let value = format!("Basic {}", BASE64.encode(&pair));
            if let Ok(Credentials::Basic { user, password }) = Credentials::parse([value.as_bytes()], None) {
                proptest::prop_assert_eq!([user.as_bytes(), b":", password.expose()].concat(), pair);
            }
        }
    }

    #[test]
    fn debug_shows_no_password() {
        assert!(!format!("{:?}", parse(&basic("alice:hunter2")).unwrap()).contains("hunter2"));
    }
}
