//! A prefix of an object store as a root.

use std::path::PathBuf;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, ObjectStoreScheme};
use url::Url;

use super::bundle::{MAX_BYTES, MAX_FILES, RawFile, Reading, join};
use super::layout::{Interest, Kind, interest};
use crate::fault::Fault;

/// Opens the store of a root that is a URL. The layer above knows the stores' credentials; what it answers on
/// failure is shown to the operator.
pub type OpenStore<'a> = &'a (dyn Fn(&Url) -> Result<Arc<dyn ObjectStore>, String> + Send + Sync);

/// Reads the objects of a prefix that the mesh is made of, in the order of their names.
pub(super) async fn read(url: &Url, kind: Kind, open: OpenStore<'_>) -> Reading {
    let mut reading = Reading::default();
    if let Err(reason) = read_into(url, kind, open, &mut reading).await {
        reading.faults.push(Fault::new(url.as_str(), format!("the root cannot be read: {reason}")));
    }
    reading
}

async fn read_into(url: &Url, kind: Kind, open: OpenStore<'_>, reading: &mut Reading) -> Result<(), String> {
    let (_, prefix) = ObjectStoreScheme::parse(url).map_err(|error| error.to_string())?;
    let store = open(url)?;
    let mut objects: Vec<_> = store.list(Some(&prefix)).try_collect().await.map_err(|error| error.to_string())?;
    objects.sort_by(|left, right| left.location.cmp(&right.location));
    for object in objects {
        let Some(path) = below(&prefix, &object.location) else { continue };
        let parts: Vec<&str> = path.split('/').collect();
        let shown = PathBuf::from(join(url.as_str(), &path));
        match object_interest(kind, &parts) {
            Interest::Ignore | Interest::Enter => continue,
            Interest::Refuse(hint) => {
                reading.faults.push(Fault::new(&shown, "the file would not be read here").hint(hint));
                continue;
            }
            Interest::Read => {}
        }
        if reading.files.len() >= MAX_FILES {
            return Err(format!("it holds more than {MAX_FILES} files"));
        }
        if object.size > MAX_BYTES {
            reading.faults.push(Fault::new(&shown, format!("the file is larger than {} KiB", MAX_BYTES >> 10)));
            continue;
        }
        let bytes =
            async { store.get(&object.location).await?.bytes().await }.await.map_err(|error| error.to_string())?;
        reading.files.push(RawFile { path, shown, bytes: bytes.to_vec() });
    }
    Ok(())
}

/// The folders on the way to an object decide first, as they would on disk.
fn object_interest(kind: Kind, parts: &[&str]) -> Interest {
    for depth in 1..parts.len() {
        match interest(kind, &parts[..depth], true) {
            Interest::Enter => {}
            other => return other,
        }
    }
    interest(kind, parts, false)
}

fn below(prefix: &ObjectPath, location: &ObjectPath) -> Option<String> {
    let parts: Vec<String> = location.prefix_match(prefix)?.map(|part| part.as_ref().to_owned()).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}
