//! The file that says whether a folder holds a complete demo mesh, and which.
//!
//! It is written twice: before the first file, so that a half-made mesh is known to be ours and may be
//! made anew, and after the last, with the data files and their sizes, so that a damaged one is noticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::assets;
use super::error::DemoError;

const FILE: &str = "demo-mesh.toml";

/// Counts up when the data is laid out differently.
const LAYOUT: u32 = 1;

/// What the marker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marker {
    layout: u32,
    assets: String,
    scale: f64,
    complete: bool,
    /// Size of every data file, by its path below the folder.
    files: BTreeMap<String, u64>,
}

/// What a folder holds.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// Nothing: absent or empty.
    Nothing,
    /// The complete mesh asked for.
    Complete,
    /// A demo mesh, but half-made, damaged, of another scale or from another version of the program.
    Other,
    /// Something else: not ours to touch.
    Foreign,
}

impl Marker {
    /// The mark of a mesh in the making.
    pub(super) fn begun(scale: f64) -> Self {
        Self { layout: LAYOUT, assets: assets::digest(), scale, complete: false, files: BTreeMap::new() }
    }

    /// The mark of a complete mesh with these data files.
    pub(super) fn complete(scale: f64, files: BTreeMap<String, u64>) -> Self {
        Self { complete: true, files, ..Self::begun(scale) }
    }

    /// Writes the mark: beside it first, then in its place.
    pub(super) fn write(&self, dir: &Path) -> Result<(), DemoError> {
        let path = dir.join(FILE);
        let text = toml::to_string(self)
            .map_err(|error| DemoError::Io { path: path.clone(), source: std::io::Error::other(error) })?;
        super::generate::write_file(&path, text.as_bytes())
    }
}

/// Looks what `dir` holds, and whether it is a mesh of `scale`.
pub(super) fn look(dir: &Path, scale: f64) -> Result<Found, DemoError> {
    let text = match fs::read_to_string(dir.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return look_unmarked(dir),
        Err(error) => return Err(DemoError::Io { path: dir.join(FILE), source: error }),
    };
    let Ok(marker) = toml::from_str::<Marker>(&text) else { return Ok(Found::Other) };
    let expected = Marker { files: marker.files.clone(), ..Marker::complete(scale, BTreeMap::new()) };
    let size = |path: &str| fs::metadata(dir.join(path)).map(|data| data.len()).ok();
    let whole = || {
        marker.files.iter().all(|(path, bytes)| size(path) == Some(*bytes))
            && super::generate::written_files().all(|path| size(path).is_some())
    };
    Ok(if marker == expected && whole() { Found::Complete } else { Found::Other })
}

fn look_unmarked(dir: &Path) -> Result<Found, DemoError> {
    let mut entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(DemoError::Io { path: dir.to_owned(), source: error }),
    };
    let stranger = entries.any(|entry| entry.map_or(true, |entry| entry.file_name() != super::generate::LOCK));
    Ok(if stranger { Found::Foreign } else { Found::Nothing })
}
