//! The exact files of a dataset at one moment, and the digest that names them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;
use sha2::{Digest, Sha256};

use super::hive::PartitionKey;

/// The files a dataset consisted of when somebody looked, sorted by path.
#[derive(Debug, Clone)]
pub struct Snapshot {
    id: String,
    files: Vec<SnapshotFile>,
}

/// One file of a [`Snapshot`], in the state it was seen.
#[derive(Debug, Clone)]
pub struct SnapshotFile {
    /// Path within the store, size, ETag and time of last change.
    pub meta: ObjectMeta,
    /// Where it lies on this machine; none in an object store.
    pub(super) local: Option<PathBuf>,
    /// The `key=value` folders on its path.
    pub(super) keys: Vec<PartitionKey>,
}

impl Snapshot {
    /// A snapshot of these files of the store or folder `root`.
    pub(super) fn new(root: &str, mut files: Vec<SnapshotFile>) -> Self {
        files.sort_by(|a, b| a.meta.location.cmp(&b.meta.location));
        let mut digest = Sha256::new();
        // Each text with its length before it, so that no two lists read alike.
        let mut add = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        add(root.as_bytes());
        for file in &files {
            add(file.meta.location.as_ref().as_bytes());
            add(&file.meta.size.to_be_bytes());
            add(&file.meta.last_modified.timestamp_nanos_opt().unwrap_or(i64::MIN).to_be_bytes());
            add(file.meta.e_tag.as_ref().map_or(&b"-"[..], |_| b"+"));
            add(file.meta.e_tag.as_deref().unwrap_or_default().as_bytes());
            add(&(file.keys.len() as u64).to_be_bytes());
            for key in &file.keys {
                add(key.key.as_bytes());
                add(key.value.as_ref().map_or(&b"-"[..], |_| b"+"));
                add(key.value.as_deref().unwrap_or_default().as_bytes());
            }
        }
        let id = hex::encode(digest.finalize());
        Self { id, files }
    }

    /// The digest over the files, in hexadecimal: equal ids are equal files in equal states.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The files, sorted by path.
    pub fn files(&self) -> &[SnapshotFile] {
        &self.files
    }

    /// Size of all files together, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.meta.size).fold(0, u64::saturating_add)
    }

    /// When the last of its files changed.
    pub fn changed(&self) -> Option<DateTime<Utc>> {
        self.files.iter().map(|file| file.meta.last_modified).max()
    }

    /// The files that `earlier` did not have; none if one that it had is not here in the same state.
    pub(super) fn added_since(&self, earlier: &Self) -> Option<HashSet<&Path>> {
        let mut here: HashMap<&Path, &ObjectMeta> =
            self.files.iter().map(|file| (&file.meta.location, &file.meta)).collect();
        for file in &earlier.files {
            if here.remove(&file.meta.location) != Some(&file.meta) {
                return None;
            }
        }
        Some(here.into_keys().collect())
    }

    /// Whether rows were only added since `earlier`.
    pub fn extends(&self, earlier: &Self) -> bool {
        self.added_since(earlier).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> SnapshotFile {
        let meta = ObjectMeta {
            location: Path::from(path),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: 1,
            e_tag: Some("a".into()),
            version: None,
        };
        SnapshotFile { meta, local: None, keys: Vec::new() }
    }

    #[test]
    fn only_added_files_make_a_later_snapshot_of_the_same_rows() {
        let of = |files: Vec<SnapshotFile>| Snapshot::new("s3://b", files);
        let earlier = of(vec![file("a"), file("b")]);
        let later = of(vec![file("a"), file("b"), file("c")]);
        assert_eq!(later.added_since(&earlier), Some(HashSet::from([&Path::from("c")])));
        assert_eq!(earlier.added_since(&earlier), Some(HashSet::new()));
        let mut replaced = file("b");
        replaced.meta.e_tag = Some("b".into());
        for other in [vec![file("a"), file("c")], vec![file("a"), replaced, file("c")]] {
            assert_eq!(of(other).added_since(&earlier), None);
        }
        assert!(later.extends(&earlier) && !earlier.extends(&later));
    }

    #[test]
    fn the_id_depends_on_everything_but_the_order() {
        let id = |files: Vec<SnapshotFile>| Snapshot::new("s3://b", files).id().to_owned();
        let base = id(vec![file("a"), file("b")]);
        assert_eq!(base, id(vec![file("b"), file("a")]));
        assert_eq!(base.len(), 64);
        let mut others = vec![id(vec![file("a")]), id(vec![]), Snapshot::new("s3://c", vec![file("a"), file("b")]).id];
        let change: [fn(&mut SnapshotFile); 5] = [
            |f| f.meta.size = 2,
            |f| f.meta.e_tag = None,
            |f| f.meta.e_tag = Some("b".into()),
            |f| f.meta.last_modified += chrono::TimeDelta::nanoseconds(1),
            |f| f.keys = vec![PartitionKey { key: "k".into(), value: None }],
        ];
        for change in change {
            let mut changed = file("b");
            change(&mut changed);
            others.push(id(vec![file("a"), changed]));
        }
        others.push(base);
        let distinct: std::collections::BTreeSet<_> = others.iter().collect();
        assert_eq!(distinct.len(), others.len());
    }
}
