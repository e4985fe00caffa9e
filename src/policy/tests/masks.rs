use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fixtures::*;
use crate::product::Mask;

/// What a principal of `analysts` sees of four columns under these policies.
fn seen(policies: &str) -> Vec<String> {
    let discover =
        r#"permit (principal, action in [Action::"discover", Action::"query"], resource in Domain::"sales");"#;
    let mesh = Mesh::new(&format!("{discover}\n{policies}"));
    let columns = mesh.load().columns(&user("ann", &["analysts"]));
    columns.into_iter().filter(|c| ["email", "phone", "born", "note"].contains(&c.split(':').next().unwrap())).collect()
}

const READ: &str = r#"permit (principal, action == Action::"readColumn", resource in Domain::"sales");"#;

#[test]
fn default_masks_hold_under_read_column() {
    assert_eq!(seen(READ), ["note", "email:hmac", "phone", "born"]);
}

#[test]
fn raw_needs_its_own_permit() {
    let raw = r#"permit (principal, action == Action::"readRaw", resource == Column::"sales.orders.email");"#;
    assert_eq!(seen(raw), ["email"]);
    assert_eq!(seen(&format!("{READ}{raw}")), ["note", "email", "phone", "born"]);
}

#[test]
fn the_strictest_mask_wins() {
    let partial = r#"@mask("partial") permit (principal, action == Action::"readMasked", resource in Domain::"sales") when { resource.tags.contains("pii") };"#;
    let redact = r#"@mask("redact") permit (principal, action == Action::"readMasked", resource in Domain::"sales") when { resource.name == "phone" };"#;
    let null = r#"@mask("null") permit (principal in Group::"analysts", action == Action::"readMasked", resource in Domain::"sales") when { resource.tags.contains("pii") };"#;
    let year =
        r#"@mask("year") permit (principal, action == Action::"readMasked", resource == Column::"sales.orders.born");"#;
    assert_eq!(seen(partial), ["email:partial", "phone:partial"], "without readColumn the default does not apply");
    assert_eq!(seen(&format!("{READ}{partial}")), ["note", "email:hmac", "phone:partial", "born"]);
    assert_eq!(seen(&format!("{partial}{redact}")), ["email:partial", "phone:redact"]);
    assert_eq!(seen(&format!("{READ}{partial}{null}{year}")), ["note", "email:null", "phone:null", "born:year"]);
}

#[test]
fn a_forbid_hides_the_column() {
    let no_pii = r#"forbid (principal, action == Action::"readColumn", resource in Domain::"sales") when { resource.tags.contains("pii") };"#;
    assert_eq!(seen(&format!("{READ}{no_pii}")), ["note", "born"]);
    let raw =
        r#"permit (principal, action in [Action::"readColumn", Action::"readRaw"], resource in Domain::"sales");"#;
    assert_eq!(seen(&format!("{raw}{no_pii}")), ["note", "born"], "who may not read may not read raw");
    let no_raw = r#"forbid (principal, action == Action::"readRaw", resource in Domain::"sales");"#;
    assert_eq!(seen(&format!("{raw}{no_raw}")), ["note", "email:hmac", "phone", "born"]);
}

#[test]
fn columns_are_told_apart_only_by_what_policies_look_at() {
    let by_class = r#"permit (principal, action == Action::"readColumn", resource in Domain::"sales") when { resource.classification == "confidential" };"#;
    assert_eq!(seen(by_class), ["phone", "born"]);
    let by_name = r#"permit (principal, action == Action::"readColumn", resource in Domain::"sales") when { ["note", "phone"].contains(resource.name) };"#;
    assert_eq!(seen(by_name), ["note", "phone"]);
    let by_entity = r#"permit (principal, action == Action::"readColumn", resource in Domain::"sales") unless { resource == Column::"sales.orders.phone" };"#;
    assert_eq!(seen(by_entity), ["note", "email:hmac", "born"]);
}

#[test]
fn null_makes_the_field_nullable() {
    let mesh = Mesh::new(
        r#"permit (principal, action in [Action::"discover", Action::"query"], resource in Domain::"sales");
           @mask("null") permit (principal, action == Action::"readMasked", resource == Column::"sales.orders.amount");"#,
    );
    let grant = mesh.load().grant(&user("ann", &[]));
    assert!(grant.schema().field(0).is_nullable());
}

#[test]
fn taking_a_mask_away_shows_no_more() {
    let partial = r#"@mask("partial") permit (principal, action == Action::"readMasked", resource in Domain::"sales") when { resource.tags.contains("pii") };"#;
    let no_masked = r#"forbid (principal, action == Action::"readMasked", resource in Domain::"sales");"#;
    assert_eq!(seen(&format!("{partial}{no_masked}")), [""; 0]);
    assert_eq!(seen(&format!("{READ}{partial}{no_masked}")), ["note", "email:hmac", "phone:partial", "born"]);
    let no_read = r#"forbid (principal, action == Action::"readColumn", resource in Domain::"sales");"#;
    assert_eq!(seen(&format!("{READ}{partial}{no_read}")), ["email:hmac", "phone:partial"]);
}

/// How much of a column is shown: nothing, a mask, or everything.
fn level(columns: &[String], name: &str) -> usize {
    let shown = columns.iter().find(|column| column.split(':').next() == Some(name));
    match shown.map(|column| column.split_once(':')) {
        None => 0,
        Some(None) => usize::MAX,
        Some(Some((_, mask))) => 1 + Mask::ALL.iter().position(|known| known.as_str() == mask).unwrap(),
    }
}

fn column_policy() -> impl Strategy<Value = (String, String)> {
    let targets = [
        "resource in Domain::\"sales\"",
        "resource == Column::\"sales.orders.email\"",
        "resource in Product::\"sales.orders\"",
    ];
    let conditions = [
        "",
        "when { resource.tags.contains(\"pii\") }",
        "when { principal in Group::\"analysts\" }",
        "unless { resource.name == \"email\" }",
    ];
    let actions = ["readColumn", "readRaw", "readMasked"];
    (
        select(actions.to_vec()),
        select(targets.to_vec()),
        select(conditions.to_vec()),
        select(vec!["null", "redact", "hmac", "partial"]),
    )
        .prop_map(|(action, target, condition, mask)| {
            // Only texts carry tags of their own here, so the masks must not reach further.
            let condition = if action == "readMasked" { "when { resource.tags.contains(\"pii\") }" } else { condition };
            let rest = format!("(principal, action == Action::\"{action}\", {target}) {condition};");
            (
                if action == "readMasked" {
                    format!("@mask(\"{mask}\") permit {rest}")
                } else {
                    format!("permit {rest}")
                },
                format!("forbid {rest}"),
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_forbid_or_a_ceiling_never_shows_more(
        permits in vec(column_policy(), 1..5),
        forbids in vec(column_policy(), 0..3),
        one_more in column_policy(),
        ceilings in vec(column_policy(), 1..3),
    ) {
        let base = r#"permit (principal, action in [Action::"discover", Action::"query"], resource in Domain::"sales");"#;
        let permits: String = permits.iter().map(|(permit, _)| permit.as_str()).collect();
        let forbids: String = forbids.iter().map(|(_, forbid)| forbid.as_str()).collect();
        let ann = user("ann", &["analysts"]);
        let before = Mesh::new(&format!("{base}{permits}{forbids}")).load().columns(&ann);
        let forbidden = Mesh::new(&format!("{base}{permits}{forbids}{}", one_more.1)).load().columns(&ann);
        let ceilings: String = ceilings.iter().map(|(permit, _)| permit.split_once(") permit").map_or(permit.clone(), |(_, rest)| format!("permit{rest}"))).collect();
        let base_ceiling = r#"permit (principal, action in [Action::"discover", Action::"query"], resource);"#;
        let bounded = Mesh::new(&format!("{base}{permits}{forbids}")).ceilings(&format!("{base_ceiling}{ceilings}")).load().columns(&ann);
        for column in ["email", "phone", "born", "note"] {
            prop_assert!(level(&forbidden, column) <= level(&before, column), "{:?} {:?}", before, forbidden);
            prop_assert!(level(&bounded, column) <= level(&before, column), "{:?} {:?}", before, bounded);
        }
    }
}

#[test]
fn a_permit_of_everything_names_no_mask() {
    let everything = r#"permit (principal, action, resource in Domain::"sales");"#;
    let no_read = r#"forbid (principal, action == Action::"readColumn", resource in Domain::"sales");"#;
    assert_eq!(seen(everything), ["note", "email", "phone", "born"]);
    assert_eq!(seen(&format!("{everything}{no_read}")), [""; 0]);
}
