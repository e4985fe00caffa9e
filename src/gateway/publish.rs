//! What is served at one moment: a mesh, and every dataset of it opened. Immutable; swapped as a whole.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future;

use super::opening::{Look, NotOpened, Openings, Wanted};
use crate::mesh::Mesh;
use crate::product::{Dataset, Name, Origin, Product, Version};
use crate::query::{Engine, GovernedTable, Limits, QueryTemplate, Statement, TableName};
use crate::source::DatasetSource;

/// One version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetKey {
    domain: Name,
    dataset: Name,
    version: Version,
}

impl DatasetKey {
    /// The key of a product's dataset.
    pub fn new(product: &Product, dataset: &Dataset) -> Self {
        Self::named(product, &dataset.name)
    }

    /// The key of one of a product's named queries: their names are no datasets'.
    pub fn named(product: &Product, name: &Name) -> Self {
        Self { domain: product.id.domain.clone(), dataset: name.clone(), version: product.version }
    }

    /// As [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, version) = text.split_once('@')?;
        let (domain, dataset) = name.split_once('.')?;
        Some(Self {
            domain: Name::parse(domain).ok()?,
            dataset: Name::parse(dataset).ok()?,
            version: Version::parse(version).ok()?,
        })
    }

    /// The domain that owns it.
    pub fn domain(&self) -> &Name {
        &self.domain
    }
}

/// `domain.dataset@version`, as tickets name it.
impl fmt::Display for DatasetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{}", self.domain, self.dataset, self.version)
    }
}

/// A dataset, ready to be read.
#[derive(Clone)]
pub enum Opened {
    /// Files of one snapshot.
    Files(Arc<DatasetSource>),
    /// A statement over other datasets.
    Derived(Arc<Statement>),
}

impl Opened {
    /// The snapshot in use of a dataset of files.
    pub fn source(&self) -> Option<&Arc<DatasetSource>> {
        match self {
            Self::Files(source) => Some(source),
            Self::Derived(_) => None,
        }
    }
}

/// Why a dataset or named query is not served, in its owner's terms: it may name paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which dataset.
    pub dataset: DatasetKey,
    /// The contract it stands in.
    pub file: PathBuf,
    /// Where in it, if that is known.
    pub line: Option<u32>,
    /// What is wrong.
    pub reason: String,
    /// Whether it is the store's trouble, which passes without anybody mending the mesh.
    pub passing: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not served: {}", self.dataset, self.reason)
    }
}

/// A mesh with its datasets opened.
pub struct Published {
    mesh: Arc<Mesh>,
    opened: HashMap<DatasetKey, Opened>,
    queries: HashMap<DatasetKey, Arc<QueryTemplate>>,
    /// The columns that each derived dataset's domain saw of its sources when its statement was found to plan.
    checked: HashMap<DatasetKey, Vec<Vec<usize>>>,
    troubles: Vec<Trouble>,
}

impl Published {
    /// Opens every served dataset of `mesh`; a snapshot of `previous` that still holds is kept, and so is one whose store
    /// does not answer.
    pub(super) async fn open(
        mesh: Arc<Mesh>,
        openings: &Openings,
        engine: &Engine,
        limits: &Limits,
        previous: Option<&Self>,
        look: Look,
    ) -> Self {
        let until = openings.until();
        let outcomes = served(&mesh).into_iter().map(|(product, dataset)| {
            let mesh = &mesh;
            async move {
                let key = DatasetKey::new(&product, &dataset);
                let outcome = match &dataset.origin {
                    Origin::Derived { sql } => Outcome::of(derived(sql, limits)),
                    Origin::Files(_) => match previous.and_then(|previous| previous.unchanged(&key, look)) {
                        Some(outcome) => outcome,
                        None => Outcome::of(match Wanted::of(mesh, &product, &dataset, previous) {
                            Some(wanted) => openings.open(wanted, look, until).await.map(Opened::Files),
                            None => Err("its domain is gone".to_owned().into()),
                        }),
                    },
                };
                (key, product, outcome)
            }
        });
        let outcomes = future::join_all(outcomes).await;
        let keys: HashSet<&DatasetKey> = outcomes.iter().map(|(key, _, _)| key).collect();
        openings.forget_others(|key| keys.contains(key));
        let mut opened = HashMap::new();
        let mut troubles = Vec::new();
        for (key, product, outcome) in outcomes {
            if let Some(reason) = outcome.trouble {
                let file = product.file.clone();
                troubles.push(Trouble { dataset: key.clone(), file, line: None, reason, passing: outcome.passing });
            }
            if let Some(dataset) = outcome.opened {
                opened.insert(key, dataset);
            }
        }
        let mut published = Self { mesh, opened, queries: HashMap::new(), checked: HashMap::new(), troubles };
        published.check_derived(engine).await;
        published.check_queries(engine, limits).await;
        published.troubles.sort_by(|a, b| a.dataset.cmp(&b.dataset));
        published
    }

    /// What became of a dataset of files, where only those are looked at that a read has found changed and this is none.
    fn unchanged(&self, key: &DatasetKey, look: Look) -> Option<Outcome> {
        let source = self.source(key);
        if look != Look::AtChanged || source.is_some_and(|source| source.has_changed()) {
            return None;
        }
        let trouble = self.troubles.iter().find(|trouble| trouble.dataset == *key);
        Some(Outcome {
            opened: source.cloned().map(Opened::Files),
            trouble: trouble.map(|trouble| trouble.reason.clone()),
            passing: trouble.is_some_and(|trouble| trouble.passing),
        })
    }

    /// Whether a read has found one of its datasets changed.
    pub(super) fn has_changed(&self) -> bool {
        self.sources().any(|(_, source)| source.has_changed())
    }

    /// The mesh.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// A dataset, if it is ready to be read.
    pub fn opened(&self, key: &DatasetKey) -> Option<&Opened> {
        self.opened.get(key)
    }

    /// Takes a dataset out.
    pub(super) fn withdraw(&mut self, key: DatasetKey, product: &Product, reason: String) {
        self.opened.remove(&key);
        self.add_trouble(Trouble { dataset: key, file: product.file.clone(), line: None, reason, passing: false });
    }

    /// Remembers with what a derived dataset was found to plan.
    pub(super) fn add_checked(&mut self, key: DatasetKey, tables: &[GovernedTable]) {
        self.checked.insert(key, columns_shown(tables));
    }

    /// Whether a derived dataset was found to plan over the same columns of its sources.
    pub(super) fn was_checked_with(&self, key: &DatasetKey, tables: &[GovernedTable]) -> bool {
        self.checked.get(key).is_some_and(|checked| *checked == columns_shown(tables))
    }

    /// A named query, if it is served.
    pub fn template(&self, key: &DatasetKey) -> Option<&Arc<QueryTemplate>> {
        self.queries.get(key)
    }

    /// Serves a named query.
    pub(super) fn add_query(&mut self, key: DatasetKey, template: Arc<QueryTemplate>) {
        self.queries.insert(key, template);
    }

    pub(super) fn add_trouble(&mut self, trouble: Trouble) {
        self.troubles.push(trouble);
    }

    /// The datasets of files with the snapshots in use.
    pub fn sources(&self) -> impl Iterator<Item = (&DatasetKey, &Arc<DatasetSource>)> {
        self.opened.iter().filter_map(|(key, opened)| Some((key, opened.source()?)))
    }

    /// The snapshot in use of a dataset of files.
    pub fn source(&self, key: &DatasetKey) -> Option<&Arc<DatasetSource>> {
        self.opened(key)?.source()
    }

    /// The datasets and queries that `self` serves and `next` would not, with the reason. What is missing for a store's sake
    /// alone is not lost: it comes when the store answers, and a changed policy waits for no store.
    pub fn lost_in<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = &'a Trouble> {
        let is_lost = |key: &DatasetKey| self.serves(key) && !next.serves(key) && !self.waits(key, next);
        next.troubles.iter().filter(move |trouble| is_lost(&trouble.dataset))
    }

    /// Whether `next` lacks a dataset, or what it is made of, for a store's sake.
    fn waits(&self, key: &DatasetKey, next: &Self) -> bool {
        let is_late = |key: &DatasetKey| next.troubles.iter().any(|trouble| trouble.passing && trouble.dataset == *key);
        let mut seen = HashSet::new();
        let mut open = vec![key.clone()];
        while let Some(key) = open.pop() {
            if is_late(&key) {
                return true;
            }
            if seen.insert(key.clone()) {
                open.extend(self.reads(&key));
            }
        }
        false
    }

    /// What a derived dataset or a named query reads.
    fn reads(&self, key: &DatasetKey) -> Vec<DatasetKey> {
        let key_of = |name: &TableName| {
            let (product, dataset) = self.resolve_table(name)?;
            Some(DatasetKey::new(&product, &dataset))
        };
        match (self.opened(key), self.template(key)) {
            (Some(Opened::Derived(statement)), _) => statement.tables().iter().filter_map(key_of).collect(),
            (_, Some(template)) => template.tables().iter().filter_map(key_of).collect(),
            _ => Vec::new(),
        }
    }

    fn serves(&self, key: &DatasetKey) -> bool {
        self.opened.contains_key(key) || self.queries.contains_key(key)
    }

    /// What keeps datasets from being served.
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    /// How many datasets are served, and how many should be and are not.
    pub fn counts(&self) -> (usize, usize) {
        (self.opened.len(), self.troubles.len())
    }

    /// Tells operators what is served.
    pub fn report(&self) {
        let (served, troubled) = self.counts();
        metrics::gauge!("airside_datasets").set(served as f64);
        metrics::gauge!("airside_datasets_unavailable").set(troubled as f64);
        tracing::info!(mesh = %self.mesh.name(), version = self.mesh.version(), served, troubled, "mesh published");
        for fault in self.mesh.test_faults() {
            tracing::warn!(%fault, "a policy test cannot be run");
        }
        for trouble in &self.troubles {
            tracing::warn!(dataset = %trouble.dataset, contract = %trouble.file.display(), reason = trouble.reason, "dataset not served");
        }
    }
}

/// The columns that each table's grant shows.
fn columns_shown(tables: &[GovernedTable]) -> Vec<Vec<usize>> {
    let columns = |table: &GovernedTable| table.grant.columns().iter().map(|column| column.index).collect();
    tables.iter().map(columns).collect()
}

/// Every dataset of every version that is served, whether a name of its own leads to it or only `@major.minor`.
pub(super) fn served(mesh: &Mesh) -> Vec<(Arc<Product>, Arc<Dataset>)> {
    let products = mesh.domains().values().flat_map(|domain| &domain.products).filter(|product| product.is_served());
    let datasets = |product: &Arc<Product>| {
        let product = Arc::clone(product);
        product.datasets.clone().into_iter().map(move |dataset| (Arc::clone(&product), dataset))
    };
    products.flat_map(datasets).collect()
}

/// What became of one dataset.
struct Outcome {
    opened: Option<Opened>,
    trouble: Option<String>,
    passing: bool,
}

impl Outcome {
    fn of(result: Result<Opened, NotOpened>) -> Self {
        match result {
            Ok(opened) => Self { opened: Some(opened), trouble: None, passing: false },
            Err(NotOpened { reason, kept, passing }) => {
                Self { opened: kept.map(Opened::Files), trouble: Some(reason), passing }
            }
        }
    }
}

impl<'a> Wanted<'a> {
    /// A dataset of files of a mesh; none if nobody owns it.
    fn of(
        mesh: &'a Mesh,
        product: &'a Product,
        dataset: &'a Arc<Dataset>,
        previous: Option<&Published>,
    ) -> Option<Self> {
        let key = DatasetKey::new(product, dataset);
        let root = mesh.domains().get(&product.id.domain)?.data.as_str();
        let previous = previous.and_then(|previous| previous.source(&key)).cloned();
        let previous = previous.filter(|source| source.dataset() == dataset && source.data_root() == root);
        Some(Self { key, product: &product.id, dataset, root, previous })
    }
}

fn derived(sql: &str, limits: &Limits) -> Result<Opened, NotOpened> {
    let statement = Statement::parse(sql, limits).map_err(|error| format!("its query: {}", error.message()))?;
    Ok(Opened::Derived(Arc::new(statement)))
}
