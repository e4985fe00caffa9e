//! `airside audit`: what auditors do with the audit's files. One file a command.

mod checkpoint;
mod digest;
mod query;
mod verify;

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::audit::{AuditConfig, AuditFile, AuditKeys, list_files};
use crate::config::Config;
use crate::seal::{Key32, SecretRef};

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check every line, file and checkpoint; exit 1 if something was altered, moved, left out or cut off.
    Verify(verify::Verify),
    /// Show who asked what, and how it ended.
    Query(query::Query),
    /// Print the newest signed checkpoint of each instance, for keeping elsewhere.
    Checkpoint(checkpoint::Checkpoint),
    /// Print the digest that stands for a value in redacted statements.
    Digest(digest::Digest),
}

impl Audit {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Verify(command) => command.run(),
            Self::Query(command) => command.run(),
            Self::Checkpoint(command) => command.run(),
            Self::Digest(command) => command.run(),
        }
    }
}

/// Where the files lie.
#[derive(Debug, Args)]
struct Place {
    /// The configuration file whose `[audit]` names the folder and the keys.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml", conflicts_with = "dir")]
    config: PathBuf,
    /// The folder itself, without a configuration.
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Place {
    fn files(&self) -> Result<Vec<AuditFile>, Box<dyn Error>> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => section(&self.config)?.0.dir,
        };
        let files = list_files(&dir)?;
        if files.is_empty() {
            return Err(format!("`{}` holds no files of an audit", dir.display()).into());
        }
        Ok(files)
    }
}

/// The section `[audit]` of a configuration, and the folder that references start at.
fn section(file: &Path) -> Result<(AuditConfig, PathBuf), Box<dyn Error>> {
    let config = Config::load(file)?;
    match config.audit {
        Some(audit) => Ok((audit, config.base)),
        None => Err(format!("the configuration `{}` has no section `[audit]`", file.display()).into()),
    }
}

/// The keys that a configuration names.
fn configured_keys(file: &Path) -> Result<AuditKeys, Box<dyn Error>> {
    let (config, base) = section(file)?;
    if config.key.is_none() {
        return Err("`audit.key` is not set: the key was made up by the process, and ended with it".into());
    }
    Ok(AuditKeys::from_config(&config, &base)?)
}

/// The keys derived from one that is named on the command line.
fn named_keys(key: &SecretRef) -> Result<AuditKeys, Box<dyn Error>> {
    Ok(AuditKeys::new(&Key32::resolve(key, Path::new(""))?, None, None)?)
}
