//! What the demo's policies come to, said user by user.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use chrono::Utc;

use crate::authn::{Directory, Method, Verified};
use crate::demo::assets::ASSETS;
use crate::demo::people;
use crate::demo::tables::Table;
use crate::policy::{Decision, DomainPolicies, Grant, Policies, PolicyInput, PolicySource, RowFilter};
use crate::principal::{Principal, Purpose};
use crate::product::{Name, Origin, Product, odcs};

struct Mesh {
    domains: BTreeMap<Name, DomainPolicies>,
    directory: Directory,
    policies: Policies,
}

fn mesh() -> Mesh {
    let asset = |path: &str| ASSETS.iter().find(|asset| asset.path == path).unwrap().text;
    let sources = |folder: &str| -> Vec<PolicySource> {
        let below = ASSETS.iter().filter(|asset| asset.path.starts_with(folder) && asset.path.ends_with(".cedar"));
        below.map(|asset| PolicySource { file: asset.path.into(), text: asset.text.to_owned() }).collect()
    };
    let mut domains = BTreeMap::new();
    for name in ["customers", "geography", "marketing", "sales", "supply"] {
        let folder = format!("mesh/domains/{name}/");
        let name = Name::parse(name).unwrap();
        let contracts =
            ASSETS.iter().filter(|asset| asset.path.starts_with(&folder) && asset.path.ends_with(".odcs.yaml"));
        let product = |path, text| Arc::new(odcs::parse(Path::new(path), text, &name).unwrap());
        let products: Vec<_> = contracts.map(|asset| product(asset.path, asset.text)).collect();
        domains.insert(name.clone(), DomainPolicies { policies: sources(&folder), products });
    }
    let file = "mesh/governance/principals.toml";
    let directory = Directory::parse(asset(file), Path::new(file)).unwrap();
    let input = PolicyInput {
        governance: &sources("mesh/governance/"),
        ceilings: &[],
        domains: &domains,
        attributes: &directory.attribute_types(),
    };
    let policies = Policies::load(input).unwrap();
    Mesh { domains, directory, policies }
}

/// A user of the demo, with the groups that its sign-in gives.
pub(super) fn user(name: &str) -> Principal {
    mesh().user(name)
}

impl Mesh {
    fn products(&self) -> impl Iterator<Item = &Arc<Product>> {
        self.domains.values().flat_map(|domain| &domain.products)
    }

    fn user(&self, name: &str) -> Principal {
        let person = people().iter().find(|person| person.name == name).unwrap();
        let verified = Verified {
            subject: name.into(),
            method: Method::Password,
            groups: person.direct_groups.iter().map(|group| (*group).to_owned()).collect(),
            claims: serde_json::Map::new(),
            expires: None,
            entry: None,
        };
        self.directory.principal(&verified).unwrap()
    }

    /// A line for every dataset that is not hidden: what of it is withheld.
    fn seen_by(&self, principal: &Principal, purpose: &str) -> String {
        let purpose = Purpose::parse(purpose).unwrap();
        let mut text = String::new();
        for product in self.products() {
            for dataset in &product.datasets {
                let decision = self.policies.decide(principal, &purpose, product, dataset, Utc::now());
                match decision {
                    Decision::Hidden => {}
                    Decision::PurposeNeeded(_) => writeln!(text, "{} for a purpose", product.id).unwrap(),
                    Decision::Discoverable => writeln!(text, "{} listed only", product.id).unwrap(),
                    Decision::Permit(grant) => writeln!(text, "{}{}", product.id, withheld(&grant)).unwrap(),
                }
            }
        }
        text
    }
}

fn withheld(grant: &Grant) -> String {
    let mut text = String::new();
    match grant.rows() {
        RowFilter::All => {}
        rows => write!(text, " where {rows:?}").unwrap(),
    }
    for column in &grant.dataset().columns {
        match grant.contract_columns().find(|(granted, _)| granted.name == column.name) {
            None => write!(text, " without {}", column.name).unwrap(),
            Some((_, Some(mask))) => write!(text, " {}={mask}", column.name).unwrap(),
            Some((_, None)) => {}
        }
    }
    text
}

const BUILDING: &str = "op: Equal, value: Text(\"BUILDING\") }";

#[test]
fn users_see_what_is_said_of_them() {
    let mesh = mesh();
    let check = |name: &str, purpose: &str, expected: &str| {
        assert_eq!(mesh.seen_by(&mesh.user(name), purpose), expected, "{name} for `{purpose}`");
    };
    let segment = |column: &str| format!("where Compare {{ column: \"{column}\", {BUILDING}");
    let analyst = format!(
        "customers.customer {} c_phone=partial\ngeography.nation\ngeography.region\n\
         marketing.customer_lifetime_value {} phone=partial\nsales.lineitem\nsales.orders\n",
        segment("c_mktsegment"),
        segment("market_segment")
    );
    check("analyst", "", &analyst);
    check(
        "scientist",
        "",
        "geography.nation\ngeography.region\nmarketing.customer_lifetime_value name=hmac phone=hmac\n",
    );
    check("owner", "", "geography.nation\ngeography.region\nsales.lineitem\nsales.orders\n");
    let everything = "customers.customer\ngeography.nation\ngeography.region\nmarketing.customer_lifetime_value\n\
                      sales.lineitem\nsales.orders\nsupply.part\nsupply.partsupp\nsupply.supplier\n";
    check("steward", "", everything);
    let bulk = |partsupp: &str| {
        format!("sales.lineitem\nsales.orders\nsupply.part\nsupply.partsupp{partsupp}\nsupply.supplier\n")
    };
    check("service", "", &bulk(" without ps_supplycost"));
    check("service", "audit", &bulk(""));
    check("nobody", "audit", "");
}

#[test]
fn the_derived_product_may_read_its_sources_whole() {
    let mesh = mesh();
    let marketing = Principal::domain(Name::parse("marketing").unwrap());
    assert_eq!(mesh.seen_by(&marketing, ""), "customers.customer\nsales.orders\n");
    let derived = mesh.products().find(|product| product.id.domain.as_str() == "marketing").unwrap();
    assert!(matches!(&derived.datasets[0].origin, Origin::Derived { sql } if sql.starts_with("SELECT")));
}

#[test]
fn contracts_say_what_consumers_need() {
    let mesh = mesh();
    for product in mesh.products() {
        assert!(product.default_version && product.is_served(), "{}", product.id);
        assert!(product.description.is_some() && !product.owner.is_empty(), "{}", product.id);
        assert!(!product.support.is_empty() && !product.promises.is_empty(), "{}", product.id);
        for dataset in &product.datasets {
            assert!(!dataset.primary_key.is_empty() && dataset.description.is_some(), "{}", product.id);
            for column in &dataset.columns {
                assert!(column.description.is_some(), "{}.{}", product.id, column.name);
                let personal = column.tags.contains("personal");
                assert_eq!(column.mask_default.is_some(), personal, "{}.{}", product.id, column.name);
            }
            for key in &dataset.foreign_keys {
                let target = mesh.domains[&key.domain].products.iter().find_map(|p| p.dataset(key.dataset.as_str()));
                let target = target.unwrap();
                assert!(key.references.iter().eq(&target.primary_key), "{}: {key:?}", product.id);
            }
        }
    }
}

#[test]
fn files_keep_what_their_contracts_promise() {
    let dir = tempfile::tempdir().unwrap();
    super::make(dir.path(), super::TINY).unwrap();
    let mesh = mesh();
    for table in Table::ALL {
        let product = mesh.products().find(|product| product.id.name.as_str() == table.name()).unwrap();
        assert_eq!(product.id.domain.as_str(), table.domain());
        let dataset = &product.datasets[0];
        let Origin::Files(location) = &dataset.origin else { panic!("{} is not derived", product.id) };
        assert_eq!(location.url, format!("./data/{}/*.parquet", table.name()));
        for file in super::files_of(dir.path(), table) {
            assert_eq!(super::arrow_schema(&file).fields(), dataset.schema().fields(), "{}", product.id);
        }
    }
}
