//! Footers of Parquet files: read once, kept while memory allows, shared by all queries. Whoever asks for one that is being
//! read waits for that reading.
//!
//! DataFusion's own cache is not used: its reader turns the cause of a failed footer read into text,
//! so that a changed file could not be told from a damaged one.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::parquet::DecodeResult;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::FutureExt;
use futures::future::BoxFuture;
use moka::future::Cache;
use object_store::ObjectMeta;

use super::error::{SourceFault, classify};
use super::pinned::PinnedStore;

/// How much of a file's end is read at once: most footers and page indexes fit.
const TAIL: u64 = 64 << 10;

/// Footers by the exact state of their file.
#[derive(Clone)]
pub(super) struct FooterCache {
    footers: Cache<FooterKey, Arc<ParquetMetaData>>,
}

/// A file in one state.
#[derive(Clone, PartialEq, Eq, Hash)]
struct FooterKey {
    root: Arc<str>,
    meta: (String, u64, i64, Option<String>),
}

impl FooterCache {
    pub fn new(bytes: u64) -> Self {
        let weigh =
            |_: &FooterKey, footer: &Arc<ParquetMetaData>| u32::try_from(footer.memory_size()).unwrap_or(u32::MAX);
        Self { footers: Cache::builder().max_capacity(bytes).weigher(weigh).build() }
    }

    /// The footer of a pinned file, with its page index if it has one.
    pub async fn get(&self, store: &Arc<PinnedStore>, file: &ObjectMeta) -> ParquetResult<Arc<ParquetMetaData>> {
        let modified = file.last_modified.timestamp_nanos_opt().unwrap_or(i64::MIN);
        let key = FooterKey {
            root: Arc::clone(store.root()),
            meta: (file.location.to_string(), file.size, modified, file.e_tag.clone()),
        };
        if let Some(footer) = self.footers.get(&key).await {
            metrics::counter!("airside_footers_total", "outcome" => "cached").increment(1);
            return Ok(footer);
        }
        // A task of its own: those who wait for it do not wait for a query whose client has stopped to read, and a query
        // that is called off takes nobody's footer with it.
        let (footers, reader, wanted) = (self.footers.clone(), Arc::clone(store), file.clone());
        let reading = tokio::spawn(async move {
            let read = async { read(&reader, &wanted).await.map(Arc::new) };
            footers.entry(key).or_try_insert_with(read).await
        });
        let failed = |_| ParquetError::General("its footer cannot be decoded".into());
        match reading.await.map_err(failed)? {
            Ok(entry) => {
                let outcome = if entry.is_fresh() { "read" } else { "cached" };
                metrics::counter!("airside_footers_total", "outcome" => outcome).increment(1);
                metrics::gauge!("airside_footer_cache_bytes").set(self.footers.weighted_size() as f64);
                Ok(entry.into_value())
            }
            Err(error) => {
                // Another snapshot's reader may have met it.
                if classify(error.as_ref()) == Some(SourceFault::Changed) {
                    store.note_change();
                }
                Err(Arc::try_unwrap(error).unwrap_or_else(|shared| ParquetError::External(Box::new(shared))))
            }
        }
    }
}

impl fmt::Debug for FooterCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FooterCache({})", self.footers.entry_count())
    }
}

async fn read(store: &PinnedStore, file: &ObjectMeta) -> ParquetResult<ParquetMetaData> {
    let fetch = async |ranges: &[Range<u64>]| {
        store.read(&file.location, ranges).await.map_err(|error| ParquetError::External(Box::new(error)))
    };
    let mut decoder = ParquetMetaDataPushDecoder::try_new(file.size)?.with_page_index_policy(PageIndexPolicy::Optional);
    let tail = file.size.saturating_sub(TAIL)..file.size;
    let data = fetch(std::slice::from_ref(&tail)).await?;
    check_end(file.size, data.first().map_or(&[], AsRef::as_ref))?;
    decoder.push_ranges(vec![tail], data)?;
    loop {
        match decoder.try_decode()? {
            DecodeResult::Data(footer) => return Ok(footer),
            DecodeResult::NeedsData(ranges) => {
                let data = fetch(&ranges).await?;
                decoder.push_ranges(ranges, data)?;
            }
            DecodeResult::Finished => return Err(ParquetError::General("the footer ends early".into())),
        }
    }
}

/// The last eight bytes: the footer's length, which the decoder would believe, and the magic.
fn check_end(size: u64, tail: &[u8]) -> ParquetResult<()> {
    let refuse = |reason: &str| Err(ParquetError::General(reason.to_owned()));
    match tail.last_chunk::<8>() {
        Some([a, b, c, d, b'P', b'A', b'R', b'1']) => {
            if u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + 12 > size {
                return refuse("its footer is longer than the file");
            }
            Ok(())
        }
        Some([_, _, _, _, b'P', b'A', b'R', b'E']) => refuse("its footer is encrypted"),
        Some(_) => refuse("it does not end like a Parquet file"),
        None => refuse("it is shorter than any Parquet file"),
    }
}

/// Makes DataFusion's readers of pinned files.
#[derive(Debug)]
pub(super) struct PinnedReaders {
    pub store: Arc<PinnedStore>,
    pub footers: FooterCache,
}

impl ParquetFileReaderFactory for PinnedReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        Ok(Box::new(PinnedReader {
            store: Arc::clone(&self.store),
            footers: self.footers.clone(),
            file: file.object_meta,
            bytes_scanned: MetricBuilder::new(metrics).counter("bytes_scanned", partition_index),
        }))
    }
}

struct PinnedReader {
    store: Arc<PinnedStore>,
    footers: FooterCache,
    file: ObjectMeta,
    bytes_scanned: Count,
}

impl AsyncFileReader for PinnedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        let ranges = self.get_byte_ranges(vec![range]);
        async move {
            let mut ranges = ranges.await?;
            ranges.pop().ok_or_else(|| ParquetError::General("the store gave no bytes".into()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        let bytes: u64 = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        self.bytes_scanned.add(usize::try_from(bytes).unwrap_or(usize::MAX));
        async move {
            self.store.read(&self.file.location, &ranges).await.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        // Always with the page index, which later queries then find here too.
        async move { self.footers.get(&self.store, &self.file).await }.boxed()
    }
}
