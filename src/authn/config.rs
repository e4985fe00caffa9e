//! The `[authn]` section of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde::{Deserialize, Deserializer};

use crate::seal::SecretRef;

/// Who may sign in, and how. Nothing configured means nobody.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthnConfig {
    /// File of users and their password hashes.
    pub users: Option<PathBuf>,
    /// File of service tokens, hashed.
    pub tokens: Option<PathBuf>,
    /// How long a session token lasts (`12h`).
    #[serde(deserialize_with = "duration")]
    pub session_ttl: Duration,
    /// Issuers whose JWTs are accepted.
    pub oidc: Vec<OidcConfig>,
    /// How client certificates name callers; absent: they name nobody.
    pub mtls: Option<MtlsConfig>,
    /// Where personal tokens are kept; absent: there are none.
    pub personal_tokens: Option<PersonalTokensConfig>,
}

impl Default for AuthnConfig {
    fn default() -> Self {
        Self {
            users: None,
            tokens: None,
            session_ttl: Duration::from_secs(12 * 60 * 60),
            oidc: Vec::new(),
            mtls: None,
            personal_tokens: None,
        }
    }
}

/// Tokens that people make for their tools, `[authn.personal_tokens]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalTokensConfig {
    /// The folder they are kept in; replicas share it.
    pub dir: PathBuf,
    /// The longest life of a token, in days.
    #[serde(default = "thirty")]
    pub max_days: u32,
    /// How many one person may have.
    #[serde(default = "twenty")]
    pub max_per_person: usize,
}

impl PersonalTokensConfig {
    /// What `max_days` may be at most.
    pub const LONGEST: u32 = 365;
}

/// One issuer, `[[authn.oidc]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// The issuer exactly as its tokens and its discovery document write it.
    pub issuer: String,
    /// The audience that tokens for this gateway carry, or several, any of which will do.
    #[serde(deserialize_with = "one_or_many")]
    pub audience: Vec<String>,
    /// Signature algorithms accepted; asymmetric ones only exist here.
    #[serde(default = "all_algorithms")]
    pub algorithms: Vec<SigningAlgorithm>,
    /// The claim that names the caller. With `email`, the token must say `email_verified`.
    #[serde(default = "sub")]
    pub name_claim: String,
    /// Put before every name of this issuer, so that two issuers' `alice` stay two people.
    #[serde(default)]
    pub name_prefix: String,
    /// Whether this issuer may name somebody whom the users or tokens file names too.
    #[serde(default)]
    pub may_name_local_users: bool,
    /// How far clocks may differ (`30s`), 5 minutes at most.
    #[serde(default = "half_a_minute", deserialize_with = "duration")]
    pub leeway: Duration,
    /// How long fetched keys are used before they are fetched again (`10m`).
    #[serde(default = "ten_minutes", deserialize_with = "duration")]
    pub keys_ttl: Duration,
    /// Certificate authorities (PEM) to trust for this issuer, besides the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Accept `http://` for an issuer on 127.0.0.1 or localhost: for trying things out.
    #[serde(default)]
    pub allow_http_loopback: bool,
    /// How it signs people in to the pages; absent: it does not.
    #[serde(default)]
    pub login: Option<OidcLoginConfig>,
}

/// The gateway as a client of an issuer, `[authn.oidc.login]`: the code flow with PKCE.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcLoginConfig {
    /// What the issuer calls this gateway.
    pub client_id: String,
    /// The client's secret; none for a public client.
    #[serde(default)]
    pub client_secret: Option<SecretRef>,
    /// What people know the issuer as; its host otherwise.
    #[serde(default)]
    pub label: Option<String>,
    /// Scopes to ask for besides `openid`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// More parameters for the authorization request, such as `audience` or `resource`.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The token that holds groups and claims as the gateway's bearer tokens do.
    #[serde(default)]
    pub claims_from: ClaimsFrom,
}

/// Which of the two tokens of a sign-in says what is known of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimsFrom {
    /// The ID token, which every issuer gives.
    #[default]
    IdToken,
    /// The access token, verified as a bearer token is, of the same `sub` as the ID token.
    AccessToken,
}

/// How client certificates name callers, `[authn.mtls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MtlsConfig {
    /// Which kind of subject alternative name counts.
    pub san: SanKind,
    /// Alternative names and the callers they stand for.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// An alternative name that `names` does not list names its caller by what follows this
    /// prefix. Absent: only listed names are accepted. The empty prefix accepts every name that
    /// the client CA has signed.
    #[serde(default)]
    pub strip_prefix: Option<String>,
}

/// A kind of subject alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SanKind {
    /// `spiffe://…` and other URIs.
    Uri,
    /// Host names.
    Dns,
    /// Mail addresses.
    Email,
}

/// The signature algorithms a JWT may use. There is no `none` and no shared secret to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names are RFC 7518's")]
pub enum SigningAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::RS256 => Self::RS256,
            SigningAlgorithm::RS384 => Self::RS384,
            SigningAlgorithm::RS512 => Self::RS512,
            SigningAlgorithm::PS256 => Self::PS256,
            SigningAlgorithm::PS384 => Self::PS384,
            SigningAlgorithm::PS512 => Self::PS512,
            SigningAlgorithm::ES256 => Self::ES256,
            SigningAlgorithm::ES384 => Self::ES384,
            SigningAlgorithm::EdDSA => Self::EdDSA,
        }
    }
}

fn all_algorithms() -> Vec<SigningAlgorithm> {
    use SigningAlgorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    vec![RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA]
}

fn sub() -> String {
    "sub".to_owned()
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn thirty() -> u32 {
    30
}

fn twenty() -> usize {
    20
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

/// A number and a unit: `90s`, `15m`, `12h`, `7d`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        serde::de::Error::custom(format!("`{text}` is not a duration: write a number and s, m, h or d, such as `12h`"))
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.char_indices().next_back()?.0;
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_reads() {
        let config: AuthnConfig = toml::from_str(
            r#"
            users = "users.toml"
            session_ttl = "8h"
            [[oidc]]
            issuer = "https://login.example.com/"
            audience = "airside"
            [[oidc]]
            issuer = "https://other.example.com"
            audience = ["a", "b"]
            algorithms = ["ES256"]
            [mtls]
            san = "uri"
            strip_prefix = "spiffe://mesh/"
            "#,
        )
        .unwrap();
        assert_eq!(config.session_ttl, Duration::from_secs(8 * 3600));
        assert_eq!(config.oidc[0].audience, ["airside"]);
        assert_eq!(config.oidc[0].leeway, Duration::from_secs(30));
        assert_eq!(config.oidc[1].algorithms, [SigningAlgorithm::ES256]);
    }

    #[test]
    fn no_symmetric_algorithm_can_be_configured() {
        for algorithm in ["HS256", "none", "NONE", "rs256"] {
            let text = format!("[[oidc]]\nissuer = 'x'\naudience = 'y'\nalgorithms = ['{algorithm}']");
            assert!(toml::from_str::<AuthnConfig>(&text).is_err(), "{algorithm}");
        }
        assert!(toml::from_str::<AuthnConfig>("usres = 'x'").is_err(), "a misspelt key is refused");
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("2d"), Some(Duration::from_secs(172_800)));
        for bad in ["", "h", "12", "-1s", "1.5h", "12 h", "99999999999999999999s", "1é"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
