//! Flight SQL as arrow-rs's client speaks it: statements, prepared statements, their parameters.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use arrow_flight::FlightInfo;
use arrow_flight::sql::EndTransaction;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use tonic::transport::Channel;

use crate::gateway::{rows, shared};

async fn fetch(client: &mut FlightSqlServiceClient<Channel>, info: FlightInfo) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    for endpoint in info.endpoint {
        let stream = client.do_get(endpoint.ticket.unwrap()).await.unwrap();
        batches.extend(stream.try_collect::<Vec<_>>().await.unwrap());
    }
    batches
}

fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[tokio::test]
async fn a_statement_answers() {
    let gateway = shared();
    let mut client = gateway.sign_in("steward").await;
    let info = client.execute("SELECT count(*) FROM geography.nation".to_owned(), None).await.unwrap();
    assert_eq!(numbers(&fetch(&mut client, info).await), [25]);
}

#[tokio::test]
async fn a_prepared_statement_is_bound_and_used_again() {
    let gateway = shared();
    let mut client = gateway.sign_in("steward").await;
    let text = "SELECT n_nationkey FROM geography.nation WHERE n_nationkey >= $1 ORDER BY 1";
    let mut statement = client.prepare(text.to_owned(), None).await.unwrap();
    let parameters = statement.parameter_schema().unwrap();
    assert_eq!(parameters.field(0).name(), "$1");
    assert_eq!(parameters.field(0).data_type(), &DataType::Int64);
    assert_eq!(statement.dataset_schema().unwrap().field(0).name(), "n_nationkey");
    for first in [24, 20, 23] {
        let value: ArrayRef = Arc::new(Int64Array::from(vec![first]));
        statement.set_parameters(RecordBatch::try_from_iter([("$1", value)]).unwrap()).unwrap();
        let info = statement.execute().await.unwrap();
        assert_eq!(numbers(&fetch(&mut client, info).await), (first..25).collect::<Vec<_>>());
    }
    statement.close().await.unwrap();
}

#[tokio::test]
async fn what_a_statement_says_it_will_send_it_sends() {
    let gateway = shared();
    let mut client = gateway.sign_in("analyst").await;
    let statement = client.prepare("SELECT * FROM customers.customer".to_owned(), None).await.unwrap();
    let promised = statement.dataset_schema().unwrap().clone();
    let info = client.execute("SELECT * FROM customers.customer".to_owned(), None).await.unwrap();
    let sent = fetch(&mut client, info).await;
    assert!(rows(&sent) > 0);
    assert!(sent.iter().all(|batch| *batch.schema() == promised));
}

#[tokio::test]
async fn updates_are_refused_and_transactions_commit_nothing() {
    let gateway = shared();
    let mut client = gateway.sign_in("steward").await;
    assert!(client.execute_update("DELETE FROM sales.orders".to_owned(), None).await.is_err());
    let transaction = client.begin_transaction().await.unwrap();
    // The connection has survived it.
    for within in [None, Some(transaction.clone())] {
        let info = client.execute("SELECT count(*) FROM geography.region".to_owned(), within).await.unwrap();
        assert_eq!(numbers(&fetch(&mut client, info).await), [5]);
    }
    client.end_transaction(transaction, EndTransaction::Commit).await.unwrap();
}
