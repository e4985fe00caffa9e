//! From bundles to a mesh, or to every fault there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bundle::{Bundles, DomainBundle, GovernanceBundle, Reading, TextFile};
use super::change::FileEdit;
use super::config::MeshConfig;
use super::domain::{Domain, about};
use super::index::Index;
use super::layout::Kind;
use super::standards::Standards;
use super::store::OpenStore;
use super::{Mesh, folder, names, policy_test, roots};
use crate::authn::Directory;
use crate::fault::Fault;
use crate::policy::{DomainPolicies, Policies, PolicyInput, PolicySource};
use crate::product::{Name, Product, odcs};

impl Mesh {
    /// Reads a mesh whose roots are local folders.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn load(config: &MeshConfig) -> Result<Self, Vec<Fault>> {
        Loader::default().mesh(config, roots::read_folders(config))
    }

    /// Reads a mesh of which some roots may lie in object stores, opened by `open`.
    ///
    /// # Errors
    /// Every fault of every file.
    pub async fn load_with(config: &MeshConfig, open: OpenStore<'_>) -> Result<Self, Vec<Fault>> {
        Self::load_edited(config, open, &[]).await
    }

    /// Reads a mesh as it would be with some policies and contracts changed.
    ///
    /// # Errors
    /// Every fault of every file.
    pub async fn load_edited(config: &MeshConfig, open: OpenStore<'_>, edits: &[FileEdit]) -> Result<Self, Vec<Fault>> {
        let mut bundles = roots::read(config, open).await;
        bundles.edit(edits);
        Loader::default().mesh(config, bundles)
    }
}

/// Reads one domain's folder under a governance, as the domain's own CI does. The domain's name is the one in
/// its `domain.toml`, else the folder's.
///
/// The governance is a governance folder, or a root that holds one. Global policies that speak of other
/// domains are taken on trust where the governance comes alone; where it lies in a root, they are held against
/// the other domains' contracts, and what is wrong with these is their owners' matter.
///
/// # Errors
/// Every fault of the domain, and of the governance.
pub fn load_domain(domain: &Path, governance: &Path) -> Result<Mesh, Vec<Fault>> {
    load_domain_edited(domain, governance, &[])
}

/// Reads one domain's folder as [`load_domain`] does, as it would be with some policies and contracts changed.
///
/// # Errors
/// As [`load_domain`].
pub fn load_domain_edited(domain: &Path, governance: &Path, edits: &[FileEdit]) -> Result<Mesh, Vec<Fault>> {
    let reading = folder::read(domain, Kind::Domain);
    let name = domain_name(domain, &reading);
    let kind = if governance.join("governance").is_dir() { Kind::Mesh } else { Kind::Governance };
    let mut bundles = Bundles::default();
    bundles.add(kind, &governance.to_string_lossy(), None, folder::read(governance, kind));
    bundles.domains.remove(&name);
    let neighbours = governance.join("domains");
    bundles.faults.retain(|fault| !fault.file.starts_with(&neighbours));
    bundles.domains.retain(|name, bundles| Loader::as_neighbour(name, bundles));
    bundles.add(Kind::Domain, &domain.to_string_lossy(), Some(&name), reading);
    bundles.edit(edits);
    Loader { judged: Some(name), ..Loader::default() }.mesh(&MeshConfig::default(), bundles)
}

/// The contracts of a mesh and nothing else of it: what its consumers were promised, whatever is wrong with its policies or
/// has become of the standards since.
///
/// # Errors
/// Every fault of the contracts, and of finding them.
pub async fn load_contracts(config: &MeshConfig, open: OpenStore<'_>) -> Result<Vec<Arc<Product>>, Vec<Fault>> {
    Loader::contracts(roots::read(config, open).await)
}

/// The contracts of a domain's folder, as those of the domain that lies in `as_in`: checkouts have names of their own.
///
/// # Errors
/// As [`load_contracts`].
pub fn load_domain_contracts(folder: &Path, as_in: &Path) -> Result<Vec<Arc<Product>>, Vec<Fault>> {
    let name = domain_name(as_in, &folder::read(as_in, Kind::Domain));
    let mut reading = folder::read(folder, Kind::Domain);
    // Its name is given.
    reading.files.retain(|file| file.path != "domain.toml");
    let mut bundles = Bundles::default();
    bundles.add(Kind::Domain, &folder.to_string_lossy(), Some(&name), reading);
    Loader::contracts(bundles)
}

fn domain_name(domain: &Path, reading: &Reading) -> String {
    let named = reading.files.iter().find(|file| file.path == "domain.toml").and_then(|file| {
        let source = TextFile { file: file.shown.clone(), text: String::from_utf8(file.bytes.clone()).ok()? };
        about(&source, &mut Vec::new()).name
    });
    named.unwrap_or_else(|| {
        let real = std::fs::canonicalize(domain).ok();
        let last = real.as_deref().unwrap_or(domain).file_name();
        last.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    })
}

/// Gathers faults on the way.
#[derive(Default)]
struct Loader {
    faults: Vec<Fault>,
    /// Of policy tests: they are nothing that is served.
    test_faults: Vec<Fault>,
    /// Domains of which something could not be read, so that no policy can be held against them.
    incomplete: BTreeSet<Name>,
    /// The one domain that is held to the standards; without it, all are.
    judged: Option<String>,
}

impl Loader {
    /// Leaves of a domain what others may refer to: its contracts. False when even these cannot be read.
    fn as_neighbour(name: &str, bundles: &mut [DomainBundle]) -> bool {
        bundles.iter_mut().for_each(|bundle| {
            bundle.policies.clear();
            bundle.tests.clear();
        });
        let mut loader = Self::default();
        loader.domain(name, bundles.to_vec(), &MeshConfig::default(), &Standards::default());
        loader.faults.is_empty()
    }

    fn contracts(bundles: Bundles) -> Result<Vec<Arc<Product>>, Vec<Fault>> {
        let mut loader = Self { faults: bundles.faults, ..Self::default() };
        let mut products = Vec::new();
        for (name, bundles) in bundles.domains {
            match Name::parse(&name) {
                Ok(name) => {
                    let contracts = bundles.iter().flat_map(|bundle| &bundle.contracts).cloned().collect::<Vec<_>>();
                    products.extend(loader.products(&name, &contracts, "", &Standards::default()));
                }
                Err(error) => loader.say(&name, format!("a domain's folder has its name: {error}"), "rename it"),
            }
        }
        if loader.faults.is_empty() { Ok(products) } else { Err(loader.faults) }
    }

    fn mesh(mut self, config: &MeshConfig, mut bundles: Bundles) -> Result<Mesh, Vec<Fault>> {
        self.faults.append(&mut bundles.faults);
        self.check_config(config, &bundles);
        let version = bundles.version();
        let governance = self.governance(std::mem::take(&mut bundles.governance));
        let standards = match &governance.standards {
            Some(source) => Standards::parse(source, &mut self.faults),
            None => Standards::default(),
        };

        let mut domains = BTreeMap::new();
        let mut policies = BTreeMap::new();
        for (name, bundles) in std::mem::take(&mut bundles.domains) {
            if let Some((domain, own)) = self.domain(&name, bundles, config, &standards) {
                policies.insert(domain.name.clone(), own);
                domains.insert(domain.name.clone(), domain);
            }
        }

        let directory = self.directory(&governance);
        let policies = self.policies(&governance, &policies, directory.as_ref());
        match (directory, policies) {
            (Some(directory), Some(policies)) if self.faults.is_empty() => Ok(Mesh {
                name: config.name.clone(),
                version,
                domains,
                directory: Arc::new(directory),
                policies: Arc::new(policies),
                test_faults: self.test_faults,
            }),
            _ => {
                self.faults.append(&mut self.test_faults);
                self.faults.sort();
                self.faults.dedup();
                Err(self.faults)
            }
        }
    }

    /// What the configuration says must fit what was found: a misspelt domain would keep another data root.
    fn check_config(&mut self, config: &MeshConfig, bundles: &Bundles) {
        if config.name != "mesh" && Name::parse(&config.name).is_err() {
            self.say(
                "mesh.name",
                format!("`{}` cannot be the mesh's name: it must match [a-z][a-z0-9_]*", config.name),
                "write a word such as `mesh`",
            );
        }
        for name in config.domains.keys().filter(|name| !bundles.domains.contains_key(*name)) {
            let place = format!("mesh.domains.{name}");
            self.say(
                place,
                format!("the configuration speaks of the domain `{name}`, which no root holds"),
                "check its spelling, or give it a `root`",
            );
        }
    }

    /// Exactly one governance: without it the global policies would be missing, and nobody would notice.
    fn governance(&mut self, mut found: Vec<(String, GovernanceBundle)>) -> GovernanceBundle {
        for (place, _) in found.iter().skip(1) {
            let reason = format!("there is a second governance; the first is that of `{}`", found[0].0);
            self.faults.push(Fault::new(place, reason).hint("keep one"));
        }
        if found.is_empty() && self.faults.is_empty() {
            self.say(
                "governance",
                "the mesh has no governance",
                "add governance/ to a root, with principals.toml and the global policies",
            );
        }
        if found.is_empty() { GovernanceBundle::default() } else { found.swap_remove(0).1 }
    }

    fn domain(
        &mut self,
        folder: &str,
        mut found: Vec<DomainBundle>,
        config: &MeshConfig,
        standards: &Standards,
    ) -> Option<(Domain, DomainPolicies)> {
        for second in found.iter().skip(1) {
            let reason = format!("the domain `{folder}` is also that of `{}`", found[0].place);
            self.faults.push(Fault::new(&second.place, reason).hint("keep one"));
        }
        if found.is_empty() {
            return None;
        }
        let bundle = found.swap_remove(0);
        let about = match &bundle.about {
            Some(source) => {
                let about = about(source, &mut self.faults);
                if let Some(other) = about.name.as_ref().filter(|other| *other != folder) {
                    let reason = format!("the domain is `{folder}` by its folder and `{other}` by this file");
                    self.faults.push(Fault::new(&source.file, reason).hint("make them the same"));
                }
                about
            }
            None => {
                let file = PathBuf::from(super::bundle::join(&bundle.place, "domain.toml"));
                self.faults
                    .push(Fault::new(file, "the domain has no domain.toml").hint("write one, with `owner = \"…\"`"));
                Default::default()
            }
        };
        let name = match Name::parse(folder) {
            Ok(name) => name,
            Err(error) => {
                self.faults.push(Fault::new(&bundle.place, format!("a domain's folder has its name: {error}")));
                return None;
            }
        };
        let products = self.products(&name, &bundle.contracts, &about.owner, standards);
        let policies = DomainPolicies { policies: sources(bundle.policies), products: products.clone() };
        let data = config.domains.get(folder).and_then(|domain| domain.data.clone());
        let tests = policy_test::read(&bundle.tests, &mut self.test_faults);
        let domain = Domain {
            name,
            owner: about.owner,
            contact: about.contact,
            support: about.support,
            description: about.description,
            data: data.unwrap_or_else(|| bundle.place.clone()),
            place: bundle.place,
            index: Index::of(&products),
            products,
            tests: tests.into_iter().map(Arc::new).collect(),
        };
        // Contracts that could not be read would be missed by their tests.
        if !self.incomplete.contains(&domain.name) {
            policy_test::check(&domain, &mut self.test_faults);
        }
        Some((domain, policies))
    }

    fn products(
        &mut self,
        domain: &Name,
        contracts: &[TextFile],
        owner: &str,
        standards: &Standards,
    ) -> Vec<Arc<Product>> {
        let mut products = Vec::new();
        for contract in contracts {
            match odcs::parse(&contract.file, &contract.text, domain) {
                Ok(mut product) => {
                    if product.owner.is_empty() {
                        owner.clone_into(&mut product.owner);
                    }
                    if self.judged.as_deref().is_none_or(|judged| judged == domain.as_str()) {
                        standards.check(&product, &mut self.faults);
                    }
                    products.push(Arc::new(product));
                }
                Err(faults) => {
                    self.faults.extend(faults);
                    self.incomplete.insert(domain.clone());
                }
            }
        }
        names::check(&products, &mut self.faults);
        products.sort_by(|left, right| (&left.id, left.version).cmp(&(&right.id, right.version)));
        products
    }

    fn directory(&mut self, governance: &GovernanceBundle) -> Option<Directory> {
        let Some(source) = &governance.principals else { return Some(Directory::default()) };
        Directory::parse(&source.text, &source.file).map_err(|faults| self.faults.extend(faults)).ok()
    }

    /// The policies. Where contracts could not be read, policies that speak of them would be blamed for it, so
    /// only what is surely wrong is reported then.
    fn policies(
        &mut self,
        governance: &GovernanceBundle,
        domains: &BTreeMap<Name, DomainPolicies>,
        directory: Option<&Directory>,
    ) -> Option<Policies> {
        let attributes = directory?.attribute_types();
        let (global, ceilings) = (sources(governance.policies.clone()), sources(governance.ceilings.clone()));
        let input = PolicyInput { governance: &global, ceilings: &ceilings, domains, attributes: &attributes };
        let load = if self.judged.is_some() { Policies::load_alone } else { Policies::load };
        match load(input) {
            Ok(policies) => Some(policies),
            Err(mut faults) => {
                if !self.incomplete.is_empty() {
                    let complete = domains.iter().filter(|(name, _)| !self.incomplete.contains(*name));
                    let sure: BTreeSet<&PathBuf> =
                        complete.flat_map(|(_, domain)| domain.policies.iter().map(|source| &source.file)).collect();
                    faults.retain(|fault| sure.contains(&fault.file));
                }
                self.faults.append(&mut faults);
                None
            }
        }
    }

    fn say(&mut self, place: impl AsRef<Path>, reason: impl Into<String>, hint: &str) {
        self.faults.push(Fault::new(place, reason).hint(hint));
    }
}

fn sources(files: Vec<TextFile>) -> Vec<PolicySource> {
    files.into_iter().map(|TextFile { file, text }| PolicySource { file, text }).collect()
}
