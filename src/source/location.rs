//! Where a contract's location points, and that it points below the domain's root.
//!
//! A location is taken literally: nothing is percent-decoded, `..` is no way up, a backslash is no
//! separator. What another reader might take for one of these is refused rather than interpreted.
//! For local folders the words are only half of it: [`super::listing`] follows symlinks and checks
//! the canonical path of every single file.

use std::path::{Path as FsPath, PathBuf};

use glob::Pattern;
use thiserror::Error;

/// Longest location accepted, in bytes.
const MAX_LENGTH: usize = 2048;

/// What is wrong with a location.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LocationError {
    /// It is empty or too long.
    #[error("must have between 1 and {MAX_LENGTH} bytes")]
    Length,
    /// A way up, an encoded one, a backslash, a control character.
    #[error("may not contain `{0}`")]
    Forbidden(String),
    /// It leaves the domain's root.
    #[error("lies outside the domain's data root")]
    Outside,
    /// A symlink leads out of the domain's root.
    #[error("`{0}` leads outside the domain's data root by a symlink")]
    Escapes(String),
    /// A symlink to a folder below the location.
    #[error("`{0}` is a symlink to a folder, which is not followed\n    hint: name the folder itself in the location")]
    FolderLink(String),
    /// The glob does not parse.
    #[error("is not a valid glob: {0}")]
    Glob(String),
    /// The domain's data root itself is no such thing.
    #[error("the domain's data root `{0}` is neither an existing folder nor an object store URL")]
    Root(String),
    /// A file name that is not UTF-8.
    #[error("a file's name below it is not UTF-8")]
    NotUtf8,
    /// Folders nested beyond any sense.
    #[error("folders below it are nested deeper than {0}")]
    TooDeep(usize),
}

/// The place every location of a domain must stay below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// A folder of this machine, canonical.
    Local {
        /// As configured, made absolute.
        given: PathBuf,
        /// Free of symlinks.
        canonical: PathBuf,
    },
    /// A prefix of an object store.
    Remote {
        /// `scheme://authority`, the scheme in its canonical spelling.
        origin: String,
        /// The prefix's segments.
        prefix: Vec<String>,
    },
}

/// A location below its root.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Segments from the root that name one folder or file.
    pub fixed: Vec<String>,
    /// What is looked for there.
    pub shape: Shape,
}

/// What a location names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A file, or a folder for every `*.parquet` below it.
    Named,
    /// Certainly a folder: it ends in `/`.
    Folder,
    /// Files below whose path matches.
    Glob {
        /// Over the path below the fixed part.
        pattern: Pattern,
        /// How deep a match can lie; none with `**`.
        depth: Option<usize>,
    },
}

impl Root {
    /// Reads a domain's data root: an object store URL, or a folder, which must exist.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let text = text.strip_prefix("file://").filter(|path| path.starts_with('/')).unwrap_or(text);
        if let Some((origin, path)) = split_url(text)? {
            return Ok(Self::Remote { origin, prefix: segments(path)?.0 });
        }
        let unusable = || LocationError::Root(shown(text));
        let given = std::path::absolute(text).map_err(|_| unusable())?;
        let canonical = given.canonicalize().map_err(|_| unusable())?;
        if !canonical.is_dir() {
            return Err(unusable());
        }
        Ok(Self::Local { given, canonical })
    }

    /// The store's origin or the canonical folder.
    pub fn name(&self) -> String {
        match self {
            Self::Local { canonical, .. } => canonical.display().to_string(),
            Self::Remote { origin, .. } => origin.clone(),
        }
    }

    /// Resolves a contract's location below this root, by its words alone.
    pub fn resolve(&self, location: &str) -> Result<Place, LocationError> {
        if location.is_empty() || location.len() > MAX_LENGTH {
            return Err(LocationError::Length);
        }
        // `file://` is a spelling of an absolute path.
        let path = match location.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => path,
            Some(_) => return Err(LocationError::Outside),
            None => location,
        };
        let below = match (self, split_url(path)?) {
            (Self::Remote { origin, prefix }, Some((other, path))) => {
                let (all, folder) = segments(path)?;
                let below = all.strip_prefix(prefix.as_slice()).filter(|_| *origin == other);
                (below.ok_or(LocationError::Outside)?.to_vec(), folder)
            }
            (Self::Local { .. }, Some(_)) => return Err(LocationError::Outside),
            (Self::Local { given, canonical }, None) => {
                if path.starts_with('/') {
                    let (all, folder) = segments(path.trim_start_matches('/'))?;
                    let below = [given, canonical]
                        .into_iter()
                        .find_map(|root| strip_root(root, &all))
                        .ok_or(LocationError::Outside)?;
                    (below, folder)
                } else {
                    segments(path)?
                }
            }
            (Self::Remote { .. }, None) if path.starts_with('/') => return Err(LocationError::Outside),
            (Self::Remote { .. }, None) => segments(path)?,
        };
        Place::new(below.0, below.1)
    }
}

impl Place {
    fn new(mut segments: Vec<String>, folder: bool) -> Result<Self, LocationError> {
        let Some(first) = segments.iter().position(|segment| segment.contains(['*', '?', '['])) else {
            let shape = if folder || segments.is_empty() { Shape::Folder } else { Shape::Named };
            return Ok(Self { fixed: segments, shape });
        };
        let mut rest = segments.split_off(first);
        if folder {
            rest.extend(["**".to_owned(), "*.parquet".to_owned()]);
        }
        let pattern = Pattern::new(&rest.join("/")).map_err(|error| LocationError::Glob(error.to_string()))?;
        let depth = (!rest.iter().any(|segment| segment == "**")).then_some(rest.len());
        Ok(Self { fixed: segments, shape: Shape::Glob { pattern, depth } })
    }
}

impl Shape {
    /// Whether a file is one of the location's, by its path below the fixed part.
    pub fn matches(&self, below: &str) -> bool {
        match self {
            Self::Named | Self::Folder => below.ends_with(".parquet"),
            Self::Glob { pattern, .. } => pattern.matches_with(below, GLOB_OPTIONS),
        }
    }

    /// Whether files at this depth (1: directly in the fixed part) can match.
    pub fn reaches(&self, depth: usize) -> bool {
        match self {
            Self::Named | Self::Folder | Self::Glob { depth: None, .. } => true,
            Self::Glob { depth: Some(deepest), .. } => depth <= *deepest,
        }
    }
}

const GLOB_OPTIONS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// `scheme://authority` and path, or none for a plain path.
fn split_url(text: &str) -> Result<Option<(String, &str)>, LocationError> {
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if scheme.is_empty() || authority.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(LocationError::Forbidden("://".into()));
    }
    // `user:password@host`: a contract is no place for credentials, and they would reach the log.
    if authority.split_once('@').is_some_and(|(user, _)| user.contains(':')) {
        return Err(LocationError::Forbidden("@".into()));
    }
    if let Some(bad) = authority.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.:@[]".contains(*c))) {
        return Err(LocationError::Forbidden(bad.to_string()));
    }
    Ok(Some((format!("{}://{authority}", canonical_scheme(scheme)), path)))
}

/// The store that a data root lies in: its origin, in the one spelling there is for each. A folder may be a mount of its
/// own, so it stands for itself.
pub fn store_of(root: &str) -> String {
    match split_url(root) {
        Ok(Some((origin, _))) => origin,
        Ok(None) | Err(_) => root.to_owned(),
    }
}

/// A location or URL for messages: without a user and password that somebody may have put there.
pub(super) fn shown(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => match rest.split('/').next().and_then(|authority| authority.rsplit_once('@')) {
            Some((user, _)) if user.contains(':') => format!("{scheme}://…{}", &rest[user.len()..]),
            _ => text.to_owned(),
        },
        None => text.to_owned(),
    }
}

/// One spelling for each store, so that `s3a://b` and `s3://b` are the same place.
pub(super) fn canonical_scheme(scheme: &str) -> String {
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "s3a" => "s3".into(),
        "gcs" => "gs".into(),
        "azure" | "adl" => "az".into(),
        "abfs" => "abfss".into(),
        _ => scheme,
    }
}

/// A relative path's segments, and whether it ends in `/`.
fn segments(path: &str) -> Result<(Vec<String>, bool), LocationError> {
    let path = path.strip_prefix("./").unwrap_or(path);
    let folder = path.is_empty() || path == "." || path.ends_with('/');
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() || path == "." {
        return Ok((Vec::new(), true));
    }
    path.split('/')
        .map(|segment| checked(segment).map(str::to_owned))
        .collect::<Result<_, _>>()
        .map(|all| (all, folder))
}

fn checked(segment: &str) -> Result<&str, LocationError> {
    let forbidden = |what: &str| Err(LocationError::Forbidden(what.to_owned()));
    match segment {
        "" => return forbidden("//"),
        "." | ".." => return forbidden(segment),
        _ => {}
    }
    if let Some(bad) = segment.chars().find(|c| c.is_control() || *c == '\\') {
        return forbidden(&bad.escape_default().to_string());
    }
    // Some layer below might decode these; none of ours does.
    if segment.bytes().zip(1..).any(|(byte, next)| byte == b'%' && encodes_danger(segment.as_bytes(), next)) {
        return forbidden("%");
    }
    Ok(segment)
}

/// Whether the two hexadecimal digits from `at` stand for a dot, a separator, a percent sign or a control
/// character.
fn encodes_danger(segment: &[u8], at: usize) -> bool {
    let digit = |index: usize| segment.get(index).and_then(|byte| char::from(*byte).to_digit(16));
    match (digit(at), digit(at + 1)) {
        (Some(high), Some(low)) => {
            let code = high * 16 + low;
            code < 0x20 || code == 0x7f || [b'.', b'/', b'\\', b'%'].map(u32::from).contains(&code)
        }
        _ => false,
    }
}

/// An absolute path's segments without those of the root; none if it lies elsewhere.
fn strip_root(root: &FsPath, all: &[String]) -> Option<Vec<String>> {
    let mut rest = all.iter();
    for component in root.components() {
        match component {
            std::path::Component::Normal(name) => {
                if name.to_str() != rest.next().map(String::as_str) {
                    return None;
                }
            }
            std::path::Component::RootDir => {}
            _ => return None,
        }
    }
    Some(rest.cloned().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remote() -> Root {
        Root::parse("s3://bucket/sales/").unwrap()
    }

    fn fixed(root: &Root, location: &str) -> Result<String, LocationError> {
        root.resolve(location).map(|place| place.fixed.join("/"))
    }

    #[test]
    fn locations_below_the_root_resolve() {
        let folder = tempfile::tempdir().unwrap();
        let local = Root::parse(folder.path().to_str().unwrap()).unwrap();
        let absolute = format!("{}/orders/a.parquet", folder.path().display());
        for (root, location, expected) in [
            (&local, "./orders/*.parquet", "orders"),
            (&local, "orders", "orders"),
            (&local, ".", ""),
            (&local, absolute.as_str(), "orders/a.parquet"),
            (&remote(), "orders/year=*/", "orders"),
            (&remote(), "s3://bucket/sales/orders/", "orders"),
            (&remote(), "s3a://bucket/sales", ""),
            (&remote(), "a%20b/50%.parquet", "a%20b/50%.parquet"),
        ] {
            assert_eq!(fixed(root, location).as_deref(), Ok(expected), "{location}");
        }
        assert_eq!(fixed(&local, &format!("file://{absolute}")).as_deref(), Ok("orders/a.parquet"));
    }

    #[test]
    fn locations_elsewhere_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let local = Root::parse(folder.path().to_str().unwrap()).unwrap();
        let sibling = format!("{}x/a.parquet", folder.path().display());
        for (root, location) in [
            (&local, "../secret"),
            (&local, "a/../../secret"),
            (&local, "a/%2e%2e/secret"),
            (&local, "a/%2E./secret"),
            (&local, "a%2fb"),
            (&local, "a/%252e%252e/b"),
            (&local, "a\\..\\b"),
            (&local, "a/./b"),
            (&local, "a//b"),
            (&local, "a\0b"),
            (&local, "/etc/passwd"),
            (&local, "file:///etc/passwd"),
            (&local, "file://../x"),
            (&local, sibling.as_str()),
            (&local, "s3://bucket/sales/orders"),
            (&local, ""),
            (&remote(), "s3://bucket/salesx/orders"),
            (&remote(), "s3://bucket/"),
            (&remote(), "s3://other/sales/orders"),
            (&remote(), "gs://bucket/sales/orders"),
            (&remote(), "s3://key:secret@bucket/sales/orders"),
            (&remote(), "s3://bucket/sales/../hr"),
            (&remote(), "s3://bucket/sales/%2e%2e/hr"),
            (&remote(), "/sales/orders"),
            (&remote(), "file:///sales/orders"),
            (&remote(), "file://orders"),
        ] {
            assert!(root.resolve(location).is_err(), "{location}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(shown("s3://key:secret@bucket/sales"), "s3://…@bucket/sales");
        for plain in ["abfss://files@account/x", "a/b:c@d", "s3://bucket/a:b@c"] {
            assert_eq!(shown(plain), plain);
        }
    }

    #[test]
    fn globs_match_within_segments() {
        let place = remote().resolve("orders/year=*/part-?[0-9].parquet").unwrap();
        assert!(place.shape.matches("year=2024/part-x7.parquet"));
        assert!(!place.shape.matches("year=2024/deep/part-x7.parquet"));
        assert!(place.shape.reaches(2) && !place.shape.reaches(3));
        let deep = remote().resolve("orders/**/*.parquet").unwrap();
        assert!(deep.shape.matches("a.parquet") && deep.shape.matches("x/y/a.parquet"));
        assert!(deep.shape.reaches(40));
        let folders = remote().resolve("orders/year=202?/").unwrap();
        assert!(folders.shape.matches("year=2024/month=1/a.parquet") && !folders.shape.matches("year=2024/a.csv"));
        assert!(matches!(remote().resolve("a/[x"), Err(LocationError::Glob(_))));
    }

    proptest! {
        /// Whatever is written, what comes out names no way up and nothing a layer below could decode to one.
        #[test]
        fn nothing_resolves_to_a_way_up(location in r"([a-z./\\%2eEfF5cC*?=:@ ]|\.\.|%2e|s3://|file://|sales|bucket){0,24}") {
            for root in [remote(), Root::parse("/").unwrap()] {
                if let Ok(place) = root.resolve(&location) {
                    for segment in &place.fixed {
                        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
                        for text in [segment.as_str(), decoded.as_str()] {
                            prop_assert!(!text.is_empty() && text != "." && text != ".." && !text.contains(['/', '\\', '\0']));
                        }
                    }
                }
            }
        }
    }
}
