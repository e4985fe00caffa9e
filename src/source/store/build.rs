//! A client for each kind of store, told by its URL's scheme.

use std::path::Path;
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::StaticCredentialProvider;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::fetched::Fetched;
use super::{StoreConfig, StoreError, identity, origin_of, timeouts};
use crate::outbound::leads_here;
use crate::seal::SecretRef;

/// The kinds of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    S3,
    Azure,
    Gcs,
    Http,
}

/// Checks a store's configuration without touching secrets or the network, and gives its origin.
pub(super) fn check(name: &str, config: &StoreConfig) -> Result<String, StoreError> {
    let refuse = |reason: String| StoreError::Config { store: name.to_owned(), reason };
    let origin = origin_of(&config.url).map_err(refuse)?;
    let kind = kind_of(&origin).map_err(refuse)?;
    let belongs = |kinds: &[Kind]| kinds.contains(&kind);
    for (option, given, kinds) in [
        ("endpoint", config.endpoint.is_some(), &[Kind::S3, Kind::Azure, Kind::Gcs][..]),
        ("region", config.region.is_some(), &[Kind::S3]),
        ("virtual_hosted", config.virtual_hosted, &[Kind::S3]),
        ("account", config.account.is_some(), &[Kind::Azure]),
        ("access_key_id", config.access_key_id.is_some(), &[Kind::S3]),
        ("secret_access_key", config.secret_access_key.is_some(), &[Kind::S3, Kind::Azure]),
        ("session_token", config.session_token.is_some(), &[Kind::S3]),
        ("sas_token", config.sas_token.is_some(), &[Kind::Azure]),
        ("tenant_id", config.tenant_id.is_some(), &[Kind::Azure]),
        ("client_id", config.client_id.is_some(), &[Kind::Azure]),
        ("client_secret", config.client_secret.is_some(), &[Kind::Azure]),
        ("service_account", config.service_account.is_some(), &[Kind::Gcs]),
        ("identity", config.identity, &[Kind::S3, Kind::Azure, Kind::Gcs]),
    ] {
        if given && !belongs(kinds) {
            return Err(refuse(format!("`{option}` does not belong to a store of `{}`", config.url)));
        }
    }
    check_credentials(kind, config).map_err(refuse)?;
    let address = if kind == Kind::Http { Some(&config.url) } else { config.endpoint.as_ref() };
    if let Some(address) = address {
        plain_text_allowed(address, config.allow_http).map_err(refuse)?;
    }
    Ok(origin)
}

/// Exactly one way for Airside to show itself, so that none is fallen back to.
fn check_credentials(kind: Kind, config: &StoreConfig) -> Result<(), String> {
    let ways = match kind {
        Kind::S3 => {
            if config.access_key_id.is_some() != config.secret_access_key.is_some() {
                return Err("`access_key_id` and `secret_access_key` come together".into());
            }
            if config.session_token.is_some() && config.access_key_id.is_none() {
                return Err("`session_token` comes with `access_key_id`".into());
            }
            usize::from(config.access_key_id.is_some())
        }
        Kind::Azure => {
            let principal = [config.tenant_id.is_some(), config.client_id.is_some(), config.client_secret.is_some()];
            let given = principal.into_iter().filter(|given| *given).count();
            if given % 3 != 0 {
                return Err("`tenant_id`, `client_id` and `client_secret` come together".into());
            }
            usize::from(config.secret_access_key.is_some()) + usize::from(config.sas_token.is_some()) + given / 3
        }
        Kind::Gcs => usize::from(config.service_account.is_some()),
        Kind::Http => 0,
    };
    match ways + usize::from(config.identity) + usize::from(config.anonymous) {
        1 => Ok(()),
        0 => Err("has no credentials; give them, or say `identity = true` or `anonymous = true`".into()),
        _ => Err("has more than one of credentials, `identity` and `anonymous`".into()),
    }
}

fn kind_of(origin: &str) -> Result<Kind, String> {
    match origin.split_once("://").map(|(scheme, _)| scheme) {
        Some("s3") => Ok(Kind::S3),
        Some("az" | "abfss") => Ok(Kind::Azure),
        Some("gs") => Ok(Kind::Gcs),
        Some("http" | "https") => Ok(Kind::Http),
        _ => Err("`url` starts with none of s3://, az://, abfss://, gs://, https://".into()),
    }
}

/// Plain text goes to this machine only, unless the operator says otherwise.
fn plain_text_allowed(address: &str, told: bool) -> Result<bool, String> {
    let url = Url::parse(address).map_err(|_| format!("`{address}` is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an endpoint holds no credentials".into());
    }
    match url.scheme() {
        "https" => Ok(false),
        "http" => {
            if leads_here(&url) || told {
                Ok(true)
            } else {
                Err(format!("`{address}` is plain text beyond this machine; use https or say `allow_http = true`"))
            }
        }
        _ => Err(format!("`{address}` is neither http nor https")),
    }
}

/// Makes the client. Reads secrets, but does not touch the network.
pub(super) fn build(
    name: &str,
    config: &StoreConfig,
    origin: &str,
    base: &Path,
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let refuse = |reason: String| StoreError::Config { store: name.to_owned(), reason };
    let kind = kind_of(origin).map_err(refuse)?;
    let address = if kind == Kind::Http { Some(&config.url) } else { config.endpoint.as_ref() };
    let plain = address.map_or(Ok(false), |address| plain_text_allowed(address, config.allow_http)).map_err(refuse)?;
    let (request, retries) = timeouts(config);
    let client = ClientOptions::new()
        .with_timeout(request)
        .with_connect_timeout(request.min(std::time::Duration::from_secs(5)))
        .with_allow_http(plain);
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: config.retries.unwrap_or(4),
        retry_timeout: retries,
    };
    let resolve = |reference: &SecretRef| {
        let secret = reference.resolve(base).map_err(|error| refuse(error.to_string()))?;
        let text = secret.expose_str().map(|text| text.trim().to_owned());
        text.ok_or_else(|| refuse("a credential is not text".into()))
    };
    let secret = |reference: &Option<SecretRef>| reference.as_ref().map(resolve).transpose();
    let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
    // What the client says of a bad configuration may repeat it: the log gets only its kind.
    let unusable = |_: object_store::Error| refuse("the client refuses this configuration".into());
    Ok(match kind {
        Kind::S3 => {
            let mut builder = AmazonS3Builder::new()
                .with_bucket_name(authority)
                .with_client_options(client)
                .with_retry(retry)
                .with_region(config.region.as_deref().unwrap_or("us-east-1"))
                .with_virtual_hosted_style_request(config.virtual_hosted)
                .with_skip_signature(config.anonymous);
            if let Some(endpoint) = &config.endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            if let (Some(id), Some(key)) = (secret(&config.access_key_id)?, secret(&config.secret_access_key)?) {
                builder = builder.with_access_key_id(id).with_secret_access_key(key);
            }
            if let Some(token) = secret(&config.session_token)? {
                builder = builder.with_token(token);
            }
            if config.identity {
                for (key, value) in identity::of_s3(&identity::environment).map_err(refuse)? {
                    builder = builder.with_config(key, value);
                }
                let own = builder.clone().build().map_err(unusable)?;
                builder = builder.with_credentials(Fetched::new(name, own.credentials()));
            }
            Arc::new(builder.build().map_err(unusable)?)
        }
        Kind::Azure => {
            let (container, account) = azure_names(authority, config).map_err(refuse)?;
            let mut builder = MicrosoftAzureBuilder::new()
                .with_container_name(container)
                .with_account(account)
                .with_client_options(client)
                .with_retry(retry)
                .with_allow_http(plain)
                .with_skip_signature(config.anonymous);
            if let Some(endpoint) = &config.endpoint {
                builder = builder.with_endpoint(endpoint.clone());
            }
            if let Some(key) = secret(&config.secret_access_key)? {
                builder = builder.with_access_key(key);
            }
            if let Some(token) = secret(&config.sas_token)? {
                builder = builder.with_config(AzureConfigKey::SasKey, token);
            }
            if let (Some(tenant), Some(id), Some(secret)) =
                (&config.tenant_id, &config.client_id, secret(&config.client_secret)?)
            {
                builder = builder.with_client_secret_authorization(id, secret, tenant);
            }
            if config.identity {
                for (key, value) in identity::of_azure(&identity::environment).map_err(refuse)? {
                    builder = builder.with_config(key, value);
                }
                let own = builder.clone().build().map_err(unusable)?;
                builder = builder.with_credentials(Fetched::new(name, own.credentials()));
            }
            Arc::new(builder.build().map_err(unusable)?)
        }
        Kind::Gcs => {
            let mut builder = GoogleCloudStorageBuilder::new()
                .with_bucket_name(authority)
                .with_client_options(client)
                .with_retry(retry)
                .with_skip_signature(config.anonymous);
            if let Some(endpoint) = &config.endpoint {
                builder = builder.with_base_url(endpoint);
            }
            if let Some(key) = secret(&config.service_account)? {
                builder = builder.with_service_account_key(key);
            }
            if config.anonymous {
                // Without any, the client would look for the machine's own.
                let nobody = GcpCredential { bearer: String::new() };
                builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(nobody)));
            }
            if config.identity {
                let own = builder.clone().build().map_err(unusable)?;
                builder = builder.with_credentials(Fetched::new(name, own.credentials()));
            }
            Arc::new(builder.build().map_err(unusable)?)
        }
        Kind::Http => {
            let builder = HttpBuilder::new().with_url(origin).with_client_options(client).with_retry(retry);
            Arc::new(builder.build().map_err(unusable)?)
        }
    })
}

/// Container and account: `container@account.dfs.core.windows.net`, or the container alone.
fn azure_names<'a>(authority: &'a str, config: &'a StoreConfig) -> Result<(&'a str, &'a str), String> {
    match (authority.split_once('@'), &config.account) {
        (Some((container, host)), None) => Ok((container, host.split_once('.').map_or(host, |(account, _)| account))),
        (None, Some(account)) => Ok((authority, account)),
        (Some(_), Some(_)) => Err("`url` names the account already: leave out `account`".into()),
        (None, None) => Err("`account` is missing".into()),
    }
}
