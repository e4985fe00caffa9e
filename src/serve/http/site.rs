//! Where browsers find the pages, and whether they may.
//!
//! What a page's address is, is configured or follows from the listener; a request is never asked. So no `Host` header
//! chooses where an identity provider sends its codes to, and a name that was made to lead here is not answered.

use std::net::SocketAddr;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use serde::Deserialize;
use url::Url;

use crate::outbound::leads_here;

/// The section `[http.login]`: pages for people. Without it there are none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginConfig {
    /// Where browsers reach the pages, such as `https://data.example.com`. A listener on loopback knows by itself.
    pub public_url: Option<Url>,
    /// What the pages tell clients to connect to, such as `grpc+tls://data.example.com:50051`. The address listened on
    /// otherwise.
    pub flight_url: Option<String>,
}

/// The pages' own address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// Scheme, host and port, as browsers write them.
    pub(super) origin: String,
    /// Whether browsers reach it by https alone.
    pub(super) secure: bool,
    /// The only host that is answered, where nothing stands between the browser and the listener.
    host: Option<String>,
    /// How its cookies' names begin.
    cookie: String,
}

impl Site {
    /// The pages of a listener; none where others could listen in.
    ///
    /// # Errors
    /// Why the section cannot be right.
    pub(super) fn new(config: &LoginConfig, addr: SocketAddr, encrypted: bool) -> Result<Option<Self>, String> {
        let beyond_loopback = !addr.ip().is_loopback();
        let Some(url) = &config.public_url else {
            if beyond_loopback && encrypted {
                return Err("it is beyond loopback: where do browsers reach it? (`public_url`)".to_owned());
            }
            // Browsers leave a scheme's own port out.
            let url = Url::parse(&format!("{}://{addr}", if encrypted { "https" } else { "http" }));
            let url = url.map_err(|error| format!("{addr} is no place for pages: {error}"))?;
            let site = Self {
                origin: url.origin().ascii_serialization(),
                secure: encrypted,
                host: Some(url.authority().to_owned()),
                cookie: cookie(encrypted, addr.port()),
            };
            return Ok((!beyond_loopback || encrypted).then_some(site));
        };
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() || !url.has_host() {
            return Err("`public_url` is a scheme, a host and maybe a port, and nothing below".to_owned());
        }
        let secure = match url.scheme() {
            "https" => true,
            "http" if !encrypted && leads_here(url) => false,
            _ => return Err("`public_url` is https; http for a listener on loopback without TLS alone".to_owned()),
        };
        if beyond_loopback && !encrypted {
            return Ok(None);
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let origin = url.origin().ascii_serialization();
        Ok(Some(Self { origin, secure, host: None, cookie: cookie(secure, port) }))
    }

    /// Where identity providers send people back to.
    pub(super) fn redirect_uri(&self) -> String {
        format!("{}/login/callback", self.origin)
    }

    /// The name of one of its cookies.
    pub(super) fn cookie(&self, kind: &str) -> String {
        format!("{}{kind}", self.cookie)
    }

    /// Whether a request came to this site and no other name of the same place.
    pub(super) fn is_asked(&self, headers: &HeaderMap, authority: Option<&str>) -> bool {
        let Some(host) = &self.host else { return true };
        let said = authority.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()));
        said.is_some_and(|said| said.eq_ignore_ascii_case(host))
    }

    /// Whether a browser says that one of these pages sent the request. Tools that are no browsers say nothing; the
    /// token in the form speaks for them.
    pub(super) fn sent(&self, headers: &HeaderMap) -> bool {
        let all = |name: &str, expected: &str| headers.get_all(name).iter().all(|value| value == expected);
        all(ORIGIN.as_str(), &self.origin) && all("sec-fetch-site", "same-origin")
    }
}

/// The prefix makes browsers refuse the cookie from anywhere but this host over https. On loopback there is no https,
/// and gateways there share a host: each has its port.
fn cookie(secure: bool, port: u16) -> String {
    if secure { "__Host-airside".to_owned() } else { format!("airside-{port}") }
}

/// Where clients connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlightAddress {
    /// Whether there is TLS.
    pub encrypted: bool,
    /// Host and port.
    pub authority: String,
}

impl FlightAddress {
    /// What is configured, else the address listened on.
    ///
    /// # Errors
    /// Why the section cannot be right.
    pub(super) fn new(config: &LoginConfig, addr: SocketAddr, encrypted: bool) -> Result<Self, String> {
        if let Some(url) = &config.flight_url {
            let parsed = Url::parse(url).ok().filter(|url| matches!(url.path(), "" | "/") && url.query().is_none());
            let parsed = parsed.and_then(|url| {
                let encrypted = match url.scheme() {
                    "grpc+tls" => true,
                    "grpc" => false,
                    _ => return None,
                };
                let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
                let authority = format!("{}:{}", url.host_str().filter(|host| !host.is_empty())?, url.port()?);
                let odd = |c: char| !(c.is_ascii_alphanumeric() || ".-_:[]".contains(c));
                (plain && !authority.contains(odd)).then_some(Self { encrypted, authority })
            });
            return parsed.ok_or_else(|| "`flight_url` is `grpc+tls://host:port` or `grpc://host:port`".to_owned());
        }
        let host = config.public_url.as_ref().and_then(Url::host_str).filter(|_| addr.ip().is_unspecified());
        let authority = host.map_or_else(|| addr.to_string(), |host| format!("{host}:{}", addr.port()));
        Ok(Self { encrypted, authority })
    }

    /// As pyarrow and ADBC want it.
    pub(super) fn url(&self) -> String {
        format!("{}://{}", if self.encrypted { "grpc+tls" } else { "grpc" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(public_url: &str) -> LoginConfig {
        toml::from_str(&format!("public_url = '{public_url}'")).unwrap()
    }

    fn site(config: &LoginConfig, addr: &str, encrypted: bool) -> Result<Option<Site>, String> {
        Site::new(config, addr.parse().unwrap(), encrypted)
    }

    #[test]
    fn pages_are_where_nobody_listens_in() {
        let none = LoginConfig::default();
        let local = site(&none, "127.0.0.1:8080", false).unwrap().unwrap();
        assert_eq!((local.origin.as_str(), local.secure), ("http://127.0.0.1:8080", false));
        assert_eq!(local.cookie("-form"), "airside-8080-form");
        let usual = site(&none, "127.0.0.1:443", true).unwrap().unwrap();
        assert_eq!((usual.origin.as_str(), usual.host.as_deref()), ("https://127.0.0.1", Some("127.0.0.1")));
        assert_eq!(site(&none, "0.0.0.0:8080", false).unwrap(), None, "plaintext beyond loopback");
        assert_eq!(site(&config("https://a.example"), "0.0.0.0:8080", false).unwrap(), None);
        assert!(site(&none, "0.0.0.0:8443", true).is_err(), "whom to believe about the address?");
        for (addr, encrypted) in [("0.0.0.0:8443", true), ("127.0.0.1:8080", false)] {
            let public = site(&config("https://Data.Example.com:443/"), addr, encrypted).unwrap().unwrap();
            assert_eq!((public.origin.as_str(), public.secure), ("https://data.example.com", true));
            assert_eq!(public.cookie(""), "__Host-airside");
        }
        for bad in ["http://a.example", "https://a.example/x", "https://u@a.example", "https://a.example/?x", "ftp://a"]
        {
            assert!(site(&config(bad), "127.0.0.1:8080", false).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_names_and_other_pages_are_not_it() {
        let site = site(&LoginConfig::default(), "127.0.0.1:8080", false).unwrap().unwrap();
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        assert!(site.is_asked(&headers(&[("host", "127.0.0.1:8080")]), None));
        assert!(site.is_asked(&headers(&[]), Some("127.0.0.1:8080")));
        for other in ["localhost:8080", "evil.example:8080", "127.0.0.1", ""] {
            assert!(!site.is_asked(&headers(&[("host", other)]), None), "{other}");
        }
        let (ours, same) = (("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin"));
        assert!(site.sent(&headers(&[])) && site.sent(&headers(&[ours, same])));
        for bad in [("origin", "null"), ("origin", "http://127.0.0.1:8081"), ("sec-fetch-site", "same-site")] {
            assert!(!site.sent(&headers(&[bad])) && !site.sent(&headers(&[ours, bad])), "{bad:?}");
        }
    }

    #[test]
    fn clients_are_told_an_address_they_can_reach() {
        let address = |text: &str, addr: &str| {
            FlightAddress::new(&toml::from_str(text).unwrap(), addr.parse().unwrap(), true).map(|address| address.url())
        };
        assert_eq!(address("", "127.0.0.1:50051").unwrap(), "grpc+tls://127.0.0.1:50051");
        assert_eq!(address("public_url = 'https://a.example'", "0.0.0.0:50051").unwrap(), "grpc+tls://a.example:50051");
        assert_eq!(address("flight_url = 'grpc://b.example:1'", "0.0.0.0:2").unwrap(), "grpc://b.example:1");
        for bad in ["b.example:1", "grpc://b.example", "http://b:1", "grpc://u@b:1", "grpc://b:1/x", "grpc://b'\\n:1"] {
            assert!(address(&format!("flight_url = \"{bad}\""), "127.0.0.1:1").is_err(), "{bad}");
        }
    }
}
