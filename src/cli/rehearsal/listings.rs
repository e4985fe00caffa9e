//! What catalogs say: ListFlights and GetTables list what may be known of, and nothing else.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::ipc::convert::try_schema_from_ipc_buffer;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::sql::{CommandGetTables, ProstMessageExt};
use arrow_flight::{Criteria, FlightDescriptor};
use futures::TryStreamExt;
use prost::Message;
use tonic::Status;

use super::client::{Client, Seen};
use crate::gateway::insight::{AskedAs, Mismatch, TestOutcome};
use crate::mesh::{Denial, Expectation};

/// Holds both catalogs against a test; `seen` is what the rows came with.
pub async fn check(client: &Client, outcome: &TestOutcome, seen: Option<&Seen>) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    let expected = match outcome.test.expect {
        Expectation::Denied(Denial::Hidden) => "not listed",
        _ => "listed",
    };
    // Under a version of its own it stands under another name, which the policies of that version decide.
    let versioned = outcome.asked.versioned;
    let word = |listed: bool| if listed { "listed" } else { "not listed" };
    for (on, found) in [
        ("ListFlights", flights(client, &outcome.asked).await.map(|schema| schema.map(|_| None))),
        ("GetTables", tables(client, &outcome.asked).await),
    ] {
        match found {
            Err(status) => mismatches.extend(Mismatch::unless_equal(on, "answer", "a listing", status.message())),
            Ok(found) => {
                if !(versioned && expected == "not listed") {
                    mismatches.extend(Mismatch::unless_equal(on, "catalog", expected, word(found.is_some())));
                }
                if let (Some(Some(schema)), Some(seen), false) = (found, seen, versioned) {
                    let told = format!("{:?}", fields(&schema));
                    mismatches.extend(Mismatch::unless_equal(
                        on,
                        "schema",
                        format!("{:?}", fields(&seen.schema)),
                        told,
                    ));
                }
            }
        }
    }
    mismatches
}

/// Names, types and nullability; what is told of a column beside them names the table as it was asked for.
pub(super) fn fields(schema: &Schema) -> Vec<(&str, &DataType, bool)> {
    schema.fields().iter().map(|field| (field.name().as_str(), field.data_type(), field.is_nullable())).collect()
}

async fn flights(client: &Client, asked: &AskedAs) -> Result<Option<()>, Status> {
    let criteria = Criteria { expression: format!("{}.", asked.domain).into() };
    let mut infos = client.flight().list_flights(client.request(criteria)).await?.into_inner();
    let mut found = None;
    while let Some(info) = infos.try_next().await? {
        let path = info.flight_descriptor.map(|descriptor| descriptor.path).unwrap_or_default();
        let [domain, product, rest @ ..] = &path[..] else { continue };
        let product = product.split('@').next().unwrap_or_default();
        let of_dataset = rest.first().is_none_or(|part| *part == asked.dataset);
        if *domain == asked.domain && product == asked.product && of_dataset {
            found = Some(());
        }
    }
    Ok(found)
}

async fn tables(client: &Client, asked: &AskedAs) -> Result<Option<Option<Schema>>, Status> {
    let command = CommandGetTables {
        db_schema_filter_pattern: Some(asked.domain.clone()),
        include_schema: true,
        ..CommandGetTables::default()
    };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let info = client.flight().get_flight_info(client.request(descriptor)).await?.into_inner();
    let mut found = None;
    for ticket in info.endpoint.into_iter().filter_map(|endpoint| endpoint.ticket) {
        let data = client.flight().do_get(client.request(ticket)).await?.into_inner();
        let mut batches = FlightRecordBatchStream::new_from_flight_data(data.map_err(Into::into));
        while let Some(batch) = batches.try_next().await.map_err(Status::from)? {
            found = found.or(in_batch(&batch, asked)?);
        }
    }
    Ok(found)
}

fn in_batch(batch: &RecordBatch, asked: &AskedAs) -> Result<Option<Option<Schema>>, Status> {
    let missing = || Status::internal("GetTables gives no such column");
    let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let domains = text("db_schema_name").ok_or_else(missing)?;
    let names = text("table_name").ok_or_else(missing)?;
    let schemas = batch.column_by_name("table_schema").and_then(|column| column.as_binary_opt::<i32>());
    let schemas = schemas.ok_or_else(missing)?;
    for row in 0..batch.num_rows() {
        let (domain, name) = (domains.value(row), names.value(row));
        let suffix = name.strip_prefix(asked.dataset.as_str());
        let named = suffix.is_some_and(|suffix| suffix.is_empty() || suffix.starts_with("_v"));
        if domain == asked.domain && named {
            let schema = try_schema_from_ipc_buffer(schemas.value(row));
            return Ok(Some(schema.ok().filter(|schema| !schema.fields().is_empty())));
        }
    }
    Ok(None)
}
