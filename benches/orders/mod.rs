//! The product that benches read and decide about: `sales.orders`, of five columns, addresses masked.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use airside::product::{Column, Dataset, Location, Mask, Name, Origin, Product, ProductId, Status, Version};
use arrow::datatypes::DataType;

pub fn product() -> (Arc<Product>, Arc<Dataset>) {
    let column = |name: &str, data_type, mask_default| Column {
        name: name.into(),
        physical_name: name.into(),
        data_type,
        nullable: false,
        unique: false,
        description: None,
        classification: "internal".into(),
        tags: BTreeSet::new(),
        mask_default,
    };
    let dataset = Arc::new(Dataset {
        name: Name::parse("orders").expect("a name"),
        description: None,
        columns: vec![
            column("id", DataType::Int64, None),
            column("region", DataType::Utf8, None),
            column("note", DataType::Utf8, None),
            column("email", DataType::Utf8, Some(Mask::Hmac)),
            column("salary", DataType::Int64, None),
        ],
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        quality: Vec::new(),
        origin: Origin::Files(Location { url: "orders.parquet".into(), server: "bench".into() }),
    });
    let product = Product {
        id: ProductId { domain: Name::parse("sales").expect("a name"), name: Name::parse("orders").expect("a name") },
        version: Version { major: 1, minor: 0, patch: 0 },
        status: Status::Active,
        default_version: true,
        title: None,
        description: None,
        classification: "internal".into(),
        tags: BTreeSet::new(),
        owner: "sales".into(),
        purposes: BTreeSet::new(),
        roles: Vec::new(),
        datasets: vec![Arc::clone(&dataset)],
        queries: Vec::new(),
        promises: Vec::new(),
        support: Vec::new(),
        lines: airside::product::Lines::default(),
        file: PathBuf::new(),
    };
    (Arc::new(product), dataset)
}
