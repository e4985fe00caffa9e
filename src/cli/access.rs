//! `airside access`: who gets what of a dataset, or of one of its columns.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::explain::shown_moment;
use super::opened::{block_on, open};
use crate::gateway::insight::{Access as Gets, AccessQuestion, AccessReport, AccessRow, Viewer, Who};
use crate::product::Address;

#[derive(Debug, Args)]
pub struct Access {
    /// The configuration file.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml")]
    config: PathBuf,
    /// Print comma-separated values.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// `domain.dataset`, or `domain.dataset.column`.
    #[arg(value_name = "DATASET[.COLUMN]")]
    subject: String,
}

impl Access {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let (address, column) = Address::parse_column(&self.subject)?;
        let report = block_on(async {
            let opened = open(&self.config).await?;
            let names = opened.authenticator.users_by_name();
            let roles = names.into_iter().filter_map(|name| Some((name.clone(), opened.authenticator.role_of(&name)?)));
            let question = AccessQuestion { address, column, people: roles.collect() };
            Ok(opened.gateway.access(Viewer::Operator, question).await?)
        })?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else if self.csv {
            print!("{}", csv(&report));
        } else {
            print!("{}", table(&report));
        }
        Ok(())
    }
}

const HEAD: [&str; 8] = ["who", "if", "purposes", "access", "rows", "masked", "from", "until"];

/// The cells of a line, as texts.
fn cells(report: &AccessReport, row: &AccessRow) -> [String; 8] {
    let who = match &row.who {
        Who::Anybody => "anybody".to_owned(),
        Who::Group(name) => format!("group {name}"),
        Who::User(name) => format!("user {name}"),
        Who::Domain(name) => format!("domain {name}"),
    };
    let moment = |at: Option<chrono::DateTime<chrono::Utc>>| at.map(shown_moment).unwrap_or_default();
    let masked: Vec<String> = row.access.masked.iter().map(|(column, mask)| format!("{column}: {mask}")).collect();
    [
        who,
        row.condition.clone(),
        row.purposes.join(" "),
        gets(report, &row.access),
        row.access.rows.clone().unwrap_or_default(),
        masked.join(" "),
        moment(row.from),
        moment(row.until),
    ]
}

/// What one gets, in a word or two.
fn gets(report: &AccessReport, access: &Gets) -> String {
    match (access.decision, &report.column) {
        ("permitted", Some(_)) if !access.raw.is_empty() => "raw".to_owned(),
        ("permitted", Some(_)) if !access.masked.is_empty() => "masked".to_owned(),
        ("permitted", None) => {
            let all = access.raw.len() + access.masked.len() + access.absent.len();
            match (access.masked.len(), access.absent.len()) {
                (0, 0) => format!("{all} columns raw"),
                (masked, 0) => format!("{} columns raw, {masked} masked", all - masked),
                (0, absent) => format!("{} of {all} columns raw", all - absent),
                (masked, absent) => format!("{} of {all} columns raw, {masked} masked", all - masked - absent),
            }
        }
        ("unreadable", _) => "nothing (may know of it)".to_owned(),
        ("purpose", _) => "nothing (asks for a purpose)".to_owned(),
        _ => "nothing".to_owned(),
    }
}

fn table(report: &AccessReport) -> String {
    let mut text = String::new();
    let subject = match &report.column {
        Some(column) => format!("{}, column {column}", report.product),
        None => report.product.clone(),
    };
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{subject}, at {}\n", shown_moment(report.at));
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(report.rows.iter().map(|row| cells(report, row)));
    // Columns in which nothing stands are left out.
    let used: Vec<usize> =
        (0..HEAD.len()).filter(|at| lines.iter().skip(1).any(|line| !line[*at].is_empty())).collect();
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default();
    for line in &lines {
        let cells = used.iter().map(|at| format!("{:<width$}", line[*at], width = width(*at)));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    for note in &report.notes {
        let _ = writeln!(text, "\nnote: {note}");
    }
    text
}

fn csv(report: &AccessReport) -> String {
    let mut text = String::new();
    let mut line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        let _ = writeln!(text, "{}", cells.join(","));
    };
    line(&HEAD.map(str::to_owned));
    report.rows.iter().for_each(|row| line(&cells(report, row)));
    text
}

/// A cell, quoted where it must be; one that a spreadsheet would take for a formula is told apart by an apostrophe.
fn quoted(cell: &str) -> String {
    let cell = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells() {
        for (cell, expected) in
            [("a", "a"), ("a,b", "\"a,b\""), ("=1+1", "'=1+1"), ("x == \"y\"", "\"x == \"\"y\"\"\"")]
        {
            assert_eq!(quoted(cell), expected);
        }
    }
}
