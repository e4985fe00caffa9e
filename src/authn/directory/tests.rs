use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Directory;
use crate::authn::{AuthnError, Method, Verified};
use crate::principal::{Attribute, AttributeType, Identity, Principal};

const PRINCIPALS: &str = r#"
[attributes]
region = { claim = "region", type = "string" }
clearance = { claim = "org.clearance", type = "long" }
on_call = { type = "bool" }
products = { claim = "products", type = "set" }

[groups]
claim = "realm.groups"

[groups.names]
"6f1c" = "emea"

[groups.parents]
emea = ["analysts"]
analysts = ["staff", "readers"]

[entitlements.alice]
groups = ["stewards"]
attributes = { on_call = true, region = "APAC" }
"#;

fn directory() -> Directory {
    Directory::parse(PRINCIPALS, Path::new("principals.toml")).unwrap()
}

fn token(subject: &str, claims: Value) -> Verified {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    let method = Method::Oidc(Arc::from("https://issuer"));
    Verified { subject: subject.into(), method, groups: BTreeSet::new(), claims, expires: None, entry: None }
}

fn groups(principal: &Principal) -> Vec<&str> {
    principal.groups.iter().map(String::as_str).collect()
}

#[test]
fn names_parents_entitlements_and_types_are_applied() {
    let claims = json!({ "realm": { "groups": ["6f1c", "jobs", "a b"] }, "region": "EMEA", "org": { "clearance": 3 },
        "products": ["x", "y"] });
    let bob = directory().principal(&token("bob", claims.clone())).unwrap();
    assert_eq!(bob.identity, Identity::User("bob".into()));
    assert_eq!(groups(&bob), ["analysts", "emea", "jobs", "readers", "staff"]);
    assert_eq!(bob.attributes["region"], Attribute::Text("EMEA".to_owned()));
    assert_eq!(bob.attributes["clearance"], Attribute::Number(3));
    assert_eq!(bob.attributes["products"], Attribute::Texts(["x".to_owned(), "y".to_owned()].into()));
    assert!(!bob.attributes.contains_key("on_call"));

    let alice = directory().principal(&token("alice", claims)).unwrap();
    assert!(alice.groups.contains("stewards"));
    assert_eq!(alice.attributes["on_call"], Attribute::Flag(true));
    assert_eq!(alice.attributes["region"], Attribute::Text("APAC".to_owned()), "an entitlement goes before a claim");
}

#[test]
fn a_claim_of_another_type_is_no_attribute() {
    for (region, clearance) in [(json!(["EMEA"]), json!("3")), (json!(7), json!(3.5)), (json!(null), json!(1e30))] {
        let claims = json!({ "realm": { "groups": [] }, "region": region, "org": { "clearance": clearance },
            "products": ["x", 1] });
        let bob = directory().principal(&token("bob", claims)).unwrap();
        assert!(bob.attributes.is_empty(), "{:?}", bob.attributes);
    }
}

#[test]
fn a_hostile_claim_stays_a_literal() {
    let text = "O'Hare\" OR 1=1 --";
    let claims = json!({ "realm": { "groups": [] }, "region": text });
    let bob = directory().principal(&token("bob", claims)).unwrap();
    assert_eq!(bob.attributes["region"], Attribute::Text(text.to_owned()));
}

#[test]
fn groups_that_cannot_be_told_completely_are_refused() {
    for realm in [json!({}), json!({ "groups": "a,b" }), json!({ "groups": ["a", 1] }), json!({ "groups": { "a": 1 } })]
    {
        let refused = directory().principal(&token("bob", json!({ "realm": realm })));
        assert!(matches!(refused, Err(AuthnError::IncompleteGroups { .. })), "{realm}: {refused:?}");
    }
    let one = directory().principal(&token("bob", json!({ "realm": { "groups": "jobs" } }))).unwrap();
    assert_eq!(groups(&one), ["jobs"]);
}

#[test]
fn groups_may_be_absent_where_that_is_said_or_local() {
    let text = PRINCIPALS.replace("claim = \"realm.groups\"", "claim = \"realm.groups\"\nrequired = false");
    let lenient = Directory::parse(&text, Path::new("p")).unwrap();
    assert!(lenient.principal(&token("bob", json!({}))).unwrap().groups.is_empty());

    let mut local = token("bob", json!({}));
    local.method = Method::Session;
    local.groups.insert("emea".to_owned());
    assert_eq!(groups(&directory().principal(&local).unwrap()), ["analysts", "emea", "readers", "staff"]);
}

#[test]
fn a_mapped_name_is_not_had_by_being_called_so() {
    let claims = json!({ "realm": { "groups": ["emea", "jobs"] } });
    assert_eq!(groups(&directory().principal(&token("bob", claims.clone())).unwrap()), ["jobs"]);
    let text = PRINCIPALS.replace("claim = \"realm.groups\"", "claim = \"realm.groups\"\nunmapped = \"drop\"");
    let strict = Directory::parse(&text, Path::new("p")).unwrap();
    assert!(strict.principal(&token("bob", claims)).unwrap().groups.is_empty());
}

#[test]
fn a_claim_name_with_dots_is_found() {
    let text = "[groups]\nclaim = \"https://example.com/groups\"\n";
    let directory = Directory::parse(text, Path::new("p")).unwrap();
    let claims = json!({ "https://example.com/groups": ["jobs"] });
    assert_eq!(groups(&directory.principal(&token("bob", claims)).unwrap()), ["jobs"]);
}

#[test]
fn a_required_attribute_keeps_out_whoever_lacks_it() {
    let text = "[attributes]\nclearance = { claim = \"clearance\", type = \"long\", required = true }\n";
    let directory = Directory::parse(text, Path::new("p")).unwrap();
    assert!(directory.principal(&token("bob", json!({ "clearance": 1 }))).is_ok());
    for claims in [json!({}), json!({ "clearance": "1" })] {
        assert!(matches!(directory.principal(&token("bob", claims)), Err(AuthnError::Rejected { .. })));
    }
}

#[test]
fn the_file_tells_what_it_declares() {
    let types = directory().attribute_types();
    assert_eq!((types["region"], types["products"]), (AttributeType::Text, AttributeType::Texts));
    let known: Vec<_> = directory().known_groups().into_iter().collect();
    assert_eq!(known, ["analysts", "emea", "readers", "staff", "stewards"]);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(
        text in "[\\[\\]a-z=\"'{}. \n0-9,-]{0,80}",
        from: proptest::sample::Index,
        to: proptest::sample::Index,
    ) {
        drop(Directory::parse(&text, Path::new("p")));
        let (from, to) = (from.index(PRINCIPALS.len()), to.index(PRINCIPALS.len()));
        let cut = [&PRINCIPALS[..from.min(to)], &text, &PRINCIPALS[from.max(to)..]].concat();
        drop(Directory::parse(&cut, Path::new("p")));
    }
}

#[test]
fn every_fault_has_its_line() {
    let cases = [
        ("[attribute]", 1, "unknown key `attribute`"),
        ("[attributes]\nx = { type = 'text' }", 2, "no type of an attribute"),
        ("[attributes]\nx = { claim = 'x' }", 2, "has no `type`"),
        ("[attributes]\nhas = { type = 'bool' }", 2, "cannot name an attribute"),
        ("[attributes]\n\"a-b\" = { type = 'bool' }", 2, "cannot name an attribute"),
        ("[groups]\n\nunmapped = 'all'", 3, "cannot be `all`"),
        ("[groups]\nclaim = 3", 2, "but must be a string"),
        ("[groups.names]\nid = 'a b'", 2, "not a group's name"),
        ("[groups.parents]\na = ['b']\nb = ['c']\nc = ['b']", 3, "lies within itself"),
        ("[groups.parents]\na = ['a']", 2, "lies within itself"),
        ("[entitlements.alice]\nattributes = { x = 1 }", 2, "not declared"),
        ("[attributes]\nx = { type = 'long' }\n[entitlements.a.attributes]\nx = '1'", 4, "a whole number"),
        ("[attributes]\nx = { type = 'set' }\n[entitlements.a.attributes]\nx = ['1', 2]", 4, "must be a string"),
        ("[entitlements.\"domain:sales\"]", 1, "cannot name a user"),
        ("[groups\n", 1, "not TOML"),
    ];
    for (text, line, reason) in cases {
        let faults = Directory::parse(text, Path::new("principals.toml")).unwrap_err();
        let [fault] = &faults[..] else { panic!("{text}: {faults:?}") };
        assert_eq!(fault.line, Some(line), "{text}: {fault}");
        assert!(fault.reason.contains(reason), "{text}: {fault}");
    }
    let several = "[attributes]\na = 1\nb = 2\n[x]\n";
    assert_eq!(Directory::parse(several, Path::new("p")).unwrap_err().len(), 3, "all faults in one run");
}
