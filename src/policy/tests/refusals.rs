use super::fixtures::*;

/// The faults of a policy of the domain `sales`, one that must not load.
fn faults(policy: &str) -> String {
    Mesh::new(policy).faults()
}

/// A permit to query `sales.orders` under a condition.
fn query_when(condition: &str) -> String {
    format!(r#"permit (principal, action == Action::"query", resource is sales::orders) when {{ {condition} }};"#)
}

#[track_caller]
fn check_refused(policy: &str, expected: &str) {
    let faults = faults(policy);
    assert!(faults.contains(expected), "`{policy}` should be refused with `{expected}`, not with:\n{faults}");
}

#[test]
fn scopes_stay_within_the_domain() {
    for (scope, expected) in [
        ("resource", "the resource is not bounded"),
        ("resource is Column", "the resource is not bounded"),
        ("resource in Domain::\"marketing\"", "may not speak of the domain `marketing`"),
        ("resource in Product::\"marketing.clv\"", "may not speak of the domain `marketing`"),
        ("resource == marketing::clv::\"marketing.clv\"", "may not speak of the domain `marketing`"),
        ("resource is marketing::clv", "may not speak of the domain `marketing`"),
        ("resource is marketing::clv in Domain::\"sales\"", "may not speak of the domain `marketing`"),
        ("resource == Column::\"marketing.clv.customer\"", "may not speak of the domain `marketing`"),
        ("resource in Domain::\"slaes\"", "no domain `slaes`\n    hint: did you mean `sales`?"),
        ("resource in Product::\"sales.order\"", "no product `sales.order`\n    hint: did you mean `sales.orders`?"),
        (
            "resource is sales::ordres",
            "`sales::ordres` is no dataset of the mesh\n    hint: did you mean `sales::orders`?",
        ),
        ("resource == sales::orders::\"orders\"", "hint: write `sales::orders::\"sales.orders\"`"),
        ("resource == Column::\"sales.orders.nothing\"", "no column `sales.orders.nothing`"),
        ("resource == sales::orders_Row::\"?\"", "`sales::orders_Row` is no dataset of the mesh"),
        ("resource in Group::\"analysts\"", "`Group` is no dataset of the mesh"),
    ] {
        for effect in ["permit", "forbid"] {
            check_refused(&format!("{effect} (principal, action, {scope});"), expected);
        }
    }
    for action in ["publish", "administer"] {
        check_refused(&format!("permit (principal, action == Action::\"{action}\", resource);"), "not bounded");
    }
}

#[test]
fn rows_occur_as_columns_only() {
    for (condition, expected) in [
        ("resource.row == resource.row", "the row itself stands for every row"),
        ("[resource.row].contains(resource.row)", "a set that holds columns"),
        ("resource.row == sales::orders_Row::\"?\"", "the row itself"),
        ("resource has row", "the row itself"),
        ("sales::orders::\"sales.orders\".row.amount > 1", "this is more than a policy of Airside may say"),
        ("resource.row.amount + 1 > 2", "arithmetic on a column"),
        ("resource.row.amount > 2 * 3", "arithmetic can overflow"),
        ("-resource.row.amount > 2", "arithmetic on a column"),
        ("principal has clearance && principal.clearance * 2 > 3", "arithmetic can overflow"),
        ("resource.row.placed.offset(duration(\"1d\")) > context.now", "this use of a column"),
        ("resource.row.placed > context.now", "`context.now` is compared with a literal only"),
        ("context.now > datetime(\"2020-01-01\").offset(duration(\"1d\"))", "compared with a literal only"),
        ("[datetime(\"2020-01-01\")].contains(context.now)", "compared with a literal only"),
        ("context.now == context.now", "compared with a literal only"),
        ("(resource.row.amount > 1) == true", "this use of a column"),
        ("(if resource.row.paid then 1 else 2) == 1", "this use of a column"),
        ("[resource.row.region].contains(\"EU\")", "a set that holds columns"),
        ("resource.row.region in [Group::\"x\"]", "this use of a column"),
        ("resource.row.small < resource.row.amount", "`small` and `amount` have different types"),
        (
            "resource.row.score > 1",
            "rows cannot be filtered by `score`: policies cannot compare values of type Float64",
        ),
        ("resource.row.regoin == \"EU\"", "has a column `regoin`\n    hint: did you mean `region`?"),
        ("resource.row has zzz", "has a column `zzz`\n    hint: rows can be filtered by `amount`"),
        ("resource.row.note == \"x\"", "hint: a value may be missing: guard it"),
        ("resource.row.amount == \"x\"", "the types Long and String are not compatible"),
        ("principal.region == \"x\"", "hint: a value may be missing"),
        ("principal has regoin", "never apply"),
        ("User::\"bob\" in Group::\"x\"", "this is more than a policy of Airside may say"),
        ("resource in Product::\"sales.ordres\"", "no product `sales.ordres`"),
        ("context == context", "`context` itself cannot be compared"),
        ("ip(\"10.0.0.1\").isLoopback()", "this is more than a policy"),
        ("{\"a\": 1}.a == 1", "this is more than a policy"),
        ("resource.row.price.lessThan(decimal(principal.region))", "only a literal text"),
    ] {
        check_refused(&query_when(condition), expected);
    }
}

#[test]
fn rows_belong_to_query() {
    let when = r#"when { resource.row.region == "EU" };"#;
    for actions in [r#"in Action::"read""#, r#"in [Action::"discover", Action::"query"]"#, r#"== Action::"discover""#] {
        let policy = format!("permit (principal, action {actions}, resource is sales::orders) {when}");
        check_refused(&policy, "only `query` is asked of rows");
    }
    let policy = format!("permit (principal, action == Action::\"readColumn\", resource in Domain::\"sales\") {when}");
    check_refused(&policy, "only `query` is asked of rows");
}

#[test]
fn masks_fit_what_they_reach() {
    let mask = |mask: &str, rest: &str| {
        format!(
            "@mask(\"{mask}\") permit (principal, action == Action::\"readMasked\", resource in Domain::\"sales\") {rest};"
        )
    };
    check_refused(
        &mask("year", "when { resource.tags.contains(\"pii\") }"),
        "the mask `year` is not defined on `orders.email`",
    );
    check_refused(&mask("hmac", ""), "the mask `hmac` is not defined on `orders.amount` of type Int64");
    check_refused(&mask("blur", ""), "`blur` is not a mask");
    Mesh::new(&mask("null", "")).load();
    Mesh::new(&mask("year", "when { resource.tags.contains(\"birth\") && principal in Group::\"x\" }")).load();
    for policy in [
        r#"@mask("null") permit (principal, action == Action::"readColumn", resource in Domain::"sales");"#,
        r#"@mask("null") permit (principal, action in [Action::"readMasked", Action::"readColumn"], resource in Domain::"sales");"#,
        r#"@mask("null") forbid (principal, action == Action::"readMasked", resource in Domain::"sales");"#,
        r#"@mask("null") permit (principal, action, resource in Domain::"sales");"#,
    ] {
        check_refused(policy, "`@mask` belongs to a permit of `readMasked` alone");
    }
    check_refused(
        r#"permit (principal, action == Action::"readMasked", resource in Domain::"sales");"#,
        "a permit of `readMasked` must name its mask",
    );
}

#[test]
fn slips_of_the_pen_are_found() {
    for (policy, expected) in [
        (
            r#"permit (principal, action == Action::"read", resource in Domain::"sales");"#,
            "hint: write `action in Action::\"read\"`",
        ),
        (
            r#"permit (principal, action == Action::"quary", resource in Domain::"sales");"#,
            "did you mean `Action::\"query\"`?",
        ),
        (
            r#"permit (principal == Group::"x", action in Action::"read", resource in Domain::"sales");"#,
            "no principal is a `Group`",
        ),
        (
            r#"permit (principal in Product::"sales.orders", action, resource in Domain::"sales");"#,
            "no principal is in a `Product`",
        ),
        (
            r#"permit (principal, action == Action::"readColumn", resource is sales::orders);"#,
            "`readColumn` is asked of columns",
        ),
        (
            r#"permit (principal, action == Action::"query", resource == Column::"sales.orders.note");"#,
            "`query` is asked of datasets",
        ),
        (
            r#"@maks("null") permit (principal, action, resource in Domain::"sales");"#,
            "`@maks` is no annotation of Airside",
        ),
        (r#"@id("a b") permit (principal, action, resource in Domain::"sales");"#, "`a b` is no id of a policy"),
        (r#"permit (principal == ?principal, action, resource in Domain::"sales");"#, "a policy template"),
        (r#"permit (principal, action, resource in Domain::"sales") when { 1 };"#, "expected Bool"),
        (r#"permit (principal, action, resource in"#, "unexpected end of input"),
        ("permit (principal in Group::\"\u{430}nalysts\", action, resource in Domain::\"sales\");", "one script"),
        (r#"permit (principal, action, resource in Domain::"sales") when { false };"#, "can never apply"),
    ] {
        check_refused(policy, expected);
    }
}

#[test]
fn ids_are_given_once() {
    let one = r#"@id("a") permit (principal, action in Action::"read", resource in Domain::"sales");"#;
    check_refused(
        &format!("{one}\n\n{one}"),
        "sales.cedar:3: the id `a` is taken\n    hint: it stands at line 1 of `sales.cedar`",
    );
    let mesh = Mesh::new(one).governance(r#"@id("a") forbid (principal, action, resource);"#);
    assert!(mesh.faults().contains("the id `a` is taken"), "{}", mesh.faults());
    let unnamed = r#"permit (principal, action in Action::"read", resource in Domain::"sales");"#;
    let mesh = Mesh::new(&format!("{unnamed}\n{unnamed}"));
    assert_eq!(mesh.load().grant(&user("a", &[])).policies(), ["sales#1", "sales#2"]);
}

#[test]
fn every_fault_is_told_with_its_line() {
    let policies = format!(
        "// a comment\n{}\n\n{}\n@owner(\"x\")\n{}",
        query_when("resource.row.nope == 1"),
        r#"permit (principal, action, resource);"#,
        "permit (\n  principal,\n  action == Action::\"query\",\n  resource is sales::orders\n)\nwhen {\n  resource.row.amount + 1 > 2\n};"
    );
    let mesh = Mesh::new(&policies).governance("forbid (principal, action, resource) when { resource.nope };");
    let faults = mesh.faults();
    for expected in [
        "sales.cedar:2: no dataset",
        "sales.cedar:4: the resource is not bounded",
        "sales.cedar:12: arithmetic on a column",
        "global.cedar:1: in the domain `marketing`: attribute `nope`",
    ] {
        assert!(faults.contains(expected), "{expected} is not in\n{faults}");
    }
    assert!(!faults.contains("in the domain `sales`"), "reported where it fails first:\n{faults}");
}

#[test]
fn ceilings_only_permit() {
    let refused = |ceiling: &str| Mesh::new("").ceilings(ceiling).faults();
    assert!(refused("forbid (principal, action, resource);").contains("it cannot forbid"));
    let mask = r#"@mask("null") permit (principal, action == Action::"readMasked", resource);"#;
    assert!(refused(mask).contains("`@mask` belongs"));
    Mesh::new("").ceilings(r#"permit (principal, action == Action::"readMasked", resource);"#).load();
}

#[test]
fn monsters_are_refused_quickly() {
    let deep = format!("{}true{}", "(".repeat(60), ")".repeat(60));
    check_refused(&query_when(&deep), "brackets nest deeper");
    check_refused(&query_when(&vec!["true"; 4000].join(" && ")), "too many operators");
    check_refused(&query_when(&"if true then true else ".repeat(1000)), "too many operators");
    check_refused(&query_when(&format!("resource.row.region == \"{}\"", "((".repeat(9000))), "a policy has at most");
    let mut doubling = "resource.row.paid".to_owned();
    for _ in 0..12 {
        doubling = format!("if {doubling} then resource.row.paid else true");
    }
    check_refused(&query_when(&doubling), "comparisons, more than");
    check_refused(&" ".repeat(2 << 20), "a policy file has at most");
}

/// Threads of the runtime have 2 MiB; builds for tests use several times the stack that releases do.
#[test]
fn the_longest_policy_fits_the_stack() {
    let paid = "resource.row.paid";
    let open = "resource.row has open && resource.row.open";
    for (accepted, condition) in [
        (true, vec![paid; 200].join(" || ")),
        (true, vec!["true"; 200].join(" && ") + " && " + paid),
        (true, format!("{}{paid}{}", "!(".repeat(40), ")".repeat(40))),
        (true, format!("{}{paid}", "if context.purpose == \"x\" then true else ".repeat(190))),
        (true, format!("{}{paid}{}", "(if ".repeat(7), " then true else resource.row.paid)".repeat(7))),
        (true, format!("{}{open}{}", "(".repeat(40), ")".repeat(40))),
        (false, format!("resource{}", ".row".repeat(30))),
    ] {
        let policies = format!(
            "permit (principal, action in [Action::\"discover\", Action::\"readColumn\"], resource in Domain::\"sales\"); {}",
            query_when(&condition)
        );
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
            let mesh = Mesh::new(&policies);
            assert_eq!(mesh.try_load().map(|_| ()).map_err(|faults| listed(&faults)).is_ok(), accepted, "{condition}");
            if accepted {
                mesh.load().grant(&user("ann", &[]));
            }
        });
        assert!(thread.unwrap().join().is_ok());
    }
}

#[test]
fn a_mesh_without_domains_still_checks_its_governance() {
    let mut mesh = Mesh::new("").governance(r#"forbid (principal, action, resource) when { 1 };"#);
    mesh.domains.clear();
    assert!(mesh.try_load().is_err());
    mesh.governance =
        vec![source("g.cedar", r#"forbid (principal, action, resource) when { context.purpose == "x" };"#)];
    mesh.load();
}
