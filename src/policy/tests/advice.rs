//! Warnings: what loads and is hardly meant.

use std::collections::BTreeSet;

use super::fixtures::{Mesh, listed, name, orders};
use crate::policy::{Grantee, GroupsAbove};
use crate::product::{Product, Role};

fn above() -> GroupsAbove {
    [("emea".to_owned(), BTreeSet::from(["analysts".to_owned(), "staff".to_owned()]))].into()
}

const FILTERED: &str = r#"
    @id("filtered")
    permit (principal in Group::"emea", action == Action::"query", resource is sales::orders)
    when { context.purpose == "analytics" && resource.row.region == "EMEA" };"#;

#[test]
fn a_filter_that_another_permit_makes_meaningless_is_told() {
    for (other, told) in [
        (r#"permit (principal in Group::"emea", action in Action::"read", resource in Product::"sales.orders")"#, true),
        (r#"permit (principal in Group::"staff", action in Action::"read", resource in Domain::"sales")"#, true),
        (r#"permit (principal is User, action == Action::"query", resource in Domain::"sales")"#, true),
        (r#"permit (principal, action == Action::"query", resource in Domain::"sales")"#, true),
        // Only for the purpose the filter is for, or until it ends.
        (
            r#"permit (principal in Group::"emea", action in Action::"read", resource in Domain::"sales") when { context.purpose == "analytics" }"#,
            true,
        ),
        (
            r#"permit (principal in Group::"emea", action in Action::"read", resource in Domain::"sales") when { context.now < datetime("2030-01-01") }"#,
            true,
        ),
        // Another purpose, other people, other actions.
        (
            r#"permit (principal in Group::"emea", action in Action::"read", resource in Domain::"sales") when { context.purpose == "audit" }"#,
            false,
        ),
        (
            r#"permit (principal in Group::"emea", action in Action::"read", resource in Domain::"sales") unless { context.purpose == "x" }"#,
            false,
        ),
        (r#"permit (principal in Group::"stewards", action in Action::"read", resource in Domain::"sales")"#, false),
        (r#"permit (principal == User::"eve", action in Action::"read", resource in Domain::"sales")"#, false),
        (r#"permit (principal is Domain, action in Action::"read", resource in Domain::"sales")"#, false),
        (
            r#"permit (principal in Group::"emea", action in [Action::"discover", Action::"readColumn"], resource in Domain::"sales")"#,
            false,
        ),
        (r#"forbid (principal in Group::"emea", action == Action::"query", resource in Domain::"sales")"#, false),
    ] {
        let mesh = Mesh::new(&format!("{FILTERED}\n@id(\"other\")\n{other};"));
        let found = listed(&mesh.load().policies.swallowed_filters(&above()));
        assert_eq!(!found.is_empty(), told, "{other}: {found}");
        if told {
            assert!(found.starts_with("sales.cedar:2: the row filter of `filtered` hides nothing"), "{found}");
            assert!(
                found.contains("`other`") && found.contains("sales.cedar:5") && found.contains("hint: "),
                "{found}"
            );
        }
    }
}

#[test]
fn two_filters_and_governance_are_seen_too() {
    let filtered = FILTERED.replace("filtered", "second");
    let mesh = Mesh::new(&format!("{FILTERED}{filtered}"));
    assert_eq!(mesh.load().policies.swallowed_filters(&above()), []);
    let global = r#"@id("all") permit (principal in Group::"analysts", action in Action::"read", resource);"#;
    let mesh = Mesh::new(FILTERED).governance(global);
    assert!(listed(&mesh.load().policies.swallowed_filters(&above())).contains("global.cedar:1"));
}

#[test]
fn groups_that_nobody_knows_are_told() {
    let mesh = Mesh::new(
        r#"permit (principal in Group::"analysts", action in Action::"read", resource in Domain::"sales");
           forbid (principal, action == Action::"query", resource in Domain::"sales")
           when { principal in Group::"contracters" || principal in Group::"robots" };"#,
    );
    let known = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect::<BTreeSet<_>>();
    let told = |groups: &[&str], complete| listed(&mesh.load().policies.unknown_groups(&known(groups), complete));
    let all = told(&["analysts", "contractors"], true);
    assert!(all.contains("sales.cedar:3: nobody is known to be in the group `contracters`"), "{all}");
    assert!(all.contains("did you mean `contractors`?") && all.contains("`robots`"), "{all}");
    let likely = told(&["analysts", "contractors"], false);
    assert!(likely.contains("contracters") && !likely.contains("robots"), "{likely}");
    assert_eq!(told(&[], true), "", "the directory lists no groups");
    assert_eq!(told(&["analysts", "contracters", "robots"], true), "");
}

#[test]
fn roles_describe_what_the_policies_say() {
    let role = |name: &str, reads| Role { name: name.into(), reads, line: 7 };
    let with = |roles: Vec<Role>, policies: &str| {
        let mut mesh = Mesh::new(policies);
        let product = Product { roles, ..(*orders()).clone() };
        mesh.domains.get_mut(&name("sales")).unwrap().products = vec![product.clone().into()];
        listed(&mesh.load().policies.roles_against_policies(&product, &above()))
    };
    let read = |group: &str| {
        format!(r#"permit (principal in Group::"{group}", action in Action::"read", resource in Domain::"sales");"#)
    };
    assert_eq!(with(vec![role("staff", true), role("emea", true)], &read("staff")), "", "emea is staff");
    assert_eq!(with(vec![role("staff", true), role("loader", false)], &read("staff")), "", "a role that writes");
    assert_eq!(with(vec![], &read("staff")), "", "no roles, nothing to compare");
    let lacking = with(vec![role("staff", true), role("auditors", true)], &read("staff"));
    assert!(lacking.starts_with("orders.odcs.yaml:7: the contract says that the role `auditors` reads"), "{lacking}");
    assert!(lacking.contains("airside grant sales.orders --to auditors"), "{lacking}");
    let silent = with(vec![role("staff", true)], &format!("{}{}", read("staff"), read("pipelines")));
    assert!(
        silent.contains("permits the group `pipelines` to read, which the contract's roles do not name"),
        "{silent}"
    );
}

#[test]
fn permits_of_somebody_are_found_with_their_places() {
    let mesh = Mesh::new(
        "permit (principal in Group::\"staff\", action in Action::\"read\", resource in Domain::\"sales\");\n\
         permit (principal == User::\"eve\", action in Action::\"read\", resource in Domain::\"sales\");\n\
         permit (principal in Group::\"emea\", action == Action::\"discover\", resource in Domain::\"sales\");",
    );
    let of = |to: Grantee| mesh.load().policies.permits_of(&name("sales"), &[name("orders")], &to, &above());
    assert_eq!(of(Grantee::Group("emea".into())), [("sales#1".to_owned(), "sales.cedar:1".to_owned())]);
    assert_eq!(of(Grantee::User("eve".into())), [("sales#2".to_owned(), "sales.cedar:2".to_owned())]);
    assert_eq!(of(Grantee::Group("others".into())), []);
}

#[test]
fn alone_a_domain_takes_what_is_said_of_others_on_trust() {
    let global = r#"
        forbid (principal, action, resource in Product::"hr.staff");
        forbid (principal, action == Action::"query", resource is hr::staff) when { resource.row.salary > 3 };
        forbid (principal, action == Action::"readColumn", resource)
        when { resource in Domain::"finance" || resource == Column::"hr.staff.name" || resource is hr::staff };
        forbid (principal, action == Action::"discover", resource) unless { principal in Group::"a" };"#;
    let mesh = Mesh::new("").governance(global);
    assert!(mesh.try_load().is_err(), "in the whole mesh they must exist");
    assert_eq!(mesh.load_alone().map(|_| ()).map_err(|faults| listed(&faults)), Ok(()));
    // Its own names must exist all the same, and so must its own domain's in its policies.
    let own = Mesh::new("").governance(r#"forbid (principal, action, resource in Product::"sales.ordres");"#);
    assert!(listed(&own.load_alone().unwrap_err()).contains("the mesh has no product `sales.ordres`"));
    let foreign = Mesh::new(r#"permit (principal, action in Action::"read", resource in Domain::"hr");"#);
    assert!(foreign.load_alone().is_err());
}
