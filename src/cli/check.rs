//! `airside check`: every fault of a mesh in one run, for owners and for their CI.

mod data;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use self::data::DataReport;
use super::against;
use super::diff::{SolverOptions, progress};
use super::opened::block_on;
use crate::audit::Audit;
use crate::authn::Authenticator;
use crate::config::Config;
use crate::fault::Fault;
use crate::gateway::{self, Data, Gateway, Trouble};
use crate::mesh::{self, KnownGroups, Mesh};
use crate::policy::Policies;
use crate::policy::proof;
use crate::query::{Engine, Limits, MaskKey, QueryTemplate};
use crate::seal::SealKeys;
use crate::source::Stores;

#[derive(Debug, Args)]
pub struct Check {
    /// The configuration file whose mesh is checked, data and all.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml", conflicts_with = "domain")]
    config: PathBuf,
    /// A domain's folder, checked by itself: its contracts and policies; its data with --data.
    #[arg(long, requires = "governance")]
    domain: Option<PathBuf>,
    /// Exit 1 for warnings too.
    #[arg(long)]
    strict: bool,
    /// The platform's governance folder that goes with `--domain`.
    #[arg(long, requires = "domain")]
    governance: Option<PathBuf>,
    /// Prove that no policy can error, and look for permits that permit nothing. Needs the solver cvc5.
    #[arg(long)]
    prove: bool,
    /// Look at the products' files, too: what makes them slow, and what to change. This alone fails nothing.
    #[arg(long)]
    data: bool,
    /// The earlier configuration, with `--domain` the domain's earlier folder: refuse what breaks its consumers.
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
    #[command(flatten)]
    solver: SolverOptions,
}

impl Check {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let Findings { mut faults, mut advice, policies, data } = match (&self.domain, &self.governance) {
            (Some(domain), Some(governance)) => match mesh::load_domain(domain, governance) {
                Ok(mesh) => {
                    let mut faults: Vec<Fault> = mesh.test_faults().to_vec();
                    faults.extend(query_faults(&mesh));
                    let advice = mesh.advice(&KnownGroups::default());
                    let data =
                        if self.data { Some(block_on(data::of_domain(&mesh, domain, &mut faults))?) } else { None };
                    Findings { faults, advice, policies: Some(Arc::clone(mesh.policies())), data }
                }
                Err(faults) => Findings { faults, ..Findings::default() },
            },
            _ => block_on(check_mesh(&self.config, self.data))?,
        };
        if let (true, Some(policies)) = (self.prove, policies) {
            let proofs = proof::prove(&policies, self.domain.is_some(), self.solver.limit(), &progress)?;
            faults.extend(proofs.faults);
            let unproven = proofs.unproven.into_iter();
            advice.extend(unproven.map(|fault| Fault { reason: format!("not proven: {}", fault.reason), ..fault }));
            advice.extend(proofs.warnings);
            println!("{} policies looked at, in every environment they apply to", proofs.policies);
        }
        if let Some(old) = &self.against {
            let found = match &self.domain {
                Some(domain) => against::domains(old, domain)?,
                None => against::configurations(old, &self.config)?,
            };
            found.changes.iter().for_each(|change| println!("changed: {change}"));
            faults.extend(found.faults);
        }
        faults.iter().for_each(|fault| println!("{fault}"));
        advice.iter().for_each(|advice| println!("warning: {advice}"));
        if let Some(data) = data {
            print!("{data}");
        }
        let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        match (faults.len(), advice.len()) {
            (0, 0) => println!("no faults"),
            (0, warnings) if self.strict => return Err(counted(warnings, "warning").into()),
            (0, warnings) => println!("no faults, {}", counted(warnings, "warning")),
            (faults, _) => return Err(counted(faults, "fault").into()),
        }
        Ok(())
    }
}

/// What is wrong with the SQL of named queries, as far as it can be told without the datasets they read.
fn query_faults(mesh: &Mesh) -> impl Iterator<Item = Fault> {
    let products = mesh.domains().values().flat_map(|domain| &domain.products);
    let queries = products.flat_map(|product| product.queries.iter().map(move |query| (product, query)));
    queries.filter_map(|(product, query)| {
        let error = QueryTemplate::parse(product, query, &Limits::default()).err()?;
        let reason = format!("the SQL of the query `{}`: {}", query.name, error.message());
        Some(Fault::new(&product.file, reason).at(query.line))
    })
}

/// What a check found.
#[derive(Default)]
struct Findings {
    faults: Vec<Fault>,
    advice: Vec<Fault>,
    /// None if nothing could be loaded.
    policies: Option<Arc<Policies>>,
    /// Of the files, if they were asked for.
    data: Option<DataReport>,
}

/// The faults of a whole mesh: its contracts and policies, then its data.
async fn check_mesh(file: &Path, look_at_data: bool) -> Result<Findings, Box<dyn Error>> {
    let config = Config::load(file)?;
    let stores = Stores::with_limits(&config.stores, &config.base, config.sources)?;
    let mesh = match gateway::load(&config.mesh, &stores).await {
        Ok(mesh) => mesh,
        Err(faults) => return Ok(Findings { faults, ..Findings::default() }),
    };
    let (known, mut faults) = match known_groups(&config) {
        Ok(known) => (known, Vec::new()),
        Err(faults) => (KnownGroups::default(), faults),
    };
    faults.extend_from_slice(mesh.test_faults());
    let advice = mesh.advice(&known);
    let policies = Some(Arc::clone(mesh.policies()));
    let engine = Engine::new(&config.query, MaskKey::random())?;
    let gateway = Gateway::open(mesh, Data::once(stores), engine, config.limits, Audit::off()).await;
    let troubles = gateway.troubles();
    let fault = |trouble: &Trouble| Fault { line: trouble.line, ..Fault::new(&trouble.file, trouble.to_string()) };
    faults.extend(troubles.iter().map(fault));
    let data = if look_at_data { Some(DataReport::of(gateway.sources()).await?) } else { None };
    Ok(Findings { faults, advice, policies, data })
}

/// The groups of the users and tokens files. Where an identity provider brings others along, they are not all.
pub fn known_groups(config: &Config) -> Result<KnownGroups, Vec<Fault>> {
    let authenticator = Authenticator::new(&config.authn, &config.base, SealKeys::ephemeral())?;
    Ok(KnownGroups { named: authenticator.groups(), complete: true, providers: !config.authn.oidc.is_empty() })
}
