//! From what each file is like to what is worth saying of all of them.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};

use super::file::{FileFacts, look};
use super::finding::{Bytes, Finding, Share};
use super::keys::Keys;
use super::overlap::{Range, overlap};
use super::threshold::{
    ENOUGH_FILES, FEWEST_RANGES, GOOD_FILE_BYTES, HUGE_FILE_BYTES, HUGE_GROUP_BYTES, HUGE_GROUP_ROWS, MANY_GROUPS,
    MANY_TINY, OVERLAPPING, SINGLE_GROUP_BYTES, SINGLE_GROUP_ROWS, TINY_FILE_BYTES, TINY_GROUP_BYTES, TINY_GROUP_ROWS,
};
use crate::product::Dataset;
use crate::source::{DatasetSource, SourceError};

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// How many files.
    pub files: usize,
    /// Their size.
    pub bytes: Bytes,
    /// Their rows.
    pub rows: u64,
    /// What makes them slow, the most first; empty if nothing does.
    pub findings: Vec<Finding>,
}

/// Looks at the footers of a dataset's files: those cached since it was opened, or read again.
///
/// # Errors
/// [`SourceError`] when a footer cannot be read any more.
pub async fn survey(source: &DatasetSource) -> Result<Survey, SourceError> {
    let keys = Keys::of(source.dataset(), source.snapshot());
    let (dataset, keys) = (source.dataset(), &keys);
    let partitioned = source.snapshot().files().iter().any(|file| !file.keys.is_empty());
    let files: Vec<FileFacts> = futures::stream::iter(source.snapshot().files())
        .map(|file| async move {
            let footer = source.footer(file).await?;
            let path = file.meta.location.as_ref();
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            let (name, size) = (path.to_owned(), file.meta.size);
            let (dataset, keys) = (std::sync::Arc::clone(dataset), keys.clone());
            // A task of its own: whatever a footer holds, it fails one look.
            let look = tokio::task::spawn_blocking(move || look(folder, size, &footer, &dataset, &keys));
            look.await.map_err(|_| SourceError::Damaged { file: name, reason: "its footer contradicts itself".into() })
        })
        .buffered(source.concurrent_footers())
        .try_collect()
        .await?;
    let all = All { dataset, files: &files, partitioned };
    Ok(Survey {
        files: files.len(),
        bytes: Bytes(files.iter().map(|file| file.bytes).sum()),
        rows: files.iter().map(|file| file.rows).sum(),
        findings: all.findings(keys),
    })
}

struct All<'a> {
    dataset: &'a Dataset,
    files: &'a [FileFacts],
    /// Whether folders are partitions, whose files are ranged apart.
    partitioned: bool,
}

impl All<'_> {
    fn findings(&self, keys: &Keys) -> Vec<Finding> {
        let columns = |of: fn(&FileFacts) -> &Vec<usize>, finding: fn(Vec<String>, Share) -> Finding| {
            let positions: BTreeSet<usize> = self.files.iter().flat_map(of).copied().collect();
            let files = self.share(|file| !of(file).is_empty())?;
            Some(finding(positions.into_iter().filter_map(|at| self.name(at)).collect(), files))
        };
        let found = [
            columns(|file| &file.no_statistics, |columns, files| Finding::NoStatistics { columns, files }),
            columns(|file| &file.int96, |columns, files| Finding::Int96 { columns, files }),
            self.unsorted(keys),
            self.tiny_files(),
            self.tiny_partitions(),
            columns(|file| &file.dictionary_on_unique, |columns, files| Finding::DictionaryOnUnique { columns, files }),
            columns(|file| &file.no_bloom_filter, |columns, files| Finding::NoBloomFilter { columns, files }),
            self.share(|file| file.no_page_index).map(Finding::NoPageIndex),
            self.dictionaries_given_up(),
            self.tiny_row_groups(),
            self.huge_row_groups(),
            self.single_row_group(),
            self.huge_files(),
            self.share(|file| file.uncompressed && file.bytes > TINY_FILE_BYTES / 4).map(Finding::Uncompressed),
            self.slow_codec("gzip"),
            self.slow_codec("brotli"),
            self.order_untold(keys),
        ];
        found.into_iter().flatten().collect()
    }

    fn name(&self, column: usize) -> Option<String> {
        self.dataset.columns.get(column).map(|column| column.name.clone())
    }

    /// The files of which something holds; none if there are none.
    fn share(&self, holds: impl Fn(&FileFacts) -> bool) -> Option<Share> {
        let files = self.files.iter().filter(|file| holds(file)).count();
        (files > 0).then_some(Share { files, of: self.files.len() })
    }

    fn dictionaries_given_up(&self) -> Option<Finding> {
        let files = self.share(|file| !file.dictionary_given_up.is_empty())?;
        let named = |physical: &String| {
            let known = self.dataset.columns.iter().find(|column| column.physical_name == *physical);
            known.map_or_else(|| physical.clone(), |column| column.name.clone())
        };
        let names: BTreeSet<&String> = self.files.iter().flat_map(|file| &file.dictionary_given_up).collect();
        Some(Finding::DictionaryGivenUp { columns: names.into_iter().map(named).collect(), files })
    }

    /// Neither the key nor any date has an order, within each partition on average.
    fn unsorted(&self, keys: &Keys) -> Option<Finding> {
        let columns: Vec<usize> = keys.orders().collect();
        let known: Vec<f64> = columns.iter().filter_map(|column| self.overlap(*column)).collect();
        let least = known.into_iter().reduce(f64::min).filter(|overlap| *overlap > OVERLAPPING)?;
        let overlap = (least * 100.0).clamp(0.0, 100.0).round() as u8;
        Some(Finding::Unsorted { columns: columns.into_iter().filter_map(|at| self.name(at)).collect(), overlap })
    }

    fn overlap(&self, column: usize) -> Option<f64> {
        let mut folders: BTreeMap<&str, (Vec<Range>, Vec<Range>)> = BTreeMap::new();
        for file in self.files {
            let Some(order) = file.orders.iter().find(|order| order.column == column) else { continue };
            let folder = if self.partitioned { file.folder.as_str() } else { "" };
            let (groups, pages) = folders.entry(folder).or_default();
            groups.extend_from_slice(&order.groups);
            pages.extend_from_slice(&order.pages);
        }
        let told =
            folders.into_values().map(|(groups, pages)| if groups.len() < FEWEST_RANGES { pages } else { groups });
        let told = told.filter(|ranges| ranges.len() >= FEWEST_RANGES).map(|ranges| (overlap(&ranges), ranges.len()));
        let (sum, count) = told.fold((0.0, 0), |(sum, count), (share, of)| (sum + share * of as f64, count + of));
        (count > 0).then(|| sum / count as f64)
    }

    /// Small files that could be fewer: those of one folder.
    fn tiny_files(&self) -> Option<Finding> {
        let mut folders: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for file in self.files.iter().filter(|file| file.bytes < TINY_FILE_BYTES) {
            let folder = if self.partitioned { file.folder.as_str() } else { "" };
            let (count, bytes) = folders.entry(folder).or_default();
            *count += 1;
            *bytes += file.bytes;
        }
        let needed = |bytes: u64| usize::try_from(bytes.div_ceil(GOOD_FILE_BYTES)).unwrap_or(usize::MAX);
        let too_many: usize = folders.values().map(|(count, bytes)| count.saturating_sub(needed(*bytes).max(1))).sum();
        if too_many < MANY_TINY {
            return None;
        }
        let files: usize = folders.values().map(|(count, _)| count).sum();
        let bytes: u64 = folders.values().map(|(_, bytes)| bytes).sum();
        Some(Finding::TinyFiles { files: Share { files, of: self.files.len() }, mean: mean(bytes, files) })
    }

    /// Partitions that would be tiny as one file.
    fn tiny_partitions(&self) -> Option<Finding> {
        if !self.partitioned {
            return None;
        }
        let mut folders: BTreeMap<&str, u64> = BTreeMap::new();
        for file in self.files {
            *folders.entry(file.folder.as_str()).or_default() += file.bytes;
        }
        let tiny: Vec<u64> = folders.values().copied().filter(|bytes| *bytes < TINY_FILE_BYTES).collect();
        // A year of days is what people partition by; it pays off once the days have grown.
        let many = tiny.len() > MANY_TINY * MANY_TINY;
        many.then(|| Finding::TinyPartitions { folders: tiny.len(), mean: mean(tiny.iter().sum(), tiny.len()) })
    }

    fn tiny_row_groups(&self) -> Option<Finding> {
        let tiny = |file: &FileFacts| {
            let groups = file.groups as u64;
            file.groups > MANY_GROUPS
                && file.rows / groups.max(1) < TINY_GROUP_ROWS
                && file.compressed_bytes / groups.max(1) < TINY_GROUP_BYTES
        };
        let files = self.share(tiny)?;
        let (rows, groups) = self
            .files
            .iter()
            .filter(|file| tiny(file))
            .fold((0, 0), |(rows, groups), file| (rows + file.rows, groups + file.groups as u64));
        Some(Finding::TinyRowGroups { files, mean_rows: rows / groups.max(1) })
    }

    fn huge_row_groups(&self) -> Option<Finding> {
        let files = self.share(is_huge_group)?;
        let huge = || self.files.iter().filter(|file| is_huge_group(file));
        let rows = huge().map(|file| file.largest_group_rows).max()?;
        let bytes = huge().map(|file| file.largest_group_bytes).max()?;
        Some(Finding::HugeRowGroups { files, rows, bytes: Bytes(bytes) })
    }

    fn single_row_group(&self) -> Option<Finding> {
        if self.files.len() >= ENOUGH_FILES {
            return None;
        }
        let single = |file: &FileFacts| {
            file.groups == 1
                && !is_huge_group(file)
                && (file.rows > SINGLE_GROUP_ROWS || file.largest_group_bytes > SINGLE_GROUP_BYTES)
        };
        let files = self.share(single)?;
        let rows = self.files.iter().filter(|file| single(file)).map(|file| file.rows).max()?;
        Some(Finding::SingleRowGroup { files, rows })
    }

    fn huge_files(&self) -> Option<Finding> {
        let files = self.share(|file| file.bytes > HUGE_FILE_BYTES)?;
        let largest = self.files.iter().map(|file| file.bytes).max()?;
        Some(Finding::HugeFiles { files, largest: Bytes(largest) })
    }

    fn slow_codec(&self, codec: &'static str) -> Option<Finding> {
        self.share(|file| file.slow_codec == Some(codec)).map(|files| Finding::SlowCodec { codec, files })
    }

    fn order_untold(&self, keys: &Keys) -> Option<Finding> {
        let files = self.share(|file| file.order_untold)?;
        Some(Finding::OrderUntold { column: self.name(*keys.primary.first()?)?, files })
    }
}

fn is_huge_group(file: &FileFacts) -> bool {
    file.largest_group_rows > HUGE_GROUP_ROWS || file.largest_group_bytes > HUGE_GROUP_BYTES
}

fn mean(bytes: u64, of: usize) -> Bytes {
    Bytes(bytes / (of as u64).max(1))
}
