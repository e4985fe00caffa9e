//! `airside audit checkpoint`: what to keep elsewhere.

use std::error::Error;

use clap::Args;

use super::Place;
use crate::audit::last_checkpoint;

#[derive(Debug, Args)]
pub struct Checkpoint {
    #[command(flatten)]
    place: Place,
}

impl Checkpoint {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let files = self.place.files()?;
        let mut found = false;
        for chain in files.chunk_by(|a, b| a.instance == b.instance) {
            if let Some(checkpoint) = last_checkpoint(chain)? {
                println!("{}", serde_json::to_string(&checkpoint)?);
                found = true;
            }
        }
        if found { Ok(()) } else { Err("the files hold no checkpoint yet".into()) }
    }
}
