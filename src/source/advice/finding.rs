//! What can be found, in its owner's words: what it is, what changing it gains, and what to change.

use std::fmt;

/// In how many of a dataset's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The files it is about.
    pub files: usize,
    /// All of them.
    pub of: usize,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.files, self.of) {
            (_, 1) => write!(f, "its file"),
            (files, of) if files == of => write!(f, "all {of} files"),
            (files, of) => write!(f, "{files} of {of} files"),
        }
    }
}

/// A number of bytes as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return write!(f, "{} bytes", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{value:.1} {}", UNITS[unit])
    }
}

/// Something about a dataset's files that makes it slower than it could be. Columns have the contract's names.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// Columns that queries select by have no bounds at all.
    NoStatistics {
        /// Which columns.
        columns: Vec<String>,
        /// Where.
        files: Share,
    },
    /// Pages cannot be skipped.
    NoPageIndex(Share),
    /// Keys that lookups cannot rule out.
    NoBloomFilter {
        /// Which columns.
        columns: Vec<String>,
        /// Where.
        files: Share,
    },
    /// A dictionary that only repeats the column.
    DictionaryOnUnique {
        /// Which columns.
        columns: Vec<String>,
        /// Where.
        files: Share,
    },
    /// A dictionary that the writer gave up midway.
    DictionaryGivenUp {
        /// Which columns.
        columns: Vec<String>,
        /// Where.
        files: Share,
    },
    /// Neither the key nor a date is in any order.
    Unsorted {
        /// What was looked at.
        columns: Vec<String>,
        /// How many of the pairs of row groups (or pages) have common values in the best of them, in per cent.
        overlap: u8,
    },
    /// Too many small files.
    TinyFiles {
        /// Which.
        files: Share,
        /// Their size on average.
        mean: Bytes,
    },
    /// Partitions of one small file each.
    TinyPartitions {
        /// How many folders.
        folders: usize,
        /// Their size on average.
        mean: Bytes,
    },
    /// Row groups too small to be worth it.
    TinyRowGroups {
        /// Where.
        files: Share,
        /// Their rows on average.
        mean_rows: u64,
    },
    /// Row groups too large to skip or share out.
    HugeRowGroups {
        /// Where.
        files: Share,
        /// The rows of the largest.
        rows: u64,
        /// Its uncompressed bytes.
        bytes: Bytes,
    },
    /// A large file that only one thread can read.
    SingleRowGroup {
        /// Where.
        files: Share,
        /// The rows of the largest.
        rows: u64,
    },
    /// Files that are too much for one.
    HugeFiles {
        /// Which.
        files: Share,
        /// The largest.
        largest: Bytes,
    },
    /// Not compressed.
    Uncompressed(Share),
    /// Compressed in a way that takes long to read.
    SlowCodec {
        /// Its name.
        codec: &'static str,
        /// Where.
        files: Share,
    },
    /// Timestamps of a type without an order.
    Int96 {
        /// Which columns.
        columns: Vec<String>,
        /// Where.
        files: Share,
    },
    /// In order, which nobody is told.
    OrderUntold {
        /// The key.
        column: String,
        /// Where.
        files: Share,
    },
}

impl Finding {
    /// What it is.
    pub fn what(&self) -> String {
        match self {
            Self::NoStatistics { columns, files } => {
                format!("no smallest and largest values of {} in {files}", Names(columns))
            }
            Self::NoPageIndex(files) => format!("no page index in {files}"),
            Self::NoBloomFilter { columns, files } => format!("no bloom filter on {} in {files}", Names(columns)),
            Self::DictionaryOnUnique { columns, files } => {
                format!("a dictionary on {}, which repeats no value, in {files}", Names(columns))
            }
            Self::DictionaryGivenUp { columns, files } => {
                format!("a dictionary on {} that outgrew its limit, in {files}", Names(columns))
            }
            Self::Unsorted { columns, overlap } => {
                format!("rows in no order of {}: {overlap} % of the row groups or pages overlap", AnyOf(columns))
            }
            Self::TinyFiles { files, mean } => format!("{files} are small, {mean} on average"),
            Self::TinyPartitions { folders, mean } => {
                format!("{folders} partition folders hold next to nothing, {mean} on average")
            }
            Self::TinyRowGroups { files, mean_rows } => {
                format!("tiny row groups in {files}, {mean_rows} rows on average")
            }
            Self::HugeRowGroups { files, rows, bytes } => {
                format!("huge row groups in {files}, of up to {rows} rows and {bytes}")
            }
            Self::SingleRowGroup { files, rows } => format!("one row group for all of up to {rows} rows in {files}"),
            Self::HugeFiles { files, largest } => format!("{files} are huge, up to {largest}"),
            Self::Uncompressed(files) => format!("no compression in {files}"),
            Self::SlowCodec { codec, files } => format!("compression by {codec} in {files}"),
            Self::Int96 { columns, files } => format!("legacy INT96 timestamps in {}, in {files}", Names(columns)),
            Self::OrderUntold { column, files } => format!("rows sorted by `{column}` without saying so in {files}"),
        }
    }

    /// What changing it would gain.
    pub fn gain(&self) -> &'static str {
        match self {
            Self::NoStatistics { .. } => "a filter on these skips row groups and files; now every one is read",
            Self::NoPageIndex(_) => "a lookup or a narrow range decodes single pages rather than whole row groups",
            Self::NoBloomFilter { .. } => {
                "a lookup passes over row groups without the value, and takes about a quarter of the time"
            }
            Self::DictionaryOnUnique { .. } | Self::DictionaryGivenUp { .. } => {
                "a lookup need not decode the whole dictionary first, and takes about a third of the time"
            }
            Self::Unsorted { .. } => "a filter on what the rows are sorted by reads a few row groups rather than all",
            Self::TinyFiles { .. } => {
                "fewer requests and footers for each query and each start; a store answers each in tens of milliseconds"
            }
            Self::TinyPartitions { .. } => "fewer listings, requests and footers; better compression",
            Self::TinyRowGroups { .. } => "smaller footers, larger reads, better compression",
            Self::HugeRowGroups { .. } => "more to skip, more threads at work, less memory",
            Self::SingleRowGroup { .. } => "several threads read it at once, and filters have something to skip",
            Self::HugeFiles { .. } => "a part can be replaced or fetched again without the rest",
            Self::Uncompressed(_) => "a third to a fifth of the bytes to store and to fetch",
            Self::SlowCodec { .. } => "a scan spends several times less in decompression",
            Self::Int96 { .. } => "timestamps get bounds, so that filters on them skip row groups and pages",
            Self::OrderUntold { .. } => "programs that look for it need not sort again",
        }
    }

    /// What to change.
    pub fn change(&self) -> String {
        match self {
            Self::NoStatistics { .. } => "let the writer record statistics".into(),
            Self::NoPageIndex(_) => "let the writer record the page index (pyarrow: `write_page_index=True`)".into(),
            Self::NoBloomFilter { columns, .. } => format!("write bloom filters for {}", Names(columns)),
            Self::DictionaryOnUnique { columns, .. } | Self::DictionaryGivenUp { columns, .. } => {
                format!("switch the dictionary off for {}", Names(columns))
            }
            Self::Unsorted { columns, .. } => {
                format!("sort the rows by {} before they are written", Names(columns.get(..1).unwrap_or_default()))
            }
            Self::TinyFiles { .. } => "write them together, to files of 128 MiB and more".into(),
            Self::TinyPartitions { .. } => {
                "partition by a coarser key, such as the month rather than the day; the finer one stays a column".into()
            }
            Self::TinyRowGroups { .. } => "write row groups of 100 000 rows or more".into(),
            Self::HugeRowGroups { .. } | Self::SingleRowGroup { .. } => {
                "write row groups of 100 000 to 1 000 000 rows".into()
            }
            Self::HugeFiles { .. } => "write several files of at most 1 GiB".into(),
            Self::Uncompressed(_) | Self::SlowCodec { .. } => "compress by zstd, or by snappy".into(),
            Self::Int96 { .. } => {
                "write timestamps as INT64 (Spark: `spark.sql.parquet.outputTimestampType=TIMESTAMP_MICROS`)".into()
            }
            Self::OrderUntold { .. } => "let the writer record its sorting columns".into(),
        }
    }
}

/// What it is, what it gains and what to change, on a line each.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    gain: {}\n    change: {}", self.what(), self.gain(), self.change())
    }
}

/// Names that a line has room for.
const SHOWN: usize = 6;

/// `a`, `b` and 3 more.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(self.0, f)?;
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// `a`, or any of `a`, `b`.
struct AnyOf<'a>(&'a [String]);

impl fmt::Display for AnyOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() > 1 {
            f.write_str("any of ")?;
        }
        joined(self.0, f)
    }
}

fn joined(names: &[String], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, name) in names.iter().take(SHOWN).enumerate() {
        write!(f, "{}`{name}`", if at == 0 { "" } else { ", " })?;
    }
    Ok(())
}
