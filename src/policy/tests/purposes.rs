//! Products that ask for a purpose.

use super::fixtures::{Mesh, NOW, name, orders, user};
use crate::policy::Decision;
use crate::product::Product;

/// `sales.orders` for `audit` and `analytics` alone, under these policies.
fn asking(policies: &str) -> Mesh {
    let mut mesh = Mesh::new(policies);
    let purposes = ["audit", "analytics"].map(str::to_owned).into();
    let product = Product { purposes, ..(*orders()).clone() };
    mesh.domains.get_mut(&name("sales")).unwrap().products = vec![product.into()];
    mesh
}

/// What an analyst is told who states `purpose`.
fn told(mesh: &Mesh, purpose: &str) -> String {
    match mesh.load().ask(&user("ada", &["analysts"]), purpose, NOW) {
        Decision::Permit(_) => "permit".into(),
        Decision::PurposeNeeded(purposes) => {
            format!("needs {}", purposes.iter().map(|purpose| purpose.as_str()).collect::<Vec<_>>().join(" "))
        }
        Decision::Discoverable => "discoverable".into(),
        Decision::Hidden => "hidden".into(),
    }
}

#[test]
fn one_of_the_purposes_must_be_stated_by_who_would_be_permitted() {
    const READ: &str =
        r#"permit (principal in Group::"analysts", action in Action::"read", resource in Domain::"sales")"#;
    const DISCOVER: &str =
        r#"permit (principal in Group::"analysts", action == Action::"discover", resource in Domain::"sales");"#;
    for (policies, told_for) in [
        // none stated, a foreign one, an accepted one
        (format!("{READ};"), ["needs analytics audit", "needs analytics audit", "permit"]),
        // Only the purposes that help are named …
        (
            format!("{DISCOVER} {READ} when {{ context.purpose == \"audit\" }};"),
            ["needs audit", "needs audit", "permit"],
        ),
        // … none when none does …
        (format!("{DISCOVER} {READ} when {{ context.purpose == \"\" }};"), ["discoverable"; 3]),
        (DISCOVER.to_owned(), ["discoverable"; 3]),
        // … and whoever may not know of the product learns nothing.
        (format!("{READ} when {{ context.purpose == \"audit\" }};"), ["hidden", "hidden", "permit"]),
        (String::new(), ["hidden"; 3]),
    ] {
        let mesh = asking(&policies);
        assert_eq!(["", "marketing", "audit"].map(|purpose| told(&mesh, purpose)), told_for, "{policies}");
    }
}

#[test]
fn the_purposes_are_part_of_the_version() {
    let version = |mesh: Mesh| mesh.load().policies.version().to_owned();
    assert_ne!(version(Mesh::new("")), version(asking("")));
}
