//! `airside audit verify`: whether what is on record is what was put there.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Place, configured_keys, named_keys};
use crate::audit::{Checkpoint, PublicKey, Trust, verify};
use crate::seal::SecretRef;

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    place: Place,
    /// The key of the audit, `env:NAME` or `file:PATH`, to go with `--dir`; without it the checkpoints alone are checked.
    #[arg(long, requires = "dir")]
    key: Option<SecretRef>,
    /// A file of checkpoints that were kept elsewhere, one a line.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A public key that may have signed checkpoints, in hex, beside the configuration's own.
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    public_key: Vec<PublicKey>,
    /// The oldest files lie elsewhere: the first one here need not be the first, nor follow one that was retired.
    #[arg(long)]
    partial: bool,
}

fn public_key(text: &str) -> Result<PublicKey, &'static str> {
    PublicKey::parse(text).ok_or("a public key is 64 lowercase hex digits")
}

impl Verify {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let files = self.place.files()?;
        let mut signers = self.public_key;
        let keys = match (&self.key, &self.place.dir) {
            (Some(key), _) => Some(named_keys(key)?),
            (None, Some(_)) => None,
            (None, None) => {
                let keys = configured_keys(&self.place.config)?;
                signers.push(keys.public_key());
                Some(keys)
            }
        };
        let mut kept = Vec::new();
        for file in &self.checkpoint {
            kept.extend(read(file)?);
        }
        let found = verify(&files, &Trust { keys: keys.as_ref(), signers, kept, partial: self.partial })?;
        found.faults.iter().for_each(|fault| println!("{fault}"));
        found.notes.iter().for_each(|note| println!("note: {note}"));
        println!("{} file(s), {} line(s), {} signed checkpoint(s)", found.files, found.lines, found.checkpoints);
        if found.unsigned > 0 {
            println!("note: without the key nothing vouches for {} line(s) after the last checkpoint", found.unsigned);
        }
        match found.faults.len() {
            0 => {
                println!("no faults");
                Ok(())
            }
            1 => Err("1 fault".into()),
            n => Err(format!("{n} faults").into()),
        }
    }
}

fn read(file: &Path) -> Result<Vec<Checkpoint>, Box<dyn Error>> {
    let named = |reason: &dyn std::fmt::Display| format!("`{}`: {reason}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let checkpoints: Vec<Checkpoint> =
        lines.map(serde_json::from_str).collect::<Result<_, _>>().map_err(|error| named(&error))?;
    if checkpoints.is_empty() { Err(named(&"it holds no checkpoint").into()) } else { Ok(checkpoints) }
}
