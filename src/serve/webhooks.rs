//! Webhooks: the feed of changes, brought to those who do not come for it.
//!
//! A webhook follows as a user or service of this gateway and is told what that one may read, nothing else. What cannot be
//! delivered is tried again until it can, and meanwhile newer changes wait as one: nothing is lost, and no queue grows.
//! After a start everything is told once, since nobody knows what arrived before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::FutureExt;
use futures::future::ready;
use ring::hmac;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::sleep;
use url::Url;
use uuid::Uuid;

use crate::authn::Authenticator;
use crate::gateway::{AnswerError, Change, Feed, Gateway};
use crate::outbound::{Patience, client, leads_here, with_causes};
use crate::principal::{Purpose, PurposeError};
use crate::product::{Address, AddressError};
use crate::seal::{Secret, SecretError, SecretRef};

const PATIENCE: Patience = Patience { connect: Duration::from_secs(5), total: Duration::from_secs(20) };
/// Between the first failure and the second try; twice as long after each further one.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// `[[webhooks]]`: somebody to tell of new snapshots.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to post to: https, or http on this machine.
    pub url: Url,
    /// Reference to the secret that signs what is posted.
    pub secret: SecretRef,
    /// The user or service in whose place it follows: what that one may read is told.
    pub user: String,
    /// The purpose it follows for.
    #[serde(default)]
    pub purpose: String,
    /// The products' addresses; whatever may be read without it.
    pub products: Option<Vec<String>>,
    /// A file of certificate authorities to trust besides the system's.
    pub ca: Option<PathBuf>,
}

/// Why a webhook cannot be as it is configured.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// Not https.
    #[error("the webhook `{0}` is neither https nor http on this machine, or holds credentials")]
    Url(Box<str>),
    /// Its secret cannot be had.
    #[error("the secret of a webhook: {0}")]
    Secret(#[from] SecretError),
    /// A secret that can be guessed.
    #[error("the secret of the webhook to `{0}` has fewer than {SHORTEST_SECRET} bytes")]
    Short(Box<str>),
    /// What it says of its products.
    #[error("a webhook's product: {0}")]
    Address(#[from] AddressError),
    /// What it says of its purpose.
    #[error("a webhook's purpose: {0}")]
    Purpose(#[from] PurposeError),
    /// No client can be made, be it for its certificate authorities.
    #[error("a webhook's client: {0}")]
    Client(String),
}

const SHORTEST_SECRET: usize = 16;

/// A webhook, ready to be told.
pub struct Webhook {
    client: reqwest::Client,
    url: Url,
    key: hmac::Key,
    user: Arc<str>,
    purpose: Purpose,
    products: Option<Vec<Address>>,
}

/// What is posted.
#[derive(Serialize)]
struct Delivery<'a> {
    /// The same each time it is tried.
    id: String,
    changes: &'a [Change],
}

impl Webhook {
    /// A webhook as configured; `base` is the folder that relative paths start at.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn new(config: &WebhookConfig, base: &Path) -> Result<Self, WebhookError> {
        let url = config.url.clone();
        let shown = || url.host_str().unwrap_or_default().into();
        let safe = url.scheme() == "https" || (url.scheme() == "http" && leads_here(&url));
        if !safe || !url.username().is_empty() || url.password().is_some() {
            return Err(WebhookError::Url(shown()));
        }
        let secret: Secret = config.secret.resolve(base)?;
        if secret.expose().trim_ascii().len() < SHORTEST_SECRET {
            return Err(WebhookError::Short(shown()));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().trim_ascii());
        let ca = config.ca.as_ref().map(|ca| base.join(ca));
        let addresses =
            |products: &Vec<String>| products.iter().map(|product| Address::parse(product)).collect::<Result<_, _>>();
        Ok(Self {
            client: client(&url, PATIENCE, ca.as_deref()).map_err(WebhookError::Client)?,
            url,
            key,
            user: config.user.as_str().into(),
            purpose: Purpose::parse(&config.purpose)?,
            products: config.products.as_ref().map(addresses).transpose()?,
        })
    }

    /// Tells of changes until the gateway ends.
    pub async fn run(self, gateway: Arc<Gateway>, authenticator: Arc<Authenticator>) {
        loop {
            match self.follow(&gateway, &authenticator).await {
                Ok(()) => return,
                // Somebody may mend it: a user is added, a product published, a grant given.
                Err(error) => {
                    tracing::warn!(host = self.url.host_str(), user = %self.user, %error, "a webhook cannot follow");
                    sleep(LONGEST_PAUSE).await;
                }
            }
        }
    }

    async fn follow(&self, gateway: &Arc<Gateway>, authenticator: &Arc<Authenticator>) -> Result<(), AnswerError> {
        let (authenticator, user) = (Arc::clone(authenticator), Arc::clone(&self.user));
        let follower = Box::new(move || ready(authenticator.named(&user)).boxed());
        let mut feed: Feed = gateway.feed(follower, self.purpose.clone(), self.products.clone())?;
        let mut changes = feed.now().await?;
        loop {
            if !changes.is_empty() {
                self.deliver(&changes).await;
            }
            match feed.next().await? {
                Some(next) => changes = next,
                None => return Ok(()),
            }
        }
    }

    /// Posts until it is taken.
    async fn deliver(&self, changes: &[Change]) {
        let delivery = Delivery { id: Uuid::now_v7().to_string(), changes };
        let body = match serde_json::to_vec(&delivery) {
            Ok(body) => body,
            Err(error) => return tracing::error!(%error, "changes that are no JSON"),
        };
        let mut pause = PAUSE;
        loop {
            let outcome = self.post(&body).await;
            let label = if outcome.is_ok() { "delivered" } else { "failed" };
            metrics::counter!("airside_webhook_deliveries_total", "outcome" => label).increment(1);
            let Err(reason) = outcome else { return };
            tracing::warn!(
                host = self.url.host_str(),
                id = delivery.id,
                reason,
                "a webhook was not delivered: it is tried again"
            );
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn post(&self, body: &[u8]) -> Result<(), String> {
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("airside-signature", signature(&self.key, Utc::now().timestamp(), body))
            .body(body.to_vec());
        // The URL may hold a token of the receiver's.
        let response = request.send().await.map_err(|error| with_causes(&error.without_url()))?;
        if response.status().is_success() { Ok(()) } else { Err(format!("it answers {}", response.status())) }
    }
}

/// `t=<seconds since the epoch>,v1=<HMAC-SHA256 in hex over "<t>.<body>">`: the receiver checks both, so that nothing
/// old is played again.
fn signature(key: &hmac::Key, now: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{now}.").as_bytes());
    context.update(body);
    format!("t={now},v1={}", hex::encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(toml: &str) -> Result<Webhook, WebhookError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("long"), "0123456789abcdef\n").unwrap();
        std::fs::write(folder.path().join("short"), "0123456789abcde\n").unwrap();
        Webhook::new(&toml::from_str(&format!("user = 'u'\n{toml}")).unwrap(), folder.path())
    }

    #[test]
    fn what_leaves_is_encrypted_and_signed() {
        for (toml, refused) in [
            ("url = 'https://a.example/hook?x=1'\nsecret = 'file:long'", None),
            ("url = 'http://127.0.0.1:1/'\nsecret = 'file:long'\nproducts = ['sales.orders@2/lines']", None),
            ("url = 'http://a.example/'\nsecret = 'file:long'", Some("neither https")),
            ("url = 'http://127.0.0.1.example/'\nsecret = 'file:long'", Some("neither https")),
            ("url = 'ftp://127.0.0.1/'\nsecret = 'file:long'", Some("neither https")),
            ("url = 'https://u:p@a.example/'\nsecret = 'file:long'", Some("credentials")),
            ("url = 'https://a.example/'\nsecret = 'file:short'", Some("fewer than 16")),
            ("url = 'https://a.example/'\nsecret = 'file:none'", Some("secret")),
            ("url = 'https://a.example/'\nsecret = 'file:long'\nproducts = ['..']", Some("product")),
            ("url = 'https://a.example/'\nsecret = 'file:long'\npurpose = 'a b'", Some("purpose")),
            ("url = 'https://a.example/'\nsecret = 'file:long'\nca = 'none'", Some("none` cannot be read")),
        ] {
            match (webhook(toml).err().map(|error| error.to_string()), refused) {
                (None, None) => {}
                (Some(told), Some(word)) => assert!(told.contains(word), "{toml}: {told}"),
                (told, _) => panic!("{toml}: {told:?}"),
            }
        }
    }

    /// Against `printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef`.
    #[test]
    fn a_receiver_can_check_the_signature() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef");
        assert_eq!(
            signature(&key, 1_700_000_000, b"{}"),
            "t=1700000000,v1=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e"
        );
    }
}
