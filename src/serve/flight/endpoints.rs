//! In how many endpoints an answer comes, and where they are.
//!
//! Several readers pull faster than one, but many clients read the first endpoint and take it for all. So there are
//! several only for clients that say so (header `airside-endpoints: all`, `parallel` of a `ProductRequest`), and for
//! those known to read all of them.

use std::fmt;

use arrow_flight::Location as FlightLocation;
use bytes::Bytes;
use http::Uri;
use prost::Message;
use serde::Deserialize;
use tonic::metadata::MetadataMap;

use super::error::FlightError;
use crate::gateway::{Outline, Parts};
use crate::serve::proto::Part;
use crate::serve::proto::ticket::Question as Sealed;

const HEADER: &str = "airside-endpoints";
/// What the user agents of clients hold that read every endpoint.
const READ_ALL: [&str; 2] = ["ADBC Flight SQL Driver", "airside-python/"];
/// Most endpoints of one answer: their tickets share a message.
const MOST: u32 = 2_000;

/// The URI of a listener, as clients reach it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Location(String);

impl TryFrom<String> for Location {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let uri: Option<Uri> = text.parse().ok();
        let known = uri.filter(|uri| {
            let scheme = uri.scheme_str().is_some_and(|scheme| matches!(scheme, "grpc" | "grpc+tls" | "grpc+tcp"));
            scheme && uri.port().is_some() && matches!(uri.path(), "" | "/") && uri.query().is_none()
        });
        match known {
            Some(_) => Ok(Self(text)),
            None => Err(format!("`{text}` is no location: write `grpc+tls://host:port`, or `grpc://host:port`")),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is configured of endpoints.
#[derive(Debug, Clone)]
pub struct Endpoints {
    bytes: u64,
    locations: Vec<FlightLocation>,
}

impl Endpoints {
    /// Endpoints of about `bytes` of files, to be fetched at any of `locations`, or where they were asked for.
    pub fn new(bytes: u64, locations: &[Location]) -> Self {
        let locations = locations.iter().map(|location| FlightLocation { uri: location.to_string() });
        Self { bytes, locations: locations.collect() }
    }

    /// In how many endpoints an answer comes.
    pub fn count(&self, outline: &Outline, wanted: Parts) -> u32 {
        outline.parts(wanted, self.bytes, MOST)
    }

    /// Where each of them is. An empty list means "here".
    pub fn locations(&self) -> Vec<FlightLocation> {
        self.locations.clone()
    }
}

/// How many endpoints the client will read, by its header, else by its name.
///
/// # Errors
/// [`FlightError::Malformed`] for a header that says neither `one` nor `all`.
pub fn wanted(metadata: &MetadataMap) -> Result<Parts, FlightError> {
    match metadata.get(HEADER).map(|value| value.as_bytes()) {
        Some(b"all") => Ok(Parts::Many),
        Some(b"one") => Ok(Parts::One),
        Some(_) => Err(FlightError::Malformed(format!("the header `{HEADER}` is `all` or `one`"))),
        None => {
            let agent = metadata.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
            let reads_all = READ_ALL.iter().any(|known| agent.contains(known));
            Ok(if reads_all { Parts::OfWholeDatasets } else { Parts::One })
        }
    }
}

/// A sealed question in `count` parts.
pub fn divided(whole: Sealed, count: u32) -> Vec<Sealed> {
    match whole {
        Sealed::Query(query) if count > 1 => {
            let part = |index| {
                let mut query = query.clone();
                query.part = Some(Part { index, count });
                Sealed::Query(query)
            };
            (0..count).map(part).collect()
        }
        whole => vec![whole],
    }
}

/// What an endpoint says of its part; nothing where it is all there is.
pub fn part_of(sealed: &Sealed) -> Bytes {
    match sealed {
        Sealed::Query(query) => query.part.map(|part| part.encode_to_vec().into()).unwrap_or_default(),
        Sealed::Command(_) => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_those_of_flight() {
        for good in ["grpc://127.0.0.1:50051", "grpc+tls://gateway.example.com:443", "grpc+tcp://[::1]:1/"] {
            assert!(Location::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "gateway:443", "https://gateway:443", "grpc://gateway", "grpc://gateway:1/x", "grpc://g:1?x"] {
            assert!(Location::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn clients_say_what_they_read_or_are_known() {
        let metadata = |pairs: &[(&'static str, &str)]| {
            let mut metadata = MetadataMap::new();
            for (name, value) in pairs {
                metadata.insert(*name, value.parse().unwrap());
            }
            metadata
        };
        for (headers, expected) in [
            (&[][..], Parts::One),
            (&[("user-agent", "grpc-java-netty/1.65")], Parts::One),
            (&[("user-agent", "ADBC Flight SQL Driver v1.13.0 grpc-go/1.80.0")], Parts::OfWholeDatasets),
            (&[("user-agent", "ADBC Flight SQL Driver v1.13.0"), ("airside-endpoints", "one")], Parts::One),
            (&[("airside-endpoints", "all")], Parts::Many),
        ] {
            assert_eq!(wanted(&metadata(headers)).unwrap(), expected, "{headers:?}");
        }
        assert!(wanted(&metadata(&[("airside-endpoints", "7")])).is_err());
    }
}
