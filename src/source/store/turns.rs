//! A store's requests, of which only so many are under way at once: the others wait for their turn, though not for ever.
//! What goes wrong is counted under the store's name.
//!
//! `object_store`'s own limit is not used: who waits there waits as long as it takes, behind a store that hangs.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, TryFutureExt, TryStreamExt};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::limit::LimitUpload;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::source::error::NoTurn;

/// A store, asked in turns.
#[derive(Clone)]
pub(super) struct Turns {
    /// As configured.
    name: Arc<str>,
    store: Arc<dyn ObjectStore>,
    turns: Arc<Semaphore>,
    most: usize,
    patience: Duration,
}

/// What went wrong with a request, as metrics have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It waited too long for its turn.
    Turn,
    /// The store did not answer in time.
    Timeout,
    /// The store refused who asked.
    Denied,
    /// Anything else.
    Error,
}

impl Turns {
    /// At most `most` requests of `store` at once; who waits for a turn does so for `patience`.
    pub fn new(name: &str, store: Arc<dyn ObjectStore>, most: usize, patience: Duration) -> Self {
        for trouble in [Trouble::Turn, Trouble::Timeout, Trouble::Denied, Trouble::Error] {
            trouble.count(name, 0);
        }
        Self { name: name.into(), store, turns: Arc::new(Semaphore::new(most)), most, patience }
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let refused = || {
            let source = NoTurn { store: self.name.to_string(), seconds: self.patience.as_secs() };
            self.note(Error::Generic { store: STORE, source: Box::new(source) })
        };
        // Nobody closes the semaphore.
        timeout(self.patience, Arc::clone(&self.turns).acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(refused)
    }

    /// Counts what is the store's trouble.
    fn note(&self, error: Error) -> Error {
        if let Some(trouble) = Trouble::of(&error) {
            trouble.count(&self.name, 1);
        }
        error
    }

    /// A stream that gives its turn back when it is let go.
    fn keeping<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        stream: impl Stream<Item = Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let own = self.clone();
        let kept = stream.map(move |item| {
            let _turn = &turn;
            item.map_err(|error| own.note(error))
        });
        kept.boxed()
    }

    /// A stream that begins when it is its turn.
    fn in_turn<T: Send + 'static>(
        &self,
        begin: impl FnOnce(&dyn ObjectStore) -> BoxStream<'static, Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let own = self.clone();
        let begun = async move {
            let turn = own.turn().await?;
            Ok::<_, Error>(own.keeping(turn, begin(&own.store)))
        };
        begun.into_stream().try_flatten().boxed()
    }
}

impl Trouble {
    fn of(error: &Error) -> Option<Self> {
        match error {
            // Answers, though not the ones hoped for.
            Error::NotFound { .. }
            | Error::Precondition { .. }
            | Error::NotModified { .. }
            | Error::AlreadyExists { .. } => None,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Some(Self::Denied),
            error => {
                let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
                while let Some(current) = cause {
                    if current.is::<NoTurn>() {
                        return Some(Self::Turn);
                    }
                    if current.downcast_ref::<HttpError>().is_some_and(|error| error.kind() == HttpErrorKind::Timeout) {
                        return Some(Self::Timeout);
                    }
                    cause = current.source();
                }
                Some(Self::Error)
            }
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Timeout => "timeout",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }

    fn count(self, store: &str, times: u64) {
        let labels = [("store", store.to_owned()), ("kind", self.as_str().to_owned())];
        metrics::counter!("airside_store_troubles_total", &labels).increment(times);
    }
}

const STORE: &str = "store";

#[async_trait]
impl ObjectStore for Turns {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let turn = self.turn().await?;
        let found = self.store.get_opts(location, options).await.map_err(|error| self.note(error))?;
        let payload = match found.payload {
            GetResultPayload::Stream(stream) => GetResultPayload::Stream(self.keeping(turn, stream)),
            file @ GetResultPayload::File(..) => file,
        };
        Ok(GetResult { payload, ..found })
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let _turn = self.turn().await?;
        self.store.put_opts(location, payload, options).map_err(|error| self.note(error)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let _turn = self.turn().await?;
        let upload = self.store.put_multipart_opts(location, options).map_err(|error| self.note(error)).await?;
        Ok(Box::new(LimitUpload::new(upload, self.most)))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.in_turn(|store| store.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.in_turn(move |store| store.list(prefix.as_ref()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let _turn = self.turn().await?;
        self.store.list_with_delimiter(prefix).map_err(|error| self.note(error)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let _turn = self.turn().await?;
        self.store.copy_opts(from, to, options).map_err(|error| self.note(error)).await
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turns({})", self.name)
    }
}

impl fmt::Display for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;
    use crate::source::{SourceFault, classify};

    #[tokio::test]
    async fn who_waits_too_long_for_a_turn_is_told() {
        let turns = Turns::new("lake", Arc::new(InMemory::new()), 1, Duration::from_millis(50));
        let path = Path::from("a");
        turns.put(&path, "x".into()).await.unwrap();
        // Who reads an answer keeps its turn until it has read it.
        let held = turns.get(&path).await.unwrap();
        let listed = turns.list(None).try_collect::<Vec<_>>().await.map(|_| ());
        for refused in [turns.get(&path).await.map(|_| ()), listed] {
            let error = refused.unwrap_err();
            assert_eq!((classify(&error), Trouble::of(&error)), (Some(SourceFault::Busy), Some(Trouble::Turn)));
            assert!(error.to_string().contains("`lake`"), "{error}");
        }
        assert_eq!(held.bytes().await.unwrap(), "x");
        assert_eq!(turns.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 1);
        assert_eq!(turns.get(&path).await.unwrap().bytes().await.unwrap(), "x");
    }

    #[test]
    fn only_troubles_of_the_store_count() {
        let path = || "a".to_owned();
        let source = || "it".into();
        let timeout = HttpError::new(HttpErrorKind::Timeout, std::io::Error::other("late"));
        for (error, trouble) in [
            (Error::NotFound { path: path(), source: source() }, None),
            (Error::Precondition { path: path(), source: source() }, None),
            (Error::PermissionDenied { path: path(), source: source() }, Some(Trouble::Denied)),
            (Error::Generic { store: "S3", source: Box::new(timeout) }, Some(Trouble::Timeout)),
            (Error::Generic { store: "S3", source: source() }, Some(Trouble::Error)),
        ] {
            assert_eq!(Trouble::of(&error), trouble, "{error}");
        }
    }
}
