//! `airside diff`: what a changed mesh permits that the old one did not, and the other way round; for owners and their CI.
//!
//! Exit codes: 0 when it is proven that the new mesh permits no more, 1 when it permits more or that is not proven, 2 when
//! nothing could be compared.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::opened::block_on;
use super::serve::Faults;
use crate::config::Config;
use crate::gateway;
use crate::mesh::{self, Mesh};
use crate::policy::proof::{
    self, ActionDifference, Comparison, DatasetDifference, Example, Finding, MeshSide, Versions,
};
use crate::source::Stores;

#[derive(Debug, Args)]
pub struct Diff {
    /// The old configuration file; with `--domain`, the domain's old folder.
    old: PathBuf,
    /// The new one.
    new: PathBuf,
    /// Compare two folders of one domain by themselves.
    #[arg(long, requires = "governance")]
    domain: bool,
    /// The platform's governance folder that goes with `--domain`; give it twice if the new one is another.
    #[arg(long, requires = "domain", num_args = 1)]
    governance: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    solver: SolverOptions,
}

/// How the solver is used.
#[derive(Debug, Args)]
pub struct SolverOptions {
    /// Seconds the solver may take for a question; what it has not answered then is not proven.
    #[arg(long = "solver-timeout", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "SECONDS")]
    timeout: u64,
}

impl SolverOptions {
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// Tells on standard error which domain is being looked at.
pub fn progress(domain: &str) {
    eprintln!("proving: {domain}");
}

impl Diff {
    pub fn run(self) -> ExitCode {
        match self.compare() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(2)
            }
        }
    }

    fn compare(self) -> Result<bool, Box<dyn Error>> {
        let (old, new) = match self.governance.as_slice() {
            [] => (load(&self.old)?, load(&self.new)?),
            [governance] => (load_domain(&self.old, governance)?, load_domain(&self.new, governance)?),
            [old, new] => (load_domain(&self.old, old)?, load_domain(&self.new, new)?),
            _ => return Err("`--governance` is given once, or once for the old and once for the new domain".into()),
        };
        let (old_groups, new_groups) = (old.directory().groups_above(), new.directory().groups_above());
        let old = MeshSide { policies: old.policies(), groups: &old_groups };
        let new = MeshSide { policies: new.policies(), groups: &new_groups };
        let comparison = proof::compare(old, new, self.solver.limit(), &progress)?;
        if self.json {
            println!("{:#}", as_json(&comparison));
        } else {
            tell(&comparison);
        }
        Ok(comparison.permits_no_more())
    }
}

fn load(file: &Path) -> Result<Mesh, Box<dyn Error>> {
    block_on(async {
        let config = Config::load(file)?;
        let stores = Stores::with_limits(&config.stores, &config.base, config.sources)?;
        Ok(gateway::load(&config.mesh, &stores).await.map_err(Faults)?)
    })
}

fn load_domain(domain: &Path, governance: &Path) -> Result<Mesh, Box<dyn Error>> {
    Ok(mesh::load_domain(domain, governance).map_err(Faults)?)
}

fn tell(comparison: &Comparison) {
    for change in &comparison.groups {
        let (verdict, now) = if change.added { ("wider", "lies") } else { ("narrower", "no longer lies") };
        println!("groups: {verdict}\n    `{}` {now} within `{}`", change.group, change.within);
    }
    for dataset in &comparison.datasets {
        println!("{}: {}", dataset.name, versions(&dataset.versions));
        for action in &dataset.actions {
            tell_action(action);
        }
        for change in &dataset.changes {
            println!("  contract: {change}");
        }
    }
    println!("{}", summary(comparison));
}

fn tell_action(action: &ActionDifference) {
    println!("  {}: {}", action.action, action.verdict().as_str());
    for (finding, now) in
        action.wider.iter().map(|finding| (finding, true)).chain(action.narrower.iter().map(|finding| (finding, false)))
    {
        let example = match &finding.example {
            Some(example) => example.to_string(),
            None => "the solver found a difference, and no example of it".to_owned(),
        };
        println!("    {}{}{example}", if now { "now permitted: " } else { "no longer: " }, of_columns(finding));
    }
    for reason in &action.unproven {
        println!("    not proven: {reason}");
    }
}

fn of_columns(finding: &Finding) -> String {
    if finding.columns.is_empty() {
        return String::new();
    }
    let columns = finding.columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
    match finding.shown {
        Some("raw") => format!("{columns} unmasked, to "),
        Some(mask) => format!("{columns} under `{mask}` or a weaker mask, to "),
        None => format!("{columns}, to "),
    }
}

fn versions(versions: &Versions) -> String {
    match versions {
        Versions::Both(old, new) if old == new => format!("version {new}"),
        Versions::Both(old, new) => format!("version {old} → {new}"),
        Versions::Added(new) => format!("added, version {new}"),
        Versions::Removed(old) => format!("removed, version {old}"),
    }
}

/// The whole in a line.
fn summary(comparison: &Comparison) -> &'static str {
    let narrower = comparison.datasets.iter().any(|dataset| !dataset.actions.is_empty());
    match (comparison.permits_no_more(), narrower || !comparison.groups.is_empty()) {
        (true, false) => "the same: proven that NEW permits what OLD did",
        (true, true) => "narrower: proven that NEW permits nothing that OLD did not",
        (false, _) => "not narrower: NEW permits more than OLD did, or that could not be proven",
    }
}

fn as_json(comparison: &Comparison) -> Value {
    let groups = comparison.groups.iter();
    json!({
        "permitsNoMore": comparison.permits_no_more(),
        "groups": groups.map(|c| json!({"group": c.group, "within": c.within, "added": c.added})).collect::<Vec<_>>(),
        "datasets": comparison.datasets.iter().map(dataset_json).collect::<Vec<_>>(),
    })
}

fn dataset_json(dataset: &DatasetDifference) -> Value {
    let (old, new) = match &dataset.versions {
        Versions::Both(old, new) => (Some(old), Some(new)),
        Versions::Added(new) => (None, Some(new)),
        Versions::Removed(old) => (Some(old), None),
    };
    let actions = dataset.actions.iter().map(|action| {
        json!({
            "action": action.action,
            "verdict": action.verdict().as_str(),
            "wider": action.wider.iter().map(finding_json).collect::<Vec<_>>(),
            "narrower": action.narrower.iter().map(finding_json).collect::<Vec<_>>(),
            "notProven": action.unproven,
        })
    });
    json!({
        "dataset": dataset.name,
        "old": old,
        "new": new,
        "actions": actions.collect::<Vec<_>>(),
        "changes": dataset.changes,
    })
}

fn finding_json(finding: &Finding) -> Value {
    let example = finding.example.as_ref().map(|example: &Example| {
        json!({
            "who": example.who(),
            "purpose": example.purpose.as_str(),
            "at": example.now,
            "row": example.values(),
            "words": example.to_string(),
        })
    });
    json!({"columns": finding.columns, "shown": finding.shown, "example": example})
}
