//! Metadata commands answer the schemas of FlightSql.proto, to the nullability bit: drivers refuse, or
//! panic on, anything else.

use std::collections::BTreeSet;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo, ProstMessageExt,
};
use arrow_flight::{FlightDescriptor, IpcMessage};
use prost::Message;

use crate::gateway::{Caller, check_one_schema, path, rows, shared};

fn command(message: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(message.as_any().encode_to_vec())
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

async fn check(caller: &Caller, message: &impl ProstMessageExt, expected: Vec<Field>) {
    assert_eq!(*check_one_schema(caller, command(message)).await, Schema::new(expected));
}

async fn ask(caller: &Caller, message: &impl ProstMessageExt) -> Vec<RecordBatch> {
    caller.ask(command(message)).await.unwrap()
}

/// The values of a text column, in the order they came.
fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let values = batches.iter().flat_map(|batch| batch.column_by_name(column).unwrap().as_string::<i32>());
    values.flatten().map(str::to_owned).collect()
}

fn tables() -> CommandGetTables {
    CommandGetTables::default()
}

#[tokio::test]
async fn schemas_are_those_of_the_protocol() {
    let gateway = shared();
    let caller = gateway.caller("steward").await;
    check(&caller, &CommandGetCatalogs {}, vec![text("catalog_name", false)]).await;
    let schemas = vec![text("catalog_name", true), text("db_schema_name", false)];
    check(&caller, &CommandGetDbSchemas::default(), schemas).await;
    check(&caller, &CommandGetTableTypes {}, vec![text("table_type", false)]).await;
    let mut expected = vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("table_type", false),
    ];
    check(&caller, &tables(), expected.clone()).await;
    expected.push(Field::new("table_schema", DataType::Binary, false));
    check(&caller, &CommandGetTables { include_schema: true, ..tables() }, expected).await;
}

#[tokio::test]
async fn sql_info_is_the_protocols_union() {
    let gateway = shared();
    let caller = gateway.caller("steward").await;
    let schema = check_one_schema(&caller, command(&CommandGetSqlInfo { info: Vec::new() })).await;
    assert_eq!(schema.field(0), &Field::new("info_name", DataType::UInt32, false));
    assert_eq!(schema.field(1).name(), "value");
    let DataType::Union(fields, _) = schema.field(1).data_type() else { panic!("{schema:?}") };
    let names: Vec<_> = fields.iter().map(|(_, field)| field.name().as_str()).collect();
    let expected =
        ["string_value", "bool_value", "bigint_value", "int32_bitmask", "string_list", "int32_to_int32_list_map"];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn every_sql_info_is_answered() {
    let gateway = shared();
    let caller = gateway.caller("steward").await;
    let ids = |batches: &[RecordBatch]| -> BTreeSet<u32> {
        batches.iter().flat_map(|batch| batch.column(0).as_primitive::<UInt32Type>().values().to_vec()).collect()
    };
    let expected: BTreeSet<u32> = (0..=11).chain(100..=101).chain(500..=576).collect();
    assert_eq!(ids(&ask(&caller, &CommandGetSqlInfo { info: Vec::new() }).await), expected);
    assert_eq!(ids(&ask(&caller, &CommandGetSqlInfo { info: vec![8, 504] }).await), [8, 504].into());
}

#[tokio::test]
async fn what_is_listed_is_what_the_caller_may_discover() {
    let gateway = shared();
    let owner = gateway.caller("owner").await;
    let listed = ask(&owner, &tables()).await;
    assert_eq!(
        texts(&listed, "db_schema_name").into_iter().collect::<BTreeSet<_>>(),
        ["geography", "sales"].map(str::to_owned).into()
    );
    assert!(texts(&listed, "catalog_name").iter().all(|name| name == "mesh"));
    assert_eq!(texts(&ask(&owner, &CommandGetDbSchemas::default()).await, "db_schema_name"), ["geography", "sales"]);
    let nobody = gateway.caller("nobody").await;
    assert_eq!(rows(&ask(&nobody, &tables()).await), 0);
    assert_eq!(rows(&ask(&nobody, &CommandGetDbSchemas::default()).await), 0);
}

#[tokio::test]
async fn patterns_narrow_and_rows_are_sorted() {
    let gateway = shared();
    let caller = gateway.caller("steward").await;
    let named = |catalog: Option<&str>, schema: &str, table: &str| CommandGetTables {
        catalog: catalog.map(str::to_owned),
        db_schema_filter_pattern: Some(schema.to_owned()),
        table_name_filter_pattern: Some(table.to_owned()),
        ..tables()
    };
    let found = ask(&caller, &named(None, "s%", "part%")).await;
    assert!(texts(&found, "table_name").iter().all(|name| name.starts_with("part")));
    let found = ask(&caller, &named(Some("mesh"), "geograph_", "_ation")).await;
    assert!(texts(&found, "table_name").contains(&"nation".to_owned()));
    assert_eq!(rows(&ask(&caller, &named(Some("another"), "%", "%")).await), 0);
    assert_eq!(rows(&ask(&caller, &named(None, "sales", "o.*")).await), 0, "a pattern is no regular expression");
    let views = CommandGetTables { table_types: vec!["SYSTEM TABLE".to_owned()], ..tables() };
    assert_eq!(rows(&ask(&caller, &views).await), 0);

    let all = ask(&caller, &tables()).await;
    let order: Vec<_> = texts(&all, "db_schema_name").into_iter().zip(texts(&all, "table_name")).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn a_listed_schema_is_the_one_that_rows_have() {
    let gateway = shared();
    for user in ["steward", "analyst"] {
        let caller = gateway.caller(user).await;
        let only = CommandGetTables {
            table_name_filter_pattern: Some("customer".to_owned()),
            include_schema: true,
            ..tables()
        };
        let found = ask(&caller, &only).await;
        let encoded = found[0].column_by_name("table_schema").unwrap().as_binary::<i32>().value(0).to_vec();
        let listed = Schema::try_from(IpcMessage(encoded.into())).unwrap();
        let sent = check_one_schema(&caller, path(&["customers", "customer"])).await;
        // Remarks stand in listings alone: the JDBC driver takes those of results for the columns' names.
        let unremarked = |field: &Field| {
            let mut metadata = field.metadata().clone();
            assert!(metadata.remove("ARROW:FLIGHT:SQL:REMARKS").is_some(), "{}", field.name());
            field.clone().with_metadata(metadata)
        };
        let listed: Vec<Field> = listed.fields().iter().map(|field| unremarked(field)).collect();
        let sent: Vec<Field> = sent.fields().iter().map(|field| field.as_ref().clone()).collect();
        assert_eq!(listed, sent, "what is told of the columns included");
    }
}

#[tokio::test]
async fn types_are_told_as_drivers_know_them() {
    let gateway = shared();
    let caller = gateway.caller("steward").await;
    check_one_schema(&caller, command(&CommandGetXdbcTypeInfo { data_type: None })).await;
    let dates = ask(&caller, &CommandGetXdbcTypeInfo { data_type: Some(91) }).await;
    assert_eq!(texts(&dates, "type_name"), ["DATE"]);
}
