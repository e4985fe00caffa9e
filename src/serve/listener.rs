//! Addresses listened on, and the rule for listening without TLS: on loopback only, unless somebody wrote down otherwise.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// An address listened on, its port known.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The address.
    pub addr: SocketAddr,
    /// Whether connections are encrypted.
    pub encrypted: bool,
}

/// Why a listener did not start.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Plaintext where others can listen in.
    #[error(
        "`{section}.addr` is {addr}, beyond loopback, and there is no TLS: give `[tls]` a certificate and key, or set \
         `{section}.plaintext_beyond_loopback = true` where something else encrypts"
    )]
    Plaintext {
        /// The configuration's section.
        section: &'static str,
        /// The address.
        addr: SocketAddr,
    },
    /// The pages for people cannot be served as configured.
    #[error("`[http.login]` for {addr}: {reason}")]
    Login {
        /// The address.
        addr: SocketAddr,
        /// What is wrong.
        reason: String,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Refuses an address beyond loopback unless connections are encrypted or the operator said so in as many words.
///
/// # Errors
/// [`ListenError::Plaintext`].
pub fn refuse_plaintext(
    section: &'static str,
    addr: SocketAddr,
    encrypted: bool,
    plaintext_beyond_loopback: bool,
) -> Result<(), ListenError> {
    if encrypted || addr.ip().is_loopback() || plaintext_beyond_loopback {
        Ok(())
    } else {
        Err(ListenError::Plaintext { section, addr })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_stays_on_loopback() {
        let check = |addr: &str, tls, told| refuse_plaintext("flight", addr.parse().unwrap(), tls, told).is_ok();
        assert!(check("127.0.0.1:1", false, false));
        assert!(check("[::1]:1", false, false));
        assert!(!check("0.0.0.0:1", false, false));
        assert!(!check("[::]:1", false, false));
        assert!(!check("192.0.2.1:1", false, false));
        assert!(check("0.0.0.0:1", true, false));
        assert!(check("0.0.0.0:1", false, true));
    }
}
