//! `airside test`: a mesh's policy tests, against the decision and over every path a client can take.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::opened::{block_on, open};
use super::rehearsal;
use super::serve::Faults;
use crate::gateway::insight::{Mismatch, TestOutcome, TestSelection, Viewer};
use crate::seal::SealKeys;

#[derive(Debug, Args)]
pub struct Test {
    /// The configuration file.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml")]
    config: PathBuf,
    /// Run the tests of one domain only.
    #[arg(long)]
    domain: Option<String>,
    /// Run the tests of these files only, by the end of their paths: `access.yaml`, `sales/tests/access.yaml`.
    #[arg(value_name = "FILE")]
    files: Vec<String>,
}

impl Test {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let selection = TestSelection { domain: self.domain, files: self.files };
        let failed = block_on(async {
            let opened = open(&self.config).await?;
            let gateway = Arc::new(opened.gateway);
            let faults = gateway.test_faults();
            if !faults.is_empty() {
                return Err(Faults(faults).into());
            }
            let mut outcomes = gateway.rehearse(Viewer::Operator, &selection).await?;
            if outcomes.is_empty() {
                return Err("there are no policy tests: write some into domains/<domain>/tests/*.yaml".into());
            }
            rehearsal::over_the_wire(&gateway, &SealKeys::ephemeral(), &mut outcomes).await?;
            outcomes.iter().for_each(tell);
            let failed = outcomes.iter().filter(|outcome| !outcome.mismatches.is_empty()).count();
            println!("{} passed, {failed} failed", outcomes.len() - failed);
            Ok(failed)
        })?;
        match failed {
            0 => Ok(()),
            1 => Err("1 policy test failed".into()),
            n => Err(format!("{n} policy tests failed").into()),
        }
    }
}

fn tell(outcome: &TestOutcome) {
    let TestOutcome { test, mismatches, .. } = outcome;
    let verdict = if mismatches.is_empty() { "ok    " } else { "FAILED" };
    println!("{verdict} {}: {}", test.subject, test.name);
    if !mismatches.is_empty() {
        println!("       {}:{}", test.file.display(), test.line);
    }
    for Mismatch { on, what, expected, found } in mismatches {
        println!("       {on}: {what}\n         expected  {expected}\n         found     {found}");
    }
}
