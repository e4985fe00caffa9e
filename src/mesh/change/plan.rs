//! From what an owner asks for to the policy files it changes.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::FileEdit;
use crate::fault::Fault;
use crate::mesh::config::as_url;
use crate::mesh::{Domain, Mesh};
use crate::policy::{AuthoringError, Block, GrantRequest, Grantee, PolicyFile, Target, Written, write_grant};
use crate::principal::Purpose;
use crate::product::Name;

/// Why a change cannot be made, in its owner's words.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The request names what is not there, or contradicts itself.
    #[error("{0}\n    hint: {hint}", hint = .0.hint())]
    Request(#[from] AuthoringError),
    /// No such domain.
    #[error("the mesh has no domain `{0}`; its domains are {1}")]
    NoDomain(Name, String),
    /// The domain's folder cannot be written.
    #[error("the folder of `{0}` lies in an object store: change it where it is kept, and let it be published")]
    Remote(Name),
    /// A file cannot be read.
    #[error("`{}` cannot be read: {cause}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A policy file is no Cedar.
    #[error("{0}")]
    Policy(Fault),
    /// Somebody edited a grant by hand.
    #[error("the grant at {0} has been edited by hand, so it is yours to change: edit or delete these lines")]
    Edited(String),
    /// Nothing to take back, and yet it is permitted.
    #[error(
        "`airside grant` wrote no grant of {target} to {to}, but these policies permit it; edit them by hand:\n    {others}"
    )]
    NotOurs {
        /// Of what.
        target: String,
        /// To whom.
        to: String,
        /// Ids and places.
        others: String,
    },
    /// Other policies permit the same.
    #[error(
        "{to} would still read {target}, by policies that `airside grant` did not write:\n    {others}\n    hint: edit \
         them by hand, then revoke again; or take back the grant alone with --anyway"
    )]
    StillPermitted {
        /// Of what.
        target: String,
        /// To whom.
        to: String,
        /// Ids and places.
        others: String,
    },
}

/// A change of a domain's policies, not yet written.
#[derive(Debug)]
pub struct Change {
    /// Whose domain it is.
    pub(super) domain: Name,
    /// The domain's folder.
    pub(super) folder: PathBuf,
    pub(super) target: Target,
    pub(super) to: Grantee,
    pub(super) purpose: Option<Purpose>,
    pub(super) until: Option<DateTime<Utc>>,
    /// The policy files it changes.
    pub edits: Vec<FileEdit>,
    /// The grant it writes; none for a revocation.
    pub written: Option<Written>,
    /// The keys of the grants it takes out or replaces.
    pub removed: Vec<String>,
}

impl Change {
    /// A grant: a block of its own, in the place of the one of the same key if there is one.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn grant(mesh: &Mesh, request: &GrantRequest, now: DateTime<Utc>) -> Result<Self, ChangeError> {
        let domain = domain_of(mesh, &request.target)?;
        let folder = local_folder(domain)?;
        let attributes = mesh.directory().attribute_types();
        let written = write_grant(request, &domain.products, &attributes, now)?;
        let files = policy_files(&folder)?;
        let mut removed = Vec::new();
        let mut edit = None;
        for file in &files {
            let blocks = file.blocks(&domain.name).map_err(first_fault)?;
            if let Some(block) = blocks.iter().find(|block| block.key == written.key) {
                if !block.untouched {
                    return Err(ChangeError::Edited(place(file, block)));
                }
                removed.push(written.key.clone());
                edit = Some(edited(file, file.replaced(block, &written.text)));
            }
        }
        let edit = edit.unwrap_or_else(|| {
            let name = folder.join("policies").join(format!("grants_{}.cedar", request.target.product.name));
            let known = files.into_iter().find(|file| file.file == name);
            let was_there = known.is_some();
            let file = known.unwrap_or(PolicyFile { file: name, text: String::new() });
            let after = file.with(&written.text, &request.target.product.to_string());
            FileEdit { file: file.file, before: was_there.then_some(file.text), after: Some(after) }
        });
        Ok(Self {
            domain: domain.name.clone(),
            folder,
            target: request.target.clone(),
            to: request.to.clone(),
            purpose: request.purpose.clone(),
            until: request.until,
            edits: vec![edit],
            written: Some(written),
            removed,
        })
    }

    /// A revocation: every grant of a target to somebody taken out, or those for one purpose. What other policies
    /// permit keeps it from happening, unless `anyway`.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn revoke(
        mesh: &Mesh,
        target: &Target,
        from: &Grantee,
        purpose: Option<&Purpose>,
        anyway: bool,
    ) -> Result<Self, ChangeError> {
        let domain = domain_of(mesh, target)?;
        let folder = local_folder(domain)?;
        let datasets = datasets_of(domain, target)?;
        let mut keys = vec![target.key(from)];
        if target.dataset.is_none() {
            // A grant of a part is a grant of the product.
            keys.extend(
                datasets.iter().map(|dataset| Target { dataset: Some(dataset.clone()), ..target.clone() }.key(from)),
            );
        }
        let is_meant = |key: &str| {
            keys.iter().any(|wanted| match purpose {
                Some(purpose) => key == format!("{wanted}@{}", purpose.as_str()),
                None => key.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('@')),
            })
        };
        let mut edits = Vec::new();
        let mut removed = Vec::new();
        for file in policy_files(&folder)? {
            let mut text = file.text.clone();
            // One at a time: taking one out moves the others.
            loop {
                let current = PolicyFile { file: file.file.clone(), text: text.clone() };
                let blocks = current.blocks(&domain.name).map_err(first_fault)?;
                let Some(block) = blocks.into_iter().find(|block| is_meant(&block.key)) else { break };
                if !block.untouched {
                    return Err(ChangeError::Edited(place(&current, &block)));
                }
                text = current.without(&block);
                removed.push(block.key);
            }
            if text != file.text {
                let after = (!PolicyFile::is_head(&text)).then_some(text);
                edits.push(FileEdit { file: file.file, before: Some(file.text), after });
            }
        }
        // With a purpose, grants for others are meant to stay.
        let others: Vec<String> = mesh
            .policies()
            .permits_of(&domain.name, &datasets, from, &mesh.directory().groups_above())
            .into_iter()
            .filter(|(id, _)| !removed.iter().any(|key| id.starts_with(&format!("{key}:"))))
            .filter(|(id, _)| purpose.is_none() || !id.starts_with("grant:"))
            .map(|(id, place)| format!("`{id}` at {place}"))
            .collect();
        let (of, to, others) = (target.to_string(), from.to_string(), others);
        if removed.is_empty() && !others.is_empty() {
            return Err(ChangeError::NotOurs { target: of, to, others: others.join("\n    ") });
        }
        if !others.is_empty() && !anyway {
            return Err(ChangeError::StillPermitted { target: of, to, others: others.join("\n    ") });
        }
        Ok(Self {
            domain: domain.name.clone(),
            folder,
            target: target.clone(),
            to: from.clone(),
            purpose: purpose.cloned(),
            until: None,
            edits,
            written: None,
            removed,
        })
    }

    /// The folder of the domain it changes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn domain_of<'a>(mesh: &'a Mesh, target: &Target) -> Result<&'a Domain, ChangeError> {
    let name = &target.product.domain;
    mesh.domains().get(name).ok_or_else(|| {
        let names: Vec<String> = mesh.domains().keys().map(|name| format!("`{name}`")).collect();
        ChangeError::NoDomain(name.clone(), names.join(", "))
    })
}

/// Every dataset a target has, over all versions.
fn datasets_of(domain: &Domain, target: &Target) -> Result<Vec<Name>, ChangeError> {
    let versions = domain.products.iter().filter(|product| product.id == target.product);
    let mut names: Vec<Name> =
        versions.flat_map(|product| product.datasets.iter().map(|dataset| dataset.name.clone())).collect();
    names.sort();
    names.dedup();
    names.retain(|name| target.dataset.as_ref().is_none_or(|dataset| dataset == name));
    if names.is_empty() {
        let products: Vec<String> = domain.products.iter().map(|product| format!("`{}`", product.id)).collect();
        return Err(AuthoringError::Request {
            reason: format!("the domain `{}` has no `{target}`", domain.name),
            hint: format!("its products are {}", products.join(", ")),
        }
        .into());
    }
    Ok(names)
}

fn local_folder(domain: &Domain) -> Result<PathBuf, ChangeError> {
    match as_url(&domain.place) {
        Some(_) => Err(ChangeError::Remote(domain.name.clone())),
        None => Ok(PathBuf::from(&domain.place)),
    }
}

/// The policy files of a domain's folder, by name.
fn policy_files(folder: &Path) -> Result<Vec<PolicyFile>, ChangeError> {
    let policies = folder.join("policies");
    let read = |cause| ChangeError::Read { file: policies.clone(), cause };
    let entries = match fs::read_dir(&policies) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(read)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(read(error)),
    };
    let mut names: Vec<String> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".cedar") && !name.starts_with('.'));
    names.sort();
    let files = names.into_iter().map(|name| {
        let file = policies.join(name);
        let text = fs::read_to_string(&file).map_err(|cause| ChangeError::Read { file: file.clone(), cause })?;
        Ok(PolicyFile { file, text })
    });
    files.collect()
}

fn edited(file: &PolicyFile, after: String) -> FileEdit {
    FileEdit { file: file.file.clone(), before: Some(file.text.clone()), after: Some(after) }
}

fn place(file: &PolicyFile, block: &Block) -> String {
    format!("{}, lines {} to {}", file.file.display(), block.lines.0, block.lines.1)
}

fn first_fault(faults: Vec<Fault>) -> ChangeError {
    ChangeError::Policy(faults.into_iter().next().unwrap_or_else(|| Fault::new("policies", "the file cannot be read")))
}
