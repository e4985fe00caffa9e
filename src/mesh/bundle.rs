//! Files in memory, sorted into what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::change::FileEdit;
use super::layout::Kind;
use crate::fault::Fault;

/// Largest file read.
pub(super) const MAX_BYTES: u64 = 1 << 20;
/// Most files read of one root.
pub(super) const MAX_FILES: usize = 50_000;

/// A file of a root, before anything is known of it.
#[derive(Debug, Clone)]
pub(super) struct RawFile {
    /// Its path below the root, with `/`.
    pub path: String,
    /// Its name in messages.
    pub shown: PathBuf,
    pub bytes: Vec<u8>,
}

/// What was read of one root.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub files: Vec<RawFile>,
    pub faults: Vec<Fault>,
}

/// A text with the name that messages give it.
#[derive(Debug, Clone)]
pub(super) struct TextFile {
    pub file: PathBuf,
    pub text: String,
}

/// The governance of a mesh.
#[derive(Debug, Default)]
pub(super) struct GovernanceBundle {
    pub policies: Vec<TextFile>,
    pub ceilings: Vec<TextFile>,
    pub principals: Option<TextFile>,
    pub standards: Option<TextFile>,
}

/// A domain's folder.
#[derive(Debug, Clone, Default)]
pub(super) struct DomainBundle {
    /// The folder or URL it was read from.
    pub place: String,
    pub about: Option<TextFile>,
    pub contracts: Vec<TextFile>,
    pub policies: Vec<TextFile>,
    pub tests: Vec<TextFile>,
}

/// Everything a mesh is made of.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    /// Where governance was read from, for each place that had one.
    pub governance: Vec<(String, GovernanceBundle)>,
    /// Domains by the name their folder or the configuration gives them; one per place.
    pub domains: BTreeMap<String, Vec<DomainBundle>>,
    pub faults: Vec<Fault>,
    /// Every file's path with the digest of its contents.
    contents: BTreeSet<(String, Vec<u8>)>,
}

impl Bundles {
    /// Sorts the files of a root. `domain` names the domain of a root that is one.
    pub fn add(&mut self, kind: Kind, place: &str, domain: Option<&str>, reading: Reading) {
        // What cannot be read counts as well: mending it makes another mesh.
        for fault in reading.faults {
            self.digest(&fault.to_string(), &[]);
            self.faults.push(fault);
        }
        let mut governance: Option<GovernanceBundle> = None;
        let mut domains: BTreeMap<String, DomainBundle> = BTreeMap::new();
        for file in reading.files {
            let inner = match kind {
                Kind::Mesh => file.path.clone(),
                Kind::Governance => format!("governance/{}", file.path),
                Kind::Domain => format!("domains/{}/{}", domain.unwrap_or_default(), file.path),
            };
            self.digest(&inner, &file.bytes);
            let Some(text) = self.text(&file) else { continue };
            let parts: Vec<&str> = inner.split('/').collect();
            match parts[..] {
                ["governance", ref rest @ ..] => {
                    let bundle = governance.get_or_insert_default();
                    match rest {
                        ["principals.toml"] => bundle.principals = Some(text),
                        ["standards.toml"] => bundle.standards = Some(text),
                        ["ceilings", _] => bundle.ceilings.push(text),
                        _ => bundle.policies.push(text),
                    }
                }
                ["domains", name, ref rest @ ..] => {
                    let bundle = domains.entry(name.to_owned()).or_default();
                    match rest {
                        ["domain.toml"] => bundle.about = Some(text),
                        ["products", _] => bundle.contracts.push(text),
                        ["tests", _] => bundle.tests.push(text),
                        _ => bundle.policies.push(text),
                    }
                }
                _ => {}
            }
        }
        if kind == Kind::Mesh && governance.is_none() && domains.is_empty() && self.faults.is_empty() {
            let fault = Fault::new(place, "the root holds neither governance nor domains");
            self.faults.push(fault.hint("a root is the folder that holds governance/ and domains/"));
        }
        self.governance.extend(governance.map(|bundle| (place.to_owned(), bundle)));
        for (name, mut bundle) in domains {
            bundle.place = if kind == Kind::Mesh { join(place, &format!("domains/{name}")) } else { place.to_owned() };
            self.domains.entry(name).or_default().push(bundle);
        }
    }

    /// Puts changes of policies and contracts in that are not written yet.
    pub fn edit(&mut self, edits: &[FileEdit]) {
        for edit in edits {
            for bundle in self.domains.values_mut().flatten() {
                let lies_in = |folder| edit.file.parent() == Some(Path::new(&join(&bundle.place, folder)));
                let texts = match (lies_in("policies"), lies_in("products")) {
                    (true, _) => &mut bundle.policies,
                    (_, true) => &mut bundle.contracts,
                    _ => continue,
                };
                texts.retain(|text| text.file != edit.file);
                if let Some(text) = &edit.after {
                    texts.push(TextFile { file: edit.file.clone(), text: text.clone() });
                }
            }
        }
    }

    /// The digest of everything added, whichever root it came from.
    pub fn version(&self) -> String {
        let mut digest = Sha256::new();
        for (path, contents) in &self.contents {
            digest.update((path.len() as u64).to_le_bytes());
            digest.update(path.as_bytes());
            digest.update(contents);
        }
        hex::encode(digest.finalize())
    }

    fn digest(&mut self, path: &str, bytes: &[u8]) {
        self.contents.insert((path.to_owned(), Sha256::digest(bytes).to_vec()));
    }

    fn text(&mut self, file: &RawFile) -> Option<TextFile> {
        match str::from_utf8(&file.bytes) {
            Ok(text) => Some(TextFile { file: file.shown.clone(), text: text.to_owned() }),
            Err(error) => {
                let before = &file.bytes[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                let fault =
                    Fault::new(&file.shown, "the file is not UTF-8 text").at(u32::try_from(line).unwrap_or(u32::MAX));
                self.faults.push(fault.hint("save it as UTF-8"));
                None
            }
        }
    }
}

/// A place below a place, for folders and URLs alike.
pub(super) fn join(place: &str, below: &str) -> String {
    format!("{}/{below}", place.trim_end_matches('/'))
}
