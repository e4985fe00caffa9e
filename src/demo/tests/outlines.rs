//! What is told of a whole dataset without planning is what planning finds.

use std::fs;

use super::{TINY, make, rights};
use crate::audit::Audit;
use crate::config::Config;
use crate::gateway::{self, Caller, Data, Gateway, Outline, Parts, ProductQuestion, Question};
use crate::principal::Purpose;
use crate::product::Address;
use crate::query::{Engine, MaskKey};
use crate::source::Stores;

/// The demo, with a second version of a product and a product of two datasets.
async fn gateway(dir: &std::path::Path) -> Gateway {
    let generated = make(dir, TINY).unwrap();
    let products = generated.dir.join("mesh/domains/geography/products");
    let region = fs::read_to_string(products.join("region.odcs.yaml")).unwrap();
    let older = region
        .replace("version: 1.0.0", "version: 2.1.0")
        .replace("status: active", "status: deprecated")
        .replace("airside.defaultVersion, value: true", "airside.defaultVersion, value: false");
    fs::write(products.join("region-2.odcs.yaml"), older).unwrap();
    let (head, rest) = region.split_once("  - name: region\n").unwrap();
    let (dataset, tail) = rest.split_once("roles:").unwrap();
    let head = head
        .replace("geography.region", "geography.places")
        .replace("dataProduct: region", "dataProduct: places")
        .replace("data/region", "data/{model}");
    let both = format!("{head}  - name: areas\n{dataset}  - name: places\n{dataset}roles:{tail}");
    fs::write(products.join("places.odcs.yaml"), both).unwrap();
    for name in ["areas", "places"] {
        let data = generated.dir.join("mesh/domains/geography/data");
        fs::create_dir(data.join(name)).unwrap();
        for file in fs::read_dir(data.join("region")).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), data.join(name).join(file.file_name())).unwrap();
        }
    }

    let config = Config::load(&generated.config).unwrap();
    let stores = Stores::with_limits(&config.stores, &config.base, config.sources).unwrap();
    let mesh = gateway::load(&config.mesh, &stores).await.unwrap();
    let engine = Engine::new(&config.query, MaskKey::random()).unwrap();
    let gateway = Gateway::open(mesh, Data::once(stores), engine, config.limits, Audit::off()).await;
    assert_eq!(gateway.troubles(), []);
    gateway
}

/// Everything of an outline but the decision, which is another each time.
fn shown(outline: &Outline) -> String {
    let parts = [Parts::One, Parts::OfWholeDatasets, Parts::Many].map(|wanted| outline.parts(wanted, 100, 1_000));
    let Outline { schema, columns, snapshots, receipt, .. } = outline;
    let mut receipt = receipt.clone();
    receipt.decision = Default::default();
    format!("{schema:#?}\n{columns:#?}\n{snapshots:#?}\n{receipt:#?}\n{parts:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn outlines_are_what_planning_finds() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(dir.path()).await;
    let mut told = 0;
    for (user, purpose) in [
        ("analyst", ""),
        ("scientist", ""),
        ("scientist", "retention"),
        ("owner", ""),
        ("steward", ""),
        ("service", ""),
        ("service", "audit"),
        ("nobody", ""),
    ] {
        let caller = Caller { principal: rights::user(user), purpose: Purpose::parse(purpose).unwrap() };
        let listings = gateway.catalog(&caller);
        let versions =
            ["geography.region@2", "geography.region@2.1", "geography.areas", "geography.none", "sales.orders@3"];
        let listed = listings.iter().map(|listing| listing.address.clone());
        for address in listed.chain(versions.map(|address| Address::parse(address).unwrap())) {
            let question = Question::Product(ProductQuestion::all(address.clone()));
            let planned = gateway.ask(&caller, &question, Vec::new(), None).await.ok().map(|answer| answer.outline());
            let outline = gateway.outline(&caller, &question);
            let context = format!("`{address}` for {user} {purpose}");
            assert_eq!(outline.as_ref().map(shown), planned.as_ref().map(shown), "{context}");
            told += usize::from(outline.is_some());
        }
        for listing in &listings {
            let question = Question::Product(ProductQuestion::all(listing.address.clone()));
            let (by_listing, asked) = (gateway.listed_outline(&caller, listing), gateway.outline(&caller, &question));
            assert_eq!(by_listing.as_ref().map(shown), asked.as_ref().map(shown), "{}", listing.address);
        }
    }
    assert!(told > 40, "{told} outlines");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_questions_are_planned() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(dir.path()).await;
    let caller = Caller { principal: rights::user("steward"), purpose: Purpose::default() };
    let all = ProductQuestion::all(Address::parse("geography.region").unwrap());
    assert!(gateway.outline(&caller, &Question::Product(all.clone())).is_some());
    for question in [
        ProductQuestion { columns: vec!["r_name".to_owned()], ..all.clone() },
        ProductQuestion { filter: Some("r_regionkey > 1".to_owned()), ..all.clone() },
        ProductQuestion { limit: Some(1), ..all.clone() },
        ProductQuestion { as_of: Some("x".to_owned()), ..all.clone() },
        ProductQuestion { since: Some("x".to_owned()), ..all.clone() },
    ] {
        assert!(gateway.outline(&caller, &Question::Product(question.clone())).is_none(), "{question:?}");
    }
    assert!(gateway.outline(&caller, &Question::Sql("SELECT * FROM geography.region".to_owned())).is_none());
}
