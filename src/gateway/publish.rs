//! What is served at one moment: a mesh, and every dataset of it opened. Immutable; swapped as a whole.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;

use crate::mesh::Mesh;
use crate::product::{Dataset, Name, Origin, Product, Version};
use crate::query::{Engine, Limits, QueryTemplate, Statement};
use crate::source::{DatasetSource, Stores};

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
    troubles: Vec<Trouble>,
}

/// Datasets opened at once.
const CONCURRENCY: usize = 16;

impl Published {
    /// Opens every served dataset of `mesh`; a snapshot of `previous` that still holds is kept.
    pub async fn open(
        mesh: Arc<Mesh>,
        stores: &Stores,
        engine: &Engine,
        limits: &Limits,
        previous: Option<&Self>,
    ) -> Self {
        let served = served(&mesh);
        let outcomes: Vec<_> = stream::iter(served)
            .map(|(product, dataset)| {
                let mesh = &mesh;
                async move {
                    let key = DatasetKey::new(&product, &dataset);
                    let outcome = Outcome::of(open_dataset(mesh, stores, limits, previous, &product, &dataset).await);
                    (key, product, outcome)
                }
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let mut opened = HashMap::new();
        let mut troubles = Vec::new();
        for (key, product, outcome) in outcomes {
            if let Some(reason) = outcome.trouble {
                troubles.push(Trouble { dataset: key.clone(), file: product.file.clone(), line: None, reason });
            }
            if let Some(dataset) = outcome.opened {
                opened.insert(key, dataset);
            }
        }
        let mut published = Self { mesh, opened, queries: HashMap::new(), troubles };
        published.check_derived(engine).await;
        published.check_queries(engine, limits).await;
        published.troubles.sort_by(|a, b| a.dataset.cmp(&b.dataset));
        published
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
        self.add_trouble(Trouble { dataset: key, file: product.file.clone(), line: None, reason });
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

    /// The datasets and queries that `self` serves and `next` would not, with the reason.
    pub fn lost_in<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = &'a Trouble> {
        next.troubles.iter().filter(|trouble| self.serves(&trouble.dataset) && !next.serves(&trouble.dataset))
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
}

/// Why a dataset, or a newer snapshot of it, could not be opened.
struct NotOpened {
    reason: String,
    /// The snapshot that still answers.
    kept: Option<Arc<DatasetSource>>,
}

impl From<String> for NotOpened {
    fn from(reason: String) -> Self {
        Self { reason, kept: None }
    }
}

impl Outcome {
    fn of(result: Result<Opened, NotOpened>) -> Self {
        match result {
            Ok(opened) => Self { opened: Some(opened), trouble: None },
            Err(NotOpened { reason, kept }) => Self { opened: kept.map(Opened::Files), trouble: Some(reason) },
        }
    }
}

async fn open_dataset(
    mesh: &Mesh,
    stores: &Stores,
    limits: &Limits,
    previous: Option<&Published>,
    product: &Product,
    dataset: &Arc<Dataset>,
) -> Result<Opened, NotOpened> {
    if let Origin::Derived { sql } = &dataset.origin {
        let statement = Statement::parse(sql, limits).map_err(|error| format!("its query: {}", error.message()))?;
        return Ok(Opened::Derived(Arc::new(statement)));
    }
    let domain = mesh.domains().get(&product.id.domain).ok_or_else(|| "its domain is gone".to_owned())?;
    let root = domain.data.as_str();
    if let Some(Opened::Files(source)) =
        previous.and_then(|previous| previous.opened(&DatasetKey::new(product, dataset)))
        && source.dataset() == dataset
        && source.data_root() == root
    {
        return match source.refresh().await {
            Ok(None) => Ok(Opened::Files(Arc::clone(source))),
            Ok(Some(newer)) => Ok(Opened::Files(Arc::new(newer))),
            // A store that fails for a moment, or a file that breaks the contract, must not take the product away.
            Err(error) => Err(NotOpened { reason: error.to_string(), kept: Some(Arc::clone(source)) }),
        };
    }
    let source = DatasetSource::open(stores, root, &product.id, dataset).await.map_err(|error| error.to_string())?;
    Ok(Opened::Files(Arc::new(source)))
}
