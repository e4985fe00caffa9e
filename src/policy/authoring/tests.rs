//! Grants written as Cedar: what they say, that they load, and that files keep what people wrote.

use chrono::{DateTime, Utc};

use super::{AuthoringError, GrantRequest, Grantee, PolicyFile, Target, Written, write};
use crate::policy::tests::fixtures::{Mesh, NOW, at, name, orders, shown, user, with};
use crate::policy::{Decision, Grant};
use crate::principal::{AttributeType, Principal, Purpose};
use crate::product::{Mask, ProductId};

fn request(rows: Option<&str>) -> GrantRequest {
    GrantRequest {
        target: Target { product: ProductId { domain: name("sales"), name: name("orders") }, dataset: None },
        to: Grantee::Group("analysts".into()),
        rows: rows.map(str::to_owned),
        purpose: None,
        until: None,
        raw: Vec::new(),
        masks: Vec::new(),
    }
}

fn written(request: &GrantRequest) -> Result<Written, AuthoringError> {
    let attributes = [
        ("region", AttributeType::Text),
        ("clearance", AttributeType::Number),
        ("suspended", AttributeType::Flag),
        ("regions", AttributeType::Texts),
    ];
    let attributes = attributes.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    write(request, &[orders()], &attributes, at(NOW))
}

/// The grant that the written policies give.
fn granted(request: &GrantRequest, principal: &Principal, purpose: &str, now: DateTime<Utc>) -> Option<Grant> {
    let text = written(request).unwrap().text;
    let mesh = Mesh::new(&text);
    match mesh.load().ask(principal, purpose, &now.to_rfc3339()) {
        Decision::Permit(grant) => Some(grant),
        _ => None,
    }
}

/// The `when` of the row policy.
fn condition(rows: &str) -> String {
    let text = written(&request(Some(rows))).unwrap_or_else(|error| panic!("{rows}: {error}: {}", error.hint())).text;
    // What is written loads: columns, types and guards are right.
    let _ = Mesh::new(&text).load();
    let (_, after) = text.split_once(":rows\")").unwrap();
    let (_, after) = after.split_once("when {").unwrap();
    after.split_once("};").unwrap().0.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn bare_words_are_columns_and_what_may_be_missing_is_guarded() {
    for (rows, cedar) in [
        ("region == \"EMEA\"", "resource.row.region == \"EMEA\""),
        ("region == principal.region", "principal has region && resource.row.region == principal.region"),
        ("note == \"region\"", "resource.row has note && resource.row.note == \"region\""),
        ("!(note == \"x\")", "resource.row has note && resource.row.note != \"x\""),
        (
            "!(note like \"x*\") && rank > 3",
            "resource.row has note && !(resource.row.note like \"x*\") && resource.row has rank && resource.row.rank > 3",
        ),
        ("rank > 3 && rank < 9", "resource.row has rank && resource.row.rank > 3 && resource.row.rank < 9"),
        (
            "rank > 3 || rank < -9",
            "((resource.row has rank && resource.row.rank > 3) || (resource.row has rank && resource.row.rank < -9))",
        ),
        ("!(rank > 3 || paid)", "resource.row has rank && resource.row.rank <= 3 && !resource.row.paid"),
        ("!(amount > 3 && !paid)", "(resource.row.amount <= 3 || resource.row.paid)"),
        ("paid && !!open", "resource.row.paid && resource.row has open && resource.row.open"),
        ("placed >= \"2026-01-01\"", "resource.row.placed >= datetime(\"2026-01-01\")"),
        ("price < 100", "resource.row.price.lessThan(decimal(\"100.0\"))"),
        ("!(price < \"9.50\")", "resource.row.price.greaterThanOrEqual(decimal(\"9.50\"))"),
        ("rebate == 0", "resource.row has rebate && resource.row.rebate == decimal(\"0.0\")"),
        ("[\"a\", \"b\"].contains(region)", "[\"a\", \"b\"].contains(resource.row.region)"),
        ("![1, 2].contains(amount)", "![1, 2].contains(resource.row.amount)"),
        (
            "principal.regions.contains(region)",
            "principal has regions && principal.regions.contains(resource.row.region)",
        ),
        (
            "resource.row[\"ship date\"] > \"2026-01-01\"",
            "resource.row has \"ship date\" && resource.row[\"ship date\"] > datetime(\"2026-01-01\")",
        ),
        ("principal.clearance >= amount", "principal has clearance && principal.clearance >= resource.row.amount"),
        ("region == \"a\\\"b && note\"", "resource.row.region == \"a\\\"b && note\""),
    ] {
        assert_eq!(condition(rows), cedar, "{rows}");
    }
}

#[test]
fn what_cannot_be_a_condition_is_refused_with_what_there_is() {
    for (rows, reason, hint) in [
        ("regoin == \"x\"", "there is no column `regoin`", "did you mean `region`?"),
        ("clearance == 3", "there is no column `clearance`", "did you mean `principal.clearance`?"),
        ("region == principal.regoin", "principals have no attribute `regoin`", "did you mean `principal.region`"),
        ("score > 1", "rows cannot be filtered by `score`", "rows can be filtered by"),
        ("region == 3", "`region` and `3` are of different types", "texts with texts"),
        ("region < \"b\"", "`region` has no order", "like"),
        ("region = \"b\"", "`=` compares nothing", "=="),
        ("amount + 1 > 2", "a row condition does not compute", "literal"),
        ("region", "`region` is compared with nothing", "compare a column"),
        ("region == principal", "the principal itself cannot be compared", "`principal.region`"),
        ("context.now < datetime(\"2027-01-01\")", "does not look at the purpose or the clock", "--until"),
        ("region in [\"a\"]", "`in` cannot be written here", "contains"),
        ("resource == resource", "this word cannot be written", "compare"),
        ("principal in Group::\"x\"", "", ""),
        ("1 == 1", "always the same", ""),
        ("region == ", "is no condition", "compare a column"),
        ("note has x", "`has` is added", ""),
        ("region == \"x\" }; permit (principal, action, resource) when { true", "is no condition", ""),
        ("if paid then open else open", "`if` cannot be written here", ""),
        ("sales::orders == region", "names no entities", ""),
    ] {
        let error = written(&request(Some(rows))).unwrap_err();
        assert!(error.to_string().contains(reason), "{rows}: {error}");
        assert!(error.hint().contains(hint), "{rows}: {}", error.hint());
    }
    assert!(written(&request(Some(&"(".repeat(5_000)))).is_err());
    assert!(written(&request(Some(&"!".repeat(3_000)))).is_err());
}

#[test]
fn a_grant_gives_what_was_asked_for() {
    let analyst = || with(user("ada", &["analysts"]), "region", "EMEA");
    let now = at(NOW);
    let whole = granted(&request(None), &analyst(), "", now).unwrap();
    assert_eq!(whole.rows().to_string(), "all");

    let grant = granted(&request(Some("region == principal.region")), &analyst(), "", now).unwrap();
    assert_eq!(grant.rows().to_string(), "region == \"EMEA\"");
    assert!(granted(&request(Some("region == principal.region")), &user("x", &["analysts"]), "", now).is_none());

    let limited = GrantRequest {
        purpose: Some(Purpose::parse("audit").unwrap()),
        until: Some(at("2026-12-01T00:00:00Z")),
        raw: vec!["email".into()],
        masks: vec![("phone".into(), Mask::Partial), ("born".into(), Mask::Year)],
        ..request(Some("amount > 3"))
    };
    let grant = granted(&limited, &analyst(), "audit", now).unwrap();
    let columns = shown(&grant);
    for column in ["email", "phone:partial", "born:year", "region"] {
        assert!(columns.contains(&column.to_owned()), "{columns:?}");
    }
    assert_eq!(grant.valid_until(), Some(at("2026-12-01T00:00:00Z")));
    assert!(granted(&limited, &analyst(), "", now).is_none());
    assert!(granted(&limited, &analyst(), "audit", at("2026-12-01T00:00:00Z")).is_none());
}

#[test]
fn a_mask_weaker_than_the_default_takes_its_place() {
    let weaker = GrantRequest { masks: vec![("email".into(), Mask::Partial)], ..request(None) };
    let columns = shown(&granted(&weaker, &user("ada", &["analysts"]), "", at(NOW)).unwrap());
    assert!(columns.contains(&"email:partial".to_owned()) && columns.contains(&"phone".to_owned()), "{columns:?}");
}

#[test]
fn contradictions_are_refused() {
    for (request, reason) in [
        (GrantRequest { until: Some(at("2026-11-22T12:00:00Z")), ..request(None) }, "in the past"),
        (GrantRequest { raw: vec!["emial".into()], ..request(None) }, "has no column `emial`"),
        (GrantRequest { masks: vec![("amount".into(), Mask::Hmac)], ..request(None) }, "is not defined on `amount`"),
        (
            GrantRequest { raw: vec!["email".into()], masks: vec![("email".into(), Mask::Null)], ..request(None) },
            "both raw and masked",
        ),
        (
            GrantRequest { target: Target { dataset: Some(name("lines")), ..request(None).target }, ..request(None) },
            "has no dataset `lines`",
        ),
    ] {
        let error = written(&request).unwrap_err();
        assert!(error.to_string().contains(reason) && !error.hint().is_empty(), "{error}");
    }
}

#[test]
fn grantees_are_groups_and_users() {
    let parse = Grantee::parse;
    assert_eq!(parse("analysts"), Some(Grantee::Group("analysts".into())));
    assert_eq!(parse("user:O'Hare \"x\""), Some(Grantee::User("O'Hare \"x\"".into())));
    for bad in ["", "user:", "user: a", "a b", "a\"b", "user:a\nb", "-x"] {
        assert_eq!(parse(bad), None, "{bad}");
    }
    let odd = GrantRequest { to: Grantee::User("O'Hare \"x\\".into()), ..request(None) };
    assert!(granted(&odd, &user("O'Hare \"x\\", &[]), "", at(NOW)).is_some());
}

fn file(text: &str) -> PolicyFile {
    PolicyFile { file: "grants_orders.cedar".into(), text: text.into() }
}

#[test]
fn files_keep_what_people_wrote() {
    let domain = name("sales");
    let one = written(&request(Some("amount > 3"))).unwrap().text;
    let other = written(&GrantRequest { to: Grantee::User("bob".into()), ..request(None) }).unwrap().text;
    const HAND: &str = "// Mine.\n@id(\"mine\")\npermit (principal in Group::\"x\", action in Action::\"read\", resource in Domain::\"sales\"); // so\n";

    let first = file("").with(&one, "sales.orders");
    let both = file(&file(&first).with(HAND, "")).with(&other, "sales.orders");
    let blocks = file(&both).blocks(&domain).unwrap();
    let keys: Vec<_> = blocks.iter().map(|block| (block.key.as_str(), block.untouched)).collect();
    assert_eq!(keys, [("grant:orders:analysts", true), ("grant:orders:user=bob", true)]);

    // Out again, in either order, the rest stays.
    let without = file(&both).without(&blocks[0]);
    assert!(without.contains(HAND) && without.contains(&other) && !without.contains("amount"), "{without}");
    assert_eq!(file(&first).without(&file(&first).blocks(&domain).unwrap()[0]).lines().count(), 2, "the head");
    let replaced = file(&both).replaced(&blocks[0], &other.replace("bob", "eve"));
    assert!(replaced.contains(HAND) && replaced.contains(&other) && replaced.contains("eve"));
    assert_eq!(file(HAND).with(&one, "").find(HAND), Some(0));

    // An edit is noticed, wherever in the block.
    for (old, new) in
        [("amount > 3", "amount > 2"), ("only rows", "all rows"), ("// airside:", "// "), ("discover", "query")]
    {
        let edited = both.replacen(old, new, 1);
        assert_ne!(edited, both);
        let Ok(blocks) = file(&edited).blocks(&domain) else { continue };
        assert!(!blocks[0].untouched && blocks[1].untouched, "{old}");
    }
    // So is what somebody put between its policies.
    let between = both.replacen(
        "\n\n@id(\"grant:orders:analysts:rows\")",
        &format!("\n\n{HAND}\n@id(\"grant:orders:analysts:rows\")"),
        1,
    );
    assert_ne!(between, both);
    assert!(!file(&between).blocks(&domain).unwrap()[0].untouched);
}

#[test]
fn keys_fit_into_ids() {
    let long = GrantRequest {
        to: Grantee::Group("g".repeat(128)),
        purpose: Some(Purpose::parse(&"p".repeat(64)).unwrap()),
        ..request(None)
    };
    assert!(long.key().len() + ":mask_partial".len() <= 128, "{}", long.key());
    assert!(granted(&long, &user("x", &[&"g".repeat(128)]), &"p".repeat(64), at(NOW)).is_some());
    let key = |to: &str| request(None).target.key(&Grantee::parse(to).unwrap());
    assert_ne!(key("ada"), key("user:ada"));
    assert_ne!(key("user:a b"), key("user:a  b"));
}
