//! Meshes in temporary folders: what is read, what is refused, what names resolve to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::TempDir;
use url::Url;

use super::{Denial, Domain, Expectation, Mesh, MeshConfig, RootStore, WatchConfig, Watcher, load_domain};
use crate::fault::Fault;
use crate::product::{Address, Mask};

/// A mesh in a folder of its own.
struct Place(TempDir);

impl Place {
    /// Governance, and one domain `sales` with one product `orders`.
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.write("governance/principals.toml", "");
        place.write("domains/sales/domain.toml", "owner = \"Sales\"\n");
        place.write(
            "domains/sales/products/orders.odcs.yaml",
            contract("orders", "1.0.0", "active", &["orders"], false),
        );
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    fn version(&self, product: &str, version: &str, status: &str, default: bool) -> &Self {
        let file = format!("domains/sales/products/{product}-{version}.odcs.yaml");
        self.write(&file, contract(product, version, status, &[product], default))
    }

    fn config(&self) -> MeshConfig {
        MeshConfig { roots: vec![self.path().to_string_lossy().into_owned()], ..MeshConfig::default() }
    }

    fn load(&self) -> Result<Mesh, Vec<Fault>> {
        Mesh::load(&self.config())
    }

    /// The faults of the mesh, as `file:line: reason` with files below the root.
    fn faults(&self) -> Vec<String> {
        shown(self.path(), self.load().err().unwrap_or_default())
    }

    /// Those of the policy tests of a mesh that can be served.
    fn test_faults(&self) -> Vec<String> {
        shown(self.path(), self.load().unwrap().test_faults().to_vec())
    }
}

fn shown(root: &Path, faults: Vec<Fault>) -> Vec<String> {
    let root = format!("{}/", root.display());
    faults.into_iter().map(|fault| Fault { hint: None, ..fault }.to_string().replace(&root, "")).collect()
}

fn contract(product: &str, version: &str, status: &str, datasets: &[&str], default: bool) -> String {
    let tables: String = datasets
        .iter()
        .map(|name| {
            format!("  - name: {name}\n    properties:\n      - {{name: id, logicalType: integer, required: true}}\n")
        })
        .collect();
    format!(
        "apiVersion: v3.2.0\nkind: DataContract\nid: {product}\nversion: {version}\nstatus: {status}\ndomain: sales\n\
         dataProduct: {product}\nservers: [{{server: s, type: local, path: 'data/{{model}}', format: parquet}}]\n\
         customProperties: [{{property: airside.defaultVersion, value: {default}}}]\nschema:\n{tables}"
    )
}

#[test]
fn a_mesh_is_read_from_a_root() {
    let mesh = Place::new().load().unwrap();
    let sales: &Domain = &mesh.domains()["sales"];
    assert_eq!((mesh.name(), sales.owner.as_str(), sales.products.len()), ("mesh", "Sales", 1));
    assert_eq!(sales.products[0].owner, "Sales", "the domain's owner stands in");
    assert!(sales.data.ends_with("domains/sales"), "contracts read below the domain's folder");
    assert_eq!(mesh.version().len(), 64);
}

#[test]
fn governance_and_domains_may_be_folders_of_their_own() {
    let place = Place::new();
    let of = |part: &str| Some(place.path().join(part).to_string_lossy().into_owned());
    let mut config = MeshConfig { governance: of("governance"), ..MeshConfig::default() };
    let sales = config.domains.entry("sales".into()).or_default();
    (sales.root, sales.data) = (of("domains/sales"), Some("s3://bucket/sales/".into()));
    let mesh = Mesh::load(&config).unwrap();
    assert_eq!(mesh.domains()["sales"].data, "s3://bucket/sales/");
    assert_eq!(mesh.version(), place.load().unwrap().version(), "the same files are the same mesh");
}

#[test]
fn one_domain_is_read_alone_under_a_governance() {
    let place = Place::new();
    place.write("domains/customers/domain.toml", "broken");
    let mesh = load_domain(&place.path().join("domains/sales"), &place.path().join("governance")).unwrap();
    assert_eq!(mesh.domains().len(), 1);
    assert!(load_domain(&place.path().join("domains/sales"), place.path()).is_ok(), "a root holds the bundle");
    assert!(load_domain(&place.path().join("nowhere"), place.path()).is_err());
    // What the platform says of others is understood beside them, and what is wrong with others is not reported.
    place
        .write("domains/hr/domain.toml", "owner = \"x\"\n")
        .write(
            "domains/hr/products/a.odcs.yaml",
            contract("staff", "1.0.0", "active", &["staff"], false).replace("domain: sales", "domain: hr"),
        )
        .write("domains/hr/policies/a.cedar", "nonsense")
        .write("governance/global.cedar", "forbid (principal, action, resource in Product::\"hr.staff\");");
    let alone = load_domain(&place.path().join("domains/sales"), place.path());
    assert_eq!(alone.err(), None);
    // With the governance alone, what is said of others is taken on trust.
    let alone = load_domain(&place.path().join("domains/sales"), &place.path().join("governance"));
    assert_eq!(alone.err(), None);
}

#[test]
fn every_fault_of_every_file_is_reported() {
    let place = Place::new();
    place
        .write("domains/sales/products/a.odcs.yaml", "kind: DataContract\n")
        .write("domains/sales/products/b.odcs.yaml", b"a: \xff")
        .write("domains/sales/products/c.yaml", "")
        .write("domains/sales/policies/p.txt.bak", "")
        .write("domains/sales/policies/bad.cedar", "permit (")
        .write("domains/Sales/domain.toml", "owner = 1\nteam = \"x\"\n")
        .write("governance/forbid.ceder", "");
    let faults = place.faults();
    for expected in [
        "domains/Sales/domain.toml:1: `owner` must be text",
        "domains/Sales/domain.toml:2: `team` is not a key of this file",
        "domains/Sales: a domain's folder has its name: `Sales` is not a name",
        "domains/sales/products/a.odcs.yaml:1: a contract lacks `id`",
        "domains/sales/products/b.odcs.yaml:1: the file is not UTF-8 text",
        "domains/sales/products/c.yaml: the file would not be read here",
        "domains/sales/policies/p.txt.bak: the file would not be read here",
        "governance/forbid.ceder: the file would not be read here",
    ] {
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{expected}\n{faults:#?}");
    }
}

#[test]
fn a_mesh_needs_exactly_one_governance_and_known_domains() {
    let place = Place::new();
    let mut config = place.config();
    config.governance = Some(place.path().join("governance").to_string_lossy().into_owned());
    config.domains.entry("slaes".into()).or_default().data = Some("s3://x/".into());
    let faults = shown(place.path(), Mesh::load(&config).unwrap_err());
    assert!(faults.iter().any(|fault| fault.contains("there is a second governance")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.contains("domain `slaes`, which no root holds")), "{faults:?}");
    fs::remove_dir_all(place.path().join("governance")).unwrap();
    assert_eq!(place.faults(), ["governance: the mesh has no governance"]);
    assert!(Mesh::load(&MeshConfig::default()).is_err(), "no roots, no governance");
    assert_eq!(
        Mesh::load(&MeshConfig { roots: vec!["/nowhere".into()], ..MeshConfig::default() }).unwrap_err().len(),
        1
    );
}

#[cfg(unix)]
#[test]
fn links_stay_in_their_folder() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    place.write("domains/sales/policies/README.md", "");
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("x.odcs.yaml"), contract("x", "1.0.0", "active", &["x"], false)).unwrap();
    symlink(outside.path().join("x.odcs.yaml"), place.path().join("domains/sales/products/x.odcs.yaml")).unwrap();
    symlink(place.path().join("governance/principals.toml"), place.path().join("domains/sales/policies/p.cedar"))
        .unwrap();
    assert_eq!(
        place.faults(),
        [
            "domains/sales/policies/p.cedar: the link leads out of its folder",
            "domains/sales/products/x.odcs.yaml: the link leads out of its folder"
        ]
    );
}

#[cfg(unix)]
#[test]
fn mounted_config_maps_are_read() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    let products = place.path().join("domains/sales/products");
    place.write(
        "domains/sales/products/..2024/lines.odcs.yaml",
        contract("lines", "1.0.0", "active", &["lines"], false),
    );
    symlink("..2024", products.join("..data")).unwrap();
    symlink("..data/lines.odcs.yaml", products.join("lines.odcs.yaml")).unwrap();
    assert_eq!(place.load().unwrap().domains()["sales"].products.len(), 2);
}

#[test]
fn names_mean_one_thing_in_a_domain() {
    let place = Place::new();
    place
        .write("domains/sales/products/b.odcs.yaml", contract("basket", "1.0.0", "active", &["items", "orders"], false))
        .write("domains/sales/products/c.odcs.yaml", contract("items", "1.0.0", "active", &["pieces"], false))
        .version("orders", "1.0.0", "active", false);
    let faults = place.faults();
    for expected in [
        "the dataset `items` has the name of another product",
        "the dataset `orders` is also one of product `basket`",
        "version 1.0.0 of product `orders` exists twice",
    ] {
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}\n{faults:#?}");
    }
}

#[test]
fn of_several_served_versions_one_is_the_default() {
    let place = Place::new();
    place.version("orders", "2.0.0", "draft", false).version("orders", "0.9.0", "retired", true);
    assert!(place.load().is_ok(), "one served version needs no mark");
    place.version("orders", "2.0.0", "active", false);
    assert!(place.faults()[0].contains("serves 2 versions, and none is the default"));
    place.version("orders", "2.0.0", "active", true);
    assert!(place.load().is_ok());
    place.version("orders", "2.1.0", "deprecated", true);
    assert!(place.faults()[0].contains("two default versions, 2.0.0 and 2.1.0"));
}

#[test]
fn addresses_resolve_to_one_identity() {
    let place = Place::new();
    place
        .version("orders", "1.2.0", "deprecated", true)
        .version("orders", "2.0.0", "active", false)
        .version("orders", "3.0.0", "draft", false)
        .write("domains/sales/products/clv.odcs.yaml", contract("clv", "1.0.0", "active", &["lifetime"], false))
        .write(
            "domains/sales/products/basket.odcs.yaml",
            contract("basket", "1.0.0", "active", &["items", "prices"], false),
        );
    let mesh = place.load().unwrap();
    let answer = |address: Result<Address, _>| {
        let address: Address = address.unwrap();
        mesh.resolve(&address).map(|(product, dataset)| format!("{}@{}/{}", product.id, product.version, dataset.name))
    };
    let path = |parts: &[&str]| answer(Address::from_path(parts));
    let table = |name: &str| answer(Address::from_table("sales", name));

    assert_eq!(path(&["sales", "orders"]).unwrap(), "sales.orders@1.2.0/orders");
    assert_eq!(path(&["sales", "orders"]), table("orders"));
    assert_eq!(path(&["sales", "orders@1"]).unwrap(), "sales.orders@1.2.0/orders");
    assert_eq!(path(&["sales", "orders@1.0"]).unwrap(), "sales.orders@1.0.0/orders");
    assert_eq!(path(&["sales", "orders@2"]), table("orders_v2"));
    assert_eq!(table("orders_v2").unwrap(), "sales.orders@2.0.0/orders");
    assert_eq!(path(&["sales", "basket", "items"]).unwrap(), "sales.basket@1.0.0/items");
    assert_eq!(table("items"), path(&["sales", "basket", "items"]));
    assert_eq!(path(&["sales", "clv"]).unwrap(), "sales.clv@1.0.0/lifetime");
    for nothing in [
        &["sales", "orders@3"][..],
        &["sales", "basket"],
        &["sales", "orders@1.9"],
        &["other", "orders"],
        &["sales", "items", "items"],
        &["sales", "basket", "orders"],
    ] {
        assert_eq!(path(nothing), None, "{nothing:?}");
    }
    let mut names: Vec<String> =
        mesh.served().map(|served| format!("{} {}", served.table(), served.product.version)).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "items 1.0.0",
            "items_v1 1.0.0",
            "lifetime 1.0.0",
            "lifetime_v1 1.0.0",
            "orders 1.2.0",
            "orders_v1 1.2.0",
            "orders_v2 2.0.0",
            "prices 1.0.0",
            "prices_v1 1.0.0",
        ]
    );
}

/// A contract that offers these queries.
fn offering(product: &str, version: &str, default: bool, queries: &[&str]) -> String {
    let items: Vec<String> = queries.iter().map(|name| format!("{{name: {name}, sql: SELECT 1}}")).collect();
    let property = format!("customProperties: [{{property: airside.queries, value: [{}]}}, ", items.join(", "));
    contract(product, version, "active", &[product], default).replacen("customProperties: [", &property, 1)
}

#[test]
fn a_query_has_a_name_of_its_own_and_one_identity() {
    let place = Place::new();
    place
        .write("domains/sales/products/b.odcs.yaml", offering("basket", "1.0.0", true, &["find", "look"]))
        .write("domains/sales/products/b2.odcs.yaml", offering("basket", "2.0.0", false, &["find"]));
    let mesh = place.load().unwrap();
    let answer = |address: Address| {
        mesh.resolve_query(&address)
            .map(|(product, query)| format!("{}@{}/{}", product.id, product.version, query.name))
    };
    let path = |parts: &[&str]| answer(Address::from_path(parts).unwrap());
    let table = |name: &str| answer(Address::from_table("sales", name).unwrap());
    assert_eq!(path(&["sales", "basket", "find"]).unwrap(), "sales.basket@1.0.0/find");
    assert_eq!(path(&["sales", "find"]), path(&["sales", "basket", "find"]));
    assert_eq!(table("find"), path(&["sales", "basket", "find"]));
    assert_eq!(table("find_v2").unwrap(), "sales.basket@2.0.0/find");
    assert_eq!(path(&["sales", "basket@2", "find"]), table("find_v2"));
    for nothing in [path(&["sales", "basket@2", "look"]), path(&["sales", "orders", "find"]), table("basket")] {
        assert_eq!(nothing, None);
    }
    let served: Vec<String> =
        mesh.served_queries().map(|served| format!("{} {:?}", served.query.name, served.major)).collect();
    assert_eq!(served, ["find None", "look None", "find Some(2)"]);

    place.write("domains/sales/products/c.odcs.yaml", offering("cart", "1.0.0", false, &["look", "orders", "lines"]));
    place.write("domains/sales/products/d.odcs.yaml", contract("deals", "1.0.0", "active", &["lines"], false));
    let faults = place.faults();
    for expected in [
        "the query `look` is also one of product `basket`",
        "the query `orders` has the name of a product of the domain",
        "the query `lines` has the name of a dataset of product `deals`",
    ] {
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}\n{faults:#?}");
    }
}

#[test]
fn standards_ask_for_names_quality_and_masks() {
    let place = Place::new();
    let text = contract("orders", "1.0.0", "active", &["orders"], false);
    let text = text.replace(
        "required: true}",
        "required: true, classification: restricted, quality: [{metric: nullValues, mustBe: 0}]}",
    );
    place.write("domains/sales/products/orders.odcs.yaml", &text);
    for (standards, reason) in [
        ("product_names = \"[a-z]+s\"\ncolumn_names = \"[a-z]+\"", None),
        ("product_names = \"order\"", Some("the product `orders` is not named as the mesh's standards ask for")),
        ("dataset_names = \"dim_.*\"", Some("the dataset `orders` is not named as")),
        ("column_names = \"..._.*|x\"", Some("the column `id` is not named as")),
        ("quality_rules = 1\nquality_kinds = [\"nullValues\"]", None),
        ("quality_rules = 2", Some("dataset `orders` has 1 rules of quality, and the mesh's standards ask for 2")),
        ("quality_kinds = [\"rowCount\"]", Some("dataset `orders` has no rule of quality `rowCount`")),
        ("masked = [\"confidential\"]", None),
        ("masked = [\"restricted\"]", Some("column `id` of `orders` is restricted and has no default mask")),
    ] {
        place.write("governance/standards.toml", standards);
        let faults = place.faults();
        assert_eq!(faults.len(), usize::from(reason.is_some()), "{standards}: {faults:?}");
        if let Some(reason) = reason {
            assert!(faults[0].contains(reason), "{faults:?}");
        }
    }
    for (standards, reason) in [
        ("column_names = \"(\"", "`column_names` is no regular expression"),
        ("quality_rules = -1", "`quality_rules` must be a number, 0 or more"),
        ("quality_rules = \"2\"", "`quality_rules` must be a number, 0 or more"),
        ("quality_kinds = [\"rowcount\"]", "`rowcount` is no kind of quality rule"),
        (
            "classifications = [\"restricted\"]\nmasked = [\"secret\"]",
            "`masked` names `secret`, which is no classification",
        ),
        ("masks = [\"restricted\"]", "`masks` is not a key of this file"),
    ] {
        place.write("governance/standards.toml", standards);
        assert!(place.faults().iter().any(|fault| fault.contains(reason)), "{standards}: {:?}", place.faults());
    }
}

#[test]
fn standards_are_asked_of_served_contracts() {
    let place = Place::new();
    place
        .write("governance/standards.toml", "product = [\"description\", \"owner\"]\ncolumn = [\"classification\"]\n")
        .version("drafted", "1.0.0", "draft", false);
    assert_eq!(
        place.faults()[0],
        "domains/sales/products/orders.odcs.yaml: column `id` of `orders` lacks the classification that the mesh's standards ask for"
    );
    assert!(
        place
            .faults()
            .iter()
            .any(|fault| fault.contains("governance/standards.toml:1: `owner` cannot be asked of a product"))
    );
    assert_eq!(place.faults().len(), 3, "{:?}", place.faults());
}

#[tokio::test]
async fn a_root_may_lie_in_an_object_store() {
    let place = Place::new();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for path in ["governance/principals.toml", "domains/sales/domain.toml", "domains/sales/products/orders.odcs.yaml"] {
        let bytes = fs::read(place.path().join(path)).unwrap();
        store.put(&format!("team/mesh/{path}").into(), bytes.into()).await.unwrap();
    }
    store.put(&"team/mesh/domains/sales/data/x.parquet".into(), vec![0xff].into()).await.unwrap();
    let config = MeshConfig { roots: vec!["s3://bucket/team/mesh".into()], ..MeshConfig::default() };
    let open = |_: &Url| Ok(RootStore { store: Arc::clone(&store), patience: Duration::from_secs(20) });
    let mesh = Mesh::load_with(&config, &open).await.unwrap();
    assert_eq!(mesh.version(), place.load().unwrap().version());
    assert_eq!(mesh.domains()["sales"].data, "s3://bucket/team/mesh/domains/sales");
    let refused = Mesh::load_with(&config, &|_| Err("no credentials".into())).await.unwrap_err();
    assert_eq!(refused[0].reason, "the root cannot be read: no credentials");
    assert!(Mesh::load(&config).is_err(), "a folder cannot stand in");
}

/// Waits until the watcher announces something else than `known`.
async fn changed(watcher: &Watcher, known: &str) -> String {
    let mut changes = watcher.changes();
    let version = tokio::time::timeout(Duration::from_secs(20), changes.wait_for(|version| version != known)).await;
    version.expect("a change in time").expect("a living watcher").clone()
}

#[tokio::test]
async fn changes_are_announced_and_touches_are_not() {
    let place = Place::new();
    let options = WatchConfig { quiet: Duration::from_millis(20), poll: Duration::from_secs(3600) };
    let version = place.load().unwrap().version().to_owned();
    let watcher = Watcher::start(&place.config(), &version, options).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    place.write("governance/principals.toml", "").write("domains/sales/data/x.parquet", "data");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(*watcher.changes().borrow(), version, "the same contents are no change");
    place.version("lines", "1.0.0", "active", false);
    let second = changed(&watcher, &version).await;
    assert_eq!(second, place.load().unwrap().version());
    place.write("domains/new/domain.toml", "owner = \"x\"\n");
    changed(&watcher, &second).await;
}

#[cfg(unix)]
#[tokio::test]
async fn swapped_links_are_noticed() {
    use std::os::unix::fs::symlink;
    let (first, second, links) = (Place::new(), Place::new(), TempDir::new().unwrap());
    second.version("lines", "1.0.0", "active", false);
    let link = links.path().join("current");
    symlink(first.path(), &link).unwrap();
    let config = MeshConfig { roots: vec![link.to_string_lossy().into_owned()], ..MeshConfig::default() };
    let version = Mesh::load(&config).unwrap().version().to_owned();
    let options = WatchConfig { quiet: Duration::from_millis(20), poll: Duration::from_secs(3600) };
    let watcher = Watcher::start(&config, &version, options).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let next: PathBuf = links.path().join("next");
    symlink(second.path(), &next).unwrap();
    fs::rename(&next, &link).unwrap();
    assert_eq!(changed(&watcher, &version).await, second.load().unwrap().version());
}

/// `domains/sales/tests/access.yaml` in the first place it can stand.
const TEST: &str = "domains/sales/tests/access.yaml";

#[test]
fn policy_tests_are_read_with_the_domain() {
    let place = Place::new();
    place.write(
        TEST,
        "tests:\n  - name: one\n    principal: {user: ada, groups: [analysts], claims: {region: EMEA, level: 3}}\n    \
         purpose: audit\n    product: sales.orders@1\n    at: 2026-12-01T00:00:00Z\n    expect:\n      \
         rows: id == 3 && id != 4\n      count: 1500\n      columns: [id]\n      masks: {id: null}\n  \
         - name: two\n    principal: {user: eve}\n    product: sales.orders\n    expect: {denied: unreadable}\n",
    );
    let mesh = place.load().unwrap();
    let [one, two] = &mesh.domains()["sales"].tests[..] else { panic!() };
    assert_eq!(
        (one.line, one.principal.role.groups.len(), one.principal.role.claims["level"].as_i64()),
        (2, 1, Some(3))
    );
    assert_eq!((one.purpose.as_str(), one.at.map(|at| at.timestamp())), ("audit", Some(1_796_083_200)));
    let masks = [("id".to_owned(), Mask::Null)].into();
    let rows = Some("id == 3 && id != 4".to_owned());
    let expected =
        Expectation::Granted { rows, count: Some(1500), columns: Some(vec!["id".to_owned()]), masks: Some(masks) };
    assert_eq!(one.expect, expected);
    assert_eq!(two.expect, Expectation::Denied(Denial::Unreadable));
}

#[test]
fn every_fault_of_a_policy_test_has_its_line() {
    let head = "tests:\n  - name: a\n    principal: {user: ada}\n    product: sales.orders\n";
    for (text, expected) in [
        ("test: []\n", ":1: `test` is no key of the file"),
        ("tests: {}\n", ":1: `tests` must be a list, not a mapping"),
        ("tests:\n  - name: a\n", ":2: `principal` is missing"),
        (&format!("{head}    expects: {{}}\n"), ":5: `expects` is no key of a test"),
        (&format!("{head}    expect: {{}}\n"), ":5: the test expects nothing"),
        (&format!("{head}    expect: {{denied: never}}\n"), ":5: `never` is no way to deny"),
        (&format!("{head}    expect: {{denied: hidden, rows: all}}\n"), ":5: what is denied has neither rows"),
        (&format!("{head}    expect: {{count: -1}}\n"), ":5: `-1` is no number of rows"),
        (&format!("{head}    expect: {{masks: {{id: blur}}}}\n"), ":5: `blur` is not a mask"),
        (&format!("{head}    expect: {{columns: [idd]}}\n"), ":2: `sales.orders` has no column `idd`"),
        (&format!("{head}    at: tomorrow\n    expect: {{rows: all}}\n"), ":5: a moment is written"),
        (&format!("{head}    purpose: A B\n    expect: {{rows: all}}\n"), ":5: a purpose is"),
        (
            &format!("{}    expect: {{rows: all}}\n", head.replace("orders", "ordres")),
            ":2: the domain serves no product",
        ),
        (&format!("{}    expect: {{rows: all}}\n", head.replace("sales.", "hr.")), ":2: a test of `sales` may not"),
        (&format!("{}    expect: {{rows: all}}\n", head.replace("ada", "'domain:hr'")), ":3: `domain:hr` is no name"),
        (&format!("{head}    arguments: {{a: 1}}\n    expect: {{count: 1}}\n"), ":5: `arguments` go with a `query`"),
        (&format!("{head}    query: sales.find\n    expect: {{count: 1}}\n"), ":4: a `query` is asked by itself"),
        (
            &format!("{}    expect: {{rows: all}}\n", head.replace("product: sales.orders", "query: sales.find")),
            ":5: `rows` and `masks` are of datasets",
        ),
        (
            &format!("{}    expect: {{count: 1}}\n", head.replace("product: sales.orders", "query: sales.find")),
            ":2: the domain serves no query `sales.find`",
        ),
        ("\t- x\n", ":1: "),
    ] {
        let place = Place::new();
        place.write(TEST, text);
        let faults = place.test_faults();
        assert!(faults.iter().any(|fault| fault.starts_with(&format!("{TEST}{expected}"))), "{text}: {faults:?}");
    }
    let place = Place::new();
    let test = &head["tests:\n".len()..];
    place.write(TEST, format!("{head}    expect: {{rows: all}}\n{test}    expect: {{rows: all}}\n"));
    assert!(place.test_faults()[0].contains("the name `a` is taken by the test at line 2"));
}
