//! Servers: where the data stands. Each type has keys of its own.

use super::super::shape::{Form, Key, List, Object, Parts, Shape, may, must};
use super::super::yaml::Map;
use super::common::{CUSTOM_PROPERTIES, ID};
use super::team::ROLE;

pub(super) static SERVER: Object = Object::new(
    "a server",
    &[
        may("id", ID),
        must("server", Shape::Text),
        must("type", Shape::Word(WORDS)),
        may("description", Shape::Text),
        may("environment", Shape::Text),
        may("roles", Shape::List(&List::of(Shape::Object(&ROLE)))),
        may("customProperties", CUSTOM_PROPERTIES),
    ],
)
.with_parts(parts);

/// A type of server with the keys it needs and takes.
struct Kind {
    word: &'static str,
    needs: &'static [&'static str],
    takes: &'static [&'static str],
}

const WORDS: &[&str] = &{
    let mut words = [""; KINDS.len()];
    let mut at = 0;
    while at < KINDS.len() {
        words[at] = KINDS[at].word;
        at += 1;
    }
    words
};

fn parts(server: &Map) -> Parts {
    match server.text("type") {
        Some(word) => match KINDS.iter().find(|kind| kind.word == word) {
            Some(kind) => Parts::Known(kind.keys().collect()),
            None => Parts::Unknown,
        },
        None => Parts::Unknown,
    }
}

impl Kind {
    fn keys(&self) -> impl Iterator<Item = Key> {
        let shape = |name: &str| match (self.word, name) {
            (_, "port") => Shape::Either(&[Shape::Whole(None), Shape::Text]),
            ("sftp", "location") => Shape::Form(&SFTP_URL),
            _ => Shape::Text,
        };
        self.needs
            .iter()
            .map(move |name| must(name, shape(name)))
            .chain(self.takes.iter().map(move |name| may(name, shape(name))))
    }
}

static SFTP_URL: Form = Form { holds: |text| text.starts_with("sftp://"), is: "a URL that begins with sftp://" };

/// The types of server that have a key, for hints.
pub(super) fn types_with(key: &str) -> impl Iterator<Item = &'static str> {
    KINDS.iter().filter(move |kind| kind.needs.contains(&key) || kind.takes.contains(&key)).map(|kind| kind.word)
}

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    Kind { word: "api", needs: &["location"], takes: &[] },
    Kind { word: "athena", needs: &["schema"], takes: &["stagingDir", "catalog", "regionName", "workgroup"] },
    Kind { word: "azure", needs: &["location", "format"], takes: &["encoding", "delimiter"] },
    Kind { word: "bigquery", needs: &["project", "dataset"], takes: &[] },
    Kind { word: "btrieve", needs: &["host", "database"], takes: &["port"] },
    Kind { word: "clickhouse", needs: &["host", "port", "database"], takes: &[] },
    Kind { word: "databricks", needs: &["catalog", "schema"], takes: &["host"] },
    Kind { word: "denodo", needs: &["host", "port"], takes: &["database"] },
    Kind { word: "dremio", needs: &["host", "port"], takes: &["schema"] },
    Kind { word: "duckdb", needs: &["database"], takes: &["schema"] },
    Kind { word: "exasol", needs: &["host"], takes: &["port", "schema"] },
    Kind { word: "fastobjects", needs: &["database"], takes: &["host", "port"] },
    Kind { word: "glue", needs: &["account", "database"], takes: &["location", "format", "encoding"] },
    Kind { word: "hana", needs: &["host"], takes: &["port", "database", "schema"] },
    Kind { word: "cloudsql", needs: &["host", "port", "database", "schema"], takes: &[] },
    Kind { word: "db2", needs: &["host", "port", "database"], takes: &["schema"] },
    Kind { word: "hive", needs: &["host", "database"], takes: &["port"] },
    Kind { word: "iceberg", needs: &["catalog", "catalogUrl"], takes: &["namespace", "warehouse"] },
    Kind { word: "impala", needs: &["host", "database"], takes: &["port"] },
    Kind { word: "informix", needs: &["host", "database"], takes: &["port"] },
    Kind { word: "ingres", needs: &["database", "host"], takes: &["port"] },
    Kind { word: "kafka", needs: &["host"], takes: &["format", "encoding"] },
    Kind { word: "kinesis", needs: &[], takes: &["region", "format", "encoding"] },
    Kind { word: "local", needs: &["path", "format"], takes: &["encoding"] },
    Kind { word: "mysql", needs: &["host", "port", "database"], takes: &[] },
    Kind { word: "oracle", needs: &["host", "port", "serviceName"], takes: &[] },
    Kind { word: "poet", needs: &["database"], takes: &["host", "port"] },
    Kind { word: "postgresql", needs: &["host", "port", "database", "schema"], takes: &[] },
    Kind { word: "postgres", needs: &["host", "port", "database", "schema"], takes: &[] },
    Kind { word: "presto", needs: &["host"], takes: &["catalog", "schema"] },
    Kind { word: "pubsub", needs: &["project"], takes: &[] },
    Kind { word: "redshift", needs: &["database", "schema"], takes: &["host", "region", "account"] },
    Kind { word: "s3", needs: &["location"], takes: &["endpointUrl", "format", "encoding", "delimiter"] },
    Kind { word: "sftp", needs: &["location"], takes: &["format", "encoding", "delimiter"] },
    Kind { word: "snowflake", needs: &["account", "database", "schema"], takes: &["host", "port", "warehouse"] },
    Kind { word: "sqlserver", needs: &["host", "database", "schema"], takes: &["port"] },
    Kind { word: "synapse", needs: &["host", "port", "database"], takes: &[] },
    Kind { word: "teradata", needs: &["host"], takes: &["port", "database"] },
    Kind { word: "trino", needs: &["host", "port", "catalog", "schema"], takes: &[] },
    Kind { word: "vectorwise", needs: &["database", "host"], takes: &["port"] },
    Kind { word: "versant", needs: &["database"], takes: &["host", "port"] },
    Kind { word: "vertica", needs: &["host", "port", "database", "schema"], takes: &[] },
    Kind { word: "zen", needs: &["host", "database"], takes: &["port"] },
    Kind { word: "custom", needs: &[], takes: &["account", "catalog", "database", "dataset", "delimiter", "endpointUrl", "format", "encoding", "host", "location", "path", "port", "project", "region", "regionName", "schema", "serviceName", "stagingDir", "warehouse", "stream"] },
];
