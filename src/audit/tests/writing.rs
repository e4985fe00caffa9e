//! What is written: by whom, when, and how it ends.

use super::super::record::Record;
use super::super::{Audit, AuditConfig, AuditSetupError, Denial, Destination, Failure, Filter, Found, Outcome, find};
use super::fixture::{Place, failure, faults, kinds, lines, opening, who};

#[tokio::test]
async fn an_answer_is_opened_and_closed() {
    let place = Place::new();
    let audit = place.start();
    let mut entry = audit.open(|| opening(1)).await.unwrap();
    // It is on disk before any row may leave.
    assert_eq!(kinds(&place.records()), ["start", "opening"]);
    entry.sent(3, 40);
    entry.sent(4, 50);
    let id = entry.id();
    entry.close(Outcome::Failed, Some(Failure::new("deadline", Some(id))));
    drop(audit.open(|| opening(2)).await.unwrap());
    audit.deny(|| Denial::new(who("eve"), opening(3).asked, failure())).await.unwrap();
    audit.finish().await;

    let records = place.records();
    assert_eq!(kinds(&records), ["start", "opening", "closing", "opening", "closing", "denial", "checkpoint"]);
    let Record::Closing(closing) = &records[2] else { panic!() };
    assert_eq!((closing.id, closing.outcome, closing.rows, closing.bytes), (id, Outcome::Failed, 7, 90));
    assert_eq!(closing.error.as_ref().unwrap().kind, "deadline");
    let Record::Closing(closing) = &records[4] else { panic!() };
    assert_eq!(closing.outcome, Outcome::Dropped);
    let found = place.verify();
    assert_eq!((faults(&found).len(), found.lines, found.checkpoints), (0, 7, 1));
}

#[tokio::test]
async fn without_an_audit_everything_goes_on() {
    let audit = Audit::off();
    let entry = audit.open(|| opening(1)).await.unwrap();
    entry.close(Outcome::Complete, None);
    audit.finish().await;
    assert!(!audit.is_on());
}

#[tokio::test]
async fn what_is_opened_after_the_end_is_refused() {
    let place = Place::new();
    let audit = place.start();
    let entry = audit.open(|| opening(1)).await.unwrap();
    audit.finish().await;
    assert!(audit.open(|| opening(2)).await.is_err());
    entry.close(Outcome::Complete, None);
    assert_eq!(kinds(&place.records()), ["start", "opening", "checkpoint"]);
}

#[tokio::test]
async fn files_follow_each_other_by_size() {
    let mut place = Place::new();
    place.config.rotate_bytes = 2000;
    place.fill(20).await;
    let files = place.files();
    assert!(files.len() > 3, "{}", files.len());
    for file in &files {
        let lines = lines(&file.path);
        assert_eq!(kinds(&[lines[0].record.clone()]), ["start"]);
        assert_eq!(kinds(&[lines[lines.len() - 1].record.clone()]), ["checkpoint"], "{}", file.name());
        assert!(std::fs::metadata(&file.path).unwrap().len() < 4000);
    }
    assert_eq!(faults(&place.verify()), [""; 0]);
    // The chain's key is not needed where the checkpoints are.
    let found = place.verify_with(|trust| trust.keys = None);
    assert_eq!((faults(&found).len(), found.unsigned), (0, 0));
}

#[tokio::test]
async fn yesterdays_file_is_closed() {
    let place = Place::new();
    place.fill(1).await;
    let today = place.file(0);
    let yesterday = today.with_file_name("gw-1-000001-20200101.jsonl");
    std::fs::rename(&today, &yesterday).unwrap();
    place.fill(1).await;
    assert_eq!(place.files().len(), 2);
    let found = place.verify();
    assert_eq!(faults(&found), [""; 0]);
}

#[tokio::test]
async fn old_files_are_deleted_on_record() {
    let mut place = Place::new();
    (place.config.rotate_bytes, place.config.keep_bytes) = (2000, 8000);
    for _ in 0..3 {
        place.fill(20).await;
    }
    let files = place.files();
    assert!(files[0].number > 1 && files.len() < 7, "{files:?}");
    assert_eq!(faults(&place.verify()), [""; 0]);
    // One that somebody else deleted is missed.
    std::fs::remove_file(&files[0].path).unwrap();
    let told = faults(&place.verify());
    assert!(told.len() == 1 && told[0].contains("no record says that it was retired"), "{told:?}");
    assert_eq!(faults(&place.verify_with(|trust| trust.partial = true)), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_all_on_record() {
    let mut place = Place::new();
    (place.config.queue, place.config.rotate_bytes) = (8, 50_000);
    let audit = place.start();
    let tasks = (0..200).map(|i| {
        let audit = audit.clone();
        tokio::spawn(async move {
            let entry = audit.open(|| opening(i)).await.unwrap();
            tokio::task::yield_now().await;
            if i % 3 == 0 { drop(entry) } else { entry.close(Outcome::Complete, None) }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    audit.finish().await;
    let mut all = Vec::new();
    find(&place.files(), &Filter::default(), |found: Found| {
        all.push(found);
        Ok::<_, AuditSetupError>(())
    })
    .unwrap();
    assert_eq!(all.len(), 200);
    assert_eq!(all.iter().filter(|found| found.outcome() == "dropped").count(), 67);
    assert_eq!(all.iter().filter(|found| found.outcome() == "complete").count(), 133);
    assert_eq!(faults(&place.verify()), [""; 0]);
}

#[tokio::test]
async fn two_processes_do_not_write_one_file() {
    let place = Place::new();
    let audit = place.start();
    assert!(matches!(Audit::start(&place.config, place.dir.path()), Err(AuditSetupError::Locked(_))));
    audit.finish().await;
}

#[tokio::test]
async fn replicas_have_files_of_their_own() {
    let mut place = Place::new();
    place.fill(3).await;
    place.config.instance = Some("gw-2".to_owned());
    place.fill(3).await;
    assert_eq!(place.files().len(), 2);
    let found = place.verify();
    assert_eq!((faults(&found).len(), found.files, found.checkpoints), (0, 2, 2));
}

#[test]
fn a_configuration_that_cannot_hold_is_refused() {
    let place = Place::new();
    let start = |change: &dyn Fn(&mut AuditConfig)| {
        let mut config = place.config.clone();
        change(&mut config);
        Audit::start(&config, place.dir.path()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (change, reason) in [
        (&(|c: &mut AuditConfig| c.key = None) as &dyn Fn(&mut AuditConfig), "`audit.key` must name a key"),
        (&|c| c.key = Some("file:none".parse().unwrap()), "the secret file"),
        (&|c| c.instance = Some("../x".to_owned()), "`audit.instance` is `../x`"),
        (&|c| c.instance = Some(String::new()), "`audit.instance` is ``"),
        (&|c| c.dir = "/proc/audit".into(), "the audit's `/proc/audit`"),
    ] {
        let told = start(change);
        assert!(told.contains(reason), "{told}");
    }
    assert_eq!(start(&|c| (c.to, c.key) = (Destination::Off, None)), "");
}

#[tokio::test]
async fn checkpoints_are_exported() {
    let mut place = Place::new();
    place.config.checkpoint_file = Some(place.dir.path().join("kept"));
    place.fill(3).await;
    let kept = std::fs::read_to_string(place.dir.path().join("kept")).unwrap();
    let kept: Vec<super::super::Checkpoint> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = place.verify_with(|trust| trust.kept = kept);
    assert_eq!((faults(&found).len(), found.checkpoints), (0, 2));
}
