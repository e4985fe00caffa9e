//! Products by their paths: listed, described and read.

use std::collections::HashMap;

use arrow::datatypes::{Field, FieldRef, Schema};
use arrow_flight::Criteria;
use futures::TryStreamExt;
use tonic::Code;

use crate::gateway::{Caller, check_one_schema, path, rows, shared, sql};

async fn listed(caller: &Caller, prefix: &'static str) -> Vec<String> {
    let criteria = caller.request(Criteria { expression: prefix.into() });
    let infos: Vec<_> =
        caller.client.clone().list_flights(criteria).await.unwrap().into_inner().try_collect().await.unwrap();
    let mut names: Vec<_> = infos.into_iter().map(|info| info.flight_descriptor.unwrap().path.join(".")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn everybody_finds_what_policies_show() {
    let gateway = shared();
    assert_eq!(
        listed(&gateway.caller("steward").await, "").await,
        [
            "customers.customer",
            "geography.nation",
            "geography.region",
            "marketing.customer_lifetime_value",
            "marketing.customer_lifetime_value.get_cltv",
            "marketing.customer_lifetime_value.get_cltv_by_segment",
            "sales.lineitem",
            "sales.orders",
            "supply.part",
            "supply.partsupp",
            "supply.supplier",
        ]
    );
    assert_eq!(
        listed(&gateway.caller("owner").await, "").await,
        ["geography.nation", "geography.region", "sales.lineitem", "sales.orders"]
    );
    assert_eq!(listed(&gateway.caller("owner").await, "sales.").await, ["sales.lineitem", "sales.orders"]);
    assert!(listed(&gateway.caller("nobody").await, "").await.is_empty());
}

#[tokio::test]
async fn every_way_to_ask_tells_one_schema() {
    let gateway = shared();
    for user in ["steward", "analyst"] {
        let caller = gateway.caller(user).await;
        let whole = check_one_schema(&caller, path(&["customers", "customer"])).await;
        let versioned = check_one_schema(&caller, path(&["customers", "customer@1"])).await;
        let selected = check_one_schema(&caller, sql("SELECT * FROM customers.customer")).await;
        // Each names the table as it was asked for.
        let unnamed = |schema: &Schema| -> Vec<Field> {
            let plain = |field: &FieldRef| field.as_ref().clone().with_metadata(HashMap::new());
            schema.fields().iter().map(plain).collect()
        };
        assert_eq!(unnamed(&whole), unnamed(&versioned));
        assert_eq!(whole, selected);
    }
}

#[tokio::test]
async fn the_contract_says_which_columns_may_be_null() {
    let gateway = shared();
    let caller = gateway.caller("steward").await;
    let schema = check_one_schema(&caller, path(&["sales", "orders"])).await;
    assert!(!schema.field_with_name("o_orderkey").unwrap().is_nullable());
}

#[tokio::test]
async fn a_row_filter_holds_on_every_way() {
    let gateway = shared();
    let analyst = gateway.caller("analyst").await;
    let steward = gateway.caller("steward").await;
    let own = sql("SELECT * FROM customers.customer WHERE c_mktsegment = 'BUILDING'");
    let expected = rows(&steward.ask(own).await.unwrap());
    assert!(expected > 0);
    for descriptor in [path(&["customers", "customer"]), sql("SELECT c_custkey FROM customers.customer")] {
        assert_eq!(rows(&analyst.ask(descriptor).await.unwrap()), expected);
    }
}

#[tokio::test]
async fn hidden_and_missing_are_one() {
    let gateway = shared();
    let caller = gateway.caller("nobody").await;
    for descriptor in [path(&["sales", "orders"]), path(&["sales", "orderz"]), path(&["sails", "orders"])] {
        let refused = caller.info(descriptor.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
        assert_eq!(caller.schema(descriptor).await.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn nobody_gets_in_without_credentials() {
    let gateway = shared();
    let stranger = gateway.stranger().await;
    let refused = stranger.info(path(&["geography", "nation"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let criteria = stranger.request(Criteria::default());
    let refused = stranger.client.clone().list_flights(criteria).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn an_empty_answer_still_has_its_schema() {
    let gateway = shared();
    let caller = gateway.caller("steward").await;
    let info = caller.info(sql("SELECT o_orderkey FROM sales.orders WHERE false")).await.unwrap();
    let announced = Schema::try_from(info.clone()).unwrap();
    let (schema, batches) = caller.read(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    assert_eq!((*schema).clone(), announced);
    assert_eq!(rows(&batches), 0);
}
