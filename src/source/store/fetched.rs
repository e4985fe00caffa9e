//! Credentials that a cloud hands out, fetched once for all who wait for them.
//!
//! The client's own cache lets one request fetch at a time, and the next one try for itself once that failed: behind a
//! metadata service that hangs, the last of many requests would wait as long as all of them together.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use object_store::{CredentialProvider, Error, Result};
use thiserror::Error;

/// A provider of credentials whose failures are shared as its credentials are.
pub(super) struct Fetched<C> {
    /// The store's name, as configured.
    name: Arc<str>,
    provider: Arc<dyn CredentialProvider<Credential = C>>,
    /// What the requests of this moment wait for.
    fetch: Mutex<Option<Fetch<C>>>,
}

type Fetch<C> = Shared<BoxFuture<'static, Result<Arc<C>, NoCredentials>>>;

/// Why there are none: the error of whoever fetched.
#[derive(Debug, Clone, Error)]
#[error("store `{store}`: no credentials for its identity: {source}")]
struct NoCredentials {
    store: Arc<str>,
    source: Arc<Error>,
}

impl<C: fmt::Debug + Send + Sync + 'static> Fetched<C> {
    pub fn new(name: &str, provider: &Arc<dyn CredentialProvider<Credential = C>>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), provider: Arc::clone(provider), fetch: Mutex::new(None) })
    }

    /// The fetch under way; a new one where the last has ended.
    fn fetch(&self) -> Fetch<C> {
        let mut fetch = self.fetch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = fetch.as_ref().filter(|fetch| fetch.peek().is_none()) {
            return under_way.clone();
        }
        let (provider, store) = (Arc::clone(&self.provider), Arc::clone(&self.name));
        // On its own: who waits may go, and nobody should find a fetch that stood still since.
        let fetching = tokio::spawn(async move { provider.get_credential().await });
        let begun = fetching.map(|fetched| {
            let fetched = fetched.unwrap_or_else(|ended| Err(Error::JoinError { source: ended }));
            fetched.map_err(|error| NoCredentials { store, source: Arc::new(error) })
        });
        let begun = begun.boxed().shared();
        *fetch = Some(begun.clone());
        begun
    }
}

#[async_trait]
impl<C: fmt::Debug + Send + Sync + 'static> CredentialProvider for Fetched<C> {
    type Credential = C;

    async fn get_credential(&self) -> Result<Arc<C>> {
        let fetched = self.fetch().await;
        fetched.map_err(|source| Error::Generic { store: "store", source: Box::new(source) })
    }
}

/// Holds credentials, so says nothing.
impl<C> fmt::Debug for Fetched<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetched")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::future::join_all;
    use object_store::aws::AwsCredential;

    use super::*;

    /// Fails slowly, one at a time, as the client's cache does.
    #[derive(Debug, Default)]
    struct Failing {
        times: AtomicUsize,
        one: tokio::sync::Mutex<()>,
    }

    #[async_trait]
    impl CredentialProvider for Failing {
        type Credential = AwsCredential;

        async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
            let _one = self.one.lock().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.times.fetch_add(1, Ordering::SeqCst);
            Err(Error::NotImplemented { operation: "it".into(), implementer: "nobody".into() })
        }
    }

    #[tokio::test]
    async fn who_waits_together_fails_together() {
        let failing = Arc::new(Failing::default());
        let provider: Arc<dyn CredentialProvider<Credential = AwsCredential>> = failing.clone();
        let fetched = Fetched::new("lake", &provider);
        // Whoever gives up leaves the fetch to the others.
        let impatient = tokio::time::timeout(Duration::from_millis(10), fetched.get_credential()).await;
        assert!(impatient.is_err());
        let all = join_all((0..50).map(|_| fetched.get_credential())).await;
        assert!(
            all.iter()
                .all(|each| each.as_ref().is_err_and(|error| error.to_string().contains("`lake`: no credentials")))
        );
        assert_eq!(failing.times.load(Ordering::SeqCst), 1);
        assert!(fetched.get_credential().await.is_err());
        assert_eq!(failing.times.load(Ordering::SeqCst), 2, "it is tried again");
    }
}
