//! A local folder as a root.
//!
//! Symbolic links are followed as long as they stay within the folder (Kubernetes mounts a ConfigMap as links
//! to a folder beside them, and swaps that); one that leads out is refused.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::bundle::{MAX_BYTES, MAX_FILES, RawFile, Reading};
use super::layout::{Interest, Kind, interest};
use crate::fault::Fault;

/// Reads the files of a folder that the mesh is made of, in the order of their names.
pub(super) fn read(root: &Path, kind: Kind) -> Reading {
    let mut walk = Walk { kind, root, confined: PathBuf::new(), reading: Reading::default() };
    match fs::canonicalize(root) {
        Ok(real) if real.is_dir() => {
            walk.confined = real.clone();
            walk.folder(&real, &mut Vec::new());
        }
        Ok(_) => walk.fault(root, "the root is not a folder"),
        Err(error) => walk.fault(root, format!("the root cannot be read: {}", error.kind())),
    }
    walk.reading
}

struct Walk<'a> {
    kind: Kind,
    root: &'a Path,
    /// The real folder that nothing may lead out of.
    confined: PathBuf,
    reading: Reading,
}

impl Walk<'_> {
    fn folder(&mut self, real: &Path, path: &mut Vec<String>) {
        let shown = self.shown(path);
        let entries = match fs::read_dir(real).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => return self.fault(&shown, format!("the folder cannot be read: {}", error.kind())),
        };
        let mut entries: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        entries.sort();
        for entry in entries {
            let Some(name) = entry.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
                self.fault(&shown, "the folder holds a file whose name is not UTF-8");
                continue;
            };
            path.push(name);
            self.entry(&entry, path);
            path.pop();
        }
    }

    fn entry(&mut self, entry: &Path, path: &mut Vec<String>) {
        let shown = self.shown(path);
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        // A link that leads nowhere, in a place that matters, is a fault; elsewhere it is nobody's business.
        let is_folder = fs::metadata(entry).is_ok_and(|metadata| metadata.is_dir());
        match interest(self.kind, &parts, is_folder) {
            Interest::Ignore => {}
            Interest::Refuse(hint) => {
                let fault = Fault::new(&shown, "the file would not be read here").hint(hint);
                self.reading.faults.push(fault);
            }
            Interest::Enter | Interest::Read => {
                let real = match fs::canonicalize(entry) {
                    Ok(real) => real,
                    Err(error) => return self.fault(&shown, format!("the file cannot be read: {}", error.kind())),
                };
                if !real.starts_with(&self.confined) {
                    let fault = Fault::new(&shown, "the link leads out of its folder");
                    self.reading.faults.push(fault.hint("name the folder it leads to as a root of its own"));
                } else if is_folder {
                    // Within a mesh, each domain is confined to its own folder.
                    let outer = self.confined.clone();
                    if matches!(parts[..], ["governance"] | ["domains", _]) && self.kind == Kind::Mesh {
                        self.confined.clone_from(&real);
                    }
                    self.folder(&real, path);
                    self.confined = outer;
                } else {
                    self.file(&real, &shown, path);
                }
            }
        }
    }

    fn file(&mut self, real: &Path, shown: &Path, path: &[String]) {
        if self.reading.files.len() >= MAX_FILES {
            return self.fault(shown, format!("the root holds more than {MAX_FILES} files"));
        }
        match read_file(real) {
            Ok(Some(bytes)) => {
                self.reading.files.push(RawFile { path: path.join("/"), shown: shown.to_owned(), bytes })
            }
            Ok(None) => self.fault(shown, format!("the file is larger than {} KiB", MAX_BYTES >> 10)),
            Err(error) => self.fault(shown, format!("the file cannot be read: {}", error.kind())),
        }
    }

    fn shown(&self, path: &[String]) -> PathBuf {
        path.iter().fold(self.root.to_owned(), |shown, part| shown.join(part))
    }

    fn fault(&mut self, file: &Path, reason: impl Into<String>) {
        self.reading.faults.push(Fault::new(file, reason));
    }
}

/// A file's bytes; none when there are too many. Only regular files: a pipe would never end.
fn read_file(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_BYTES).then_some(bytes))
}
