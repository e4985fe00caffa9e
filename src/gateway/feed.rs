//! Who follows products is told of each new snapshot of theirs: what they may read today, and nothing of the rest.
//!
//! A feed keeps what it told last and compares it with what is served now. So a slow follower is told once of what
//! changed several times, and nothing is kept for anybody who does not come for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::Gateway;
use super::error::AnswerError;
use super::publish::{DatasetKey, Opened, Published, served};
use super::receipt::{address_of, combined};
use crate::authn::Verified;
use crate::principal::Purpose;
use crate::product::{Address, Dataset, Product, Version};
use crate::source::DatasetSource;

/// Feeds at once.
pub(super) const FEEDS: usize = 1_000;
/// How often it is looked whether a follower still may follow.
const LOOK: Duration = Duration::from_millis(500);

/// A new snapshot of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `domain.product`, with `/dataset` where the dataset has another name.
    pub product: String,
    /// The contract's version.
    #[serde(serialize_with = "as_text")]
    pub version: Version,
    /// The snapshot's id, as receipts carry it.
    pub snapshot: String,
    /// The snapshot told of before; none the first time.
    pub previous: Option<String>,
    /// Whether files were only added since then: what was added can be asked for with `since`.
    pub appended: bool,
    /// When the last of its files changed.
    pub changed: Option<DateTime<Utc>>,
}

fn as_text<S: serde::Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(version)
}

/// Who follows: looked up anew each time, none when it is nobody any more.
pub type Follower = Box<dyn Fn() -> BoxFuture<'static, Option<Verified>> + Send + Sync>;

/// What somebody follows, and what it was told.
pub struct Feed {
    gateway: Arc<Gateway>,
    follower: Follower,
    purpose: Purpose,
    /// None follows whatever may be read.
    products: Option<Vec<Address>>,
    told: HashMap<DatasetKey, State>,
    published: watch::Receiver<Following>,
    _permit: OwnedSemaphorePermit,
}

/// Whether the gateway follows its mesh; sent again with each mesh that it publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Following {
    Yes,
    Ended,
}

/// A dataset to look at.
struct Followed {
    /// As its follower calls it.
    named: String,
    product: Arc<Product>,
    dataset: Arc<Dataset>,
}

/// What a dataset is at one moment.
struct State {
    id: String,
    changed: Option<DateTime<Utc>>,
    /// None for a derived dataset.
    source: Option<Arc<DatasetSource>>,
}

impl Gateway {
    /// A feed of products, or of everything that the follower may read.
    ///
    /// # Errors
    /// [`AnswerError::TooMany`] when there are too many feeds.
    pub fn feed(
        self: &Arc<Self>,
        follower: Follower,
        purpose: Purpose,
        products: Option<Vec<Address>>,
    ) -> Result<Feed, AnswerError> {
        let permit = Arc::clone(&self.feeds).try_acquire_owned().map_err(|_| AnswerError::TooMany)?;
        Ok(Feed {
            gateway: Arc::clone(self),
            follower,
            purpose,
            products,
            told: HashMap::new(),
            published: self.following.subscribe(),
            _permit: permit,
        })
    }
}

impl Feed {
    /// What has changed since it was asked last: the first time, all there is.
    ///
    /// # Errors
    /// As [`Feed::next`].
    pub async fn now(&mut self) -> Result<Vec<Change>, AnswerError> {
        self.published.mark_unchanged();
        self.changes(&self.verified().await?)
    }

    /// What has changed since it was asked last, once anything has. None when the gateway ends or the follower's sign-in
    /// does.
    ///
    /// # Errors
    /// [`AnswerError`] when a product that it names may not be read, or not any more.
    pub async fn next(&mut self) -> Result<Option<Vec<Change>>, AnswerError> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_new = tokio::select! {
                changed = self.published.changed() => {
                    if changed.is_err() || *self.published.borrow() == Following::Ended {
                        return Ok(None);
                    }
                    true
                }
                _ = looks.tick() => false,
            };
            let verified = self.verified().await?;
            if verified.expires.is_some_and(|end| end <= Utc::now()) {
                return Ok(None);
            }
            if is_new {
                let changes = self.changes(&verified)?;
                if !changes.is_empty() {
                    return Ok(Some(changes));
                }
            }
        }
    }

    async fn verified(&self) -> Result<Verified, AnswerError> {
        (self.follower)().await.ok_or(AnswerError::Revoked)
    }

    fn changes(&mut self, verified: &Verified) -> Result<Vec<Change>, AnswerError> {
        let published = self.gateway.published.load_full();
        let principal = published.mesh().directory().principal(verified).map_err(|_| AnswerError::Revoked)?;
        let mut changes = Vec::new();
        for Followed { named, product, dataset } in self.followed(&published)? {
            let found = Some((Arc::clone(&product), Arc::clone(&dataset)));
            match (published.grant(&principal, &self.purpose, found, &named), &self.products) {
                (Ok(_), _) => changes.extend(self.change(&published, &product, &dataset)),
                (Err(error), Some(_)) => return Err(error),
                (Err(_), None) => {}
            }
        }
        Ok(changes)
    }

    /// The datasets to look at.
    fn followed(&self, published: &Published) -> Result<Vec<Followed>, AnswerError> {
        let Some(products) = &self.products else {
            let all = served(published.mesh()).into_iter();
            let followed = all.map(|(product, dataset)| Followed { named: product.id.to_string(), product, dataset });
            return Ok(followed.collect());
        };
        let resolve = |address: &Address| {
            let named = address.to_string();
            let found = published.mesh().resolve(address);
            let (product, dataset) = found.ok_or_else(|| AnswerError::NotFound(named.clone()))?;
            Ok(Followed { named, product, dataset })
        };
        products.iter().map(resolve).collect()
    }

    /// How a dataset differs from what was told of it.
    fn change(&mut self, published: &Published, product: &Product, dataset: &Dataset) -> Option<Change> {
        let key = DatasetKey::new(product, dataset);
        let state = published.state(&key)?;
        let before = self.told.get(&key);
        if before.is_some_and(|before| before.id == state.id) {
            return None;
        }
        let sources = before.and_then(|before| before.source.as_ref()).zip(state.source.as_ref());
        let change = Change {
            product: address_of(product, dataset),
            version: product.version,
            snapshot: state.id.clone(),
            previous: before.map(|before| before.id.clone()),
            appended: sources.is_some_and(|(before, now)| now.snapshot().extends(before.snapshot())),
            changed: state.changed,
        };
        self.told.insert(key, state);
        Some(change)
    }
}

impl Published {
    /// What a dataset is now: of a derived one, what its sources are. None when it is not served.
    fn state(&self, key: &DatasetKey) -> Option<State> {
        match self.opened(key)? {
            Opened::Files(source) => Some(State {
                id: source.snapshot().id().to_owned(),
                changed: source.snapshot().changed(),
                source: Some(Arc::clone(source)),
            }),
            Opened::Derived(statement) => {
                let sources = statement.tables().iter().map(|name| {
                    let (product, dataset) = self.resolve_table(name)?;
                    let State { id, changed, .. } = self.state(&DatasetKey::new(&product, &dataset))?;
                    Some((id, changed))
                });
                let (id, changed) = combined(sources.collect::<Option<Vec<_>>>()?);
                Some(State { id, changed, source: None })
            }
        }
    }
}
