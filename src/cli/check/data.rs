//! `airside check --data`: what makes the products' files slow.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use crate::fault::Fault;
use crate::gateway::DatasetKey;
use crate::mesh::Mesh;
use crate::product::Origin;
use crate::source::advice::{Survey, survey};
use crate::source::{DatasetSource, SourceError, StoreError, Stores, StoresConfig};

/// Datasets looked at at once; each reads several footers at once.
const CONCURRENCY: usize = 4;

/// What was found of each snapshot, with the datasets and versions that are read from it.
pub(super) struct DataReport {
    looks: Vec<(Vec<String>, Survey)>,
}

impl DataReport {
    /// Looks at the files of datasets.
    pub async fn of(mut sources: Vec<(String, Arc<DatasetSource>)>) -> Result<Self, SourceError> {
        sources.sort_by(|(a, _), (b, _)| a.cmp(b));
        let all: Vec<(String, String, Survey)> = futures::stream::iter(sources)
            .map(|(name, source)| async move {
                let found = survey(&source).await?;
                Ok::<_, SourceError>((source.snapshot().id().to_owned(), name, found))
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        // Versions that are read from the same files are told of once, unless their keys make a difference.
        let mut looks: Vec<(Vec<String>, Survey)> = Vec::new();
        let mut known: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (snapshot, name, survey) in all {
            let same = known.entry(snapshot).or_default();
            match same.iter().find(|at| looks.get(**at).is_some_and(|(_, other)| *other == survey)) {
                Some(at) => looks[*at].0.push(name),
                None => {
                    same.push(looks.len());
                    looks.push((vec![name], survey));
                }
            }
        }
        Ok(Self { looks })
    }
}

/// The datasets of a domain's folder: what keeps them from being opened, and what makes their files slow. Only files
/// below the folder itself are at hand; those of object stores are the configured mesh's.
pub(super) async fn of_domain(
    mesh: &Mesh,
    folder: &Path,
    faults: &mut Vec<Fault>,
) -> Result<DataReport, Box<dyn std::error::Error>> {
    let stores: Result<Stores, StoreError> = Stores::new(&StoresConfig::default(), Path::new("."));
    let stores = stores?;
    let mut sources = Vec::new();
    // Its neighbours were read for what it refers to.
    for domain in mesh.domains().values().filter(|domain| Path::new(&domain.place) == folder) {
        for product in domain.products.iter().filter(|product| product.is_served()) {
            for dataset in product.datasets.iter().filter(|dataset| matches!(dataset.origin, Origin::Files(_))) {
                match DatasetSource::open(&stores, &domain.data, &product.id, dataset).await {
                    Ok(source) => sources.push((DatasetKey::new(product, dataset).to_string(), Arc::new(source))),
                    Err(error) => {
                        let reason = format!("`{}` is not served: {error}", DatasetKey::new(product, dataset));
                        faults.push(Fault::new(&product.file, reason));
                    }
                }
            }
        }
    }
    Ok(DataReport::of(sources).await?)
}

impl fmt::Display for DataReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut well = 0;
        for (names, survey) in &self.looks {
            if survey.findings.is_empty() {
                well += 1;
                continue;
            }
            let Survey { files, bytes, rows, findings } = survey;
            let counted = if *files == 1 { "1 file".to_owned() } else { format!("{files} files") };
            writeln!(f, "data of `{}`: {counted}, {bytes}, {rows} rows", names.join("`, `"))?;
            for finding in findings {
                writeln!(f, "  advice: {}", finding.to_string().replace("\n    ", "\n      "))?;
            }
            if let Some(name) = names.first() {
                writeln!(f, "  `airside optimize {name}` writes them anew")?;
            }
        }
        match (well, self.looks.len()) {
            (_, 0) => writeln!(f, "data: no files to look at"),
            (well, all) => writeln!(f, "data: the files of {well} of {all} datasets are laid out well"),
        }
    }
}
