//! One state of the files for an answer.

use super::*;

#[tokio::test]
async fn a_file_changed_while_read_is_never_mixed_in() {
    for change in [Change::Replaced, Change::Overwritten, Change::Deleted, Change::Truncated] {
        let world = World::new(vec![Column::plain("id", DataType::Int64)]);
        world.write("a.parquet", [("id", ints(&[1, 2]))]);
        world.write("b.parquet", [("id", ints(&[3, 4]))]);
        let source = world.open().await.unwrap();
        assert!(source.is_current().await.unwrap() && source.refresh().await.unwrap().is_none());
        change.make(&world);
        for query in ["SELECT id FROM t", "SELECT sum(id) FROM t WHERE id > 0"] {
            let error = world.batches(&source, query).await.unwrap_err();
            assert_eq!(classify(&error), Some(SourceFault::Changed), "{change:?}: {error}");
        }
        assert!(source.has_changed() && !source.is_current().await.unwrap(), "{change:?}");
        world.write("b.parquet", [("id", ints(&[7]))]);
        let newer = source.refresh().await.unwrap().unwrap();
        assert_eq!(world.rows(&newer, "SELECT id FROM t ORDER BY id").await.concat(), "127", "{change:?}");
    }
}

#[tokio::test]
async fn files_that_arrive_later_need_a_refresh() {
    let world = World::new(vec![Column::plain("id", DataType::Int64)]);
    world.write("a.parquet", [("id", ints(&[1]))]);
    let source = world.open().await.unwrap();
    world.write("b.parquet", [("id", ints(&[2]))]);
    assert!(!source.is_current().await.unwrap());
    assert_eq!(world.rows(&source, "SELECT id FROM t").await.concat(), "1");
    let newer = source.refresh().await.unwrap().unwrap();
    assert_ne!(source.snapshot().id(), newer.snapshot().id());
    assert_eq!(world.rows(&newer, "SELECT id FROM t ORDER BY id").await.concat(), "12");
    assert_eq!(world.rows(&source, "SELECT id FROM t").await.concat(), "1");
}

#[tokio::test]
async fn an_object_store_is_read_pinned() {
    let memory = Arc::new(InMemory::new());
    let mut world = World::new(vec![Column::plain("id", DataType::Int64), Column::plain("k", DataType::Utf8)]);
    let staging = world.again();
    let put = async |path: &str, values: &[i64]| {
        let file = staging.path("staging/x.parquet");
        staging.write("staging/x.parquet", [("id", ints(values))]);
        let bytes = fs::read(file).unwrap();
        memory.put(&path.into(), PutPayload::from(bytes)).await.unwrap();
    };
    put("sales/orders/k=1/a.parquet", &[1, 2]).await;
    put("sales/orders/k=2/b.parquet", &[3, 4]).await;
    put("sales/orders/_delta_log/c.parquet", &[9]).await;
    put("hr/people/k=1/d.parquet", &[9]).await;
    let stores = Stores::for_tests("s3://lake", Arc::clone(&memory) as Arc<dyn ObjectStore>);
    world.stores = stores;
    world.data_root = "s3://lake/sales".into();
    for (location, ids) in [
        ("orders/", "1234"),
        ("orders", "1234"),
        ("s3://lake/sales/orders/k=2/b.parquet", "34"),
        ("orders/k=[1]/*.parquet", "12"),
        ("**/*.parquet", "1234"),
    ] {
        let source = world.open_at(location).await.unwrap_or_else(|error| panic!("{location}: {error}"));
        assert_eq!(world.rows(&source, "SELECT id FROM t ORDER BY id").await.concat(), ids, "{location}");
    }
    for location in ["s3://lake/hr/people", "../hr/people", "s3://other/sales/orders", "people"] {
        assert!(world.open_at(location).await.is_err(), "{location}");
    }
    let source = world.open_at("orders/").await.unwrap();
    let again = world.open_at("s3://lake/sales/orders").await.unwrap();
    assert_eq!(source.snapshot().id(), again.snapshot().id());
    put("sales/orders/k=2/b.parquet", &[5, 6]).await;
    let error = world.batches(&source, "SELECT id FROM t").await.unwrap_err();
    assert_eq!(classify(&error), Some(SourceFault::Changed), "{error}");
    let newer = source.refresh().await.unwrap().unwrap();
    assert_eq!(world.rows(&newer, "SELECT id FROM t ORDER BY id").await.concat(), "1256");
}

#[tokio::test]
async fn the_pinned_store_knows_only_its_files() {
    let world = World::new(vec![Column::plain("id", DataType::Int64)]);
    world.write("a/x.parquet", [("id", ints(&[1]))]);
    world.write("b/y.parquet", [("id", ints(&[1]))]);
    let source = world.open_at("a").await.unwrap();
    let (url, store) = source.store();
    assert_eq!(url.as_str().trim_end_matches('/'), format!("airside://{}", source.snapshot().id()));
    let known = source.snapshot().files()[0].meta.clone();
    assert_eq!(store.get(&known.location).await.unwrap().bytes().await.unwrap().len() as u64, known.size);
    assert_eq!(store.head(&known.location).await.unwrap(), known);
    for path in ["b/y.parquet", "a/../b/y.parquet", "y.parquet", ""] {
        let path = object_store::path::Path::from(path);
        assert!(matches!(store.get(&path).await, Err(object_store::Error::NotFound { .. })), "{path}");
    }
    assert!(store.put(&known.location, PutPayload::new()).await.is_err());
    assert!(store.delete(&known.location).await.is_err());
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    assert!(!format!("{store:?} {store} {source:?}").contains("x.parquet"));
}
