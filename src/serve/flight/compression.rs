//! Compressed record batches, for readers behind slow links who ask for them.
//!
//! Compressing costs the gateway several times what encoding does, and on a fast network costs the reader time as well.
//! So nobody gets it unasked, whatever the `User-Agent`.

use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use tonic::metadata::MetadataMap;

use super::error::FlightError;

const HEADER: &str = "airside-compression";

/// How the buffers of an answer's batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compression(Option<CompressionType>);

impl Compression {
    /// What a call's header asks for.
    ///
    /// # Errors
    /// [`FlightError::Malformed`] for one that is not known.
    pub fn asked(metadata: &MetadataMap) -> Result<Self, FlightError> {
        match metadata.get(HEADER).map(|value| value.as_bytes()) {
            None | Some(b"none") => Ok(Self(None)),
            Some(b"lz4") => Ok(Self(Some(CompressionType::LZ4_FRAME))),
            Some(b"zstd") => Ok(Self(Some(CompressionType::ZSTD))),
            Some(_) => Err(FlightError::Malformed(format!("the header `{HEADER}` is `lz4`, `zstd` or `none`"))),
        }
    }

    /// How batches are written.
    ///
    /// # Errors
    /// [`FlightError::Internal`] when the library was built without the codec.
    pub fn options(self) -> Result<IpcWriteOptions, FlightError> {
        IpcWriteOptions::default().try_with_compression(self.0).map_err(FlightError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_by_name() {
        let asked = |value: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert(HEADER, value.parse().unwrap());
            Compression::asked(&metadata)
        };
        for (value, expected) in
            [("none", None), ("lz4", Some(CompressionType::LZ4_FRAME)), ("zstd", Some(CompressionType::ZSTD))]
        {
            let compression = asked(value).unwrap();
            assert_eq!(compression, Compression(expected));
            assert!(compression.options().is_ok(), "{value} is built in");
        }
        for bad in ["", "gzip", "ZSTD"] {
            assert!(asked(bad).is_err(), "{bad}");
        }
        assert_eq!(Compression::asked(&MetadataMap::new()).unwrap(), Compression::default());
    }
}
