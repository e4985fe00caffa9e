//! The object stores that contracts may name, by configuration alone: no store is reachable that
//! nobody configured, and no credential is used that nobody named.

mod build;
mod fetched;
mod identity;
mod turns;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path as StorePath;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Notify;

use self::turns::Turns;
use super::footer::FooterCache;
use super::location::{Root, canonical_scheme, shown};
use crate::seal::SecretRef;

/// `[stores.NAME]`: the object stores, by a name of the operator's choice.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct StoresConfig {
    /// The stores by name.
    pub stores: BTreeMap<String, StoreConfig>,
}

/// `[sources]`: how much one dataset may take to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceLimits {
    /// Most files that one dataset may consist of.
    pub max_files: usize,
    /// How many files' footers are read at once when a dataset is opened.
    pub concurrent_footers: usize,
    /// Memory for footers of files already seen, in bytes.
    pub footer_cache_bytes: u64,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self { max_files: 100_000, concurrent_footers: 16, footer_cache_bytes: 256 << 20 }
    }
}

/// One object store: `[stores.NAME]`.
///
/// Exactly one of credentials, `identity` and `anonymous` says how Airside shows itself. Credentials are
/// references, `env:NAME` or `file:PATH`, never the secret itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// What locations of this store start with: `s3://bucket`, `az://container`,
    /// `abfss://container@account.dfs.core.windows.net`, `gs://bucket` or `https://host`.
    pub url: String,
    /// Another address than the provider's own, for compatible stores.
    pub endpoint: Option<String>,
    /// S3: the region; `us-east-1` without it.
    pub region: Option<String>,
    /// Azure: the storage account.
    pub account: Option<String>,
    /// Whether an endpoint beyond loopback may be spoken to in plain text.
    pub allow_http: bool,
    /// S3: the bucket as part of the host's name rather than of the path.
    pub virtual_hosted: bool,
    /// S3: reference to the access key's id.
    pub access_key_id: Option<SecretRef>,
    /// S3: reference to the secret access key. Azure: reference to the account's key.
    pub secret_access_key: Option<SecretRef>,
    /// S3: reference to a session token.
    pub session_token: Option<SecretRef>,
    /// Azure: reference to a shared access signature.
    pub sas_token: Option<SecretRef>,
    /// Azure: tenant of a service principal, with `client_id` and `client_secret`.
    pub tenant_id: Option<String>,
    /// Azure: the service principal.
    pub client_id: Option<String>,
    /// Azure: reference to its secret.
    pub client_secret: Option<SecretRef>,
    /// GCS: reference to a service account's key, in JSON.
    pub service_account: Option<SecretRef>,
    /// The identity of the machine, task or pod Airside runs on.
    pub identity: bool,
    /// No credentials: a public store.
    pub anonymous: bool,
    /// Longest time for one request, in seconds; 60 without it.
    pub timeout_seconds: Option<u64>,
    /// How often a failed request is tried again, after pauses that grow and are drawn at random; 4 without it.
    pub retries: Option<usize>,
    /// Most requests under way at once; 64 without it. More wait for their turn.
    pub max_requests: Option<usize>,
    /// Longest wait of a request for its turn, in seconds; 30 without it.
    pub turn_seconds: Option<u64>,
}

/// Why a store cannot be used. Never holds a credential.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No `[stores.…]` has this URL.
    #[error(
        "no store is configured for `{0}`\n    hint: add `[stores.NAME]` with `url = \"{0}\"` to the configuration"
    )]
    Unknown(String),
    /// A URL that names no place in a store.
    #[error("`{url}` {reason}")]
    Url {
        /// The URL.
        url: String,
        /// Why.
        reason: String,
    },
    /// A mistake in a store's configuration.
    #[error("store `{store}`: {reason}")]
    Config {
        /// Its name in the configuration.
        store: String,
        /// The mistake.
        reason: String,
    },
}

/// The configured stores. Cheap to clone; clones share connections and footers.
#[derive(Clone)]
pub struct Stores {
    inner: Arc<Inner>,
}

struct Inner {
    base: PathBuf,
    by_origin: BTreeMap<String, (String, StoreConfig)>,
    opened: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>>,
    footers: FooterCache,
    met_change: Arc<Notify>,
    limits: SourceLimits,
}

impl Stores {
    /// Checks the configuration, with the default limits. Connections are made when a dataset needs them.
    /// `base` is the folder that credentials' relative paths start from.
    ///
    /// # Errors
    /// [`StoreError::Config`] for a URL of no known kind, options that do not belong to the kind, or two
    /// stores of one URL.
    pub fn new(config: &StoresConfig, base: &Path) -> Result<Self, StoreError> {
        Self::with_limits(config, base, SourceLimits::default())
    }

    /// [`Stores::new`] with limits of one's own.
    ///
    /// # Errors
    /// As [`Stores::new`].
    pub fn with_limits(config: &StoresConfig, base: &Path, limits: SourceLimits) -> Result<Self, StoreError> {
        let mut by_origin = BTreeMap::new();
        for (name, store) in &config.stores {
            let origin = build::check(name, store)?;
            if let Some((other, _)) = by_origin.insert(origin, (name.clone(), store.clone())) {
                let reason = format!("has the `url` of store `{other}`");
                return Err(StoreError::Config { store: name.clone(), reason });
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                base: base.to_owned(),
                by_origin,
                opened: Mutex::new(BTreeMap::new()),
                footers: FooterCache::new(limits.footer_cache_bytes),
                met_change: Arc::default(),
                limits,
            }),
        })
    }

    /// The store of a URL, and the prefix within it that the URL names: for reading what is not data.
    ///
    /// # Errors
    /// [`StoreError`] for a malformed URL, a store nobody configured or one that cannot be used.
    pub fn open_prefix(&self, url: &str) -> Result<(Arc<dyn ObjectStore>, StorePath), StoreError> {
        let refuse = |reason: String| StoreError::Url { url: shown(url), reason };
        match Root::parse(url) {
            Ok(Root::Remote { origin, prefix }) => {
                let prefix = StorePath::parse(prefix.join("/")).map_err(|error| refuse(error.to_string()))?;
                Ok((self.open(&origin)?, prefix))
            }
            Ok(Root::Local { .. }) => Err(refuse("is no object store's URL".into())),
            Err(error) => Err(refuse(error.to_string())),
        }
    }

    /// The store of an origin, `scheme://authority`.
    pub(super) fn open(&self, origin: &str) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let mut opened = self.inner.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = opened.get(origin) {
            return Ok(Arc::clone(store));
        }
        let (name, config) = self.inner.by_origin.get(origin).ok_or_else(|| StoreError::Unknown(origin.to_owned()))?;
        let store = build::build(name, config, origin, &self.inner.base)?;
        let most = config.max_requests.unwrap_or(64).max(1);
        let patience = Duration::from_secs(config.turn_seconds.unwrap_or(30).max(1));
        let store: Arc<dyn ObjectStore> = Arc::new(Turns::new(name, store, most, patience));
        opened.insert(origin.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    pub(super) fn footers(&self) -> &FooterCache {
        &self.inner.footers
    }

    /// Returns once a read has met a file that is not its snapshot's any more.
    pub async fn met_change(&self) {
        self.inner.met_change.notified().await;
    }

    /// Who hears of such reads.
    pub(super) fn change_bell(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.met_change)
    }

    pub(super) fn limits(&self) -> SourceLimits {
        self.inner.limits
    }

    /// Stores for unit tests, with an opened one.
    #[cfg(test)]
    pub(super) fn for_tests(origin: &str, store: Arc<dyn ObjectStore>) -> Self {
        let stores = Self::new(&StoresConfig::default(), Path::new(".")).unwrap();
        stores.inner.opened.lock().unwrap().insert(origin.to_owned(), store);
        stores
    }
}

/// Names only: what a store holds (credentials among it) stays out of logs.
impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.inner.by_origin.values().map(|(name, _)| name)).finish()
    }
}

/// Longest time for one request, and for its retries together.
fn timeouts(config: &StoreConfig) -> (Duration, Duration) {
    let request = Duration::from_secs(config.timeout_seconds.unwrap_or(60).max(1));
    (request, request.saturating_mul(3))
}

/// `scheme://authority` of a store's URL, or the reason why it is none.
fn origin_of(url: &str) -> Result<String, String> {
    let (scheme, rest) = url.split_once("://").ok_or("`url` is no URL")?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains('/') {
        return Err("`url` names a bucket, container or host and nothing below it".into());
    }
    let scheme = canonical_scheme(scheme);
    if authority.contains('@') && scheme != "abfss" {
        return Err("`url` holds no user or credentials".into());
    }
    Ok(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests;
