//! What would be written: where, in which order, laid out how.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::parquet::basic::CompressionCodec;
use object_store::path::PathPart;
use percent_encoding::percent_decode_str;

use super::columns::unified;
use super::error::RewriteError;
use super::layout::{FileLayout, Known};
use super::place::{beside, not_read_by, plain_segments};
use super::sample::Sample;
pub use super::scan::Means;
use super::scan::Scans;
use super::target::Target;
use crate::product::{Location, Origin};
use crate::source::advice::{Bytes, Keys};
use crate::source::location::{LocationError, Root, shown};
use crate::source::{DatasetSource, SourceError};

/// How a dataset is to be written anew.
#[derive(Debug, Clone)]
pub struct RewriteOptions {
    /// Names of columns that rows are sorted by; the primary key's if there are none.
    pub sort_by: Vec<String>,
    /// What the new folder's name ends in.
    pub stamp: String,
    /// Goes between name and stamp, where one folder held several datasets.
    pub tag: Option<String>,
    /// What reading and sorting may take.
    pub means: Means,
}

/// Another location of the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its domain's data root.
    pub data_root: String,
    /// The location, as its contract writes it.
    pub location: String,
}

/// A dataset's files to be written anew. Nothing is written yet.
pub struct Rewrite {
    pub(super) source: DatasetSource,
    pub(super) scans: Scans,
    pub(super) schema: SchemaRef,
    /// Positions in the schema.
    pub(super) sort_by: Vec<usize>,
    pub(super) layout: FileLayout,
    pub(super) target: Target,
    pub(super) sets: BTreeMap<String, Vec<PartitionedFile>>,
    location: String,
    fixed: usize,
    options: RewriteOptions,
}

impl Rewrite {
    /// Decides on everything, reading footers and a few rows.
    ///
    /// # Errors
    /// [`RewriteError`] for what can be told before anything is written; so for a new folder that one of `neighbours`,
    /// the locations of all the mesh's datasets, would read.
    pub async fn plan(
        source: &DatasetSource,
        neighbours: &[Neighbour],
        options: RewriteOptions,
    ) -> Result<Self, RewriteError> {
        let Origin::Files(Location { url, .. }) = &source.dataset().origin else {
            let reason = "it is derived from other datasets".to_owned();
            return Err(SourceError::Contract { dataset: source.dataset().name.to_string(), reason }.into());
        };
        let refused = |source: LocationError| SourceError::Location { location: shown(url), source };
        let root = Root::parse(source.data_root()).map_err(refused)?;
        let fixed = plain_segments(&root.resolve(url).map_err(refused)?);
        let name = source.dataset().name.as_str();
        let location = beside(url, fixed, &options.stamp, options.tag.as_deref(), name);
        let place = root.resolve(&location).map_err(|_| RewriteError::NoPlace(shown(url)))?;

        let schema = unified(source)?;
        let keys = Keys::of(source.dataset(), source.snapshot());
        let sort_by = sort_by(source, &schema, &keys, &options.sort_by)?;
        let sets = sets(source, &root);
        let files: Vec<String> = sets.keys().map(|folder| join(folder, &file_name(0))).collect();
        for neighbour in neighbours {
            not_read_by((&root, &place, &location), &files, (&neighbour.data_root, &neighbour.location))?;
        }
        let target = Target::at(source.stores(), &root, &place, &location).await?;

        let scans = Scans::new(source, &options.means)?;
        let sample = Sample::take(&scans, &schema, source.files()).await?;
        let (row_bytes, codec) = habits(source).await?;
        let known = Known {
            schema: &schema,
            dataset: source.dataset(),
            keys: &keys,
            sample: &sample,
            row_bytes,
            codec,
            sort_by: &sort_by,
        };
        let layout = FileLayout::of(&known).map_err(|error| RewriteError::encode(&location, error))?;
        Ok(Self { source: source.clone(), scans, schema, sort_by, layout, target, sets, location, fixed, options })
    }

    /// The new folder, as a contract's location.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// What a text that stands for the old location becomes, with `token` where the dataset's name stands in it.
    pub fn moved(&self, written: &str, token: &str) -> String {
        let tag = self.options.tag.as_ref().map(|_| token);
        beside(written, self.fixed, &self.options.stamp, tag, token)
    }

    /// What is decided, a line each, in its owner's words.
    pub fn decisions(&self) -> Vec<String> {
        let snapshot = self.source.snapshot();
        let partitions = self.sets.keys().filter(|folder| !folder.is_empty()).count();
        let files = match snapshot.files().len() {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        let mut lines = vec![format!("reads {files}, {}", Bytes(snapshot.total_bytes()))];
        if partitions > 0 {
            lines.push(format!("keeps {partitions} partition folders"));
        }
        let names = |of: &[String]| of.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let field = |at: &usize| self.schema.fields().get(*at).map(|field| field.name().clone());
        let order: Vec<String> = self.sort_by.iter().filter_map(field).collect();
        lines.push(match order.is_empty() {
            true => "keeps the rows in their order: the contract names no key, and --sort-by no column".into(),
            false => format!("sorts the rows by {}", names(&order)),
        });
        let FileLayout { group_rows, bloom_filters, no_dictionary, codec, .. } = &self.layout;
        lines.push(format!("writes row groups of at most {group_rows} rows, with page index, compressed by {codec}"));
        if !bloom_filters.is_empty() {
            lines.push(format!("bloom filters on {}", names(bloom_filters)));
        }
        if !no_dictionary.is_empty() {
            lines.push(format!("no dictionary on {}", names(no_dictionary)));
        }
        lines
    }
}

/// The files of each partition: those whose paths have the same `key=value` folders below the data root.
pub(super) fn sets(source: &DatasetSource, root: &Root) -> BTreeMap<String, Vec<PartitionedFile>> {
    let mut sets: BTreeMap<String, Vec<PartitionedFile>> = BTreeMap::new();
    for file in source.files() {
        let parts = file.object_meta.location.parts();
        let parts: Vec<String> = match root {
            // The listing encodes what folders are called; see there.
            Root::Local { .. } => {
                let name = |part: PathPart<'_>| percent_decode_str(part.as_ref()).decode_utf8_lossy().into_owned();
                parts.map(name).collect()
            }
            Root::Remote { prefix, .. } => parts.skip(prefix.len()).map(|part| part.as_ref().to_owned()).collect(),
        };
        let folders = parts.split_last().map_or(&[][..], |(_, folders)| folders);
        let keys: Vec<&str> = folders.iter().map(String::as_str).filter(|folder| folder.contains('=')).collect();
        sets.entry(keys.join("/")).or_default().push(file.clone());
    }
    sets
}

/// What the file of this number is called.
pub(super) fn file_name(number: usize) -> String {
    format!("part-{number:05}.parquet")
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The columns to sort by, as positions in the files' schema: those asked for, else the primary key's.
fn sort_by(
    source: &DatasetSource,
    schema: &SchemaRef,
    keys: &Keys,
    asked: &[String],
) -> Result<Vec<usize>, RewriteError> {
    let position = |physical: &str| schema.fields().iter().position(|field| field.name() == physical);
    if asked.is_empty() {
        let columns = keys.primary.iter().filter_map(|at| source.dataset().columns.get(*at));
        // A key without one of its columns, which is a partition's, still orders.
        return Ok(columns.filter_map(|column| position(&column.physical_name)).collect());
    }
    let mut found = Vec::new();
    for name in asked {
        let refuse = |reason| RewriteError::SortBy { column: name.clone(), reason };
        let physical = source.dataset().column(name).map_or(name.as_str(), |column| &column.physical_name);
        let is_folder = source.snapshot().files().iter().flat_map(|file| &file.keys).any(|key| key.key == physical);
        if is_folder {
            return Err(refuse("it is a partition's, the same for all rows of a folder"));
        }
        let at = position(physical).ok_or_else(|| refuse("the dataset has no such column"))?;
        if schema.field(at).data_type().is_nested() {
            return Err(refuse("nested values have no order"));
        }
        if found.contains(&at) {
            return Err(refuse("it is named twice"));
        }
        found.push(at);
    }
    Ok(found)
}

/// Uncompressed bytes of a row, and the one codec of all columns if there is one.
async fn habits(source: &DatasetSource) -> Result<(u64, Option<CompressionCodec>), RewriteError> {
    let (mut rows, mut bytes) = (0_u64, 0_u64);
    let mut codecs: Vec<CompressionCodec> = Vec::new();
    for file in source.snapshot().files() {
        let footer = source.footer(file).await?;
        for group in footer.row_groups() {
            rows += group.num_rows().unsigned_abs();
            bytes += group.total_byte_size().unsigned_abs();
            for codec in group.columns().iter().map(|column| column.compression_codec()) {
                if !codecs.contains(&codec) {
                    codecs.push(codec);
                }
            }
        }
    }
    let codec = match codecs[..] {
        [only] => Some(only),
        _ => None,
    };
    Ok((bytes / rows.max(1), codec))
}
