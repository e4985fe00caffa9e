//! One change each, and what is said of it.

use super::{LIMIT, between};
use crate::policy::GroupsAbove;
use crate::policy::proof::solver::{self, Solver};
use crate::policy::proof::{GroupChange, MeshSide, compare, prove};
use crate::policy::tests::fixtures::Mesh;

const READ: &str = r#"@id("known") permit (principal in Group::"analysts", action in [Action::"discover", Action::"readColumn"], resource in Domain::"sales");"#;

fn rows(condition: &str) -> String {
    let who = r#"principal in Group::"analysts", action == Action::"query", resource is sales::orders"#;
    format!(r#"{READ} @id("rows") permit ({who}) when {{ {condition} }};"#)
}

#[test]
fn rows_get_more_and_fewer() {
    let old = Mesh::new(&rows(r#"principal has region && resource.row.region == principal.region"#));
    let tight = Mesh::new(&rows(
        r#"principal has region && resource.row.region == principal.region && resource.row.amount < 1000"#,
    ));
    let wide = Mesh::new(&rows(
        r#"principal has region && (resource.row.region == principal.region || resource.row.region == "EU")"#,
    ));
    assert_eq!(between(&old, &old), Vec::<String>::new());
    let said = between(&old, &tight);
    assert_eq!(said[0], "query narrower");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].contains("in the group `analysts`") && said[1].contains("amount = "), "{said:?}");
    let said = between(&old, &wide);
    assert_eq!(said[0], "query wider");
    assert!(said[1].contains(r#"a row with region = "EU""#), "{said:?}");
    assert_eq!(between(&tight, &wide)[0], "query wider");
    assert_eq!(between(&wide, &tight)[0], "query narrower");
}

#[test]
fn the_same_in_other_words_is_the_same() {
    let old = Mesh::new(&rows(r#"resource.row.amount >= 10 && resource.row.amount <= 20"#));
    let new = Mesh::new(&rows(r#"!(resource.row.amount < 10 || resource.row.amount > 20)"#));
    assert_eq!(between(&old, &new), Vec::<String>::new());
    // An Int16 column holds no more.
    let old = Mesh::new(&rows("true"));
    let new = Mesh::new(&rows("resource.row.small < 40000"));
    assert_eq!(between(&old, &new), Vec::<String>::new());
}

#[test]
fn a_forbid_taken_out_widens() {
    let old = Mesh::new(&rows("true")).governance(
        r#"@id("closed") forbid (principal, action == Action::"query", resource) when { context.purpose != "audit" };"#,
    );
    let new = Mesh::new(&rows("true"));
    assert_eq!(between(&old, &new), ["query wider", "a user in the group `analysts`"]);
    assert_eq!(between(&new, &old)[0], "query narrower");
    // Of a classification that nothing has, it closed nothing.
    let idle = Mesh::new(&rows("true")).governance(
        r#"forbid (principal, action == Action::"query", resource) when { resource.classification == "secret" };"#,
    );
    assert_eq!(between(&idle, &new), Vec::<String>::new());
}

#[test]
fn what_ceilings_hold_back_is_not_permitted() {
    let bounds = r#"permit (principal, action in [Action::"discover", Action::"readColumn"], resource);
        permit (principal, action == Action::"query", resource is sales::orders) when { resource.row.amount < 100 };"#;
    let narrow = Mesh::new(&rows("resource.row.amount < 50")).ceilings(bounds);
    let wide = Mesh::new(&rows("resource.row.amount < 1000")).ceilings(bounds);
    let wider = between(&narrow, &wide);
    assert_eq!(wider[0], "query wider");
    assert_eq!(between(&wide, &Mesh::new(&rows("resource.row.amount < 100"))), Vec::<String>::new());
    // Ceilings that come narrow.
    assert_eq!(between(&Mesh::new(&rows("true")), &wide)[0], "query narrower");
}

#[test]
fn columns_and_masks() {
    let all = rows("true");
    let old = Mesh::new(&all);
    let raw = r#"permit (principal in Group::"audit", action == Action::"readRaw", resource == Column::"sales.orders.email");"#;
    // Nobody in `audit` alone reads rows; an analyst in it does.
    let said = between(&old, &Mesh::new(&format!("{all} {raw}")));
    assert_eq!(said[0], "readRaw wider");
    assert_eq!(said[1], "email a user in the groups `analysts`, `audit`");
    assert_eq!(said[2], "masks wider");
    assert!(said[3].starts_with("email raw a user"), "{said:?}");
    let masked = |mask: &str| {
        let policy = r#"permit (principal in Group::"analysts", action == Action::"readMasked", resource == Column::"sales.orders.phone");"#;
        Mesh::new(&format!("{all} @id(\"m\") @mask(\"{mask}\") {policy}"))
    };
    // The mask bounds what `readColumn` shows: taking it out shows more, though it permits less.
    let said = between(&masked("redact"), &old);
    assert!(said.contains(&"masks wider".to_owned()) && said.contains(&"readMasked narrower".to_owned()), "{said:?}");
    let said = between(&masked("redact"), &masked("partial"));
    assert_eq!(said, ["masks wider", "phone partial a user in the group `analysts`"]);
    assert_eq!(between(&masked("partial"), &masked("redact"))[0], "masks narrower");
}

#[test]
fn looking_behind_decisions_is_compared_as_it_is_decided() {
    let permits =
        r#"permit (principal in Group::"team", action == Action::"administer", resource == Product::"sales.orders");"#;
    let forbids = r#"forbid (principal, action == Action::"administer", resource == Domain::"sales") when { context.purpose == "" };"#;
    let (old, new) = (Mesh::new(&format!("{permits} {forbids}")), Mesh::new(permits));
    assert_eq!(between(&old, &new), ["administer wider", "a user in the group `team`"]);
    assert_eq!(between(&new, &old)[0], "administer narrower");
}

#[test]
fn what_nobody_can_come_to_see_is_no_difference() {
    let old = Mesh::new(READ);
    let new = Mesh::new(&format!(
        r#"{READ} permit (principal in Group::"nobody", action == Action::"query", resource is sales::orders)
           when {{ context.purpose == "a" && context.purpose == "b" }};"#
    ));
    assert_eq!(between(&old, &new), Vec::<String>::new());
}

#[test]
fn what_did_not_change_asks_no_solver() {
    let open = r#"permit (principal, action in [Action::"discover", Action::"query"], resource);"#;
    let read =
        r#"permit (principal in Group::"analysts", action == Action::"readColumn", resource in Domain::"sales");"#;
    let asks = |old: &Mesh, new: &Mesh| {
        let (old, new, none) = (old.load(), new.load(), GroupsAbove::new());
        let side = |mesh| MeshSide { policies: mesh, groups: &none };
        solver::on_a_deep_stack(|| {
            let mut solver = Solver::start(LIMIT).unwrap();
            compare::compare(&mut solver, side(&old.policies), side(&new.policies), &|_| {});
            !solver.is_unasked()
        })
        .unwrap()
    };
    let mesh = || Mesh::new(read).governance(open);
    assert!(!asks(&mesh(), &mesh()));
    assert!(asks(&mesh(), &Mesh::new(&read.replace("analysts", "others")).governance(open)));
}

#[test]
fn a_group_put_within_another_is_wider_though_no_policy_changed() {
    let mesh = Mesh::new(&rows("true"));
    let loaded = mesh.load();
    let (apart, within) = (GroupsAbove::new(), GroupsAbove::from([("interns".into(), ["analysts".into()].into())]));
    let side = |groups| MeshSide { policies: &loaded.policies, groups };
    let between = |old, new| compare(side(old), side(new), LIMIT, &|_| {}).unwrap();
    let wider = between(&apart, &within);
    let change = |added| GroupChange { group: "interns".to_owned(), within: "analysts".to_owned(), added };
    assert_eq!(wider.groups, [change(true)]);
    assert!(!wider.permits_no_more() && wider.datasets.is_empty());
    let narrower = between(&within, &apart);
    assert_eq!(narrower.groups, [change(false)]);
    assert!(narrower.permits_no_more());
}

#[test]
fn dead_permits_are_found_and_policies_do_not_err() {
    let mesh = Mesh::new(&format!(
        r#"{} @id("dead") permit (principal in Group::"a", action == Action::"query", resource is sales::orders)
             when {{ resource.row.amount < 1 && resource.row.amount > 1 }};
           @id("unknown-tag") permit (principal, action == Action::"readRaw", resource in Domain::"sales")
             when {{ resource.tags.contains("nothing") }};
           @id("taken") permit (principal in Group::"a", action == Action::"readRaw", resource in Domain::"sales");"#,
        rows("principal has region && resource.row.region like principal.region")
            .replace("resource.row.region like principal.region", "principal.region == resource.row.region")
    ))
    .governance(r#"@id("no-raw") forbid (principal, action == Action::"readRaw", resource);"#);
    let proofs = prove(&mesh.load().policies, false, LIMIT, &|_| {}).unwrap();
    assert_eq!(proofs.faults, []);
    assert_eq!(proofs.unproven, []);
    let said: Vec<String> = proofs.warnings.iter().map(|fault| fault.reason.clone()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("`dead` permits nothing: no principal"), "{said:?}");
    assert!(said[1].starts_with("`unknown-tag` permits nothing: no principal"), "{said:?}");
    assert!(said[2].starts_with("`taken` permits nothing: a forbid denies"), "{said:?}");
}

/// What can error is refused at load, so the prover is shown here what never gets to it.
#[test]
fn what_can_error_is_seen() {
    use crate::policy::proof::known::Asker;
    use crate::policy::proof::known::environment;
    use crate::policy::proof::solver::{NeverErrors, Solver};
    use crate::policy::vocabulary::Action;
    use std::str::FromStr;

    let mesh = Mesh::new("");
    let loaded = mesh.load();
    let schema = &loaded.policies.domains["sales"].slices["orders"].schema;
    let mut solver = Solver::start(LIMIT).unwrap();
    for (condition, errs) in [
        ("resource.row.amount + 1 > 10", true),
        ("context.now.offset(duration(\"1d\")) > datetime(\"2026-01-01\")", true),
        ("resource.row.amount > 10", false),
        ("resource.row has note && resource.row.note like \"*x*\"", false),
    ] {
        let text = format!(
            "forbid (principal, action == Action::\"query\", resource is sales::orders) when {{ {condition} }};"
        );
        let policy = cedar_policy::Policy::from_str(&text).unwrap();
        let environment = environment(Asker::User, Action::Query, "sales::orders").unwrap();
        let found = solver.never_errors(&policy, &environment, schema);
        assert_eq!(matches!(found, NeverErrors::Errs(Some(_))), errs, "{condition}");
        assert_eq!(matches!(found, NeverErrors::Proven), !errs, "{condition}");
    }
}
