//! A dataset opened: its files pinned, checked against the contract, ready to be scanned by whoever
//! holds a [`Grant`].

mod layout;
mod opening;

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore};

use self::layout::{FileCheck, Layout, unreadable};
use self::opening::{Found, Opening};
use super::adapter::ContractAdapters;
use super::agreement::nowhere;
use super::error::SourceError;
use super::footer::PinnedReaders;
use super::history::Record;
use super::part::Part;
use super::pinned::PinnedStore;
use super::provider::BaseTable;
use super::snapshot::{Snapshot, SnapshotFile};
use super::store::Stores;
use crate::policy::Grant;
use crate::product::{Dataset, ProductId};

/// A dataset over files, at one snapshot. Cheap to clone.
///
/// It stays usable after newer files arrive; [`DatasetSource::refresh`] gives the newer one.
#[derive(Clone)]
pub struct DatasetSource {
    inner: Arc<Inner>,
    reads: Arc<Reads>,
}

struct Inner {
    origin: Opening,
    snapshot: Snapshot,
    store: Arc<PinnedStore>,
    url: ObjectStoreUrl,
    readers: Arc<PinnedReaders>,
    layout: Layout,
    /// The bytes of a row in memory, column by column of the raw schema, where the files tell.
    widths: Vec<Option<usize>>,
}

/// What is read of the snapshot: all of it, or a part.
struct Reads {
    files: Vec<PartitionedFile>,
    statistics: Statistics,
    /// The id of the snapshot whose files are left out.
    since: Option<String>,
}

impl DatasetSource {
    /// Lists the dataset's files below `data_root` (a folder or an object store URL), reads every footer and
    /// checks it against the contract.
    ///
    /// # Errors
    /// [`SourceError`], whose text tells the owner which file breaks which promise.
    pub async fn open(
        stores: &Stores,
        data_root: &str,
        product: &ProductId,
        dataset: &Arc<Dataset>,
    ) -> Result<Self, SourceError> {
        let origin = Opening {
            stores: stores.clone(),
            data_root: data_root.to_owned(),
            product: product.clone(),
            dataset: Arc::clone(dataset),
            earlier: None,
        };
        let found = origin.look().await?;
        Self::check(origin, found).await
    }

    async fn check(origin: Opening, found: Found) -> Result<Self, SourceError> {
        let Found { snapshot, root, store } = found;
        let store = Arc::new(PinnedStore::new(&root, &snapshot, store, origin.stores.change_bell()));
        let (layout, file_columns, partition_columns) = Layout::of(&origin.dataset, &snapshot)?;
        let table_fields: Vec<Field> = layout.table.file_schema().fields().iter().map(|f| f.as_ref().clone()).collect();
        let check = Arc::new(FileCheck { file_columns, partition_columns, table_fields });
        let files: Vec<PartitionedFile> = futures::stream::iter(snapshot.files().to_vec())
            .map(|file| {
                let (check, store, footers) = (Arc::clone(&check), Arc::clone(&store), origin.stores.footers().clone());
                let name = file.meta.location.to_string();
                // A task of its own: footers decode in parallel, and a decoder that panics fails one file.
                let task = tokio::spawn(async move {
                    let footer = footers.get(&store, &file.meta).await;
                    let footer = footer.map_err(|error| unreadable(&file, error))?;
                    check.file(&file, &footer)
                });
                async move {
                    let failed = |_| SourceError::Damaged { file: name, reason: "its footer cannot be decoded".into() };
                    task.await.map_err(failed)?
                }
            })
            .buffered(origin.stores.limits().concurrent_footers.max(1))
            .try_collect()
            .await?;
        let files = share_schemas(files);
        if let Some(column) = nowhere(&check.file_columns, files.iter().filter_map(|file| file.arrow_schema.as_ref())) {
            return Err(SourceError::Nowhere { column });
        }
        let each = files.iter().filter_map(|file| file.statistics.as_deref());
        let statistics = Statistics::try_merge_iter(each, layout.table.table_schema())?;
        let url = ObjectStoreUrl::parse(format!("airside://{}", snapshot.id()))?;
        let readers = Arc::new(PinnedReaders { store: Arc::clone(&store), footers: origin.stores.footers().clone() });
        let widths = widths(&statistics);
        Ok(Self {
            inner: Arc::new(Inner { origin, snapshot, store, url, readers, layout, widths }),
            reads: Arc::new(Reads { files, statistics, since: None }),
        })
    }

    /// The same snapshot, of which a part is read.
    #[must_use]
    pub fn part(&self, part: Part) -> Self {
        let sizes: Vec<u64> = self.reads.files.iter().map(|file| file.object_meta.size).collect();
        let files = self.reads.files.iter().zip(part.ranges(&sizes)).filter(|(_, range)| !range.is_empty());
        let files = files.map(|(file, range)| {
            // A Parquet file's offsets fit i64: the format counts in them.
            let offset = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
            let mut file = file.clone().with_range(offset(range.start), offset(range.end));
            file.statistics = file.statistics.map(|all| Arc::new(of_part(&all)));
            file
        });
        let reads = Reads {
            files: files.collect(),
            statistics: of_part(&self.reads.statistics),
            since: self.reads.since.clone(),
        };
        Self { inner: Arc::clone(&self.inner), reads: Arc::new(reads) }
    }

    /// The same dataset as of a snapshot on record, be it of files that the contract has moved on from; none if the record
    /// is not of the snapshot with this id.
    ///
    /// # Errors
    /// [`SourceError`] when its files are no longer there, or the contract does not name or fit them any more.
    pub async fn recall(&self, record: Record, id: &str) -> Result<Option<Self>, SourceError> {
        let origin = self.inner.origin.at(record.location());
        let found = origin.recall(record).await?;
        if found.snapshot.id() != id {
            return Ok(None);
        }
        Self::check(origin, found).await.map(Some)
    }

    /// The same snapshot, of which only the files are read that `earlier` did not have; none if a file of `earlier` has
    /// been replaced or removed, so that its rows are no longer all there.
    pub fn since(&self, earlier: &Snapshot) -> Option<Self> {
        let added = self.snapshot().added_since(earlier)?;
        let files: Vec<_> =
            self.reads.files.iter().filter(|file| added.contains(&file.object_meta.location)).cloned().collect();
        let each = files.iter().filter_map(|file| file.statistics.as_deref());
        let statistics = Statistics::try_merge_iter(each, self.raw_schema())
            .unwrap_or_else(|_| Statistics::new_unknown(self.raw_schema()));
        Some(Self {
            inner: Arc::clone(&self.inner),
            reads: Arc::new(Reads { files, statistics, since: Some(earlier.id().to_owned()) }),
        })
    }

    /// The id of the earlier snapshot whose files are not read.
    pub fn earlier(&self) -> Option<&str> {
        self.reads.since.as_deref()
    }

    /// The bytes of the files that are read.
    pub fn bytes(&self) -> u64 {
        self.reads.files.iter().map(|file| file.object_meta.size).fold(0, u64::saturating_add)
    }

    /// The exact files this source reads.
    pub fn snapshot(&self) -> &Snapshot {
        &self.inner.snapshot
    }

    /// The dataset as its contract describes it.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.inner.origin.dataset
    }

    /// The product the dataset belongs to.
    pub fn product(&self) -> &ProductId {
        &self.inner.origin.product
    }

    /// Where its files lie, as its contract wrote it; none of what is derived.
    pub fn location(&self) -> Option<&str> {
        self.inner.origin.location()
    }

    /// The domain's data root it was opened below, as given.
    pub fn data_root(&self) -> &str {
        &self.inner.origin.data_root
    }

    /// Whether a read has met a file that is not the snapshot's any more. Reading goes on failing until
    /// the source is refreshed.
    pub fn has_changed(&self) -> bool {
        self.inner.store.has_changed()
    }

    /// Lists again and says whether the same files lie there in the same state.
    ///
    /// # Errors
    /// [`SourceError`] when the files cannot be listed.
    pub async fn is_current(&self) -> Result<bool, SourceError> {
        let Found { snapshot, .. } = self.inner.origin.look().await?;
        Ok(snapshot.id() == self.inner.snapshot.id() && !self.has_changed())
    }

    /// Lists again and, if anything changed, opens the new snapshot. Footers of files that stayed are not
    /// read again while they are cached.
    ///
    /// # Errors
    /// [`SourceError`] when the new files cannot be listed or do not keep the contract; this source stays
    /// usable as long as its own files are there.
    pub async fn refresh(&self) -> Result<Option<Self>, SourceError> {
        let found = self.inner.origin.look().await?;
        if found.snapshot.id() == self.inner.snapshot.id() && !self.has_changed() {
            return Ok(None);
        }
        Self::check(self.inner.origin.clone(), found).await.map(Some)
    }

    /// The store to register for scans of this source, under a URL that no other snapshot has. It knows the
    /// snapshot's files only.
    pub fn store(&self) -> (ObjectStoreUrl, Arc<dyn ObjectStore>) {
        (self.inner.url.clone(), Arc::clone(&self.inner.store) as Arc<dyn ObjectStore>)
    }

    /// The schema of [`DatasetSource::file_scan`]: all columns of the contract with the contract's types,
    /// under their *physical* names; columns of the files first, then those of the folders' names.
    pub fn raw_schema(&self) -> &SchemaRef {
        self.inner.layout.table.table_schema()
    }

    /// Where the contract's column `column_index` is in [`DatasetSource::raw_schema`]; none beyond its end.
    pub fn raw_index(&self, column_index: usize) -> Option<usize> {
        self.inner.layout.raw_index.get(column_index).copied()
    }

    /// The bytes that a row of the contract's column `column_index` takes in memory, on the average; none where the files
    /// do not tell.
    pub fn width(&self, column_index: usize) -> Option<usize> {
        self.inner.widths.get(self.raw_index(column_index)?).copied().flatten()
    }

    /// The contract's column `column_index` as an expression over [`DatasetSource::raw_schema`].
    pub fn raw_column(&self, column_index: usize) -> Option<ColumnExpr> {
        let index = self.raw_index(column_index)?;
        Some(ColumnExpr::new(self.raw_schema().field(index).name(), index))
    }

    /// The scan of every row and column, without predicate or projection, in at most `partitions` file
    /// groups. What the grant hides is hidden by whoever wraps the scan: it must not reach a plan bare.
    ///
    /// # Errors
    /// [`SourceError::WrongGrant`] for a grant of another dataset.
    pub fn file_scan(&self, grant: &Grant, partitions: usize) -> Result<FileScanConfig, SourceError> {
        self.admit(grant)?;
        Ok(self.scan_of(self.reads.files.clone(), self.reads.statistics.clone(), partitions, true).build())
    }

    /// The dataset as a plain table, with DataFusion's full optimisation: for a grant that hides nothing.
    ///
    /// # Errors
    /// [`SourceError::WrongGrant`] for a grant of another dataset, or one that hides anything.
    pub fn provider(&self, grant: &Grant) -> Result<Arc<dyn TableProvider>, SourceError> {
        self.admit(grant)?;
        if !grant.is_unrestricted() {
            return Err(self.wrong_grant());
        }
        Ok(Arc::new(BaseTable::new(self.clone())))
    }

    /// Whether this reads the very same files as `other`, opened once.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) && Arc::ptr_eq(&self.reads, &other.reads)
    }

    /// How many files, or stretches of them, it reads.
    pub fn file_count(&self) -> usize {
        self.reads.files.len()
    }

    fn admit(&self, grant: &Grant) -> Result<(), SourceError> {
        let same = Arc::ptr_eq(grant.dataset(), self.dataset()) || **grant.dataset() == **self.dataset();
        if same && grant.product().id == *self.product() { Ok(()) } else { Err(self.wrong_grant()) }
    }

    fn wrong_grant(&self) -> SourceError {
        SourceError::WrongGrant { dataset: self.dataset().name.to_string() }
    }

    /// The footer of one of the snapshot's files.
    pub(super) async fn footer(&self, file: &SnapshotFile) -> Result<Arc<ParquetMetaData>, SourceError> {
        self.footer_of(&file.meta).await.map_err(|error| unreadable(file, error))
    }

    pub(super) async fn footer_of(&self, file: &ObjectMeta) -> ParquetResult<Arc<ParquetMetaData>> {
        let PinnedReaders { store, footers } = self.inner.readers.as_ref();
        footers.get(store, file).await
    }

    /// The stores it was opened with.
    pub(super) fn stores(&self) -> &Stores {
        &self.inner.origin.stores
    }

    /// Readers of the snapshot's files, in their pinned state.
    pub(super) fn readers(&self) -> Arc<PinnedReaders> {
        Arc::clone(&self.inner.readers)
    }

    /// How many footers may be read at once.
    pub(super) fn concurrent_footers(&self) -> usize {
        self.inner.origin.stores.limits().concurrent_footers.max(1)
    }

    pub(super) fn files(&self) -> &[PartitionedFile] {
        &self.reads.files
    }

    /// [`DatasetSource::raw_schema`] under the contract's names.
    pub(super) fn named_schema(&self) -> &SchemaRef {
        &self.inner.layout.named
    }

    pub(super) fn statistics(&self) -> &Statistics {
        &self.reads.statistics
    }

    pub(super) fn scan_of(
        &self,
        files: Vec<PartitionedFile>,
        statistics: Statistics,
        partitions: usize,
        decodes_late: bool,
    ) -> FileScanConfigBuilder {
        let source = ParquetSource::new(self.inner.layout.table.clone())
            .with_parquet_file_reader_factory(Arc::clone(&self.inner.readers) as _)
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true)
            .with_pushdown_filters(decodes_late);
        FileScanConfigBuilder::new(self.inner.url.clone(), Arc::new(source))
            .with_file_groups(FileGroup::new(files).split_files(partitions.max(1)))
            .with_statistics(statistics)
            .with_expr_adapter(Some(Arc::new(ContractAdapters)))
    }
}

/// What is known of a part of something. A part of what holds no NULL holds none either.
fn of_part(whole: &Statistics) -> Statistics {
    let mut part = whole.clone().to_inexact();
    for (part, whole) in part.column_statistics.iter_mut().zip(&whole.column_statistics) {
        if whole.null_count == Precision::Exact(0) {
            part.null_count = whole.null_count;
        }
    }
    part
}

/// The bytes of a row, column by column.
fn widths(statistics: &Statistics) -> Vec<Option<usize>> {
    let rows = statistics.num_rows.get_value().copied().unwrap_or_default();
    let width = |column: &ColumnStatistics| match column.byte_size {
        Precision::Exact(bytes) if rows > 0 => Some(bytes.div_ceil(rows)),
        Precision::Exact(_) | Precision::Inexact(_) | Precision::Absent => None,
    };
    statistics.column_statistics.iter().map(width).collect()
}

/// Most files of a dataset have one schema: hold it once.
fn share_schemas(files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
    let mut last: Option<SchemaRef> = None;
    files
        .into_iter()
        .map(|mut file| {
            match (&last, &file.arrow_schema) {
                (Some(shared), Some(own)) if shared == own => file.arrow_schema = Some(Arc::clone(shared)),
                _ => last.clone_from(&file.arrow_schema),
            }
            file
        })
        .collect()
}

/// The dataset and the snapshot's digest: plans are printed, paths are not.
impl fmt::Debug for DatasetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatasetSource({}, {})", self.dataset().name, self.snapshot().id())
    }
}

#[cfg(test)]
mod tests;
