//! Calls to other servers by HTTP: who signs people in, who is told of changes. They trust the network as little as
//! possible.

use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use url::{Host, Url};

/// Whether a URL leads to this machine by its words alone, where plain text is heard by nobody else.
pub fn leads_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To connect.
    pub connect: Duration,
    /// From connecting to the last byte.
    pub total: Duration,
}

/// A client for one place, which trusts the authorities of the file `ca` besides the system's.
///
/// # Errors
/// Why there can be none.
pub fn client(place: &Url, patience: Patience, ca: Option<&Path>) -> Result<reqwest::Client, String> {
    let mut client = reqwest::Client::builder()
        .connect_timeout(patience.connect)
        .timeout(patience.total)
        // What redirects could lead anywhere, and https to http.
        .redirect(Policy::none())
        .user_agent(concat!("airside/", env!("CARGO_PKG_VERSION")));
    if leads_here(place) {
        client = client.no_proxy();
    }
    if let Some(ca) = ca {
        let pem = std::fs::read(ca).map_err(|error| format!("`{}` cannot be read: {error}", ca.display()))?;
        let authorities = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|error| format!("`{}` holds no certificates: {error}", ca.display()))?;
        if authorities.is_empty() {
            return Err(format!("`{}` holds no certificates", ca.display()));
        }
        client = authorities.into_iter().fold(client, reqwest::ClientBuilder::add_root_certificate);
    }
    client.build().map_err(|error| with_causes(&error))
}

/// An error's text with those of its causes, of which reqwest's own says little.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
