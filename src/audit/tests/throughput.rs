//! How fast it is, measured on request: `cargo test --lib audit::tests::throughput -- --ignored --nocapture`.

use std::time::Instant;

use super::super::{Outcome, SyncPolicy};
use super::fixture::{Place, faults, opening};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn answers_a_second() {
    for (sync, callers) in
        [(SyncPolicy::Always, 1), (SyncPolicy::Always, 64), (SyncPolicy::Always, 512), (SyncPolicy::Interval, 64)]
    {
        let mut place = Place::new();
        place.config.sync = sync;
        let audit = place.start();
        let (since, each) = (Instant::now(), 10_000 / callers);
        let tasks = (0..callers).map(|_| {
            let audit = audit.clone();
            tokio::spawn(async move {
                for i in 0..each {
                    audit.open(|| opening(i)).await.unwrap().close(Outcome::Complete, None);
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        audit.finish().await;
        let rate = (2 * each * callers) as f64 / since.elapsed().as_secs_f64();
        println!("{sync:?}, {callers} callers: {rate:.0} records a second");
        assert_eq!(faults(&place.verify()), [""; 0]);
    }
}
