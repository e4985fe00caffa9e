//! A footer is read once, however many ask for it at once.

use futures::future::join_all;

use super::counting::Counting;
use super::*;
use crate::source::footer::FooterCache;

const FILE: &str = "sales/orders/a.parquet";
const READERS: usize = 24;

struct Slow {
    store: Arc<Counting>,
    source: DatasetSource,
}

impl Slow {
    /// A dataset of one file in a slow store, opened.
    async fn new() -> Self {
        let mut world = World::new(vec![Column::plain("id", DataType::Int64)]);
        world.write("a.parquet", [("id", ints(&[1, 2]))]);
        let store = Arc::new(Counting::default());
        store.memory.put(&FILE.into(), fs::read(world.path("a.parquet")).unwrap().into()).await.unwrap();
        world.stores = Stores::for_tests("s3://lake", Arc::clone(&store) as Arc<dyn ObjectStore>);
        world.data_root = "s3://lake/sales".into();
        let source = world.open_at("orders/").await.unwrap();
        store.gets();
        Self { store, source }
    }

    /// One who asks an empty cache.
    async fn ask(&self, cache: &FooterCache) -> Result<Arc<ParquetMetaData>, SourceError> {
        let PinnedReaders { store, .. } = self.source.inner.readers.as_ref();
        let file = &self.source.snapshot().files()[0];
        cache.get(store, &file.meta).await.map_err(|error| unreadable(file, error))
    }

    async fn ask_all(&self, cache: &FooterCache) -> Vec<Result<Arc<ParquetMetaData>, SourceError>> {
        join_all((0..READERS).map(|_| self.ask(cache))).await
    }
}

#[tokio::test]
async fn those_who_ask_at_once_share_one_reading() {
    let slow = Slow::new().await;
    // What is too large to be kept is shared all the same.
    for kept in [1 << 20, 0] {
        let footers = slow.ask_all(&FooterCache::new(kept)).await;
        assert!(footers.iter().all(|footer| footer.as_ref().unwrap().num_row_groups() == 1));
        assert_eq!(slow.store.gets(), 1, "with {kept} bytes");
    }
}

#[tokio::test]
async fn who_goes_takes_nobodys_footer_along() {
    let slow = Slow::new().await;
    let cache = FooterCache::new(1 << 20);
    let mut first = Box::pin(slow.ask(&cache));
    assert!(futures::poll!(&mut first).is_pending());
    let mut second = Box::pin(slow.ask(&cache));
    assert!(futures::poll!(&mut second).is_pending());
    tokio::task::yield_now().await;
    drop(first);
    assert_eq!(second.await.unwrap().num_row_groups(), 1);
    assert_eq!(slow.store.gets(), 1);
}

#[tokio::test]
async fn who_does_not_go_on_holds_nobody_up() {
    let slow = Slow::new().await;
    let cache = FooterCache::new(1 << 20);
    let mut idle = Box::pin(slow.ask(&cache));
    assert!(futures::poll!(&mut idle).is_pending());
    let asked = tokio::time::timeout(std::time::Duration::from_secs(10), slow.ask(&cache)).await;
    assert!(asked.expect("does not wait for the idle one").is_ok());
}

#[tokio::test]
async fn an_error_reaches_all_and_is_not_kept() {
    let slow = Slow::new().await;
    let cache = FooterCache::new(1 << 20);
    let bytes = slow.store.memory.get(&FILE.into()).await.unwrap().bytes().await.unwrap();
    slow.store.memory.delete(&FILE.into()).await.unwrap();
    for refused in slow.ask_all(&cache).await {
        assert!(matches!(refused, Err(SourceError::Changed { .. })), "{refused:?}");
    }
    assert_eq!(slow.store.gets(), 1);
    assert!(slow.source.has_changed());
    slow.store.memory.put(&FILE.into(), bytes.into()).await.unwrap();
    assert!(matches!(slow.ask(&cache).await, Err(SourceError::Changed { .. })), "another file in its place");
    assert_eq!(slow.store.gets(), 1, "asked again");
}
