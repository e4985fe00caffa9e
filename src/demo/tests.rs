mod outlines;
mod rights;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;

use indicatif::ProgressBar;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::tables::Table;
use super::{DemoError, generate, people};

const TINY: f64 = 0.001;

fn make(dir: &Path, scale: f64) -> Result<super::Generated, DemoError> {
    generate(dir, scale, &ProgressBar::hidden())
}

fn files_of(dir: &Path, table: Table) -> Vec<std::path::PathBuf> {
    let folder = dir.join(format!("mesh/domains/{}/data/{}", table.domain(), table.name()));
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn rows_of(dir: &Path, table: Table) -> i64 {
    let rows =
        |path| SerializedFileReader::new(File::open(path).unwrap()).unwrap().metadata().file_metadata().num_rows();
    files_of(dir, table).into_iter().map(rows).sum()
}

fn arrow_schema(path: &Path) -> arrow::datatypes::Schema {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata();
    parquet::arrow::parquet_to_arrow_schema(metadata.schema_descr(), metadata.key_value_metadata()).unwrap()
}

#[test]
fn a_mesh_is_made_once_and_then_reused() {
    let dir = tempfile::tempdir().unwrap();
    let made = make(dir.path(), TINY).unwrap();
    assert!(!made.reused && made.config.is_file());
    for table in Table::ALL {
        // dbgen's own count of line items at this scale.
        let expected = if table == Table::LineItem { 6005 } else { table.rows(TINY) };
        assert_eq!(rows_of(dir.path(), table), expected, "{}", table.name());
    }
    assert_eq!(files_of(dir.path(), Table::LineItem).len(), 2);

    let policy = dir.path().join("mesh/domains/sales/policies/access.cedar");
    fs::write(&policy, "// edited").unwrap();
    assert!(make(dir.path(), TINY).unwrap().reused);
    assert_eq!(fs::read_to_string(&policy).unwrap(), "// edited", "what a newcomer tries out is kept");
}

#[test]
fn what_is_not_the_mesh_asked_for_is_made_anew() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("half-made", |dir| {
            let marker = fs::read_to_string(dir.join("demo-mesh.toml")).unwrap();
            fs::write(dir.join("demo-mesh.toml"), marker.replace("complete = true", "complete = false")).unwrap();
            fs::remove_file(dir.join("mesh/domains/supply/data/part/part-001.parquet")).unwrap();
        }),
        ("a data file cut short", |dir| {
            fs::write(dir.join("mesh/domains/sales/data/orders/part-002.parquet"), "PAR1").unwrap();
        }),
        ("a key lost", |dir| fs::remove_file(dir.join("secrets/tickets.key")).unwrap()),
        ("an unreadable marker", |dir| fs::write(dir.join("demo-mesh.toml"), "???").unwrap()),
    ];
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), TINY).unwrap();
    let audit_key = || fs::read(dir.path().join("secrets/audit.key")).unwrap();
    let first = audit_key();
    for (what, damage) in damages {
        damage(dir.path());
        assert!(!make(dir.path(), TINY).unwrap().reused, "{what}");
        assert!(make(dir.path(), TINY).unwrap().reused, "{what}");
    }
    assert!(!make(dir.path(), 0.002).unwrap().reused, "another scale");
    assert_eq!(audit_key(), first, "what is on record goes on under the same key");
    assert_eq!(rows_of(dir.path(), Table::Customer), 300);
}

#[test]
fn strangers_and_nonsense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "").unwrap();
    assert!(matches!(make(dir.path(), TINY), Err(DemoError::Occupied(_))));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was added");
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert!(matches!(make(dir.path(), scale), Err(DemoError::Scale(_))), "{scale}");
    }
}

#[test]
fn files_are_laid_out_for_lookups() {
    use parquet::file::reader::SerializedFileReader;
    use parquet::file::serialized_reader::ReadOptionsBuilder;

    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), TINY).unwrap();
    for table in Table::ALL {
        let file = File::open(&files_of(dir.path(), table)[0]).unwrap();
        let options = ReadOptionsBuilder::new().with_page_index().build();
        let reader = SerializedFileReader::new_with_options(file, options).unwrap();
        let metadata = reader.metadata();
        assert!(metadata.offset_index().is_some() && metadata.column_index().is_some(), "{}", table.name());
        let group = metadata.row_group(0);
        assert_eq!(group.sorting_columns().unwrap()[0].column_idx, 0, "{}", table.name());
        let key = group.column(0);
        assert!(key.bloom_filter_offset().is_some(), "{}", table.name());
        assert!(key.dictionary_page_offset().is_none(), "{}", table.name());
        for field in arrow_schema(&files_of(dir.path(), table)[0]).fields() {
            assert!(!matches!(field.data_type(), arrow::datatypes::DataType::Utf8View), "{field}");
            assert!(!field.is_nullable(), "{field}");
        }
    }
}

#[test]
fn every_file_of_the_example_is_embedded() {
    fn walk(folder: &Path, found: &mut Vec<String>, root: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found, root);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut found = Vec::new();
    walk(&root, &mut found, &root);
    found.retain(|path| !["users.toml", "tokens.toml"].contains(&path.as_str()));
    found.sort();
    let mut embedded: Vec<_> = super::assets::ASSETS.iter().map(|asset| asset.path).collect();
    embedded.sort_unstable();
    assert_eq!(found, embedded);
}

#[test]
fn what_scripts_read_keeps_its_form() {
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let text = super::announcement(address(50051), address(8080));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("ready flight=grpc://127.0.0.1:50051 http=http://127.0.0.1:8080"));
    for person in people() {
        let line = format!("user {} password {} groups {}", person.name, person.password, person.groups.join(","));
        assert_eq!(lines.next(), Some(line.as_str()));
    }
    assert!(lines.next().unwrap().starts_with("token service airt_"));
    for snippet in ["pyarrow", "adbc_driver_flightsql", "jdbc:arrow-flight-sql://127.0.0.1:50051/?useEncryption=false"]
    {
        assert!(text.contains(snippet), "{snippet}");
    }
}

#[test]
fn the_folder_by_default_names_the_scale() {
    assert!(super::default_dir(0.1).unwrap().ends_with("airside/demo-0.1"));
}

#[tokio::test]
async fn everybody_announced_may_sign_in() {
    use crate::authn::{Authenticator, AuthnConfig, Credentials, Directory};
    use crate::seal::{SealKeys, Secret, SecretRef};

    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), TINY).unwrap();
    let keys: Vec<SecretRef> = vec!["file:secrets/tickets.key".parse().unwrap()];
    let keys = SealKeys::from_config(&keys, dir.path()).unwrap();
    let config =
        AuthnConfig { users: Some("users.toml".into()), tokens: Some("tokens.toml".into()), ..AuthnConfig::default() };
    let authenticator = Authenticator::new(&config, dir.path(), keys).unwrap();
    let file = dir.path().join("mesh/governance/principals.toml");
    let directory = Directory::parse(&fs::read_to_string(&file).unwrap(), &file).unwrap();
    for person in people() {
        let password = Credentials::password(person.name, person.password).unwrap();
        let token = person.token.map(|token| Credentials::Bearer(Secret::new(token)));
        for credentials in [Some(password), token].into_iter().flatten() {
            let verified = authenticator.authenticate(&credentials).await.unwrap();
            let principal = directory.principal(&verified).unwrap();
            assert_eq!(principal.identity.to_string(), person.name);
            assert!(principal.groups.iter().eq(person.groups), "{:?}", principal.groups);
            assert_eq!(principal.attributes.contains_key("market_segment"), person.name == "analyst");
        }
    }
}
