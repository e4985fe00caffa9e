use figment::Figment;
use figment::providers::{Format, Toml};

use super::*;

fn config(text: &str) -> Result<Stores, String> {
    #[derive(Deserialize)]
    struct Root {
        #[serde(default)]
        stores: StoresConfig,
    }
    let config: Root = Figment::from(Toml::string(text)).extract().map_err(|error| error.to_string())?;
    Stores::new(&config.stores, Path::new(".")).map_err(|error| error.to_string())
}

/// A secret in a file, and a reference to it.
fn secret(folder: &std::path::Path, text: &str) -> String {
    let path = folder.join("secret");
    std::fs::write(&path, text).unwrap();
    format!("file:{}", path.display())
}

#[test]
fn every_kind_of_store_is_built_from_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let reference = secret(folder.path(), "c2VjcmV0\n");
    let cases = [
        (
            "s3://lake",
            format!(
                "url = 's3a://lake'\nregion = 'eu-central-1'\naccess_key_id = '{reference}'\nsecret_access_key = '{reference}'"
            ),
        ),
        ("s3://minio", "url = 's3://minio'\nendpoint = 'http://127.0.0.1:9000'\nanonymous = true".to_owned()),
        ("s3://pod", "url = 's3://pod'\nidentity = true".to_owned()),
        ("az://files", format!("url = 'az://files'\naccount = 'example'\nsecret_access_key = '{reference}'")),
        (
            "abfss://files@example.dfs.core.windows.net",
            "url = 'abfss://files@example.dfs.core.windows.net'\nidentity = true".to_owned(),
        ),
        ("gs://lake", "url = 'gs://lake'\nanonymous = true".to_owned()),
        ("https://data.example.com", "url = 'https://data.example.com/'\nanonymous = true".to_owned()),
    ];
    for (origin, text) in cases {
        let stores = config(&format!("[stores.it]\n{text}")).unwrap_or_else(|error| panic!("{origin}: {error}"));
        let first = stores.open(origin).unwrap_or_else(|error| panic!("{origin}: {error}"));
        assert!(Arc::ptr_eq(&first, &stores.open(origin).unwrap()), "{origin} is opened once");
        assert_eq!(format!("{stores:?}"), "[\"it\"]");
    }
}

#[test]
fn what_could_go_wrong_silently_is_refused() {
    for (text, reason) in [
        ("url = 's3://lake'", "has no credentials"),
        ("url = 's3://lake'\nidentity = true\nanonymous = true", "more than one"),
        ("url = 's3://lake'\naccess_key_id = 'env:A'", "come together"),
        ("url = 's3://lake/prefix'\nidentity = true", "nothing below it"),
        ("url = 'ftp://lake'\nanonymous = true", "starts with none"),
        ("url = 's3://lake'\nendpoint = 'http://store.example.com'\nidentity = true", "plain text"),
        ("url = 's3://lake'\nendpoint = 'https://me:it@store.example.com'\nidentity = true", "no credentials"),
        ("url = 'http://data.example.com'\nanonymous = true", "plain text"),
        ("url = 'gs://lake'\nregion = 'eu'\nanonymous = true", "does not belong"),
        ("url = 'gs://lake'\nanonimous = true", "unknown field"),
    ] {
        let error = config(&format!("[stores.it]\n{text}")).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
    let twice = "[stores.a]\nurl = 's3://lake'\nidentity = true\n[stores.b]\nurl = 's3a://lake'\nidentity = true";
    assert!(config(twice).unwrap_err().contains("store `a`"));
    let none = config("").unwrap();
    assert!(matches!(none.open("s3://lake"), Err(StoreError::Unknown(_))));
    assert!(matches!(none.open_prefix("s3://lake/mesh"), Err(StoreError::Unknown(_))));
    for url in ["mesh", "/mesh", "s3://lake/../mesh"] {
        assert!(matches!(none.open_prefix(url), Err(StoreError::Url { .. })), "{url}");
    }
    let some = config("[stores.a]\nurl = 's3://lake'\nidentity = true").unwrap();
    assert_eq!(some.open_prefix("s3a://lake/mesh/sales/").unwrap().1.as_ref(), "mesh/sales");
}

#[test]
fn a_secret_never_shows() {
    let canary = "AKIACANARY";
    let text = format!("url = 's3://lake'\naccess_key_id = '{canary}'\nsecret_access_key = '{canary}'");
    let error = config(&format!("[stores.it]\n{text}")).unwrap_err();
    assert!(error.contains("env:NAME") && !error.contains(canary), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let reference = secret(folder.path(), canary);
    let text = format!("url = 'gs://lake'\nservice_account = '{reference}'");
    let stores = config(&format!("[stores.it]\n{text}")).unwrap();
    let error = stores.open("gs://lake").unwrap_err();
    assert!(!format!("{error} {error:?} {stores:?}").contains(canary));
    std::fs::remove_file(folder.path().join("secret")).unwrap();
    assert!(stores.open("gs://lake").unwrap_err().to_string().contains("cannot be read"));
}
