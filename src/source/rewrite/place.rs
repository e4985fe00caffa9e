//! Where new files go: a folder beside the old ones, which no contract reads yet.

use std::path::Path as FsPath;

use super::error::RewriteError;
use crate::source::location::{Place, Root, Shape};

/// The location of a folder beside that of a location: its last folder's name with `stamp` behind it. `fixed` is how
/// many of its segments below the data root are plain names; `tag` goes between name and stamp, where one folder held
/// several datasets.
///
/// `./data/orders/*.parquet` becomes `./data/orders-20261123T081500Z/`. A stamp that is there already goes.
pub fn beside(location: &str, fixed: usize, stamp: &str, tag: Option<&str>, name: &str) -> String {
    let path_at = location.find("://").map_or(0, |at| {
        let authority = at + "://".len();
        location[authority..].find('/').map_or(location.len(), |slash| authority + slash + 1)
    });
    let (head, path) = location.split_at(path_at);
    let is_plain = |segment: &&str| !segment.contains(['*', '?', '[', '=']);
    let mut kept: Vec<&str> = path.split('/').take_while(is_plain).collect();
    while kept.len() > 1 && kept.last().is_some_and(|last| last.is_empty()) {
        kept.pop();
    }
    let last = kept.last().copied().filter(|last| fixed > 0 && !matches!(*last, "" | "."));
    let folder = match last {
        Some(last) => {
            kept.pop();
            let stem = without_stamp(last.strip_suffix(".parquet").unwrap_or(last));
            match tag {
                Some(tag) => format!("{stem}-{tag}-{stamp}/"),
                None => format!("{stem}-{stamp}/"),
            }
        }
        None => format!("{}-{stamp}/", tag.unwrap_or(name)),
    };
    kept.push(&folder);
    // An empty path has an empty first segment.
    let path = kept.join("/");
    let path = if head.is_empty() { &path } else { path.trim_start_matches('/') };
    let slash = if head.is_empty() || head.ends_with('/') { "" } else { "/" };
    format!("{head}{slash}{path}")
}

/// `orders-20261123T081500Z` is `orders`.
fn without_stamp(name: &str) -> &str {
    let Some((stem, stamp)) = name.rsplit_once('-') else { return name };
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_stamp = stamp
        .strip_suffix('Z')
        .and_then(|stamp| stamp.split_once('T'))
        .is_some_and(|(day, time)| digits(day, 8) && digits(time, 6));
    if is_stamp && !stem.is_empty() { stem } else { name }
}

/// Whether two contracts read the same files by their words. Data roots that are not there are nobody's.
pub fn same_place(root: &str, location: &str, other_root: &str, other: &str) -> bool {
    let resolved = |root: &str, location: &str| {
        let root = Root::parse(root).ok()?;
        let place = root.resolve(location).ok()?;
        let shape = match place.shape.clone() {
            // A folder, with or without its slash.
            Shape::Named => Shape::Folder,
            other => other,
        };
        Some((absolute(&root, &place), shape))
    };
    matches!((resolved(root, location), resolved(other_root, other)), (Some(one), Some(other)) if one == other)
}

/// How many segments of a place are names, up to the first partition's.
pub(super) fn plain_segments(place: &Place) -> usize {
    place.fixed.iter().take_while(|segment| !segment.contains('=')).count()
}

/// Refuses a new folder of which `location` would read any of these files (paths below the folder).
pub(super) fn not_read_by(
    folder: (&Root, &Place, &str),
    files: &[String],
    neighbour: (&str, &str),
) -> Result<(), RewriteError> {
    let (root, place, shown) = folder;
    let (other_root, location) = neighbour;
    // What cannot be resolved is not served either.
    let Ok(other_root) = Root::parse(other_root) else { return Ok(()) };
    let Ok(other) = other_root.resolve(location) else { return Ok(()) };
    let (new, old) = (absolute(root, place), absolute(&other_root, &other));
    let reads = |file: &String| {
        let path: Vec<&str> = new.iter().map(String::as_str).chain(file.split('/')).collect();
        let is_below = path.len() >= old.len() && path.iter().zip(&old).all(|(own, other)| own == other);
        is_below && other.shape.matches(&path.get(old.len()..).unwrap_or_default().join("/"))
    };
    if files.iter().any(reads) {
        return Err(RewriteError::Served { folder: shown.to_owned(), location: location.to_owned() });
    }
    Ok(())
}

/// A place in words that other roots of the same store share.
fn absolute(root: &Root, place: &Place) -> Vec<String> {
    let names = |path: &FsPath| path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    match root {
        Root::Local { canonical, .. } => {
            let path = place.fixed.iter().fold(canonical.clone(), |path, segment| path.join(segment));
            // Where it exists, links are no disguise.
            names(&path.canonicalize().unwrap_or(path))
        }
        Root::Remote { origin, prefix } => std::iter::once(origin).chain(prefix).chain(&place.fixed).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_lies_beside_the_old_one() {
        const STAMP: &str = "20261123T081500Z";
        for (location, fixed, expected) in [
            ("./data/orders/*.parquet", 2, "./data/orders-S/"),
            ("data/orders", 2, "data/orders-S/"),
            ("data/orders/", 2, "data/orders-S/"),
            ("data/orders.parquet", 2, "data/orders-S/"),
            ("data/orders-20250101T000000Z/", 2, "data/orders-S/"),
            ("data/orders/year=*/", 2, "data/orders-S/"),
            ("data/orders/year=2024/*.parquet", 2, "data/orders-S/"),
            ("./data/{model}/*.parquet", 2, "./data/{model}-S/"),
            ("orders-2024-*.parquet", 0, "orders-S/"),
            ("./*.parquet", 0, "./orders-S/"),
            (".", 0, "./orders-S/"),
            ("s3://bucket/sales/orders/*.parquet", 1, "s3://bucket/sales/orders-S/"),
            ("s3://bucket/sales/*.parquet", 0, "s3://bucket/sales/orders-S/"),
            ("s3://bucket", 0, "s3://bucket/orders-S/"),
            ("/mnt/sales/orders/", 1, "/mnt/sales/orders-S/"),
            ("file:///mnt/sales/orders/", 1, "file:///mnt/sales/orders-S/"),
        ] {
            let found = beside(location, fixed, STAMP, None, "orders").replace(STAMP, "S");
            assert_eq!(found, expected, "{location}");
        }
        assert_eq!(beside("data/*.parquet", 1, "S", Some("lines"), "lines"), "data-lines-S/");
    }

    #[test]
    fn a_folder_that_somebody_reads_already_is_refused() {
        let text = "s3://bucket/sales/";
        let root = Root::parse(text).unwrap();
        let refused = |folder: &str, location: &str| {
            let place = root.resolve(folder).unwrap();
            not_read_by((&root, &place, folder), &["year=2024/part-00000.parquet".into()], (text, location)).is_err()
        };
        for location in [".", "**/*.parquet", "orders*/year=*/", "orders-S", "s3a://bucket/sales/orders-S/year=2024/"] {
            assert!(refused("orders-S/", location), "{location}");
        }
        for location in
            ["orders", "orders/", "*.parquet", "*/*.parquet", "orders-S.parquet", "s3://bucket/hr/", "lines/**"]
        {
            assert!(!refused("orders-S/", location), "{location}");
        }
        assert!(same_place(text, "orders/", "s3a://bucket", "sales/orders"));
        assert!(!same_place(text, "a", text, "b") && !same_place(text, "a/", text, "a/*.parquet"));
    }
}
