//! Crashes, full disks, restarts.

use std::fs;
use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::journal::Journal;
use super::super::medium::Medium;
use super::super::record::Record;
use super::super::{Audit, AuditError, AuditSetupError, Outcome};
use super::fixture::{Place, faults, kinds, opening};

#[tokio::test]
async fn a_restart_goes_on_where_the_file_ends() {
    let place = Place::new();
    for _ in 0..3 {
        place.fill(2).await;
    }
    assert_eq!(place.files().len(), 1);
    let found = place.verify();
    assert_eq!((faults(&found).len(), found.lines), (0, 1 + 3 * 5));
}

#[tokio::test]
async fn a_line_that_a_crash_left_unfinished_is_taken_out_on_record() {
    let place = Place::new();
    place.fill(2).await;
    let path = place.file(0);
    let whole = fs::read(&path).unwrap();
    for torn in [&b"{\"seq\":7,\"at\":\"20"[..], b"\0\0\0\0", b"{", "{\"seq\":7,\"at\":\"\u{e9}".as_bytes()] {
        fs::write(&path, [&whole, torn].concat()).unwrap();
        let found = place.verify();
        assert_eq!((faults(&found).len(), found.notes.len()), (0, 1));
        place.fill(1).await;
        let records = place.records();
        assert_eq!(kinds(&records[6..]), ["recovered", "opening", "closing", "checkpoint"]);
        let Record::Recovered(recovered) = &records[6] else { panic!() };
        assert_eq!(recovered.bytes, torn.len() as u64);
        assert_eq!(faults(&place.verify()), [""; 0]);
    }
    // Before the very first line was whole.
    fs::write(&path, &whole[..20]).unwrap();
    place.fill(1).await;
    assert_eq!(kinds(&place.records()), ["start", "recovered", "opening", "closing", "checkpoint"]);
    assert_eq!(faults(&place.verify()), [""; 0]);
}

#[tokio::test]
async fn only_the_last_file_may_end_unfinished() {
    let mut place = Place::new();
    place.config.rotate_bytes = 1500;
    place.fill(6).await;
    let files = place.files();
    for content in [&b""[..], b"{\"seq\""] {
        let whole = fs::read(&files[0].path).unwrap();
        fs::write(&files[0].path, [if content.is_empty() { b"" } else { &whole[..] }, content].concat()).unwrap();
        assert!(!place.verify().faults.is_empty());
        fs::write(&files[0].path, &whole).unwrap();
    }
    fs::write(&files[files.len() - 1].path, "").unwrap();
    let found = place.verify();
    assert_eq!((faults(&found).len(), found.notes.len()), (0, 1));
}

#[tokio::test]
async fn a_file_that_was_altered_is_not_continued() {
    let place = Place::new();
    place.fill(2).await;
    let path = place.file(0);
    let whole = fs::read_to_string(&path).unwrap();
    for (altered, line) in [
        (whole.replacen("user1", "user2", 1), 4),
        (whole.replacen("\"seq\":3", "\"seq\":4", 1), 3),
        (whole.replacen("\"kind\":\"start\"", "\"kind\":\"begin\"", 1), 1),
        (whole.replacen('\n', "\n\n", 1), 2),
    ] {
        fs::write(&path, &altered).unwrap();
        match Audit::start(&place.config, place.dir.path()) {
            Err(AuditSetupError::Broken { line: told, .. }) => assert_eq!(told, line),
            other => panic!("{:?}", other.err()),
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), altered, "it is left as it is");
    }
}

#[tokio::test]
async fn a_new_signing_key_begins_a_new_file() {
    let mut place = Place::new();
    place.fill(1).await;
    let before = place.keys().public_key();
    fs::write(place.dir.path().join("signing"), "ab".repeat(16) + &"cd".repeat(16)).unwrap();
    place.config.signing_key = Some("file:signing".parse().unwrap());
    place.fill(1).await;
    assert_eq!(place.files().len(), 2);
    assert_eq!(faults(&place.verify_with(|trust| trust.signers.push(before))), [""; 0]);
    assert!(faults(&place.verify())[0].contains("signed with another key"));
}

/// A disk with room for so many bytes, written by halves when there is less.
struct Disk {
    medium: Box<dyn Medium>,
    room: Arc<AtomicUsize>,
    /// Whether what was written can be taken back.
    gives_back: bool,
}

impl Medium for Disk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.room.load(Ordering::Relaxed);
        let fits = bytes.len().min(room);
        self.medium.append(&bytes[..fits])?;
        self.room.fetch_sub(fits, Ordering::Relaxed);
        if fits == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.medium.sync()
    }

    fn cut_back(&mut self, length: u64) -> io::Result<()> {
        if self.gives_back { self.medium.cut_back(length) } else { Err(io::ErrorKind::Other.into()) }
    }
}

#[tokio::test]
async fn on_a_full_disk_nobody_reads_and_no_end_is_lost() {
    for gives_back in [true, false] {
        let place = Place::new();
        let room = Arc::new(AtomicUsize::new(usize::MAX));
        let mut journal = Journal::open(&place.config, place.keys()).unwrap();
        journal.divert(|medium| Box::new(Disk { medium, room: Arc::clone(&room), gives_back }));
        let audit = Audit::run(journal, &place.config, place.keys().digests().clone()).unwrap();
        let entry = audit.open(|| opening(1)).await.unwrap();

        room.store(100, Ordering::Relaxed);
        let refused = audit.open(|| opening(2)).await;
        assert!(matches!(refused, Err(AuditError::Unrecorded { .. })));
        entry.close(Outcome::Complete, None);

        room.store(usize::MAX, Ordering::Relaxed);
        let entry = loop {
            match audit.open(|| opening(3)).await {
                Ok(entry) => break entry,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        };
        entry.close(Outcome::Complete, None);
        audit.finish().await;

        let records = place.records();
        let closings = records.iter().filter(|record| matches!(record, Record::Closing(_))).count();
        let openings = records.iter().filter(|record| matches!(record, Record::Opening(_))).count();
        assert_eq!((openings, closings), (2, 2), "{:?}", kinds(&records));
        assert_eq!(faults(&place.verify()), [""; 0]);
    }
}

#[tokio::test]
async fn a_disk_of_the_system_that_is_full_is_refused() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let mut full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert!(Medium::append(&mut full, b"x").is_err() || full.flush().is_err());
    let place = Place::new();
    let mut journal = Journal::open(&place.config, place.keys()).unwrap();
    journal.divert(|_| Box::new(full));
    assert!(journal.append(&[Record::Opening(opening(1)).body(chrono::Utc::now())]).is_err());
    // The file is let go and read anew.
    journal.append(&[Record::Opening(opening(2)).body(chrono::Utc::now())]).unwrap();
    drop(journal);
    assert_eq!(kinds(&place.records()), ["start", "opening"]);
    assert_eq!(faults(&place.verify()), [""; 0]);
}
