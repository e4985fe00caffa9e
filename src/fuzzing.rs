//! What strangers send, as functions of bytes: the bodies of the fuzz targets in `fuzz/`, and of tests that call them with
//! generated input, so that they hold without a fuzzer as well. Built for these two alone.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a broken promise ends the run, which is what the fuzzer looks for"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};

use crate::policy::{DomainPolicies, Policies, PolicyInput, PolicySource};
use crate::principal::{Attribute, AttributeType, Identity, Principal, Purpose};
use crate::product::{Argument, Name, Product, odcs};
use crate::query::{Arguments, Limits, QueryError, QueryTemplate, Scan, Statement};

pub use crate::serve::flight::fuzzing::{command, descriptor, parameters, ticket};

const CONTRACT: &str = r#"
apiVersion: v3.2.0
kind: DataContract
id: sales.orders
name: Orders
version: 1.0.0
status: active
domain: sales
dataProduct: orders
servers: [{server: storage, type: local, path: orders.parquet, format: parquet}]
schema:
  - name: orders
    properties:
      - {name: region, logicalType: string, required: true}
      - {name: note, logicalType: string}
      - {name: amount, logicalType: integer, required: true}
      - {name: rank, logicalType: integer}
      - {name: paid, logicalType: boolean, required: true}
      - {name: price, logicalType: number, physicalType: "DECIMAL(15,2)", required: true}
      - {name: placed, logicalType: timestamp}
      - name: email
        logicalType: string
        customProperties: [{property: airside.maskDefault, value: hmac}]
customProperties:
  - {property: airside.defaultVersion, value: true}
  - property: airside.queries
    value:
      - name: find
        parameters: [{name: region, logicalType: string}, {name: amount, logicalType: integer, default: 1}]
        sql: SELECT * FROM sales.orders WHERE region = $region AND amount > $amount
"#;

fn domain() -> Name {
    Name::parse("sales").expect("a name")
}

static PRODUCT: LazyLock<Arc<Product>> = LazyLock::new(|| {
    let product = odcs::parse(Path::new("orders.odcs.yaml"), CONTRACT, &domain());
    Arc::new(product.unwrap_or_else(|faults| panic!("{faults:?}")))
});

static QUERY: LazyLock<Arc<QueryTemplate>> = LazyLock::new(|| {
    let declared = PRODUCT.query("find").expect("a query");
    Arc::new(QueryTemplate::parse(&PRODUCT, declared, &Limits::default()).expect("its SQL"))
});

/// Any text as a domain's policy: it loads, or its faults are told; what loads decides, alike when asked again.
pub fn policy(text: &str) {
    let source = PolicySource { file: "fuzz.cedar".into(), text: text.to_owned() };
    let product = Arc::clone(&PRODUCT);
    let policies = DomainPolicies { policies: vec![source], products: vec![Arc::clone(&product)] };
    let attributes = BTreeMap::from([
        ("region".to_owned(), AttributeType::Text),
        ("clearance".to_owned(), AttributeType::Number),
        ("regions".to_owned(), AttributeType::Texts),
    ]);
    let input = PolicyInput {
        governance: &[],
        ceilings: &[],
        domains: &BTreeMap::from([(domain(), policies)]),
        attributes: &attributes,
    };
    let policies = match Policies::load(input) {
        Ok(policies) => policies,
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            return;
        }
    };
    let now = DateTime::<Utc>::from_timestamp(1_767_225_600, 0).expect("a moment");
    for principal in principals() {
        let purpose = Purpose::default();
        let decide = || policies.decide(&principal, &purpose, &product, &product.datasets[0], now);
        assert_eq!(format!("{:?}", decide()), format!("{:?}", decide()), "one answer to one question");
    }
}

/// A principal with every attribute, and one without any.
fn principals() -> [Principal; 2] {
    let principal = |groups: &[&str], attributes: BTreeMap<String, Attribute>| Principal {
        identity: Identity::User("ada".into()),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        attributes,
    };
    let attributes = BTreeMap::from([
        ("region".to_owned(), Attribute::Text("EU".to_owned())),
        ("clearance".to_owned(), Attribute::Number(i64::MAX)),
        ("regions".to_owned(), Attribute::Texts(BTreeSet::from(["EU".to_owned()]))),
    ]);
    [principal(&["analysts"], attributes), principal(&[], BTreeMap::new())]
}

/// Any text as a contract: a product whose names keep their rules, or faults.
pub fn contract(text: &str) {
    let file = Path::new("fuzz.odcs.yaml");
    match odcs::parse(file, text, &domain()) {
        Ok(product) => {
            assert_eq!(product.id.domain, domain());
            assert!(!product.datasets.is_empty(), "a product without a dataset");
            assert!(odcs::validate(file, text).is_empty(), "read, and yet not valid");
        }
        Err(faults) => assert!(!faults.is_empty(), "refused without a reason"),
    }
}

/// Any text as a statement, as one that calls a named query, as the filter of a product request, and as an argument.
pub fn statement(text: &str) {
    let limits = Limits::default();
    if let Ok(statement) = Statement::parse(text, &limits) {
        assert!(statement.tables().len() <= limits.max_relations);
        assert!(statement.parameters() <= limits.max_parameters);
    }
    let mut find = |_: &_| Ok::<_, QueryError>(Arc::clone(&QUERY));
    if let Ok(statement) = Statement::parse_with(text, &limits, &mut find) {
        assert!(statement.tables().len() <= limits.max_relations);
        assert!(statement.parameters() <= limits.max_parameters);
    }
    let _ = Statement::parse_with(&format!("SELECT * FROM sales.find({text})"), &limits, &mut find);
    let scan = Scan { schema: "sales", table: "orders", columns: None, filter: Some(text), limit: Some(1) };
    let _ = Statement::scan(&scan, &limits);
    let given = [("region".to_owned(), Argument::Text(text.to_owned()))];
    let scan = Scan { table: "find", filter: None, ..scan };
    let asked = Statement::scan_query(&scan, &QUERY, Arguments::Given(&given), &limits);
    assert!(asked.is_ok() || text.len() > limits.max_sql_bytes, "a text is an argument as it is");
}

#[cfg(test)]
mod tests;
