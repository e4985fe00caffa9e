//! A secret in memory, and the reference by which configuration names one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use thiserror::Error;
use zeroize::Zeroizing;

/// Largest secret read from a file or the environment, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// Bytes that are wiped when dropped and never shown: neither `Debug` nor any log prints them.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text; none when they are not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret stands: `env:NAME`, an environment variable, or `file:PATH`, a file whose one
/// trailing line break is not part of it. Showing a reference is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// The environment variable of this name.
    Env(String),
    /// The file at this path; a relative one lies beside the configuration file.
    File(PathBuf),
}

/// Why a secret cannot be had. Names the reference, never the content.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Neither `env:` nor `file:`. The text is not repeated: it may well be the secret itself.
    #[error("a secret is given by reference, `env:NAME` or `file:PATH`, never in the text itself")]
    Form,
    /// The variable is absent, empty, or not text.
    #[error("the environment variable `{0}` is not set, is empty, or is not text")]
    Env(String),
    /// The file cannot be read.
    #[error("the secret file `{path}` cannot be read: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The file is empty or no secret's size.
    #[error("the secret file `{0}` is empty or larger than {MAX_SECRET} bytes")]
    Size(PathBuf),
    /// The content is no key.
    #[error("`{0}` holds no key: write 32 random bytes as hex or base64")]
    Key(SecretRef),
}

impl SecretRef {
    /// Reads the secret. `base` is the folder that relative paths start from.
    ///
    /// # Errors
    /// [`SecretError`] when it is absent, empty or too large.
    pub fn resolve(&self, base: &Path) -> Result<Secret, SecretError> {
        self.resolve_with(base, |name| std::env::var(name).ok())
    }

    /// Like [`SecretRef::resolve`], asking `env` for variables.
    fn resolve_with(&self, base: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Secret, SecretError> {
        match self {
            Self::Env(name) => match env(name) {
                Some(value) if !value.is_empty() => Ok(Secret::new(value)),
                _ => Err(SecretError::Env(name.clone())),
            },
            Self::File(path) => {
                let path = base.join(path);
                let unreadable = |cause| SecretError::File { path: path.clone(), cause };
                if std::fs::metadata(&path).map_err(unreadable)?.len() > MAX_SECRET {
                    return Err(SecretError::Size(path));
                }
                let bytes = Zeroizing::new(std::fs::read(&path).map_err(unreadable)?);
                let content = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                let content = content.strip_suffix(b"\r").unwrap_or(content);
                if content.is_empty() {
                    return Err(SecretError::Size(path));
                }
                Ok(Secret::new(content))
            }
        }
    }
}

impl FromStr for SecretRef {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(SecretError::Form),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_by_reference_only() {
        assert_eq!("env:KEY".parse::<SecretRef>().unwrap(), SecretRef::Env("KEY".to_owned()));
        assert_eq!("file:keys/a".parse::<SecretRef>().unwrap(), SecretRef::File("keys/a".into()));
        for inline in ["", "hunter2", "env:", "file:", "https://vault/key", "ENV:KEY"] {
            let refused = inline.parse::<SecretRef>().unwrap_err().to_string();
            assert!(inline.is_empty() || !refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn references_resolve() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one"), "s3cret\r\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let env = |name: &str| (name == "SET").then(|| "value".to_owned());
        let resolve = |text: &str| text.parse::<SecretRef>().unwrap().resolve_with(folder.path(), env);

        assert_eq!(resolve("file:one").unwrap().expose(), b"s3cret");
        assert_eq!(resolve("env:SET").unwrap().expose(), b"value");
        assert!(matches!(resolve("env:UNSET"), Err(SecretError::Env(_))));
        assert!(matches!(resolve("file:none"), Err(SecretError::File { .. })));
        assert!(matches!(resolve("file:empty"), Err(SecretError::Size(_))));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
