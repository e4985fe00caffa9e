//! Finding records: openings with their closings, and denials, one file after another.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::checkpoint::Checkpoint;
use super::error::AuditSetupError;
use super::files::AuditFile;
use super::record::{Asked, Closing, Denial, Failure, Line, Opening, Record, Who};

/// Which records are wanted. What is not said holds of all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The principal.
    pub who: Option<String>,
    /// A product or dataset, with or without its version.
    pub product: Option<String>,
    /// A column that was read.
    pub column: Option<String>,
    /// No earlier than this.
    pub since: Option<DateTime<Utc>>,
    /// Earlier than this.
    pub until: Option<DateTime<Utc>>,
    /// How it ended: an outcome, `denied`, or `open` when its end is not on record.
    pub outcome: Option<String>,
    /// The purpose stated.
    pub purpose: Option<String>,
}

/// A request and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// When it was put on record.
    pub at: DateTime<Utc>,
    /// Whose file it stands in.
    pub instance: String,
    /// What was opened; or denied.
    pub request: Result<Opening, Denial>,
    /// The end, and when.
    pub closing: Option<(DateTime<Utc>, Closing)>,
}

impl Found {
    /// Its id.
    pub fn id(&self) -> Uuid {
        self.request.as_ref().map_or_else(|denial| denial.id, |opening| opening.id)
    }

    /// Who asked.
    pub fn who(&self) -> &Who {
        self.request.as_ref().map_or_else(|denial| &denial.who, |opening| &opening.who)
    }

    /// What was asked.
    pub fn asked(&self) -> &Asked {
        self.request.as_ref().map_or_else(|denial| &denial.asked, |opening| &opening.asked)
    }

    /// How it ended.
    pub fn outcome(&self) -> &'static str {
        match (&self.request, &self.closing) {
            (Err(_), _) => "denied",
            (Ok(_), Some((_, closing))) => closing.outcome.as_str(),
            (Ok(_), None) => "open",
        }
    }

    /// What went wrong.
    pub fn error(&self) -> Option<&Failure> {
        match &self.request {
            Err(denial) => Some(&denial.error),
            Ok(_) => self.closing.as_ref().and_then(|(_, closing)| closing.error.as_ref()),
        }
    }
}

impl Filter {
    /// What can be told before the end is known.
    fn wants(&self, at: DateTime<Utc>, request: &Result<Opening, Denial>) -> bool {
        let (who, asked, reads) = match request {
            Ok(opening) => (&opening.who, &opening.asked, opening.reads.as_slice()),
            Err(denial) => (&denial.who, &denial.asked, &[][..]),
        };
        let names = || reads.iter().map(|read| &read.dataset).chain(&asked.tables);
        self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
            && self.who.as_ref().is_none_or(|wanted| *wanted == who.identity)
            && self.purpose.as_ref().is_none_or(|wanted| *wanted == who.purpose)
            && self.product.as_ref().is_none_or(|wanted| names().any(|name| is_of(name, wanted)))
            && self.column.as_ref().is_none_or(|wanted| reads.iter().any(|read| read.columns.contains(wanted)))
    }
}

/// Whether an address names `wanted` or something of it: `sales.orders@1.0.0/lines` is of `sales.orders`.
fn is_of(address: &str, wanted: &str) -> bool {
    address.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(['@', '/', '.']))
}

/// Hands every record that `filter` wants to `each`, as soon as its end is known; those without one come last.
/// Lines that do not read are passed over: `verify` is there to find them.
///
/// # Errors
/// [`AuditSetupError::Io`] when a file cannot be read.
pub fn find<E: From<AuditSetupError>>(
    files: &[AuditFile],
    filter: &Filter,
    mut each: impl FnMut(Found) -> Result<(), E>,
) -> Result<(), E> {
    let mut open: HashMap<Uuid, Found> = HashMap::new();
    let mut hand = |found: Found| match &filter.outcome {
        Some(wanted) if wanted != found.outcome() => Ok(()),
        _ => each(found),
    };
    for file in files {
        let mut reader = BufReader::new(File::open(&file.path).map_err(AuditSetupError::io(&file.path))?);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes).map_err(AuditSetupError::io(&file.path))? == 0 {
                break;
            }
            let Ok(Line { at, record, .. }) = serde_json::from_slice(&bytes) else { continue };
            let request = match record {
                Record::Opening(opening) => Ok(opening),
                Record::Denial(denial) => Err(denial),
                Record::Closing(closing) => {
                    if let Some(mut found) = open.remove(&closing.id) {
                        found.closing = Some((at, closing));
                        hand(found)?;
                    }
                    continue;
                }
                _ => continue,
            };
            if filter.wants(at, &request) {
                let found = Found { at, instance: file.instance.clone(), request, closing: None };
                match &found.request {
                    Ok(opening) => drop(open.insert(opening.id, found)),
                    Err(_) => hand(found)?,
                }
            }
        }
    }
    let mut left: Vec<_> = open.into_values().collect();
    left.sort_by_key(|found| (found.at, found.id()));
    left.into_iter().try_for_each(hand)
}

/// The newest checkpoint in one instance's files.
///
/// # Errors
/// [`AuditSetupError::Io`] when a file cannot be read.
pub fn last_checkpoint(files: &[AuditFile]) -> Result<Option<Checkpoint>, AuditSetupError> {
    for file in files.iter().rev() {
        let opened = File::open(&file.path).map_err(AuditSetupError::io(&file.path))?;
        let mut last = None;
        for bytes in BufReader::new(opened).split(b'\n') {
            let bytes = bytes.map_err(AuditSetupError::io(&file.path))?;
            if let Ok(Line { record: Record::Checkpoint(checkpoint), .. }) = serde_json::from_slice(&bytes) {
                last = Some(checkpoint);
            }
        }
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(None)
}
