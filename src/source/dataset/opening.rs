//! Where a dataset's files lie: its location resolved below the domain's data root, listed, or taken from a record.

use std::sync::Arc;

use object_store::ObjectStore;

use crate::product::{Dataset, Location, Origin, ProductId};
use crate::source::error::SourceError;
use crate::source::history::Record;
use crate::source::listing::{Listing, list};
use crate::source::location::{Place, Root, shown};
use crate::source::snapshot::{Snapshot, SnapshotFile};
use crate::source::store::Stores;

/// What a dataset is opened from, kept for opening it again.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) stores: Stores,
    pub(super) data_root: String,
    pub(super) product: ProductId,
    pub(super) dataset: Arc<Dataset>,
    /// Where the files of an earlier snapshot lie, which the contract has moved on from.
    pub(super) earlier: Option<String>,
}

/// What lies at a dataset's location.
pub(super) struct Found {
    pub(super) snapshot: Snapshot,
    /// The store's origin or the domain's folder.
    pub(super) root: String,
    pub(super) store: Option<Arc<dyn ObjectStore>>,
}

/// A dataset's location, resolved.
pub(super) struct Here<'a> {
    pub(super) location: &'a str,
    pub(super) root: Root,
    pub(super) place: Place,
    pub(super) store: Option<Arc<dyn ObjectStore>>,
}

impl Here<'_> {
    pub(super) fn listing(&self, max_files: usize) -> Listing<'_> {
        Listing { location: self.location, place: &self.place, max_files }
    }

    pub(super) fn found(self, files: Vec<SnapshotFile>) -> Found {
        let root = self.root.name();
        Found { snapshot: Snapshot::new(&root, files), root, store: self.store }
    }
}

impl Opening {
    /// The location, as a contract writes it; none of what is derived.
    pub(super) fn location(&self) -> Option<&str> {
        match (&self.earlier, &self.dataset.origin) {
            (Some(earlier), _) => Some(earlier),
            (None, Origin::Files(Location { url, .. })) => Some(url),
            (None, Origin::Derived { .. }) => None,
        }
    }

    /// The same dataset at another location, if that is given.
    pub(super) fn at(&self, location: Option<&str>) -> Self {
        Self { earlier: location.map(str::to_owned), ..self.clone() }
    }

    /// Where the dataset's files lie.
    pub(super) async fn here(&self) -> Result<Here<'_>, SourceError> {
        let Some(location) = self.location() else {
            let reason = "it is derived from other datasets".to_owned();
            return Err(SourceError::Contract { dataset: self.dataset.name.to_string(), reason });
        };
        let data_root = self.data_root.clone();
        let root = tokio::task::spawn_blocking(move || Root::parse(&data_root)).await;
        let root = root
            .map_err(|error| SourceError::io(&self.data_root, error))?
            .map_err(|source| SourceError::Location { location: shown(&self.data_root), source })?;
        let place =
            root.resolve(location).map_err(|source| SourceError::Location { location: shown(location), source })?;
        let store = match &root {
            Root::Remote { origin, .. } => Some(self.stores.open(origin)?),
            Root::Local { .. } => None,
        };
        Ok(Here { location, root, place, store })
    }

    /// The files that lie there now.
    pub(super) async fn look(&self) -> Result<Found, SourceError> {
        let here = self.here().await?;
        let files = list(here.listing(self.stores.limits().max_files), &here.root, here.store.as_deref()).await?;
        Ok(here.found(files))
    }

    /// The files of a record, as far as the location still names them. Local ones are looked for; whether those of a store
    /// are still there, reading tells.
    pub(super) async fn recall(&self, record: Record) -> Result<Found, SourceError> {
        let here = self.here().await?;
        let bad = |reason| SourceError::io(here.location, std::io::Error::other(reason));
        let files = record.files().map_err(bad)?;
        let files = match &here.root {
            Root::Remote { prefix, .. } => {
                let listing = here.listing(files.len());
                files.into_iter().map(|file| listing.recalled_remote(prefix, file)).collect::<Result<_, _>>()?
            }
            Root::Local { canonical, .. } => {
                let (root, location, place) = (canonical.clone(), here.location.to_owned(), here.place.clone());
                let recall = move || {
                    let listing = Listing { location: &location, place: &place, max_files: files.len() };
                    files.into_iter().map(|file| listing.recalled_local(&root, file)).collect::<Result<_, _>>()
                };
                let recalled = tokio::task::spawn_blocking(recall).await;
                recalled.map_err(|error| SourceError::io(here.location, error))??
            }
        };
        Ok(here.found(files))
    }
}
