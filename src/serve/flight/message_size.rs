//! How large the messages of an answer may be.
//!
//! A gRPC client takes 4 MiB a message unless told otherwise. Larger ones cost both sides less for each row, so they go
//! to clients that are known to take them, by the name their library gives itself, and to whoever asks.

use tonic::metadata::MetadataMap;

use super::error::FlightError;

const HEADER: &str = "airside-message-bytes";
/// What any client takes.
const PLAIN: usize = 4 << 20;
/// What the clients of [`KNOWN`] take, and more.
const LARGE: usize = 16 << 20;
/// What may be asked for.
const RANGE: std::ops::RangeInclusive<usize> = (64 << 10)..=(64 << 20);
/// Room for what is not buffers: names, types, lengths.
const ENVELOPE: usize = 64 << 10;

/// Parts of the names of libraries that take large messages: ADBC's driver takes 16 MiB, Arrow's for C++, Python and R
/// (`grpc-c++`, as nothing else that speaks Flight calls itself) any size.
const KNOWN: [&str; 2] = ["ADBC Flight SQL Driver", "grpc-c++/"];

/// The most bytes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageSize(usize);

impl MessageSize {
    /// What a call's headers say: what is asked for, else what the client is known to take.
    ///
    /// # Errors
    /// [`FlightError::Malformed`] for a size that is no number, or is too small or too large.
    pub fn asked(metadata: &MetadataMap) -> Result<Self, FlightError> {
        let Some(asked) = metadata.get(HEADER) else {
            let agent = metadata.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
            let takes_large = KNOWN.iter().any(|known| agent.contains(known));
            return Ok(Self(if takes_large { LARGE } else { PLAIN }));
        };
        let bytes = asked.to_str().ok().and_then(|asked| asked.parse().ok()).filter(|bytes| RANGE.contains(bytes));
        bytes.map(Self).ok_or_else(|| {
            let (least, most) = RANGE.into_inner();
            FlightError::Malformed(format!("the header `{HEADER}` is a number of bytes from {least} to {most}"))
        })
    }

    /// The most bytes of buffers in a message.
    pub fn body(self) -> usize {
        self.0 - ENVELOPE.min(self.0 / 2)
    }
}

/// For what any client is to take.
impl Default for MessageSize {
    fn default() -> Self {
        Self(PLAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &str)]) -> Result<usize, FlightError> {
        let mut metadata = MetadataMap::new();
        for (name, value) in headers {
            metadata.insert(*name, value.parse().unwrap());
        }
        MessageSize::asked(&metadata).map(|size| size.0)
    }

    #[test]
    fn large_messages_go_to_those_who_take_them() {
        for (headers, expected) in [
            (&[][..], PLAIN),
            (&[("user-agent", "grpc-python/1.80.0 grpc-c/53.0.0 (linux; chttp2)")], PLAIN),
            (&[("user-agent", "grpc-go/1.75.0")], PLAIN),
            (&[("user-agent", "grpc-c++/1.71.0 grpc-c/46.0.0 (linux; chttp2)")], LARGE),
            (&[("user-agent", "ADBC Flight SQL Driver v1.12.0 grpc-go/1.75.0")], LARGE),
            (&[("user-agent", "grpc-c++/1.71.0"), (HEADER, "4194304")], PLAIN),
            (&[(HEADER, "65536")], 64 << 10),
        ] {
            assert_eq!(asked(headers).unwrap(), expected, "{headers:?}");
        }
        for bad in ["", "0", "65535", "67108865", "-1", "4MiB"] {
            assert!(asked(&[(HEADER, bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_envelope_has_room() {
        assert_eq!(MessageSize(64 << 10).body(), 32 << 10);
        assert_eq!(MessageSize::default().body(), PLAIN - ENVELOPE);
    }
}
