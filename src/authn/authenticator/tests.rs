use std::fs;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::authn::oidc::test_issuer::{Provider, Signer};
use crate::authn::{hash_password, mint_service_token};

/// A gateway's folder with two users (both with the password `secret`) and a service.
struct Folder {
    folder: TempDir,
    token: Secret,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (token, hash) = mint_service_token();
        fs::write(folder.path().join("tokens.toml"), format!("[tokens.etl]\nhash = '{hash}'\ngroups = ['jobs']\n"))
            .unwrap();
        let this = Self { folder, token };
        this.users(&["alice", "bob"]);
        this
    }

    fn users(&self, names: &[&str]) {
        let hash = hash_password("secret").unwrap();
        let text: String = names.iter().map(|name| format!("[users.{name}]\npassword = '{hash}'\n")).collect();
        fs::write(self.folder.path().join("users.toml"), text).unwrap();
    }

    fn gateway_with(&self, more: &str, keys: &SealKeys) -> Result<Authenticator, Vec<Fault>> {
        let config = toml::from_str(&format!("users = 'users.toml'\ntokens = 'tokens.toml'\n{more}")).unwrap();
        Authenticator::new(&config, self.folder.path(), keys.clone())
    }

    fn gateway(&self, keys: &SealKeys) -> Authenticator {
        self.gateway_with("", keys).unwrap()
    }
}

fn secret() -> Secret {
    Secret::new("secret")
}

async fn bearer(gateway: &Authenticator, token: &str) -> Result<Verified, AuthnError> {
    gateway.authenticate(&Credentials::Bearer(Secret::new(token))).await
}

#[tokio::test]
async fn a_password_gives_a_session_on_every_replica_until_the_user_is_removed() {
    let folder = Folder::new();
    let keys = SealKeys::ephemeral();
    let (gateway, replica) = (folder.gateway(&keys), folder.gateway(&keys));
    let (alice, session) = gateway.handshake_basic("alice", &secret()).await.unwrap();
    assert_eq!((&*alice.subject, alice.method), ("alice", Method::Password));
    assert!(alice.expires.unwrap() > Utc::now() + Duration::from_secs(11 * 3600));

    for gateway in [&gateway, &replica] {
        let again = bearer(gateway, &session).await.unwrap();
        assert_eq!((&*again.subject, again.method), ("alice", Method::Session));
    }
    let stranger = folder.gateway(&SealKeys::ephemeral());
    assert!(matches!(bearer(&stranger, &session).await, Err(AuthnError::Rejected { .. })));

    folder.users(&["bob"]);
    replica.reload();
    assert!(matches!(bearer(&replica, &session).await, Err(AuthnError::Rejected { .. })));
    assert!(matches!(replica.handshake_basic("alice", &secret()).await, Err(AuthnError::Rejected { .. })));
}

#[tokio::test]
async fn basic_works_on_any_call_and_tells_nobody_who_exists() {
    let folder = Folder::new();
    let gateway = folder.gateway(&SealKeys::ephemeral());
    let basic = |user: &str, password: &str| Credentials::password(user, password).unwrap();
    assert!(gateway.authenticate(&basic("alice", "secret")).await.is_ok());
    let wrong = gateway.authenticate(&basic("alice", "wrong")).await.unwrap_err();
    let unknown = gateway.authenticate(&basic("mallory", "secret")).await.unwrap_err();
    assert_eq!(wrong.to_string(), unknown.to_string());
    for (credentials, error) in [(basic("alice", "wrong"), wrong), (basic("mallory", "secret"), unknown)] {
        assert!(matches!(error, AuthnError::Rejected { .. }));
        // Guessing on is slowed down, whether the user exists or not, and soon by more than a
        // verification takes even here.
        let mut throttled = false;
        for _ in 0..12 {
            throttled |= matches!(gateway.authenticate(&credentials).await, Err(AuthnError::Throttled { .. }));
        }
        assert!(throttled);
    }
    (0..20).for_each(|_| gateway.throttle.failed("alice", Instant::now()));
    assert!(matches!(gateway.authenticate(&basic("alice", "secret")).await, Err(AuthnError::Throttled { .. })));
    assert!(gateway.authenticate(&basic("bob", "secret")).await.is_ok(), "others are not slowed down");
}

#[tokio::test]
async fn bearer_tokens_are_told_apart_by_form() {
    let folder = Folder::new();
    let gateway = folder.gateway(&SealKeys::ephemeral());
    let service = bearer(&gateway, folder.token.expose_str().unwrap()).await.unwrap();
    assert_eq!((&*service.subject, service.method), ("etl", Method::ServiceToken));

    let huge = "x".repeat(100_000);
    for malformed in ["", "None", "null", "a b", "é", "a.b", "a.b.c.d", "..", "a.!.c", "airs", &huge] {
        let result = bearer(&gateway, malformed).await;
        let refused = matches!(result, Err(AuthnError::Malformed { .. } | AuthnError::Rejected { .. }));
        assert!(refused, "{malformed}: {result:?}");
    }
    let foreign = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZS5jb20ifQ.AAAA";
    for rejected in ["airs_", "airt_", "airs_AAAA", foreign, &huge.replace('x', "airs_x")] {
        let result = bearer(&gateway, rejected).await;
        assert!(matches!(result, Err(AuthnError::Rejected { .. })), "{rejected}: {result:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_token_breaks_it(token in "(airs_|airt_|)[A-Za-z0-9_.-]{0,60}", header: Vec<u8>, payload: Vec<u8>) {
        let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
        let config = AuthnConfig::default();
        let gateway = Authenticator::new(&config, Path::new(""), SealKeys::ephemeral()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for token in [token, format!("{}.{}.x", encode(&header), encode(&payload))] {
            proptest::prop_assert!(runtime.block_on(bearer(&gateway, &token)).is_err());
        }
    }
}

#[tokio::test]
async fn an_issuer_names_no_local_user_unless_told() {
    let signer = Signer::new("k", Algorithm::ES256);
    let provider = Provider::start(&[&signer]).await;
    let folder = Folder::new();
    let oidc = |more: &str| {
        let table = format!("issuer = '{}'\naudience = 'airside'\nallow_http_loopback = true", provider.url);
        folder.gateway_with(&format!("[[oidc]]\n{table}\n{more}"), &SealKeys::ephemeral()).unwrap()
    };
    let subject = |name: &str| signer.token(&provider.claims_with(json!({ "sub": name })));
    for (more, subject, expected) in [
        ("", subject("carol"), Some("carol")),
        ("", subject("alice"), None),
        ("", subject("etl"), None),
        ("name_prefix = 'idp:'", subject("alice"), Some("idp:alice")),
        ("may_name_local_users = true", subject("alice"), Some("alice")),
    ] {
        let verified = bearer(&oidc(more), &subject).await;
        assert_eq!(verified.as_ref().ok().map(|verified| &*verified.subject), expected, "{more}: {verified:?}");
    }
}

#[tokio::test]
async fn nothing_configured_lets_nobody_in() {
    let config = AuthnConfig::default();
    let gateway = Authenticator::new(&config, Path::new(""), SealKeys::ephemeral()).unwrap();
    let (token, _) = mint_service_token();
    let credentials = [
        Credentials::password("alice", "secret").unwrap(),
        Credentials::Bearer(token),
        Credentials::Bearer(Secret::new("airs_AAAA")),
        Credentials::Certificate(b"der".to_vec()),
    ];
    for credentials in credentials {
        let refused = gateway.authenticate(&credentials).await;
        assert!(matches!(refused, Err(AuthnError::Rejected { .. } | AuthnError::Missing)), "{refused:?}");
    }
}

#[test]
fn every_fault_of_the_section_is_told() {
    let folder = Folder::new();
    fs::write(folder.folder.path().join("users.toml"), "[users.a]\n").unwrap();
    let more = "session_ttl = '0s'
        [[oidc]]\nissuer = 'https://a.example.com'\naudience = 'x'
        [[oidc]]\nissuer = 'https://b.example.com'\naudience = 'x'
        [[oidc]]\nissuer = 'http://c.example.com'\naudience = 'x'\nname_prefix = 'c:'
        [mtls]\nsan = 'uri'";
    let faults = folder.gateway_with(more, &SealKeys::ephemeral()).unwrap_err();
    let reasons: Vec<_> = faults.iter().map(|fault| fault.reason.as_str()).collect();
    for expected in ["without `password`", "accepts nobody", "same `name_prefix`", "must be https", "`session_ttl`"] {
        assert!(reasons.iter().any(|reason| reason.contains(expected)), "{expected}: {reasons:?}");
    }
    assert_eq!(faults.len(), 5, "{reasons:?}");
}

#[tokio::test]
async fn a_personal_token_is_its_owner_by_every_door_while_both_stand() {
    let folder = Folder::new();
    let gateway = folder.gateway_with("[personal_tokens]\ndir = 'personal'", &SealKeys::ephemeral()).unwrap();
    let replica = folder.gateway_with("[personal_tokens]\ndir = 'personal'", &SealKeys::ephemeral()).unwrap();
    let alice = gateway.sign_in("alice", &secret()).await.unwrap();
    let (shown, token) = gateway.personal_tokens().unwrap().create(&alice, "laptop", 3, Utc::now()).unwrap();
    let text = token.expose_str().unwrap();
    let basic = |user: &str| Credentials::password(user, token.expose()).unwrap();

    for gateway in [&gateway, &replica] {
        for credentials in [Credentials::Bearer(token.clone()), basic("alice"), basic("token")] {
            let verified = gateway.authenticate(&credentials).await.unwrap();
            assert_eq!((&*verified.subject, verified.method), ("alice", Method::PersonalToken(None)));
            assert!(verified.expires.is_some());
        }
        assert!(matches!(gateway.authenticate(&basic("bob")).await, Err(AuthnError::Rejected { .. })));
        let (verified, session) = gateway.handshake_basic("token", &token).await.unwrap();
        assert_eq!((&*verified.subject, session.as_str()), ("alice", text), "a handshake gives the same back");
    }
    assert!(gateway.sign_in("alice", &token).await.is_err(), "a token makes no tokens");
    let without = folder.gateway(&SealKeys::ephemeral());
    assert!(matches!(bearer(&without, text).await, Err(AuthnError::Rejected { .. })));
    assert!(matches!(without.authenticate(&basic("alice")).await, Err(AuthnError::Rejected { .. })));

    let verified = bearer(&replica, text).await.unwrap();
    assert_eq!(replica.recall(&verified).await, Some(verified.clone()));
    folder.users(&["alice", "bob"]);
    replica.reload();
    assert!(
        replica.recall(&verified).await.is_none() && bearer(&replica, text).await.is_err(),
        "another password since"
    );

    let bob = replica.sign_in("bob", &secret()).await.unwrap();
    let (shown_bob, token) = replica.personal_tokens().unwrap().create(&bob, "x", 3, Utc::now()).unwrap();
    let verified = bearer(&replica, token.expose_str().unwrap()).await.unwrap();
    assert!(!replica.personal_tokens().unwrap().revoke(&bob, &shown.id).unwrap());
    assert!(replica.personal_tokens().unwrap().revoke(&bob, &shown_bob.id).unwrap());
    assert!(replica.recall(&verified).await.is_none() && bearer(&replica, token.expose_str().unwrap()).await.is_err());
}
