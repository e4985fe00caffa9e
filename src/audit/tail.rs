//! Where a folder's files end: read when a gateway starts, and when a file had to be let go.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};

use ring::hmac;

use super::chain::{Head, SealedLine};
use super::error::AuditSetupError;
use super::files::AuditFile;
use super::record::{Line, Record, Recovered, Start};

/// The end of an instance's files.
pub(super) struct Tail {
    /// The last file that has a first line, and where it ends; none when there is no file.
    pub(super) last: Option<End>,
    /// What a crash left behind, already taken out.
    pub(super) torn: Vec<Record>,
}

/// The end of a file.
pub(super) struct End {
    pub(super) file: AuditFile,
    pub(super) start: Start,
    pub(super) head: Head,
    pub(super) length: u64,
    pub(super) checkpointed: u64,
}

/// As much of an unfinished line as is kept.
const KEPT: usize = 4096;

/// Longest first line read.
const MAX_START: u64 = 64 << 10;

/// Reads the last of `files`, checks it, and takes out an unfinished line at its end.
pub(super) fn read(files: &[AuditFile], key: &hmac::Key) -> Result<Tail, AuditSetupError> {
    let mut torn = Vec::new();
    for file in files.iter().rev() {
        let bytes = fs::read(&file.path).map_err(AuditSetupError::io(&file.path))?;
        let length = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (whole, rest) = bytes.split_at(length);
        if !rest.is_empty() {
            torn.push(Record::Recovered(Recovered {
                file: file.name(),
                bytes: rest.len() as u64,
                text: String::from_utf8_lossy(&rest[..rest.len().min(KEPT)]).into_owned(),
            }));
        }
        if whole.is_empty() {
            // The crash came before its first line was whole.
            fs::remove_file(&file.path).map_err(AuditSetupError::io(&file.path))?;
            continue;
        }
        let end = check(file, whole, key)?;
        if !rest.is_empty() {
            let shortened = file.append().and_then(|opened| {
                opened.set_len(length as u64)?;
                opened.sync_all()
            });
            shortened.map_err(AuditSetupError::io(&file.path))?;
        }
        return Ok(Tail { last: Some(end), torn });
    }
    Ok(Tail { last: None, torn })
}

/// The first line of a file, unchecked; none when it has none.
pub(super) fn start_of(file: &AuditFile) -> Option<Start> {
    let mut line = Vec::new();
    BufReader::new(File::open(&file.path).ok()?.take(MAX_START)).read_until(b'\n', &mut line).ok()?;
    start(&line)
}

fn start(line: &[u8]) -> Option<Start> {
    match serde_json::from_slice::<Line>(line).ok()?.record {
        Record::Start(start) => Some(start),
        _ => None,
    }
}

/// Checks every line of a file, and answers its end.
fn check(file: &AuditFile, lines: &[u8], key: &hmac::Key) -> Result<End, AuditSetupError> {
    let broken = |line: usize, reason: &str| AuditSetupError::Broken {
        path: file.path.clone(),
        line: line as u64 + 1,
        reason: reason.to_owned(),
    };
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    let mut lines = lines.split(|byte| *byte == b'\n').enumerate().peekable();
    let start = lines.peek().and_then(|(_, line)| start(line));
    let start = start.ok_or_else(|| broken(0, "it is not the first line of an audit"))?;
    let mut head = start.previous.as_ref().map_or(Head::BEGINNING, |previous| previous.head.clone());
    let (mut length, mut checkpointed) = (0, 0);
    for (at, line) in lines {
        let sealed = SealedLine::parse(line).ok_or_else(|| broken(at, "it is not a line of an audit"))?;
        if sealed.seq != head.seq + 1 {
            return Err(broken(at, "it is out of order"));
        }
        if !sealed.follows(key, &head.mac) {
            return Err(broken(at, "it was altered, or sealed with another key than `audit.key`"));
        }
        head = head.after(&sealed);
        length += line.len() as u64 + 1;
        if is_checkpoint(line) {
            checkpointed = head.seq;
        }
    }
    Ok(End { file: file.clone(), start, head, length, checkpointed })
}

fn is_checkpoint(line: &[u8]) -> bool {
    serde_json::from_slice::<Line>(line).is_ok_and(|line| matches!(line.record, Record::Checkpoint(_)))
}
