//! Explanations: they agree with decisions, and say which policies made them.

use proptest::prelude::*;

use super::fixtures::*;
use crate::policy::{Author, Decision, Explanation, Literal, Policies};
use crate::principal::{Principal, Purpose};

const SALES: &str = r#"
@id("find") permit (principal in Group::"staff", action == Action::"discover", resource in Domain::"sales");
@id("columns") permit (principal in Group::"analysts", action == Action::"readColumn", resource in Product::"sales.orders");
@id("rows") permit (principal in Group::"analysts", action == Action::"query", resource is sales::orders)
when { principal has region && resource.row.region == principal.region };
@id("phones") @mask("redact")
permit (principal in Group::"analysts", action == Action::"readMasked", resource in Domain::"sales")
when { resource.name == "phone" };
@id("small") forbid (principal, action == Action::"query", resource is sales::orders)
when { context.purpose == "marketing" && resource.row.amount > 10 };
@id("ends") permit (principal == User::"temp", action in Action::"read", resource in Domain::"sales")
when { context.now < datetime("2027-01-01") };
@id("owners") permit (principal in Group::"owners", action == Action::"administer", resource in Domain::"sales");
"#;

const GOVERNANCE: &str = r#"
@id("restricted") forbid (principal, action in [Action::"readColumn", Action::"readRaw", Action::"readMasked"], resource)
when { resource.classification == "restricted" && !["audit", "fraud"].contains(context.purpose) }
unless { principal in Group::"stewards" || (principal has clearance && principal.clearance >= 3) };
"#;

fn explain(policies: &Policies, mesh: &Mesh, principal: &Principal, purpose: &str) -> Explanation {
    let product = &mesh.domains["sales"].products[0];
    let purpose = Purpose::parse(purpose).unwrap();
    policies.explain(principal, &purpose, product, &product.datasets[0], at(NOW)).unwrap()
}

#[test]
fn a_permitted_reading_names_its_policies() {
    let mesh = Mesh::new(SALES).governance(GOVERNANCE);
    let loaded = mesh.load();
    let ann = with(user("ann", &["analysts", "staff"]), "region", "EMEA");
    let told = explain(&loaded.policies, &mesh, &ann, "marketing");
    let rows = told.reasons.rows.clone().unwrap();
    let shown = |rows: &[(String, crate::policy::RowFilter)]| -> Vec<String> {
        rows.iter().map(|(id, rows)| format!("{id}: {rows}")).collect()
    };
    assert_eq!(shown(&rows.permits), [r#"rows: region == "EMEA""#]);
    assert_eq!(shown(&rows.forbids), ["small: amount <= 10"], "a forbid is told by the rows it leaves");
    let Decision::Permit(grant) = &told.decision else { panic!("{told:?}") };
    assert_eq!(grant.rows().to_string(), r#"region == "EMEA" && amount <= 10"#);
    let column = |name: &str| {
        let index = grant.dataset().columns.iter().position(|column| column.name == name).unwrap();
        told.reasons.columns.iter().find(|column| column.index == index).unwrap()
    };
    assert_eq!(column("email").read.forbids, ["restricted"]);
    assert_eq!(column("phone").bounds[0].0, "phones");
    assert_eq!(told.reasons.columns.len(), grant.dataset().columns.len(), "absent columns are told of as well");

    let place = loaded.policies.place(&name("sales"), "rows").unwrap();
    assert_eq!((place.line, place.short().as_str(), place.permits), (4, "policies/sales.cedar", true));
    assert_eq!(loaded.policies.place(&name("sales"), "restricted").unwrap().author, Author::Governance);
}

#[test]
fn a_denial_names_what_would_have_permitted() {
    let mesh = Mesh::new(SALES);
    let loaded = mesh.load();
    let hidden = explain(&loaded.policies, &mesh, &user("eve", &[]), "");
    assert!(matches!(hidden.decision, Decision::Hidden) && hidden.reasons.rows.is_none());
    assert_eq!(hidden.others, ["ends", "find"]);
    let found = explain(&loaded.policies, &mesh, &user("bob", &["staff"]), "");
    assert!(matches!(found.decision, Decision::Discoverable));
    assert_eq!(found.others, ["ends", "rows"]);
    let temp = explain(&loaded.policies, &mesh, &user("temp", &[]), "");
    assert_eq!(temp.valid_until, Some(at("2027-01-01T00:00:00Z")));
}

#[test]
fn administering_is_asked_of_the_product_and_of_its_domain() {
    let administers = |policies: &str, governance: &str, group: &str| {
        let mesh = Mesh::new(policies).governance(governance);
        let product = &mesh.domains["sales"].products[0];
        let other = &mesh.domains["marketing"].products[0];
        let loaded = mesh.load();
        let ask = |product| loaded.policies.administers(&user("olga", &[group]), &Purpose::default(), product, at(NOW));
        (ask(product), ask(other))
    };
    let permit = |resource: &str| {
        format!(r#"permit (principal in Group::"owners", action == Action::"administer", resource {resource});"#)
    };
    for resource in [r#"in Domain::"sales""#, r#"== Domain::"sales""#, r#"== Product::"sales.orders""#] {
        assert_eq!(administers(&permit(resource), "", "owners"), (true, false), "{resource}");
        assert_eq!(administers(&permit(resource), "", "analysts"), (false, false), "{resource}");
    }
    let forbid = r#"forbid (principal, action == Action::"administer", resource == Domain::"sales");"#;
    assert_eq!(administers(&permit(r#"== Product::"sales.orders""#), forbid, "owners"), (false, false));
    let global = permit("");
    assert_eq!(administers("", &global.replace(", resource )", ", resource)"), "owners"), (true, true));
    let reading = r#"permit (principal in Group::"owners", action in Action::"read", resource in Domain::"sales");"#;
    assert_eq!(administers(reading, "", "owners"), (false, false), "reading is not administering");
}

#[test]
fn policies_say_whom_they_name() {
    let mesh = Mesh::new(SALES).governance(GOVERNANCE);
    let mentions = mesh.load().policies.mentions(&name("sales"), &name("orders"));
    let listed = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(listed(&mentions.groups), "analysts staff stewards", "owners administer, which decides no reading");
    assert_eq!((listed(&mentions.users), listed(&mentions.purposes)), ("temp".into(), "audit fraud marketing".into()));
    assert_eq!(mentions.attributes["clearance"], [Literal::Number(3)].into());
    assert!(mentions.attributes["region"].is_empty() && !mentions.purpose_patterns);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever asks: the explanation's decision is the decision, and its reasons are of that decision.
    #[test]
    fn explaining_is_deciding(
        groups in prop::collection::vec(prop::sample::select(vec!["staff", "analysts", "stewards", "owners"]), 0..4),
        temp in any::<bool>(),
        region in prop::option::of("[A-Z]{1,4}"),
        clearance in prop::option::of(0_i64..6),
        purpose in prop::sample::select(vec!["", "audit", "fraud", "marketing", "x"]),
        bounded in any::<bool>(),
    ) {
        let mut mesh = Mesh::new(SALES).governance(GOVERNANCE);
        if bounded {
            mesh = mesh.ceilings(r#"permit (principal in Group::"staff", action, resource);"#);
        }
        let mut who = user(if temp { "temp" } else { "ann" }, &groups);
        if let Some(region) = &region {
            who = with(who, "region", region.as_str());
        }
        if let Some(clearance) = clearance {
            who = with(who, "clearance", clearance);
        }
        let loaded = mesh.load();
        let decision = loaded.ask(&who, purpose, NOW);
        let told = explain(&loaded.policies, &mesh, &who, purpose);
        prop_assert_eq!(format!("{decision:?}"), format!("{:?}", told.decision));
        match &decision {
            Decision::Permit(grant) => {
                prop_assert!(!told.reasons.discover.permits.is_empty());
                let rows = told.reasons.rows.clone().unwrap();
                let named: Vec<&String> = told.reasons.discover.permits.iter().chain(rows.ids()).collect();
                prop_assert!(named.iter().all(|id| grant.policies().contains(*id)));
            }
            Decision::Hidden => prop_assert!(told.reasons.discover.permits.is_empty()),
            _ => prop_assert!(!told.reasons.discover.permits.is_empty() && told.reasons.rows.is_some()),
        }
    }
}
