//! `airside audit query`: who asked what, and how it ended.

use std::error::Error;
use std::io::{self, Write};

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::Place;
use crate::audit::{Asked, Filter, Found, find};

#[derive(Debug, Args)]
pub struct Query {
    #[command(flatten)]
    place: Place,
    /// Only what this principal asked.
    #[arg(long)]
    who: Option<String>,
    /// Only what read or asked for this product or dataset: `sales.orders`, `sales.orders@1.0.0`.
    #[arg(long)]
    product: Option<String>,
    /// Only what read a column of this name.
    #[arg(long)]
    column: Option<String>,
    /// No earlier than this: a date or an RFC 3339 time, UTC.
    #[arg(long, value_parser = time)]
    since: Option<DateTime<Utc>>,
    /// Earlier than this.
    #[arg(long, value_parser = time)]
    until: Option<DateTime<Utc>>,
    /// Only what ended so; `open` for what has not.
    #[arg(long, value_parser = ["complete", "denied", "cancelled", "failed", "revoked", "dropped", "open"])]
    outcome: Option<String>,
    /// Only what was asked for this purpose; empty for none.
    #[arg(long)]
    purpose: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Columns of text, without what would not fit.
    Table,
    /// One object a line, with everything on record.
    Json,
    /// One row a request, with everything on record.
    Csv,
}

fn time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let date = || text.parse::<NaiveDate>().map(|date| date.and_time(NaiveTime::MIN).and_utc());
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .or_else(|_| date())
        .map_err(|_| "write a date, 2026-11-22, or a time, 2026-11-22T10:00:00Z")
}

impl Query {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let files = self.place.files()?;
        let filter = Filter {
            who: self.who,
            product: self.product,
            column: self.column,
            since: self.since,
            until: self.until,
            outcome: self.outcome,
            purpose: self.purpose,
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        let heading = match self.format {
            Format::Table => Some(row(TABLE_HEADING)),
            Format::Json => None,
            Format::Csv => Some(CSV_HEADING.join(",")),
        };
        let printed = heading.map_or(Ok(()), |heading| writeln!(out, "{heading}")).map_err(Into::into);
        let printed = printed.and_then(|()| {
            find(&files, &filter, |found| {
                let line = match self.format {
                    Format::Table => table(&found),
                    Format::Json => object(&found).to_string(),
                    Format::Csv => csv(&found),
                };
                writeln!(out, "{line}").map_err(Box::<dyn Error>::from)
            })
        });
        match printed.and_then(|()| Ok(out.flush()?)) {
            // `… | head` has seen enough.
            Err(error) if is_broken_pipe(error.as_ref()) => Ok(()),
            other => other,
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

const TABLE_HEADING: [&str; 7] = ["AT", "WHO", "PURPOSE", "OUTCOME", "ROWS", "READS", "STATEMENT"];

fn row(cells: [&str; 7]) -> String {
    let [at, who, purpose, outcome, rows, reads, statement] = cells;
    format!("{at:24}  {who:16}  {purpose:12}  {outcome:9}  {rows:>9}  {reads:32}  {statement}").trim_end().to_owned()
}

/// Text that stays on its line and commands no terminal.
fn plain(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_unicode().collect() } else { vec![c] }).collect()
}

fn table(found: &Found) -> String {
    let reads: Vec<_> = match &found.request {
        Ok(opening) => opening.reads.iter().map(|read| read.dataset.as_str()).collect(),
        Err(denial) => denial.asked.tables.iter().map(String::as_str).collect(),
    };
    let outcome = match found.error() {
        Some(error) if error.kind != found.outcome() => format!("{} ({})", found.outcome(), plain(&error.kind)),
        _ => found.outcome().to_owned(),
    };
    let rows = found.closing.as_ref().map(|(_, closing)| closing.rows.to_string()).unwrap_or_default();
    row([
        &found.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        &plain(&found.who().identity),
        &plain(&found.who().purpose),
        &outcome,
        &rows,
        &plain(&reads.join(" ")),
        &plain(&text(found.asked())),
    ])
}

/// The statement; or what was done with which personal token.
fn text(asked: &Asked) -> String {
    let token = || asked.token.as_ref().map(|token| format!("{} {token}", asked.question));
    asked.statement.clone().or_else(token).unwrap_or_default()
}

fn object(found: &Found) -> serde_json::Value {
    let closing = found.closing.as_ref();
    json!({
        "at": found.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "instance": found.instance,
        "id": found.id().to_string(),
        "who": found.who(),
        "asked": found.asked(),
        "reads": found.request.as_ref().map(|opening| opening.reads.as_slice()).unwrap_or_default(),
        "policy_version": found.request.as_ref().ok().map(|opening| &opening.policy_version),
        "mesh_version": found.request.as_ref().ok().map(|opening| &opening.mesh_version),
        "outcome": found.outcome(),
        "error": found.error(),
        "closed": closing.map(|(at, _)| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        "rows": closing.map(|(_, closing)| closing.rows),
        "bytes": closing.map(|(_, closing)| closing.bytes),
        "milliseconds": closing.map(|(_, closing)| closing.milliseconds),
    })
}

const CSV_HEADING: [&str; 21] = [
    "at",
    "instance",
    "id",
    "who",
    "groups",
    "purpose",
    "question",
    "statement",
    "parameters",
    "datasets",
    "snapshots",
    "columns",
    "masks",
    "filtered",
    "policies",
    "policy_version",
    "mesh_version",
    "outcome",
    "error",
    "rows",
    "milliseconds",
];

fn csv(found: &Found) -> String {
    let (who, asked) = (found.who(), found.asked());
    let opening = found.request.as_ref().ok();
    let reads = opening.map(|opening| opening.reads.as_slice()).unwrap_or_default();
    let each =
        |cell: &dyn Fn(&crate::audit::DatasetRead) -> String| reads.iter().map(cell).collect::<Vec<_>>().join("; ");
    let closing = found.closing.as_ref().map(|(_, closing)| closing);
    let error = found.error().map(|error| match &error.id {
        Some(id) => format!("{} {id}", error.kind),
        None => error.kind.clone(),
    });
    let cells: [String; 21] = [
        found.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        found.instance.clone(),
        found.id().to_string(),
        who.identity.clone(),
        who.groups.join(" "),
        who.purpose.clone(),
        asked.question.clone(),
        asked.digest.as_ref().map_or_else(|| text(asked), |digest| format!("#{digest}")),
        asked.parameters.join(" "),
        if opening.is_some() { each(&|read| read.dataset.clone()) } else { asked.tables.join("; ") },
        each(&|read| read.snapshot.clone().unwrap_or_default()),
        each(&|read| read.columns.join(" ")),
        each(&|read| read.masks.iter().map(|(column, mask)| format!("{column}={mask}")).collect::<Vec<_>>().join(" ")),
        each(&|read| read.filtered.to_string()),
        each(&|read| read.policies.join(" ")),
        opening.map(|opening| opening.policy_version.clone()).unwrap_or_default(),
        opening.map(|opening| opening.mesh_version.clone()).unwrap_or_default(),
        found.outcome().to_owned(),
        error.unwrap_or_default(),
        closing.map(|closing| closing.rows.to_string()).unwrap_or_default(),
        closing.map(|closing| closing.milliseconds.to_string()).unwrap_or_default(),
    ];
    cells.map(|text| cell(&text)).join(",")
}

/// A cell that spreadsheets take for text, whatever a caller called itself.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text() {
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=cmd()"), "'=cmd()");
        assert_eq!(plain("a\u{1b}[2J\n"), "a\\u{1b}[2J\\u{a}");
    }

    #[test]
    fn times_are_dates_or_instants() {
        assert_eq!(time("2026-11-22").unwrap(), time("2026-11-22T01:00:00+01:00").unwrap());
        assert!(time("yesterday").is_err());
    }
}
