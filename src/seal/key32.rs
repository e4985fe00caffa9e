//! A key of 32 bytes, for modules that have keys of their own.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use super::keys::decode;
use super::secret::{SecretError, SecretRef};

/// Thirty-two random bytes, wiped when dropped and never shown.
#[derive(Clone)]
pub struct Key32(Zeroizing<[u8; 32]>);

impl Key32 {
    /// The key that a reference names, written as hex or base64.
    ///
    /// # Errors
    /// [`SecretError`] when it cannot be read or holds no key.
    pub fn resolve(reference: &SecretRef, base: &Path) -> Result<Self, SecretError> {
        let secret = reference.resolve(base)?;
        decode(&secret).map(Self).ok_or_else(|| SecretError::Key(reference.clone()))
    }

    /// A key that nobody else has.
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The bytes, for the one place that needs them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key32(…)")
    }
}
