//! Pointing contracts at the new files: all versions of the product that read the old ones, or none.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use super::Planned;
use super::subject::Subject;
use crate::cli::change::{Source, refused};
use crate::mesh::{FileEdit, Mesh, Move, Relocation};
use crate::product::Name;
use crate::source::rewrite::{Rewrite, same_place};

/// The changes of contracts.
pub(super) struct Switch {
    relocations: Vec<Relocation>,
    /// Of other products, which read the old files and go on with it.
    others: Vec<String>,
}

impl Switch {
    /// Plans the change of every contract of the products that are written anew.
    pub fn plan(mesh: &Mesh, plans: &[Planned]) -> Result<Self, Box<dyn Error>> {
        let mut contracts: BTreeMap<PathBuf, Vec<(&Subject, &Subject, &Rewrite)>> = BTreeMap::new();
        let mut others = Vec::new();
        for Planned { subject, readers, plan } in plans {
            for reader in readers {
                if reader.product.id == subject.product.id {
                    contracts.entry(reader.product.file.clone()).or_default().push((reader, subject, plan));
                } else {
                    others.push(format!("`{reader}` reads the old files and goes on with them"));
                }
            }
        }
        let mut relocations = Vec::new();
        for datasets in contracts.values() {
            let Some((first, ..)) = datasets.first() else { continue };
            let Some(domain) = mesh.domains().get(&first.product.id.domain) else { continue };
            let mut moves = BTreeMap::new();
            let mut rewrites: BTreeMap<&Name, (&Name, &Rewrite)> = BTreeMap::new();
            for (reader, subject, plan) in datasets {
                let Some(from) = reader.location() else { continue };
                // Versions may spell the place in other words, or name the dataset otherwise.
                let to = plan.moved(from, subject.dataset.name.as_str());
                if !same_place(&reader.data_root, &to, &subject.data_root, plan.location()) {
                    let file = reader.product.file.display();
                    return Err(format!("`{file}` must be changed by hand, to `{}`", plan.location()).into());
                }
                moves.insert(reader.dataset.name.clone(), Move { from: from.to_owned(), to });
                rewrites.insert(&reader.dataset.name, (&subject.dataset.name, plan));
            }
            let moved = |name: &Name, written: &str, token: &str| {
                let Some((own, plan)) = rewrites.get(name) else { return written.to_owned() };
                plan.moved(written, if token == name.as_str() { own.as_str() } else { token })
            };
            relocations.push(Relocation::plan(domain, &first.product, &moves, &moved)?);
        }
        Ok(Self { relocations, others })
    }

    fn edits(&self) -> Vec<FileEdit> {
        self.relocations.iter().map(|relocation| relocation.edit.clone()).collect()
    }

    /// Whether the mesh would be accepted.
    pub fn check(&self, place: &Source) -> Result<(), Box<dyn Error>> {
        let checked = place.load(&self.edits());
        checked.map_err(|faults| refused(&faults, "the mesh would not be accepted, so nothing was written"))?;
        Ok(())
    }

    /// Writes the contracts. Where one of several fails, those before it are put back.
    pub fn apply(&self) -> Result<(), Box<dyn Error>> {
        let edits = self.edits();
        for (at, edit) in edits.iter().enumerate() {
            let Err(error) = edit.apply() else { continue };
            for done in edits.iter().take(at) {
                let back = FileEdit { before: done.after.clone(), after: done.before.clone(), file: done.file.clone() };
                if let Err(error) = back.apply() {
                    eprintln!("warning: `{}` cannot be put back: {error}", done.file.display());
                }
            }
            return Err(format!("`{}` cannot be written: {error}", edit.file.display()).into());
        }
        Ok(())
    }

    /// Tells which lines of which files change.
    pub fn tell(&self) {
        for Relocation { edit, lines } in &self.relocations {
            for line in lines {
                let at = |text: &Option<String>| {
                    let text = text.as_deref().unwrap_or_default();
                    text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim().to_owned()
                };
                println!("{}:{line}", edit.file.display());
                println!("  - {}", at(&edit.before));
                println!("  + {}", at(&edit.after));
            }
        }
        self.others.iter().for_each(|other| println!("note: {other}"));
    }
}
