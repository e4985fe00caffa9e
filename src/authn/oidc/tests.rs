//! Tokens good and bad, and issuers good and bad.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::Issuer;
use super::test_issuer::{Provider, Served, Signer, message, rsa, rsa_signer};
use crate::authn::config::OidcConfig;
use crate::authn::{AuthnError, Method, Verified};

fn kind(result: &Result<Verified, AuthnError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(AuthnError::Missing) => "missing",
        Err(AuthnError::Malformed { .. }) => "malformed",
        Err(AuthnError::Rejected { .. }) => "rejected",
        Err(AuthnError::Expired) => "expired",
        Err(AuthnError::IncompleteGroups { .. }) => "incomplete groups",
        Err(AuthnError::Throttled { .. }) => "throttled",
        Err(AuthnError::IssuerUnavailable { .. }) => "unavailable",
    }
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_accepted() {
    let es256 = Signer::new("es256", Algorithm::ES256);
    let es384 = Signer::new("es384", Algorithm::ES384);
    let eddsa = Signer::new("eddsa", Algorithm::EdDSA);
    let rs256 = rsa_signer();
    let ps512 = Signer { algorithm: Algorithm::PS512, ..rs256.clone() };
    let provider = Provider::start(&[&es256, &es384, &eddsa, &rs256]).await;
    // The same key for several algorithms: published without one.
    provider.serve(|served| drop(served.jwks["keys"][3].as_object_mut().unwrap().remove("alg")));
    let issuer = provider.issuer();
    for signer in [es256, es384, eddsa, rs256, ps512] {
        let verified = issuer.verify(&signer.token(&provider.claims())).await.unwrap();
        assert_eq!((&*verified.subject, verified.groups.len()), ("alice", 0));
        assert_eq!(verified.method, Method::Oidc(provider.url.as_str().into()));
        assert!(verified.claims.contains_key("groups") && verified.expires.is_some());
    }
    assert_eq!(provider.fetches.load(Ordering::SeqCst), 1, "fetched once");
}

#[tokio::test]
async fn claims_decide() {
    let signer = Signer::new("k", Algorithm::ES256);
    let provider = Provider::start(&[&signer]).await;
    let issuer = provider.issuer();
    let now = Utc::now().timestamp();
    let cases = [
        (json!({}), "accepted"),
        (json!({ "aud": "other" }), "rejected"),
        (json!({ "aud": null }), "rejected"),
        (json!({ "aud": [] }), "rejected"),
        (json!({ "aud": ["other", "gateway"] }), "accepted"),
        (json!({ "aud": "Airside" }), "rejected"),
        (json!({ "iss": "https://evil.example.com" }), "rejected"),
        (json!({ "iss": format!("{}/", provider.url) }), "rejected"),
        (json!({ "iss": [provider.url, "https://evil.example.com"] }), "rejected"),
        (json!({ "iss": null }), "rejected"),
        (json!({ "exp": null }), "rejected"),
        (json!({ "exp": now - 31 }), "expired"),
        (json!({ "exp": now - 10 }), "accepted"),
        (json!({ "exp": (now + 60).to_string() }), "rejected"),
        (json!({ "exp": -1 }), "rejected"),
        (json!({ "exp": u64::MAX }), "rejected"),
        (json!({ "exp": 1e300 }), "rejected"),
        (json!({ "nbf": now + 60 }), "rejected"),
        (json!({ "nbf": now + 10 }), "accepted"),
        (json!({ "nbf": "tomorrow" }), "rejected"),
        (json!({ "iat": now + 60 }), "rejected"),
        (json!({ "iat": "yesterday" }), "rejected"),
        (json!({ "iat": null }), "accepted"),
        (json!({ "sub": null }), "rejected"),
        (json!({ "sub": "" }), "rejected"),
        (json!({ "sub": ["alice"] }), "rejected"),
        (json!({ "sub": "alice\nadmin" }), "rejected"),
        (json!({ "sub": "domain:sales" }), "rejected"),
        (json!({ "sub": "x".repeat(300) }), "rejected"),
        (json!({ "cnf": { "jkt": "x" } }), "rejected"),
        (json!({ "hasgroups": true }), "incomplete groups"),
        (json!({ "hasgroups": false, "_claim_names": {} }), "accepted"),
        (json!({ "_claim_names": { "groups": "src1" } }), "incomplete groups"),
        (json!({ "_claim_sources": { "src1": { "endpoint": "https://x" } } }), "incomplete groups"),
        (json!({ "groups:src1": "https://x" }), "incomplete groups"),
    ];
    for (changes, expected) in cases {
        let result = issuer.verify(&signer.token(&provider.claims_with(changes.clone()))).await;
        assert_eq!(kind(&result), expected, "{changes}: {result:?}");
    }
}

#[tokio::test]
async fn headers_and_signatures_decide() {
    let signer = Signer::new("k", Algorithm::ES256);
    let other = Signer::new("k", Algorithm::ES256);
    let provider = Provider::start(&[&signer, &rsa_signer()]).await;
    let issuer = provider.issuer();
    let claims = provider.claims();
    let with = |changes: Value| {
        let mut header = signer.header();
        for (name, value) in changes.as_object().unwrap() {
            header[name] = value.clone();
        }
        signer.sign(&header, &claims)
    };
    let mut flipped = signer.token(&claims).into_bytes();
    let middle = flipped.len() - 40;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let whole = signer.token(&claims);
    let (signed, signature) = whole.rsplit_once('.').unwrap();
    let another = message(&signer.header(), &provider.claims_with(json!({ "sub": "admin" })));

    let cases = [
        ("good", whole.clone(), "accepted"),
        ("typ of an application", with(json!({ "typ": "application/AT+JWT" })), "accepted"),
        ("no typ", with(json!({ "typ": null })), "accepted"),
        ("another typ", with(json!({ "typ": "logout+jwt" })), "rejected"),
        ("alg none", format!("{}.", message(&json!({ "alg": "none", "kid": "k" }), &claims)), "rejected"),
        ("alg None", format!("{}.", message(&json!({ "alg": "NoNe", "kid": "k" }), &claims)), "rejected"),
        ("alg none, signed", with(json!({ "alg": "none" })), "rejected"),
        ("no alg", format!("{}.x", message(&json!({ "kid": "k" }), &claims)), "rejected"),
        ("no signature", format!("{signed}."), "rejected"),
        ("flipped signature", String::from_utf8(flipped).unwrap(), "rejected"),
        ("signature of another token", format!("{another}.{signature}"), "rejected"),
        ("another's key by the same kid", other.token(&claims), "rejected"),
        ("key in the header", with(json!({ "jwk": other.jwk(), "jku": "http://127.0.0.1:1/" })), "accepted"),
        (
            "signed by the key in the header",
            other.sign(&json!({ "alg": "ES256", "kid": "k", "jwk": other.jwk() }), &claims),
            "rejected",
        ),
        ("algorithm of another key", with(json!({ "alg": "RS256" })), "rejected"),
        ("kid of another key", with(json!({ "kid": "rsa" })), "rejected"),
        ("unknown kid", with(json!({ "kid": "unknown" })), "rejected"),
        ("kid like a path", with(json!({ "kid": "../../../dev/null" })), "rejected"),
        ("kid like SQL", with(json!({ "kid": "' OR 1=1 --" })), "rejected"),
        ("kid of another type", with(json!({ "kid": 1 })), "rejected"),
        ("kid enormous", with(json!({ "kid": "k".repeat(8000) })), "rejected"),
        ("no kid, one key of its kind", with(json!({ "kid": null })), "accepted"),
        ("critical extension", with(json!({ "crit": ["exp"], "exp": 1 })), "rejected"),
        ("unencoded payload", with(json!({ "b64": false })), "rejected"),
        ("compressed", with(json!({ "zip": "DEF" })), "rejected"),
        ("two parts", signed.to_owned(), "rejected"),
        ("empty parts", "..".to_owned(), "rejected"),
        ("nonsense", "a.b.c".to_owned(), "rejected"),
    ];
    for (name, token, expected) in cases {
        let result = issuer.verify(&token).await;
        assert_eq!(kind(&result), expected, "{name}: {result:?}");
    }
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let ec = Signer::new("k", Algorithm::ES256);
    let rsa = rsa_signer();
    let provider = Provider::start(&[&ec, &rsa]).await;
    let issuer = provider.issuer();
    let jwk = |signer: &Signer| signer.jwk();
    let part = |value: &Value| URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap();
    let secrets = [
        part(&jwk(&rsa)["n"]),
        [vec![4], part(&jwk(&ec)["x"]), part(&jwk(&ec)["y"])].concat(),
        jwk(&rsa).to_string().into_bytes(),
        Vec::new(),
    ];
    for secret in secrets {
        for (algorithm, kid) in [(Algorithm::HS256, "k"), (Algorithm::HS512, "rsa")] {
            let forger = Signer { kid, algorithm, key: EncodingKey::from_secret(&secret) };
            let result = issuer.verify(&forger.token(&provider.claims())).await;
            assert_eq!(kind(&result), "rejected", "{result:?}");
        }
    }
}

#[tokio::test]
async fn unsuitable_published_keys_are_left_out() {
    let good = Signer::new("good", Algorithm::ES256);
    let odd = Signer::new("odd", Algorithm::ES256);
    let provider = Provider::start(&[&good]).await;
    let with = |changes: Value| {
        let mut jwk = odd.jwk();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    };
    let short = Signer { kid: "odd", algorithm: Algorithm::RS256, key: rsa(1024) };
    let cases = [
        with(json!({ "use": "enc" })),
        with(json!({ "key_ops": ["encrypt"] })),
        with(json!({ "alg": "ES384" })),
        with(json!({ "crv": "P-521" })),
        with(json!({ "crv": "P-384" })),
        with(json!({ "x": "AA" })),
        with(json!({ "y": "!" })),
        with(json!({ "kty": "quantum" })),
        with(json!({ "kty": 7 })),
        json!({ "kty": "oct", "k": "AAAA", "kid": "odd" }),
        json!("no key"),
        short.jwk(),
    ];
    for jwk in cases {
        provider.serve(|served| served.jwks = json!({ "keys": [jwk, good.jwk()] }));
        let issuer = provider.issuer();
        assert_eq!(kind(&issuer.verify(&good.token(&provider.claims())).await), "accepted", "{jwk}");
        for signer in [&odd, &short] {
            assert_eq!(kind(&issuer.verify(&signer.token(&provider.claims())).await), "rejected", "{jwk}");
        }
    }
}

#[tokio::test]
async fn without_a_kid_the_key_must_be_the_only_one() {
    let (a, b) = (Signer::new("a", Algorithm::ES256), Signer::new("b", Algorithm::ES256));
    let provider = Provider::start(&[&a, &b]).await;
    let token = a.sign(&json!({ "alg": "ES256" }), &provider.claims());
    assert_eq!(kind(&provider.issuer().verify(&token).await), "rejected");
}

#[tokio::test]
async fn rotated_keys_are_found_and_retired_ones_go() {
    let (old, new) = (Signer::new("old", Algorithm::ES256), Signer::new("new", Algorithm::ES256));
    let provider = Provider::start(&[&old]).await;
    let issuer = provider.issuer();
    assert_eq!(kind(&issuer.verify(&old.token(&provider.claims())).await), "accepted");
    provider.serve(|served| served.jwks = json!({ "keys": [new.jwk()] }));
    assert_eq!(kind(&issuer.verify(&new.token(&provider.claims())).await), "accepted");
    assert_eq!(kind(&issuer.verify(&old.token(&provider.claims())).await), "rejected");
}

#[tokio::test]
async fn strangers_cannot_make_us_fetch() {
    let signer = Signer::new("k", Algorithm::ES256);
    let provider = Provider::start(&[&signer]).await;
    let issuer = Issuer::new(&provider.config(), Path::new("")).unwrap();
    let forged = |kid: usize| signer.sign(&json!({ "alg": "ES256", "kid": kid.to_string() }), &provider.claims());
    let tokens: Vec<_> = (0..50).map(forged).collect();
    let results = futures::future::join_all(tokens.iter().map(|token| issuer.verify(token))).await;
    assert!(results.iter().all(|result| kind(result) == "rejected"));
    assert_eq!(provider.fetches.load(Ordering::SeqCst), 1, "one flight, then the pause");
}

#[tokio::test]
async fn an_issuer_that_is_down_is_not_the_callers_fault_and_recovers() {
    let signer = Signer::new("k", Algorithm::ES256);
    let provider = Provider::start(&[&signer]).await;
    let issuer = provider.issuer();
    let token = signer.token(&provider.claims());

    provider.serve(|served| served.status = StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(kind(&issuer.verify(&token).await), "unavailable");
    provider.serve(|served| served.status = StatusCode::OK);
    assert_eq!(kind(&issuer.verify(&token).await), "accepted");

    provider.serve(|served| served.status = StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(kind(&issuer.verify(&token).await), "accepted", "a known key needs nobody");
    let unknown = signer.sign(&json!({ "alg": "ES256", "kid": "new" }), &provider.claims());
    assert_eq!(kind(&issuer.verify(&unknown).await), "unavailable", "it may be a new key");
    assert_eq!(kind(&issuer.verify(&token).await), "accepted", "the last good keys stay");
}

#[tokio::test]
async fn keys_past_their_time_are_renewed_without_waiting() {
    let (old, new) = (Signer::new("old", Algorithm::ES256), Signer::new("new", Algorithm::ES256));
    let provider = Provider::start(&[&old]).await;
    let config = OidcConfig { keys_ttl: Duration::from_millis(300), ..provider.config() };
    let issuer = Issuer::with_pause(&config, Duration::ZERO);
    let token = old.token(&provider.claims());
    assert_eq!(kind(&issuer.verify(&token).await), "accepted");

    provider.serve(|served| served.jwks = json!({ "keys": [new.jwk()] }));
    tokio::time::sleep(Duration::from_millis(350)).await;
    // Just past its time: used once more, and renewed behind. Then the retired key is unknown.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while kind(&issuer.verify(&token).await) == "accepted" {
        assert!(tokio::time::Instant::now() < deadline, "a retired key is never dropped");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn documents_that_cannot_be_trusted_are_not() {
    let signer = Signer::new("k", Algorithm::ES256);
    let provider = Provider::start(&[&signer]).await;
    let token = signer.token(&provider.claims());
    let good = provider.served.lock().unwrap().clone();
    type Change = fn(&mut Served);
    let cases: [(&str, Change); 8] = [
        ("another issuer's document", |served| served.discovery["issuer"] = "https://evil.example.com".into()),
        ("issuer with a slash", |served| {
            served.discovery["issuer"] = format!("{}/", served.discovery["issuer"].as_str().unwrap()).into();
        }),
        ("keys over http from elsewhere", |served| served.discovery["jwks_uri"] = "http://192.0.2.1/jwks".into()),
        ("keys from a file", |served| served.discovery["jwks_uri"] = "file:///etc/passwd".into()),
        ("no keys", |served| served.jwks = json!({ "keys": [] })),
        ("keys of another shape", |served| served.jwks = json!({ "keys": { "k": 1 } })),
        ("too large", |served| served.jwks["padding"] = "x".repeat(2 << 20).into()),
        ("a redirect", |served| served.status = StatusCode::FOUND),
    ];
    for (name, change) in cases {
        provider.serve(|served| {
            *served = good.clone();
            change(served);
        });
        assert_eq!(kind(&provider.issuer().verify(&token).await), "unavailable", "{name}");
    }
}

#[tokio::test]
async fn the_name_comes_from_the_configured_claim() {
    let signer = Signer::new("k", Algorithm::ES256);
    let provider = Provider::start(&[&signer]).await;
    let config = OidcConfig { name_claim: "email".to_owned(), name_prefix: "partner:".to_owned(), ..provider.config() };
    let issuer = Issuer::with_pause(&config, Duration::ZERO);
    let email = "alice@example.com";
    let verified = issuer
        .verify(&signer.token(&provider.claims_with(json!({ "email": email, "email_verified": true }))))
        .await
        .unwrap();
    assert_eq!(&*verified.subject, "partner:alice@example.com");
    for changes in [
        json!({ "email": email }),
        json!({ "email": email, "email_verified": false }),
        json!({ "email": email, "email_verified": "true" }),
        json!({ "email_verified": true }),
    ] {
        let result = issuer.verify(&signer.token(&provider.claims_with(changes.clone()))).await;
        assert_eq!(kind(&result), "rejected", "{changes}");
    }
}

#[test]
fn configurations_that_cannot_be_right_are_refused() {
    let cases = [
        ("issuer = 'http://login.example.com'\naudience = 'a'", "must be https"),
        ("issuer = 'http://127.0.0.1:1'\naudience = 'a'", "must be https"),
        ("issuer = 'login'\naudience = 'a'", "is no URL"),
        ("issuer = 'https://x.example.com/?a'\naudience = 'a'", "has a query"),
        ("issuer = 'https://u:p@x.example.com'\naudience = 'a'", "or a user"),
        ("issuer = 'https://x.example.com'\naudience = []", "has no `audience`"),
        ("issuer = 'https://x.example.com'\naudience = ['']", "has no `audience`"),
        ("issuer = 'https://x.example.com'\naudience = 'a'\nalgorithms = []", "has no `algorithms`"),
        ("issuer = 'https://x.example.com'\naudience = 'a'\nleeway = '1h'", "more than 5 minutes"),
        ("issuer = 'https://x.example.com'\naudience = 'a'\nca = 'none.pem'", "cannot be read"),
    ];
    for (text, reason) in cases {
        let config: OidcConfig = toml::from_str(text).unwrap();
        let refused = Issuer::new(&config, Path::new("/nowhere")).map(drop).unwrap_err();
        assert!(refused.contains(reason), "{text}: {refused}");
    }
}
