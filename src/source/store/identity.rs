//! Who the machine, task or pod is that Airside runs on. Each cloud tells it in variables that its own SDKs read, so what
//! serves other programs there serves Airside; a store with `identity = true` reads these and no others, above all no keys.
//!
//! What is told by halves is refused: the client would go on to the machine's identity, which may be allowed more.
//!
//! The variables of Google's metadata server (`GCE_METADATA_HOST`) are read by the client itself, whenever it asks.

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;

const S3: [(&str, AmazonS3ConfigKey); 8] = [
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", AmazonS3ConfigKey::MetadataEndpoint),
];

const AZURE: [(&str, AzureConfigKey); 5] = [
    ("AZURE_CLIENT_ID", AzureConfigKey::ClientId),
    ("AZURE_TENANT_ID", AzureConfigKey::AuthorityId),
    ("AZURE_FEDERATED_TOKEN_FILE", AzureConfigKey::FederatedTokenFile),
    ("AZURE_AUTHORITY_HOST", AzureConfigKey::AuthorityHost),
    ("IDENTITY_ENDPOINT", AzureConfigKey::MsiEndpoint),
];

/// Hosts to which the client appends a path: its own slash is enough.
const HOSTS: [&str; 3] = ["AWS_ENDPOINT_URL_STS", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AZURE_AUTHORITY_HOST"];

/// The environment, or a test's.
pub(super) type Told<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables of this process; empty ones are none, as the SDKs have it.
pub(super) fn environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// Web identity (STS), a task's or pod's credentials, or the instance's metadata service: the first that is told.
pub(super) fn of_s3(told: Told<'_>) -> Result<Vec<(AmazonS3ConfigKey, String)>, String> {
    let web = complete(told, "AWS_WEB_IDENTITY_TOKEN_FILE", &["AWS_ROLE_ARN"])?;
    if !web && given(told, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").is_none() {
        complete(told, "AWS_CONTAINER_CREDENTIALS_FULL_URI", &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])?;
    }
    Ok(all(told, S3))
}

/// Workload identity if a federated token is told of, else the managed identity.
pub(super) fn of_azure(told: Told<'_>) -> Result<Vec<(AzureConfigKey, String)>, String> {
    complete(told, "AZURE_FEDERATED_TOKEN_FILE", &["AZURE_CLIENT_ID", "AZURE_TENANT_ID"])?;
    Ok(all(told, AZURE))
}

fn given(told: Told<'_>, variable: &str) -> Option<String> {
    let value = told(variable).filter(|value| !value.is_empty())?;
    let host = HOSTS.contains(&variable);
    Some(if host { value.trim_end_matches('/').to_owned() } else { value })
}

fn all<K, const N: usize>(told: Told<'_>, variables: [(&str, K); N]) -> Vec<(K, String)> {
    variables.into_iter().filter_map(|(variable, key)| Some((key, given(told, variable)?))).collect()
}

/// Whether this variable is there, and then with all that belong to it.
fn complete(told: Told<'_>, variable: &str, others: &[&str]) -> Result<bool, String> {
    let there = given(told, variable).is_some();
    match others.iter().find(|other| there && given(told, other).is_none()) {
        Some(missing) => Err(format!("`identity`: `{variable}` is set, but not `{missing}`, which belongs to it")),
        None => Ok(there),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |asked| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn what_is_told_by_halves_is_refused() {
        for (variables, missing) in [
            (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")][..], "AWS_ROLE_ARN"),
            (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "")], "AWS_ROLE_ARN"),
            (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://here")], "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        ] {
            assert!(of_s3(&set(variables)).unwrap_err().contains(missing), "{variables:?}");
        }
        let half = [("AZURE_FEDERATED_TOKEN_FILE", "/token"), ("AZURE_CLIENT_ID", "it")];
        assert!(of_azure(&set(&half)).unwrap_err().contains("AZURE_TENANT_ID"));
    }

    #[test]
    fn nothing_but_identities_is_read() {
        let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key"), ("AWS_ROLE_ARN", "")];
        assert_eq!(of_s3(&set(&keys)), Ok(Vec::new()));
        assert_eq!(of_azure(&set(&[("AZURE_CLIENT_SECRET", "it")])), Ok(Vec::new()));
        let host = [("AZURE_AUTHORITY_HOST", "https://login.example.com/")];
        let expected = vec![(AzureConfigKey::AuthorityHost, "https://login.example.com".to_owned())];
        assert_eq!(of_azure(&set(&host)), Ok(expected));
    }
}
