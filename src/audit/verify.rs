//! Checking what is on record: every line, every file, every checkpoint.
//!
//! With the chain's key each line is checked by itself, and what is wrong is named by file and line. Without it the
//! signed checkpoints vouch for the lines up to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use ring::hmac;

use super::chain::{Head, SealedLine};
use super::checkpoint::Checkpoint;
use super::error::AuditSetupError;
use super::files::AuditFile;
use super::keys::{AuditKeys, PublicKey};
use super::record::{Line, Previous, Record, Start};

/// What is believed to begin with.
#[derive(Debug, Default)]
pub struct Trust<'a> {
    /// The keys, for whoever has them.
    pub keys: Option<&'a AuditKeys>,
    /// What may have signed the checkpoints; when empty, whatever the files and kept checkpoints say of themselves.
    pub signers: Vec<PublicKey>,
    /// Checkpoints kept elsewhere.
    pub kept: Vec<Checkpoint>,
    /// Whether files before the first may lie somewhere else.
    pub partial: bool,
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file's name.
    pub file: String,
    /// The line, counted from 1; none for the file as a whole.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// What is wrong; nothing when all is well.
    pub faults: Vec<Report>,
    /// What is not wrong, and worth knowing.
    pub notes: Vec<Report>,
    /// Files read.
    pub files: u64,
    /// Lines read.
    pub lines: u64,
    /// Checkpoints in them that are signed as they should be.
    pub checkpoints: u64,
    /// Lines that nothing vouches for: after the last checkpoint, when the chain's key is not at hand.
    pub unsigned: u64,
}

/// Checks `files`, in order, against what is trusted.
///
/// # Errors
/// [`AuditSetupError::Io`] when a file cannot be read.
pub fn verify(files: &[AuditFile], trust: &Trust<'_>) -> Result<Verification, AuditSetupError> {
    let mut found = Verification::default();
    let mut walked = BTreeSet::new();
    for chain in files.chunk_by(|a, b| a.instance == b.instance) {
        let Some(first) = chain.first() else { continue };
        walked.insert(first.instance.as_str());
        let mut walk = Walk::new(trust, &first.instance, &mut found);
        for (at, file) in chain.iter().enumerate() {
            walk.last = at + 1 == chain.len();
            walk.file(file)?;
        }
        walk.end();
    }
    for kept in trust.kept.iter().filter(|kept| !walked.contains(kept.instance.as_str())) {
        found.faults.push(Report {
            file: kept.instance.clone(),
            line: None,
            what: format!("no file is left of this instance, whose line {} a checkpoint vouches for", kept.head.seq),
        });
    }
    Ok(found)
}

/// The check of one instance's files.
struct Walk<'a> {
    key: Option<&'a hmac::Key>,
    trust: &'a Trust<'a>,
    instance: &'a str,
    found: &'a mut Verification,
    /// Where the chain stands; none before the first file.
    head: Option<Head>,
    /// The file before, and its number.
    before: Option<(String, u64)>,
    /// Whether the digest is that of the lines: not after a fault, until a checkpoint or a new file says where it stands.
    whole: bool,
    /// Whether anything was wrong at all.
    faulty: bool,
    /// Whether files before this one are missing, which has been told.
    gap: bool,
    /// Whether this is the last file: only there may a line be unfinished.
    last: bool,
    signer: Option<PublicKey>,
    /// What the first file continues, until it is found to have been retired.
    missing: Option<Previous>,
    /// Checkpoints kept elsewhere, by the line they vouch for.
    kept: BTreeMap<u64, Vec<&'a Checkpoint>>,
    unsigned: u64,
    place: (String, u64),
}

impl<'a> Walk<'a> {
    fn new(trust: &'a Trust<'a>, instance: &'a str, found: &'a mut Verification) -> Self {
        let mut kept: BTreeMap<u64, Vec<&Checkpoint>> = BTreeMap::new();
        for checkpoint in trust.kept.iter().filter(|kept| kept.instance == instance) {
            kept.entry(checkpoint.head.seq).or_default().push(checkpoint);
        }
        Self {
            key: trust.keys.map(|keys| &keys.chain),
            trust,
            instance,
            found,
            head: None,
            before: None,
            whole: true,
            faulty: false,
            gap: false,
            last: false,
            signer: None,
            missing: None,
            kept,
            unsigned: 0,
            place: (String::new(), 0),
        }
    }

    fn fault(&mut self, what: impl Into<String>) {
        self.whole = false;
        self.faulty = true;
        let report = self.here(what);
        self.found.faults.push(report);
    }

    fn here(&self, what: impl Into<String>) -> Report {
        let (file, line) = &self.place;
        Report { file: file.clone(), line: (*line > 0).then_some(*line), what: what.into() }
    }

    fn file(&mut self, file: &AuditFile) -> Result<(), AuditSetupError> {
        self.place = (file.name(), 0);
        self.found.files += 1;
        self.gap = self.before.as_ref().is_some_and(|(_, number)| *number + 1 != file.number);
        if let Some((before, _)) = self.before.as_ref().filter(|_| self.gap) {
            let what = format!("the files between this one and {before} are missing");
            self.fault(what);
        }
        let failed = AuditSetupError::io(&file.path);
        self.lines(&file.path).map_err(failed)?;
        self.before = Some((file.name(), file.number));
        Ok(())
    }

    fn lines(&mut self, path: &std::path::Path) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                if self.place.1 == 0 {
                    self.unfinished("the file is empty");
                }
                return Ok(());
            }
            self.place.1 += 1;
            let Some(whole) = line.strip_suffix(b"\n") else {
                self.unfinished(&format!("the last line is not finished ({} bytes)", line.len()));
                return Ok(());
            };
            self.found.lines += 1;
            self.line(whole);
        }
    }

    /// What a crash may leave at the very end, and nowhere else.
    fn unfinished(&mut self, what: &str) {
        if self.last {
            let note = self.here(format!("{what}: it is being written, or was in a crash"));
            self.found.notes.push(note);
        } else {
            self.fault(what);
        }
    }

    fn line(&mut self, whole: &[u8]) {
        let read = SealedLine::parse(whole).zip(serde_json::from_slice::<Line>(whole).ok());
        let Some((sealed, line)) = read else {
            return self.fault("this is not a line of an audit: it was altered");
        };
        match (&line.record, self.place.1) {
            (Record::Start(start), 1) => self.start(start),
            (Record::Start(_), _) => self.fault("this is the first line of a file, in its middle"),
            (_, 1) => {
                self.fault("the first line of the file is missing");
                self.head.get_or_insert(Head::BEGINNING);
            }
            _ => {}
        }
        let mut head = self.head.take().unwrap_or(Head::BEGINNING);
        let sound = self.order(&sealed, &head);
        match &line.record {
            Record::Checkpoint(checkpoint) => {
                let vouched = self.checkpoint(checkpoint, &head);
                if vouched && sound {
                    head.digest = checkpoint.head.digest;
                    self.whole = true;
                }
            }
            Record::Retired(retired) => {
                self.missing.take_if(|missing| missing.file == retired.file && missing.head == retired.head);
            }
            _ => {}
        }
        // A faulty line is taken at its word, so that the next fault is found where it is.
        let next = head.after(&sealed);
        self.unsigned = if matches!(line.record, Record::Checkpoint(_)) { 0 } else { self.unsigned + 1 };
        if self.whole {
            for kept in self.kept.remove(&next.seq).into_iter().flatten() {
                self.kept_checkpoint(kept, &next);
            }
        }
        self.head = Some(next);
    }

    /// Whether the number and the mac of a line are right.
    fn order(&mut self, sealed: &SealedLine<'_>, head: &Head) -> bool {
        let expected = head.seq + 1;
        if sealed.seq > expected {
            let last = sealed.seq - 1;
            let lines =
                if last == expected { format!("line {last} is") } else { format!("lines {expected} to {last} are") };
            self.fault(format!("{lines} missing before number {}", sealed.seq));
        } else if sealed.seq < expected {
            self.fault(format!("number {} stands after number {}: lines were moved or repeated", sealed.seq, head.seq));
        } else if self.key.is_some_and(|key| !sealed.follows(key, &head.mac)) {
            self.fault(format!("number {} was altered, or sealed with another key", sealed.seq));
        } else {
            return true;
        }
        false
    }

    fn start(&mut self, start: &Start) {
        if start.instance != self.instance {
            self.fault(format!("the file belongs to the instance `{}`", start.instance));
        }
        let previous = start.previous.as_ref().map(|previous| &previous.head);
        match &self.head {
            None => {
                self.missing = start.previous.clone().filter(|_| !self.trust.partial);
            }
            Some(head) if !self.gap => {
                let joined = previous.is_some_and(|previous| {
                    previous.seq == head.seq
                        && previous.mac == head.mac
                        && (!self.whole || previous.digest == head.digest)
                });
                if !joined {
                    let (end, goes_on) = (head.seq, previous.map_or(0, |head| head.seq));
                    self.fault(format!("the file before ends with number {end}, this one goes on after {goes_on}"));
                }
            }
            Some(_) => {}
        }
        self.head = Some(previous.cloned().unwrap_or(Head::BEGINNING));
        self.whole = true;
        self.signer = PublicKey::parse(&start.checkpoint_key).filter(|key| self.trusts(key));
        if self.signer.is_none() {
            self.fault("its checkpoints are signed with another key than those trusted");
        }
    }

    fn trusts(&self, key: &PublicKey) -> bool {
        self.trust.signers.is_empty() || self.trust.signers.contains(key)
    }

    /// Whether a checkpoint in the files is signed, and vouches for where the chain stands before it.
    fn checkpoint(&mut self, checkpoint: &Checkpoint, head: &Head) -> bool {
        let signed = self.signer.is_some_and(|key| checkpoint.is_signed_by(&key));
        if !signed || checkpoint.instance != self.instance {
            self.fault("the checkpoint's signature is not valid");
            return false;
        }
        if checkpoint.head.seq != head.seq || checkpoint.head.mac != head.mac {
            self.fault("the checkpoint vouches for another line than the one before it");
            return false;
        }
        if self.whole && checkpoint.head.digest != head.digest {
            self.fault("the lines before it are not those that the checkpoint vouches for");
        } else {
            self.found.checkpoints += 1;
        }
        true
    }

    /// A checkpoint kept elsewhere, and where the chain stood after its line.
    fn kept_checkpoint(&mut self, kept: &Checkpoint, head: &Head) {
        if !kept.public_key().is_some_and(|key| self.trusts(&key) && kept.is_signed_by(&key)) {
            self.fault(format!("the kept checkpoint of number {} has no valid signature", kept.head.seq));
        } else if kept.head != *head {
            self.fault(format!(
                "the files up to number {} are not those that the kept checkpoint vouches for",
                head.seq
            ));
        } else {
            self.found.checkpoints += 1;
        }
    }

    fn end(mut self) {
        self.place.1 = 0;
        let last = self.head.as_ref().map_or(0, |head| head.seq);
        if let Some(missing) = self.missing.take() {
            self.fault(format!(
                "the file before the first, {}, is missing: no record says that it was retired",
                missing.file
            ));
        }
        let kept = std::mem::take(&mut self.kept);
        for kept in kept.into_values().flatten() {
            if kept.head.seq > last {
                self.fault(format!(
                    "the end is cut off: a kept checkpoint vouches for number {}, the files end with {last}",
                    kept.head.seq
                ));
            } else if !self.faulty {
                let note =
                    self.here(format!("the kept checkpoint of number {} is older than the files", kept.head.seq));
                self.found.notes.push(note);
            }
        }
        if self.key.is_none() {
            self.found.unsigned += self.unsigned;
        }
    }
}
