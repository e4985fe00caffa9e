//! What `grant` and `revoke` share: the mesh read, the change checked against all of it, told, and written.

use std::error::Error;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;

use super::check::known_groups;
use crate::config::Config;
use crate::fault::Fault;
use crate::gateway;
use crate::mesh::{self, Change, ChangeError, FileEdit, KnownGroups, Mesh};
use crate::policy::Target;
use crate::product::Name;
use crate::source::Stores;

/// Where the mesh is.
#[derive(Debug, Args)]
pub struct MeshPlace {
    /// The configuration file of the mesh.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml", conflicts_with = "domain")]
    config: PathBuf,
    /// The domain's folder alone, as in its own checkout.
    #[arg(long, requires = "governance")]
    domain: Option<PathBuf>,
    /// The platform's governance folder that goes with `--domain`.
    #[arg(long, requires = "domain")]
    governance: Option<PathBuf>,
}

/// A mesh that can be read again with changes.
pub(super) enum Source {
    Configured { config: Box<Config>, stores: Stores, runtime: tokio::runtime::Runtime },
    Domain { domain: PathBuf, governance: PathBuf },
}

impl Source {
    pub(super) fn open(place: &MeshPlace) -> Result<Self, Box<dyn Error>> {
        if let (Some(domain), Some(governance)) = (&place.domain, &place.governance) {
            return Ok(Self::Domain { domain: domain.clone(), governance: governance.clone() });
        }
        let config = Config::load(&place.config)?;
        let stores = Stores::with_limits(&config.stores, &config.base, config.sources)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self::Configured { config: Box::new(config), stores, runtime })
    }

    pub(super) fn load(&self, edits: &[FileEdit]) -> Result<Mesh, Vec<Fault>> {
        match self {
            Self::Configured { config, stores, runtime } => {
                runtime.block_on(gateway::load_edited(&config.mesh, stores, edits))
            }
            Self::Domain { domain, governance } => mesh::load_domain_edited(domain, governance, edits),
        }
    }

    fn known_groups(&self) -> KnownGroups {
        match self {
            Self::Configured { config, .. } => known_groups(config).unwrap_or_default(),
            Self::Domain { .. } => KnownGroups::default(),
        }
    }

    /// A domain in a checkout of its own writes there alone.
    pub(super) fn check_domain(&self, mesh: &Mesh, target: impl std::fmt::Display, name: &Name) -> Result<(), String> {
        let Self::Domain { domain, .. } = self else { return Ok(()) };
        let own = mesh.domains().values().find(|found| Path::new(&found.place) == domain);
        match own {
            Some(own) if own.name != *name => {
                Err(format!("`{target}` is none of the domain `{}`, whose folder --domain names", own.name))
            }
            _ => Ok(()),
        }
    }
}

/// Plans a change, checks the mesh as it would be, tells what it does, and writes it unless it is a dry run.
pub fn make(
    place: &MeshPlace,
    target: &Target,
    dry_run: bool,
    now: DateTime<Utc>,
    plan: impl FnOnce(&Mesh) -> Result<Change, ChangeError>,
) -> Result<(), Box<dyn Error>> {
    let source = Source::open(place)?;
    let before = source.load(&[]).map_err(|faults| refused(&faults, "the mesh has faults: mend these first"))?;
    source.check_domain(&before, target, &target.product.domain)?;
    let change = plan(&before)?;
    if change.edits.is_empty() {
        println!("there is nothing to take back: `airside grant` wrote no such grant, and no policy permits it");
        return Ok(());
    }
    let after = source
        .load(&change.edits)
        .map_err(|faults| refused(&faults, "the policies would not be accepted, so nothing was written"))?;
    let outcome = change.outcome(&before, &after, now);

    if let Some(written) = &change.written {
        println!(
            "{}{}\n",
            written.summary,
            if change.removed.is_empty() { "" } else { " (in place of an earlier grant)" }
        );
    }
    println!("{outcome}");
    let edits: Vec<&FileEdit> = change.edits.iter().chain(&outcome.tests).collect();
    for edit in &edits {
        let what = match (dry_run, &edit.after) {
            (true, Some(_)) => "would write",
            (true, None) => "would delete",
            (false, Some(_)) => "wrote",
            (false, None) => "deleted",
        };
        if !dry_run {
            edit.apply().map_err(|error| format!("`{}` cannot be written: {error}", edit.file.display()))?;
        }
        println!("{what} {}", edit.file.display());
    }
    if let (true, Some(written)) = (dry_run, &change.written) {
        println!("\n{}", written.text);
    }
    for note in &outcome.notes {
        println!("note: {note}");
    }
    let known = source.known_groups();
    let old = before.advice(&known);
    // Lines move with what is written above them: what was said before is known by its words.
    let is_new = |advice: &Fault| !old.iter().any(|old| old.file == advice.file && old.reason == advice.reason);
    for advice in after.advice(&known).iter().filter(|advice| is_new(advice)) {
        println!("warning: {advice}");
    }
    Ok(())
}

pub(super) fn refused(faults: &[Fault], what: &str) -> String {
    let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
    format!("{what}\n{}", listed.join("\n"))
}
