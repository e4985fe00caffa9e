//! Whether two sides of a dataset say the same in the same words, so that nothing needs to be asked about them.
//!
//! The conditions of a side are made of the product and the dataset as policies see them, of the policies that touch the
//! dataset, of what is known of each policy besides its text, of whether there are ceilings, and of the attributes'
//! types. Where all of these are equal, so are the conditions, and whatever is shown by one side is permitted by the
//! other: without a solver, and though a policy may err, since it errs on both. Everything else goes the long way.
//!
//! Groups within groups are not looked at: a condition implies itself whatever they are, and a change of theirs is told
//! for itself (`super::group_changes`).
//!
//! Every structure is taken apart by all its fields, so that a new one asks whether it belongs here.

use super::side::Side;
use crate::policy::cedar::Cedar;
use crate::policy::dataset::Slice;
use crate::policy::load::{DatasetSlices, Rule};
use crate::policy::vocabulary::Action;
use crate::product::{Column, Dataset, Product};

/// Whether everything that decides about a dataset, and everything told of its contract, is equal.
pub(super) fn alike(old: &Side<'_>, new: &Side<'_>) -> bool {
    of_product(old.product) == of_product(new.product)
        && of_dataset(old.dataset) == of_dataset(new.dataset)
        && of_mesh(&old.domain.policies.cedar) == of_mesh(&new.domain.policies.cedar)
        && slices(old, new)
}

fn of_product(product: &Product) -> impl PartialEq {
    let Product {
        id,
        version,
        status,
        default_version,
        classification,
        tags,
        owner,
        purposes,
        title: _,
        description: _,
        roles: _,
        datasets: _,
        queries: _,
        promises: _,
        support: _,
        file: _,
        lines: _,
    } = product;
    (id, version, status, default_version, classification, tags, owner, purposes)
}

fn of_dataset(dataset: &Dataset) -> impl PartialEq {
    let Dataset { name, columns, description: _, primary_key: _, foreign_keys: _, quality: _, origin: _ } = dataset;
    (name, columns.iter().map(of_column).collect::<Vec<_>>())
}

fn of_column(column: &Column) -> impl PartialEq {
    let Column {
        name,
        data_type,
        nullable,
        classification,
        tags,
        mask_default,
        physical_name: _,
        unique: _,
        description: _,
    } = column;
    (name, data_type, nullable, classification, tags, mask_default)
}

fn of_mesh(cedar: &Cedar) -> impl PartialEq {
    let Cedar { attributes, bounded, authorizer: _, types: _, actions: _, principals: _ } = cedar;
    (attributes, bounded)
}

fn slices(old: &Side<'_>, new: &Side<'_>) -> bool {
    // The schema is made of the columns and attributes, and of what the policies name.
    let DatasetSlices { of: was, by_name: named, ids: _, schema: _ } = old.slices;
    let DatasetSlices { of: is, by_name: names, ids: _, schema: _ } = new.slices;
    named == names
        && Action::ALL.iter().all(|action| match (was.get(action), is.get(action)) {
            (Some(was), Some(is)) => of_slice(was) == of_slice(is) && rules(old, new, was),
            (was, is) => was.is_none() && is.is_none(),
        })
}

/// Cedar's equality of policies: id, annotations, effect, scope and conditions, wherever they stand.
fn of_slice(slice: &Slice) -> impl PartialEq {
    let Slice { policies, permits, ceilings } = slice;
    (policies, permits, ceilings)
}

fn rules(old: &Side<'_>, new: &Side<'_>, slice: &Slice) -> bool {
    slice.policies.policies().chain(slice.ceilings.policies()).all(|policy| {
        let id: &str = policy.id().as_ref();
        match (old.domain.set.rules.get(id), new.domain.set.rules.get(id)) {
            (Some(was), Some(is)) => of_rule(was) == of_rule(is),
            _ => false,
        }
    })
}

fn of_rule(rule: &Rule) -> impl PartialEq {
    // The rest is read off the policy, or says where it stands.
    let Rule { of_domain, mask, place, principal: _, moments: _, mentions: _ } = rule;
    (of_domain, mask, place.permits)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::DataType;

    use super::*;
    use crate::policy::proof::side::DomainSide;
    use crate::policy::tests::fixtures::{Mesh, column, name};
    use crate::principal::AttributeType;
    use crate::product::{Mask, Status, Version};

    const POLICY: &str = r#"
@id("read") permit (principal in Group::"analysts", action in Action::"read", resource in Domain::"sales");
@id("phone") @mask("redact") permit (principal, action == Action::"readMasked", resource == Column::"sales.orders.phone");
"#;

    fn mesh() -> Mesh {
        Mesh::new(POLICY)
    }

    fn with(change: impl FnOnce(&mut Product)) -> Mesh {
        let mut mesh = mesh();
        change(Arc::make_mut(&mut mesh.domains.get_mut("sales").unwrap().products[0]));
        mesh
    }

    fn with_dataset(change: impl FnOnce(&mut Dataset)) -> Mesh {
        with(|product| change(Arc::make_mut(&mut product.datasets[0])))
    }

    fn with_column(change: impl FnOnce(&mut Column)) -> Mesh {
        with_dataset(|dataset| change(dataset.columns.iter_mut().find(|column| column.name == "note").unwrap()))
    }

    fn are_alike(old: &Mesh, new: &Mesh) -> bool {
        let (old, new) = (old.load(), new.load());
        let sides = [&old, &new].map(|mesh| DomainSide::new(&mesh.policies, &name("sales")).unwrap());
        let [old, new] = sides.each_ref().map(|domain| {
            let product = domain.served()[&name("orders")][0];
            Side::new(domain, product, &product.datasets[0]).unwrap()
        });
        alike(&old, &new)
    }

    #[test]
    fn what_decides_nothing_makes_no_difference() {
        for new in [
            mesh(),
            Mesh::new(&format!("// Moved down.\n\n{POLICY}")),
            with(|product| product.description = Some("other words".to_owned())),
            with(|product| product.file = "elsewhere.odcs.yaml".into()),
            with_column(|column| column.description = Some("other words".to_owned())),
            mesh().governance(r#"forbid (principal, action, resource in Domain::"marketing");"#),
        ] {
            assert!(are_alike(&mesh(), &new));
        }
    }

    #[test]
    fn whatever_decides_is_looked_at() {
        let marketing = r#"permit (principal, action, resource in Domain::"marketing");"#;
        let sales = marketing.replace("marketing", "sales");
        for (what, new) in [
            ("version", with(|product| product.version = Version::parse("1.1.0").unwrap())),
            ("status", with(|product| product.status = Status::Deprecated)),
            ("default version", with(|product| product.default_version = false)),
            ("classification", with(|product| product.classification = "secret".to_owned())),
            ("tags", with(|product| product.tags.extend(["pii".to_owned()]))),
            ("owner", with(|product| product.owner = "somebody else".to_owned())),
            ("purposes", with(|product| product.purposes.extend(["audit".to_owned()]))),
            ("a new column", with_dataset(|dataset| dataset.columns.push(column("new", DataType::Utf8, true)))),
            ("a column's type", with_column(|column| column.data_type = DataType::Int64)),
            ("nullable", with_column(|column| column.nullable = false)),
            ("a column's classification", with_column(|column| column.classification = "secret".to_owned())),
            ("a column's tags", with_column(|column| column.tags.extend(["pii".to_owned()]))),
            ("a default mask", with_column(|column| column.mask_default = Some(Mask::Null))),
            ("a group", Mesh::new(&POLICY.replace("analysts", "others"))),
            ("an effect", Mesh::new(&POLICY.replace(r#"@id("read") permit"#, r#"@id("read") forbid"#))),
            ("a condition", Mesh::new(&POLICY.replacen(';', r#" when { context.purpose == "audit" };"#, 1))),
            ("a mask", Mesh::new(&POLICY.replace("redact", "partial"))),
            ("a governance policy", mesh().governance(&sales)),
            (
                "a column's name in a policy",
                mesh().governance(&sales.replace(';', r#" when { resource is Column && resource.name == "note" };"#)),
            ),
            ("whose a policy is", Mesh::new("").governance(POLICY)),
            ("a ceiling", mesh().ceilings(&sales)),
            ("ceilings of others", mesh().ceilings(marketing)),
            ("an attribute", mesh().attribute("team", AttributeType::Text)),
            ("an attribute's type", mesh().attribute("region", AttributeType::Number)),
        ] {
            assert!(!are_alike(&mesh(), &new), "{what}");
            assert!(!are_alike(&new, &mesh()), "{what}, the other way");
        }
        let bounded = || mesh().ceilings(&sales);
        assert!(are_alike(&bounded(), &bounded()));
        let tighter = mesh().ceilings(&sales.replace("principal,", r#"principal in Group::"a","#));
        assert!(!are_alike(&bounded(), &tighter));
    }
}
