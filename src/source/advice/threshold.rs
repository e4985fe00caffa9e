//! From where on something is worth a word. Each is chosen so that whoever follows the advice gains what can be
//! measured, and that what common writers do well enough is passed over.

/// Rows of a row group below which its inner layout does not matter: common writers put so many into one page.
pub(in crate::source) const WORTHWHILE_ROWS: u64 = 20_000;

/// Distinct values below which a bloom filter rules out next to nothing: each row group has them all.
pub(in crate::source) const FEW_VALUES: u64 = 1_024;

/// A dictionary page of fewer compressed bytes has few values, whatever they are.
pub(super) const SMALL_DICTIONARY_BYTES: i64 = 4 << 10;

/// A file below this costs more to find and to open, its footer included, than to read.
pub(super) const TINY_FILE_BYTES: u64 = 4 << 20;

/// What tiny files are written together to.
pub(super) const GOOD_FILE_BYTES: u64 = 128 << 20;

/// Tiny files (or folders of one) beyond which their number is felt: a reader opens about so many at once.
pub(super) const MANY_TINY: usize = 16;

/// Row groups of fewer rows, of fewer bytes as well, are told apart at more cost than they are skipped.
pub(super) const TINY_GROUP_ROWS: u64 = 16 << 10;
/// See [`TINY_GROUP_ROWS`]: wide tables have large row groups of few rows.
pub(super) const TINY_GROUP_BYTES: u64 = 1 << 20;
/// A file's first few row groups may be small for other reasons.
pub(super) const MANY_GROUPS: usize = 4;

/// Row groups of more rows are too coarse to skip, and each is read by one thread. Writers of Arrow's family stop here.
pub(super) const HUGE_GROUP_ROWS: u64 = 1 << 20;
/// The same in uncompressed bytes: writers of the Hadoop family stop at 128 or 256 MiB.
pub(super) const HUGE_GROUP_BYTES: u64 = 512 << 20;

/// A single row group of more rows could keep several threads busy if it were several.
pub(super) const SINGLE_GROUP_ROWS: u64 = 512 << 10;
/// The same in uncompressed bytes.
pub(super) const SINGLE_GROUP_BYTES: u64 = 64 << 20;
/// With so many files, threads have enough to share out whatever their row groups.
pub(super) const ENOUGH_FILES: usize = 8;

/// A file beyond this is replaced, copied and fetched again as a whole, for one changed row.
pub(super) const HUGE_FILE_BYTES: u64 = 4 << 30;

/// Fewer ranges say nothing about an order.
pub(super) const FEWEST_RANGES: usize = 4;
/// Where more than this share of pairs of row groups overlap, a lookup skips too little to notice.
pub(super) const OVERLAPPING: f64 = 0.5;
