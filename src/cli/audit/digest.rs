//! `airside audit digest`: from a value to what stands for it on record.

use std::error::Error;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{configured_keys, named_keys};
use crate::audit::DigestKey;
use crate::seal::{Key32, SecretRef};

#[derive(Debug, Args)]
pub struct Digest {
    /// The value, as it stands in the statement, without quotes; without one, a line of standard input each.
    value: Option<String>,
    /// The configuration file whose `[audit]` names the key.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml", conflicts_with_all = ["key", "digest_key"])]
    config: PathBuf,
    /// The key of the audit: `env:NAME` or `file:PATH`.
    #[arg(long, conflicts_with = "digest_key")]
    key: Option<SecretRef>,
    /// The key of the digests, where the audit has one of its own.
    #[arg(long)]
    digest_key: Option<SecretRef>,
}

impl Digest {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let digests = match (&self.key, &self.digest_key) {
            (_, Some(key)) => DigestKey::new(&Key32::resolve(key, Path::new(""))?),
            (Some(key), None) => named_keys(key)?.digests().clone(),
            (None, None) => configured_keys(&self.config)?.digests().clone(),
        };
        match self.value {
            Some(value) => println!("{}", digests.digest(&value)),
            None => {
                for line in std::io::stdin().lock().lines() {
                    println!("{}", digests.digest(&line?));
                }
            }
        }
        Ok(())
    }
}
