//! Contract versions, and what an address may ask of them.

use std::fmt;

use thiserror::Error;

/// A contract's version, `major.minor.patch` ([Semantic Versioning](https://semver.org), the core part).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Changes that break consumers.
    pub major: u64,
    /// Additions.
    pub minor: u64,
    /// Corrections.
    pub patch: u64,
}

/// What stands after the `@` of an address: `2`, `2.1` or `2.1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionRequirement {
    /// The major version asked for.
    pub major: u64,
    /// The minor version, if the address names one.
    pub minor: Option<u64>,
    /// The patch, if the address names one; only beside a minor version.
    pub patch: Option<u64>,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a version: write major.minor.patch, as in `1.2.0`")]
pub struct VersionError(pub String);

impl Version {
    /// Parses `major.minor.patch`; a leading `v` is accepted, as contracts carry it.
    ///
    /// # Errors
    /// [`VersionError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let error = || VersionError(text.to_owned());
        let required = VersionRequirement::parse(text.strip_prefix('v').unwrap_or(text)).map_err(|_| error())?;
        match (required.minor, required.patch) {
            (Some(minor), Some(patch)) => Ok(Self { major: required.major, minor, patch }),
            _ => Err(error()),
        }
    }
}

impl VersionRequirement {
    /// Parses `major[.minor[.patch]]`.
    ///
    /// # Errors
    /// [`VersionError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let error = || VersionError(text.to_owned());
        let mut parts = text.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if digits { part.parse::<u64>().map_err(|_| error()) } else { Err(error()) }
        });
        let major = parts.next().ok_or_else(error)??;
        let (minor, patch) = (parts.next().transpose()?, parts.next().transpose()?);
        if parts.next().is_some() { Err(error()) } else { Ok(Self { major, minor, patch }) }
    }

    /// Whether `version` is one that the requirement names.
    pub fn matches(&self, version: &Version) -> bool {
        self.major == version.major
            && self.minor.is_none_or(|minor| minor == version.minor)
            && self.patch.is_none_or(|patch| patch == version.patch)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Display for VersionRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.major)?;
        for part in [self.minor, self.patch].into_iter().flatten() {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_match_the_versions_they_name() {
        let version = Version::parse("v2.1.3").unwrap();
        for (asked, answer) in
            [("2", true), ("2.1", true), ("2.1.3", true), ("1", false), ("2.2", false), ("2.1.4", false)]
        {
            assert_eq!(VersionRequirement::parse(asked).unwrap().matches(&version), answer, "{asked}");
        }
        for bad in ["", "x", "1.", ".1", "1.2.3.4", "+1", "1.-2", "99999999999999999999"] {
            assert!(VersionRequirement::parse(bad).is_err(), "{bad}");
        }
        assert!(Version::parse("1.2").is_err());
    }
}
