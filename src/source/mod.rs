//! From a contract's storage server to rows: where the files are, which exactly, whether they keep
//! what the contract promises, and how DataFusion reads them.
//!
//! ```text
//! Location ──location──▶ place below the domain's root ──listing──▶ exact files ──▶ Snapshot
//! Snapshot + contract ──dataset──▶ DatasetSource ──(with a Grant)──▶ FileScanConfig or provider
//! ```
//!
//! INVARIANT: a [`DatasetSource`] reads the files of its snapshot and nothing else, in the state the
//! snapshot saw them: every read says which state it expects, and another state is
//! [`SourceFault::Changed`], never mixed data.
//!
//! Deliberately absent: DataFusion's `ListingTable` (it lists again for each query, merges schemas
//! and reads whatever it finds), writing (but for [`rewrite`], which makes new files and touches no old ones), and
//! credentials taken from the environment unasked.

mod adapter;
pub mod advice;
mod agreement;
mod dataset;
mod error;
mod finer;
mod first_rows;
mod fit;
mod footer;
mod history;
mod hive;
mod listing;
mod location;
mod part;
mod pinned;
mod place;
mod provider;
pub mod rewrite;
mod snapshot;
mod statistics;
mod store;

pub use dataset::DatasetSource;
pub use error::{SourceError, SourceFault, classify};
pub use history::{History, HistoryConfig, Record};
pub use location::store_of;
pub use part::Part;
pub use snapshot::{Snapshot, SnapshotFile};
pub use store::{SourceLimits, StoreConfig, StoreError, Stores, StoresConfig};
