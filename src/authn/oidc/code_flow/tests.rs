//! Departures, returns, and what a provider may say in between.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::*;
use crate::authn::oidc::test_issuer::{Provider as Issuing, Signer};
use crate::authn::{Authenticator, AuthnConfig, Person};
use crate::seal::SealKeys;

const HERE: &str = "http://127.0.0.1:8080/login/callback";

type Answer = Arc<Mutex<(StatusCode, Value)>>;
type Forms = Arc<Mutex<Vec<(HeaderMap, HashMap<String, String>)>>>;

/// A token endpoint beside a test issuer: it answers what it is told, and keeps what it was asked.
struct Desk {
    issuing: Issuing,
    signer: Signer,
    answer: Answer,
    asked: Forms,
}

impl Desk {
    async fn open() -> Self {
        let signer = Signer::new("k", Algorithm::ES256);
        let issuing = Issuing::start(&[&signer]).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((StatusCode::OK, json!({}))));
        let asked = Forms::default();
        let tell = |State((answer, asked)): State<(Answer, Forms)>, headers: HeaderMap, Form(form)| async move {
            asked.lock().unwrap().push((headers, form));
            let (status, body) = answer.lock().unwrap().clone();
            (status, body.to_string())
        };
        let app = axum::Router::new().route("/token", post(tell)).with_state((Arc::clone(&answer), Arc::clone(&asked)));
        tokio::spawn(async move { axum::serve(listener, app).await });
        issuing.serve(|served| {
            served.discovery["authorization_endpoint"] = json!(format!("{url}/authorize?tenant=a b"));
            served.discovery["token_endpoint"] = json!(format!("{url}/token"));
        });
        Self { issuing, signer, answer, asked }
    }

    fn gateway(&self, login: &str) -> Authenticator {
        let text = format!(
            "[[oidc]]\nissuer = '{}'\naudience = 'airside'\nallow_http_loopback = true\n[oidc.login]\nclient_id = 'pages'\n{login}",
            self.issuing.url
        );
        let config: AuthnConfig = toml::from_str(&text).unwrap();
        Authenticator::new(&config, Path::new(""), SealKeys::ephemeral()).unwrap()
    }

    /// An ID token for this departure, with some claims changed.
    fn id_token(&self, flow: &Flow, changes: Value) -> String {
        let mut claims = self.issuing.claims_with(json!({ "aud": "pages", "nonce": flow.nonce, "azp": "pages" }));
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.signer.token(&claims)
    }

    fn will_answer(&self, status: StatusCode, body: Value) {
        *self.answer.lock().unwrap() = (status, body);
    }
}

fn with_code(flow: &Flow) -> Return {
    Return { code: Some("c0de".to_owned()), state: Some(flow.state.clone()), iss: None, error: None }
}

async fn depart(gateway: &Authenticator) -> Departure {
    gateway.depart(0, HERE).await.unwrap().unwrap()
}

#[tokio::test]
async fn who_departs_with_pkce_arrives_as_the_bearer_of_a_token_would() {
    let desk = Desk::open().await;
    let gateway = desk.gateway("scopes = ['profile']\nparameters = { resource = 'urn:x' }");
    assert_eq!(gateway.providers(), [Provider { number: 0, label: "127.0.0.1".to_owned() }]);
    assert!(gateway.depart(1, HERE).await.unwrap().is_none());
    let Departure { url, flow } = depart(&gateway).await;
    let url = url::Url::parse(&url).unwrap();
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&flow.verifier));
    for (name, value) in [
        ("tenant", "a b"),
        ("resource", "urn:x"),
        ("response_type", "code"),
        ("client_id", "pages"),
        ("redirect_uri", HERE),
        ("scope", "openid profile"),
        ("state", flow.state.as_str()),
        ("nonce", flow.nonce.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!url.as_str().contains(&flow.verifier));

    desk.will_answer(StatusCode::OK, json!({ "id_token": desk.id_token(&flow, json!({})), "token_type": "Bearer" }));
    let person = gateway.arrive(&flow, &with_code(&flow), HERE).await.unwrap();
    let verified = gateway.person(&person).unwrap();
    let bearer = gateway.bearer(&Secret::new(desk.signer.token(&desk.issuing.claims()))).await.unwrap();
    assert_eq!((verified.subject, verified.method), (bearer.subject, bearer.method));
    assert_eq!(verified.claims["groups"], bearer.claims["groups"]);

    let asked = desk.asked.lock().unwrap();
    let (headers, form) = asked.last().unwrap();
    assert!(headers.get("authorization").is_none(), "a public client");
    assert_eq!((form["code"].as_str(), form["code_verifier"].as_str()), ("c0de", flow.verifier.as_str()));
    assert_eq!((form["client_id"].as_str(), form["redirect_uri"].as_str()), ("pages", HERE));
}

#[tokio::test]
async fn a_return_that_is_not_of_this_departure_is_refused() {
    let desk = Desk::open().await;
    let gateway = desk.gateway("");
    let flow = depart(&gateway).await.flow;
    let other = depart(&gateway).await.flow;
    desk.will_answer(StatusCode::OK, json!({ "id_token": desk.id_token(&flow, json!({})) }));
    let good = || with_code(&flow);
    let cases = [
        Return { state: None, ..good() },
        Return { state: Some(other.state.clone()), ..good() },
        Return { code: None, ..good() },
        Return { code: Some("x".repeat(MAX_PARAMETER + 1)), ..good() },
        Return { iss: Some("https://evil.example.com".to_owned()), ..good() },
        Return { error: Some("access_denied".to_owned()), ..good() },
        Return { error: Some("<script>".to_owned()), ..good() },
    ];
    for returned in cases {
        let refused = gateway.arrive(&flow, &returned, HERE).await.unwrap_err();
        assert!(matches!(&refused, AuthnError::Rejected { detail } if !detail.contains('<')), "{refused:?}");
    }
    assert!(desk.asked.lock().unwrap().is_empty(), "no code was taken to the provider");
    assert!(gateway.arrive(&other, &with_code(&other), HERE).await.is_err(), "another's ID token: its nonce");
    assert!(gateway.arrive(&flow, &good(), HERE).await.is_ok());
}

#[tokio::test]
async fn an_id_token_is_verified_as_tokens_are_and_for_this_client() {
    let desk = Desk::open().await;
    let gateway = desk.gateway("");
    let flow = depart(&gateway).await.flow;
    let changes = [
        (json!({ "aud": "airside" }), "rejected"),
        (json!({ "aud": ["pages", "other"], "azp": "other" }), "rejected"),
        (json!({ "aud": ["pages", "other"], "azp": null }), "rejected"),
        (json!({ "aud": ["pages", "other"] }), "accepted"),
        (json!({ "nonce": null }), "rejected"),
        (json!({ "exp": 1 }), "expired"),
        (json!({ "iss": "https://evil.example.com" }), "rejected"),
        (json!({ "sub": null }), "rejected"),
        (json!({ "hasgroups": true }), "incomplete"),
        (json!({}), "accepted"),
    ];
    for (change, expected) in changes {
        desk.will_answer(StatusCode::OK, json!({ "id_token": desk.id_token(&flow, change.clone()) }));
        let kind = match gateway.arrive(&flow, &with_code(&flow), HERE).await {
            Ok(_) => "accepted",
            Err(AuthnError::Rejected { .. }) => "rejected",
            Err(AuthnError::Expired) => "expired",
            Err(AuthnError::IncompleteGroups { .. }) => "incomplete",
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(kind, expected, "{change}");
    }
    let forged = Signer::new("k", Algorithm::ES256).token(&desk.issuing.claims_with(json!({ "aud": "pages" })));
    let secret = "eyJ-secret";
    for (status, answer, unavailable) in [
        (StatusCode::OK, json!({ "id_token": forged }), false),
        (StatusCode::OK, json!({ "access_token": secret }), false),
        (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant", "error_description": secret }), false),
        (StatusCode::INTERNAL_SERVER_ERROR, json!([secret]), true),
    ] {
        desk.will_answer(status, answer);
        let error = gateway.arrive(&flow, &with_code(&flow), HERE).await.unwrap_err();
        assert_eq!(matches!(error, AuthnError::IssuerUnavailable { .. }), unavailable, "{error:?}");
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
}

#[tokio::test]
async fn claims_may_come_from_the_access_token_of_the_same_person() {
    let desk = Desk::open().await;
    let gateway = desk.gateway("claims_from = 'access_token'");
    let flow = depart(&gateway).await.flow;
    let arrive = async |access: Value| {
        let id_token = desk.id_token(&flow, json!({ "groups": null }));
        desk.will_answer(StatusCode::OK, json!({ "id_token": id_token, "access_token": access }));
        gateway.arrive(&flow, &with_code(&flow), HERE).await
    };
    let access = |changes: Value| json!(desk.signer.token(&desk.issuing.claims_with(changes)));
    let person: Person = arrive(access(json!({ "groups": ["b"] }))).await.unwrap();
    assert_eq!(gateway.person(&person).unwrap().claims["groups"], json!(["b"]));
    for bad in [json!(null), json!("opaque"), access(json!({ "sub": "bob" })), access(json!({ "aud": "pages" }))] {
        assert!(arrive(bad).await.is_err());
    }
}

#[tokio::test]
async fn a_secret_goes_where_the_issuer_wants_it() {
    let desk = Desk::open().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "p&ss:w%rd").unwrap();
    let login = format!("client_secret = 'file:{}'", folder.path().join("secret").display());
    for in_form in [false, true] {
        let methods = if in_form { json!(["client_secret_post"]) } else { json!(null) };
        desk.issuing.serve(|served| served.discovery["token_endpoint_auth_methods_supported"] = methods);
        let gateway = desk.gateway(&login);
        let flow = depart(&gateway).await.flow;
        desk.will_answer(StatusCode::OK, json!({ "id_token": desk.id_token(&flow, json!({})) }));
        assert!(gateway.arrive(&flow, &with_code(&flow), HERE).await.is_ok());
        let asked = desk.asked.lock().unwrap();
        let (headers, form) = asked.last().unwrap();
        if in_form {
            assert_eq!(form["client_secret"], "p&ss:w%rd");
        } else {
            let expected = base64::engine::general_purpose::STANDARD.encode("pages:p%26ss%3Aw%25rd");
            assert_eq!(headers["authorization"], format!("Basic {expected}"));
            assert!(!form.contains_key("client_secret"));
        }
    }
}

#[tokio::test]
async fn an_issuer_that_signs_nobody_in_is_unavailable() {
    let desk = Desk::open().await;
    desk.issuing.serve(|served| drop(served.discovery.as_object_mut().unwrap().remove("authorization_endpoint")));
    let gateway = desk.gateway("");
    assert!(matches!(gateway.depart(0, HERE).await, Err(AuthnError::IssuerUnavailable { .. })));
    desk.issuing.serve(|served| {
        served.discovery["authorization_endpoint"] = json!("http://evil.example.com/");
        served.discovery["authorization_response_iss_parameter_supported"] = json!(true);
    });
    assert!(matches!(desk.gateway("").depart(0, HERE).await, Err(AuthnError::IssuerUnavailable { .. })));
    desk.issuing.serve(|served| served.discovery["authorization_endpoint"] = json!("http://127.0.0.1:1/"));
    let gateway = desk.gateway("");
    let flow = depart(&gateway).await.flow;
    let unnamed = gateway.arrive(&flow, &with_code(&flow), HERE).await;
    assert!(matches!(unnamed, Err(AuthnError::Rejected { detail }) if detail.contains("issuer")));
}

#[test]
fn what_cannot_be_right_is_refused_at_the_start() {
    for bad in ["client_id = ''", "scopes = ['a b']", "parameters = { state = 'x' }", "client_secret = 'env:NO_SUCH_X'"]
    {
        let id = if bad.starts_with("client_id") { "" } else { "client_id = 'x'\n" };
        let text = format!("[[oidc]]\nissuer = 'https://a.example'\naudience = 'x'\n[oidc.login]\n{id}{bad}");
        let config: AuthnConfig = toml::from_str(&text).unwrap();
        assert!(Authenticator::new(&config, Path::new(""), SealKeys::ephemeral()).is_err(), "{bad}");
    }
}
