//! A prefix of an object store as a root.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, ObjectStoreScheme};
use tokio::time::timeout;
use url::Url;

use super::bundle::{MAX_BYTES, MAX_FILES, RawFile, Reading, join};
use super::layout::{Interest, Kind, interest};
use crate::fault::Fault;

/// Opens the store of a root that is a URL. The layer above knows the stores' credentials; what it answers on
/// failure is shown to the operator.
pub type OpenStore<'a> = &'a (dyn Fn(&Url) -> Result<RootStore, String> + Send + Sync);

/// The store that a root lies in.
pub struct RootStore {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// How long each file, and each page of the list of them, is waited for: a mesh of many files takes its time, one that
    /// hangs ends soon.
    pub patience: Duration,
}

impl RootStore {
    async fn answer<T>(&self, asked: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
        match timeout(self.patience, asked).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the store has not answered within {} s", self.patience.as_secs())),
        }
    }
}

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
    let root = open(url)?;
    let (mut list, mut objects) = (root.store.list(Some(&prefix)), Vec::new());
    while let Some(object) = root.answer(list.try_next()).await? {
        objects.push(object);
    }
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
        let bytes = root.answer(async { root.store.get(&object.location).await?.bytes().await }).await?;
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
