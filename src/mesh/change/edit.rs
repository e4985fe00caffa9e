//! A file before and after a change, written as a whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// A file before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// The file.
    pub file: PathBuf,
    /// What it said; none when it was not there.
    pub before: Option<String>,
    /// What it is to say; none when it is to go.
    pub after: Option<String>,
}

impl FileEdit {
    /// Writes the change: into another file first, which then takes the place of this one.
    ///
    /// # Errors
    /// When somebody else has changed the file since it was read, or it cannot be written.
    pub fn apply(&self) -> io::Result<()> {
        let now = match fs::read_to_string(&self.file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if now != self.before {
            return Err(io::Error::other("somebody else has changed it in the meantime: start again"));
        }
        let Some(after) = &self.after else { return fs::remove_file(&self.file) };
        // A link, as of a mounted volume, stays one.
        let target = fs::canonicalize(&self.file).unwrap_or_else(|_| self.file.clone());
        let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder)?;
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        // Hidden, so that nobody takes it for a policy.
        let draft = folder.join(format!(".{name}.{}", std::process::id()));
        let written = fs::File::create(&draft)
            .and_then(|mut file| file.write_all(after.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| match fs::metadata(&target) {
                Ok(metadata) => fs::set_permissions(&draft, metadata.permissions()),
                Err(_) => Ok(()),
            })
            .and_then(|()| fs::rename(&draft, &target));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }
}
