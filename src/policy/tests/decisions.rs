use arrow::datatypes::DataType;

use super::fixtures::*;
use crate::policy::{Comparison, Decision, Literal, RowFilter};
use crate::principal::{Attribute, Principal};

const READ: &str = r#"
@id("read")
permit (principal in Group::"analysts", action in Action::"read", resource in Product::"sales.orders");
"#;

/// Reads, but only rows for which the condition holds.
fn rows_where(condition: &str) -> String {
    format!(
        r#"
        @id("columns") permit (principal in Group::"analysts", action in [Action::"discover", Action::"readColumn"], resource in Domain::"sales");
        @id("rows") permit (principal in Group::"analysts", action == Action::"query", resource is sales::orders) when {{ {condition} }};
        "#
    )
}

fn analyst() -> Principal {
    user("ann", &["analysts"])
}

fn equal(column: &str, value: &str) -> RowFilter {
    RowFilter::Compare { column: column.into(), op: Comparison::Equal, value: Literal::Text(value.into()) }
}

#[test]
fn the_safe_grant_is_one_line() {
    let mesh = Mesh::new(READ);
    let policies = mesh.load();
    let grant = policies.grant(&analyst());
    assert_eq!(*grant.rows(), RowFilter::All);
    assert_eq!(grant.columns().len(), grant.dataset().columns.len());
    assert!(shown(&grant).contains(&"email:hmac".to_owned()), "the default mask holds");
    assert_eq!(grant.policies(), ["read"]);
    assert_eq!(grant.valid_until(), None);
    assert!(!grant.is_unrestricted());
}

#[test]
fn without_a_policy_nothing_exists() {
    let mesh = Mesh::new("");
    assert!(matches!(mesh.load().decide(&analyst()), Decision::Hidden));
    let mesh = Mesh::new(READ);
    assert!(matches!(mesh.load().decide(&user("eve", &["visitors"])), Decision::Hidden));
    assert!(matches!(mesh.load().decide(&user("analysts", &[])), Decision::Hidden), "a name is no group");
}

#[test]
fn discovering_is_not_reading() {
    let found = r#"permit (principal, action == Action::"discover", resource in Domain::"sales");"#;
    let mesh = Mesh::new(found);
    assert!(matches!(mesh.load().decide(&analyst()), Decision::Discoverable));
    let rows = r#"permit (principal, action in [Action::"discover", Action::"query"], resource in Domain::"sales");"#;
    let mesh = Mesh::new(rows);
    assert!(matches!(mesh.load().decide(&analyst()), Decision::Discoverable), "no column, no grant");
    let hidden =
        r#"permit (principal, action in [Action::"query", Action::"readColumn"], resource in Domain::"sales");"#;
    let mesh = Mesh::new(hidden);
    assert!(matches!(mesh.load().decide(&analyst()), Decision::Hidden));
}

#[test]
fn attributes_become_literals_whatever_they_hold() {
    let mesh = Mesh::new(&rows_where("principal has region && resource.row.region == principal.region"));
    let policies = mesh.load();
    for hostile in ["EU", "O'Hare\" OR 1=1 --", "\\\"; forbid", "", "é\u{0}\u{202e}", "?"] {
        let grant = policies.grant(&with(analyst(), "region", hostile));
        assert_eq!(*grant.rows(), equal("region", hostile));
    }
    assert!(matches!(policies.decide(&analyst()), Decision::Discoverable), "a missing attribute denies");
}

#[test]
fn an_attribute_of_the_wrong_type_denies_everything() {
    // Were it left out, the forbid would not fire.
    let mesh = Mesh::new(READ).governance(
        "forbid (principal is User, action, resource) when { principal has suspended && principal.suspended };",
    );
    let policies = mesh.load();
    assert!(matches!(policies.decide(&with(analyst(), "suspended", "true")), Decision::Hidden));
    assert!(matches!(policies.decide(&with(analyst(), "suspended", true)), Decision::Hidden));
    assert!(matches!(policies.decide(&with(analyst(), "suspended", false)), Decision::Permit(_)));
    assert!(matches!(policies.decide(&with(analyst(), "undeclared", "x")), Decision::Permit(_)));
}

#[test]
fn odd_attribute_and_column_names_are_names() {
    let mesh = Mesh::new(&rows_where(
        r#"principal has "o'dd \"name\"" && principal["o'dd \"name\""] == "x" && resource.row has "ship date"
           && resource.row["ship date"] < datetime("2020-01-01")"#,
    ));
    let grant = mesh.load().grant(&with(analyst(), "o'dd \"name\"", "x"));
    assert_eq!(
        *grant.rows(),
        RowFilter::And(vec![
            RowFilter::Present { column: "ship date".into(), present: true },
            RowFilter::Compare {
                column: "ship date".into(),
                op: Comparison::Less,
                value: Literal::Instant(1_577_836_800_000)
            },
        ])
    );
}

#[test]
fn permits_unite_and_forbids_cut() {
    let mesh = Mesh::new(&format!(
        r#"{}
        @id("more") permit (principal in Group::"emea", action == Action::"query", resource is sales::orders) when {{ resource.row.region == "UK" }};
        @id("cut") forbid (principal, action == Action::"query", resource is sales::orders)
        when {{ resource.row has note && resource.row.note == "x" }};"#,
        rows_where(r#"resource.row.region == "EU""#)
    ));
    let policies = mesh.load();
    let cut = RowFilter::Or(vec![
        RowFilter::Present { column: "note".into(), present: false },
        RowFilter::Compare { column: "note".into(), op: Comparison::NotEqual, value: Literal::Text("x".into()) },
    ]);
    let grant = policies.grant(&analyst());
    assert_eq!(*grant.rows(), RowFilter::And(vec![equal("region", "EU"), cut.clone()]));
    assert_eq!(grant.policies(), ["columns", "cut", "rows"]);

    let both = policies.grant(&user("bo", &["analysts", "emea"]));
    let RowFilter::And(parts) = both.rows() else { panic!("{:?}", both.rows()) };
    let RowFilter::Or(either) = &parts[0] else { panic!("{parts:?}") };
    assert!(either.contains(&equal("region", "EU")) && either.contains(&equal("region", "UK")));
    assert_eq!(parts[1], cut);
}

#[test]
fn global_forbids_win() {
    let mesh = Mesh::new(READ).governance(
        r#"@id("no") forbid (principal, action == Action::"query", resource)
           when { resource.classification == "internal" && context.purpose != "audit" };"#,
    );
    let policies = mesh.load();
    assert!(matches!(policies.ask(&analyst(), "", NOW), Decision::Discoverable));
    assert!(matches!(policies.ask(&analyst(), "marketing", NOW), Decision::Discoverable));
    assert!(matches!(policies.ask(&analyst(), "audit", NOW), Decision::Permit(_)));

    let mesh = Mesh::new(READ).governance(r#"forbid (principal, action == Action::"discover", resource);"#);
    assert!(matches!(mesh.load().decide(&analyst()), Decision::Hidden));
}

#[test]
fn a_global_forbid_cuts_rows_where_they_have_the_column() {
    let mesh = Mesh::new(READ).governance(
        r#"forbid (principal, action == Action::"query", resource) when { resource.row has paid && !resource.row.paid };"#,
    );
    let grant = mesh.load().grant(&analyst());
    assert_eq!(*grant.rows(), RowFilter::Flag { column: "paid".into(), value: true });
}

#[test]
fn governance_may_name_another_domains_dataset() {
    let mesh = Mesh::new(READ).governance(
        r#"forbid (principal, action == Action::"query", resource is marketing::clv) when { resource.row.customer == "x" };
           forbid (principal, action == Action::"query", resource) when { resource is marketing::clv };
           forbid (principal, action == Action::"readColumn", resource in Product::"marketing.clv");"#,
    );
    assert_eq!(*mesh.load().grant(&analyst()).rows(), RowFilter::All);
}

#[test]
fn governance_may_name_other_datasets_in_any_way() {
    for named in [
        r#"resource is marketing::clv"#,
        r#"resource == marketing::clv::"marketing.clv""#,
        r#"resource in marketing::clv::"marketing.clv""#,
        r#"resource is marketing::clv in Domain::"marketing""#,
        r#"principal is marketing::clv"#,
        r#"principal is sales::refunds"#,
        r#"resource is sales::refunds && resource.row.region == "EU""#,
        r#"resource == Column::"marketing.clv.customer""#,
    ] {
        let shut = format!(
            r#"forbid (principal, action == Action::"query", resource) when {{ {named} || principal == User::"eve" }};"#
        );
        let refunds = product("sales", "refunds", "1.0.0", vec![column("region", DataType::Utf8, false)]);
        let mesh = Mesh::new(READ).version(refunds).governance(&shut);
        let policies = mesh.load();
        assert_eq!(*policies.grant(&analyst()).rows(), RowFilter::All, "{named}");
    }
}

#[test]
fn grants_end_in_time() {
    let boxed = r#"
        permit (principal in Group::"analysts", action in Action::"read", resource in Domain::"sales")
        when { context.now >= datetime("2026-01-01") && context.now < datetime("2027-01-01T00:00:00Z") };
        permit (principal in Group::"others", action in Action::"read", resource in Domain::"sales")
        when { context.now < datetime("2026-12-01") };
    "#;
    let mesh = Mesh::new(boxed);
    let policies = mesh.load();
    let grant = policies.grant(&analyst());
    assert_eq!(grant.valid_until(), Some(at("2027-01-01T00:00:00Z")), "another group's end does not matter");
    assert!(matches!(policies.ask(&analyst(), "", "2026-12-31T23:59:59.999Z"), Decision::Permit(_)));
    assert!(matches!(policies.ask(&analyst(), "", "2027-01-01T00:00:00Z"), Decision::Hidden));
    assert!(
        matches!(policies.ask(&analyst(), "", "2025-12-31T23:59:59Z"), Decision::Hidden),
        "the clock may be set back"
    );
    assert!(matches!(policies.decide(&analyst()), Decision::Permit(_)));
}

#[test]
fn an_inclusive_end_lasts_its_millisecond() {
    let mesh = Mesh::new(
        r#"permit (principal, action in Action::"read", resource in Domain::"sales") unless { context.now > datetime("2026-12-01") };"#,
    );
    let policies = mesh.load();
    let ends = |now| match policies.ask(&analyst(), "", now) {
        Decision::Permit(grant) => grant.valid_until(),
        other => panic!("{other:?}"),
    };
    assert_eq!(ends(NOW), Some(at("2026-12-01T00:00:00Z")));
    assert_eq!(ends("2026-12-01T00:00:00Z"), Some(at("2026-12-01T00:00:00.001Z")));
    assert!(matches!(policies.ask(&analyst(), "", "2026-12-01T00:00:00.001Z"), Decision::Hidden));
}

#[test]
fn ceilings_bound_domains_but_not_the_platform() {
    let ceiling = r#"
        @id("ceiling") permit (principal in Group::"staff", action in Action::"read", resource) unless { resource.classification == "restricted" };
    "#;
    let mesh = Mesh::new(READ).ceilings(ceiling);
    let policies = mesh.load();
    assert!(matches!(policies.decide(&analyst()), Decision::Hidden), "no ceiling for outsiders");
    let staff = user("ann", &["analysts", "staff"]);
    let grant = policies.grant(&staff);
    assert!(!shown(&grant).iter().any(|column| column.starts_with("email")), "{:?}", shown(&grant));
    assert_eq!(grant.policies(), ["ceiling", "read"]);

    let mesh =
        Mesh::new("").ceilings(ceiling).governance(r#"permit (principal in Group::"stewards", action, resource);"#);
    assert!(mesh.load().grant(&user("stella", &["stewards"])).is_unrestricted());
}

#[test]
fn a_ceiling_on_rows_is_a_conjunction() {
    let mesh = Mesh::new(READ).ceilings(
        r#"permit (principal, action in [Action::"discover", Action::"readColumn"], resource);
           permit (principal, action == Action::"query", resource is sales::orders) when { resource.row.region == "EU" };
           permit (principal, action == Action::"query", resource is sales::orders) when { resource.row.paid };"#,
    );
    let rows = mesh.load().grant(&analyst()).rows().clone();
    assert_eq!(
        rows,
        RowFilter::Or(vec![equal("region", "EU"), RowFilter::Flag { column: "paid".into(), value: true }])
    );
    let mesh = Mesh::new(READ).ceilings(r#"permit (principal, action == Action::"discover", resource);"#);
    assert!(matches!(mesh.load().decide(&analyst()), Decision::Discoverable), "what no ceiling permits, no domain can");
}

#[test]
fn domains_ask_as_themselves() {
    let mesh = Mesh::new(
        r#"permit (principal == Domain::"marketing", action in [Action::"read", Action::"readRaw"], resource in Product::"sales.orders");"#,
    );
    let policies = mesh.load();
    assert!(policies.grant(&Principal::domain(name("marketing"))).is_unrestricted());
    assert!(matches!(policies.decide(&Principal::domain(name("sales"))), Decision::Hidden));
    assert!(matches!(policies.decide(&user("marketing", &["marketing"])), Decision::Hidden));
    // A domain is in no group, even if somebody says so.
    let mesh = Mesh::new(READ);
    let mut impostor = Principal::domain(name("marketing"));
    impostor.groups.insert("analysts".into());
    impostor.attributes.insert("region".into(), Attribute::Text("EU".into()));
    assert!(matches!(mesh.load().decide(&impostor), Decision::Hidden));
}

#[test]
fn another_contract_than_the_loaded_one_is_hidden() {
    let mesh = Mesh::new(READ);
    let policies = mesh.load();
    let ask = |product: &std::sync::Arc<crate::product::Product>| {
        policies.policies.decide(&analyst(), &Default::default(), product, &product.datasets[0], at(NOW))
    };
    assert!(matches!(ask(&orders()), Decision::Permit(_)), "an equal contract is the same");
    let mut other = (*orders()).clone();
    other.classification = "public".into();
    assert!(matches!(ask(&std::sync::Arc::new(other)), Decision::Hidden));
    assert!(matches!(ask(&product("sales", "orders", "2.0.0", vec![])), Decision::Hidden));
    assert!(matches!(ask(&product("nowhere", "orders", "1.0.0", vec![])), Decision::Hidden));
}

#[test]
fn answers_are_remembered_for_each_question() {
    let mesh = Mesh::new(&rows_where("principal has clearance && resource.row.amount < principal.clearance"));
    let policies = mesh.load();
    for clearance in [1_i64, 2, 1, i64::MIN, 2] {
        let grant = policies.grant(&with(analyst(), "clearance", clearance));
        assert_eq!(
            *grant.rows(),
            RowFilter::Compare { column: "amount".into(), op: Comparison::Less, value: Literal::Number(clearance) }
        );
    }
    assert!(matches!(policies.decide(&analyst()), Decision::Discoverable));
}

#[test]
fn versions_unite_their_columns() {
    use arrow::datatypes::DataType;
    let second = product(
        "sales",
        "orders",
        "2.0.0",
        vec![
            column("region", DataType::Utf8, true),
            column("extra", DataType::Utf8, false),
            column("amount", DataType::Utf8, false),
        ],
    );
    let policy = rows_where(
        r#"resource.row has region && resource.row.region == "EU" && !(resource.row has extra && resource.row.extra == "x")"#,
    );
    let mesh = Mesh::new(&policy).version(second);
    let policies = mesh.load();
    assert_eq!(*policies.grant(&analyst()).rows(), equal("region", "EU"), "the first version has no `extra`");
    let second = &mesh.domains["sales"].products[1];
    let decision = policies.policies.decide(&analyst(), &Default::default(), second, &second.datasets[0], at(NOW));
    let Decision::Permit(grant) = decision else { panic!("{decision:?}") };
    assert_eq!(
        *grant.rows(),
        RowFilter::And(vec![
            RowFilter::Present { column: "region".into(), present: true },
            equal("region", "EU"),
            RowFilter::Compare { column: "extra".into(), op: Comparison::NotEqual, value: Literal::Text("x".into()) },
        ])
    );
    let mut mesh = mesh;
    mesh.domains.get_mut("sales").unwrap().policies =
        vec![source("sales.cedar", &rows_where("resource.row.amount > 1"))];
    assert!(mesh.faults().contains("its versions give it different types"), "{}", mesh.faults());
}

#[test]
fn the_version_tells_meshes_apart() {
    let version = |mesh: Mesh| mesh.load().policies.version().to_owned();
    let base = version(Mesh::new(READ));
    assert_eq!(base.len(), 64);
    assert_eq!(base, version(Mesh::new(READ)));
    let elsewhere = {
        let mut mesh = Mesh::new(READ);
        mesh.domains.get_mut("sales").unwrap().policies[0].file = "/another/checkout/sales.cedar".into();
        mesh
    };
    assert_eq!(base, version(elsewhere), "folders differ from replica to replica");
    assert_ne!(base, version(Mesh::new(&format!("{READ} "))));
    assert_ne!(base, version(Mesh::new(READ).governance("")));
    assert_ne!(base, version(Mesh::new(READ).version(product("sales", "orders", "2.0.0", vec![]))));
}

#[test]
fn many_threads_may_ask() {
    fn shared<T: Send + Sync>() {}
    shared::<crate::policy::Policies>();
}

/// Cedar skips a policy that errors. None can at load, so one is smuggled in behind it.
#[test]
fn a_policy_that_errors_denies() {
    use crate::policy::vocabulary::Action;
    let failing = |effect: &str| {
        let text = format!(
            "{effect} (principal, action, resource) when {{ 9223372036854775807 + (if context.purpose == \"x\" then 0 else 1) > 0 }};"
        );
        cedar_policy::Policy::parse(Some(cedar_policy::PolicyId::new("failing")), text).unwrap()
    };
    let masked = format!(
        "{READ} @mask(\"null\") permit (principal, action == Action::\"readMasked\", resource in Domain::\"sales\");"
    );
    for effect in ["permit", "forbid"] {
        for action in [Action::Discover, Action::Query, Action::ReadColumn, Action::ReadRaw, Action::ReadMasked] {
            let mesh = Mesh::new(&masked);
            let mut policies = mesh.load();
            let slices = policies.policies.domains.get_mut("sales").unwrap().slices.get_mut("orders").unwrap();
            slices.of.get_mut(&action).unwrap().policies.add(failing(effect)).unwrap();
            let decision = policies.decide(&analyst());
            match action {
                Action::Discover => assert!(matches!(decision, Decision::Hidden), "{effect} {action}"),
                _ => assert!(matches!(decision, Decision::Discoverable), "{effect} {action}"),
            }
        }
    }
}
