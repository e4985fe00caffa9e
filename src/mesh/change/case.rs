//! Policy tests of a grant, in the domain's `tests/` folder: added as text, since people edit the file too, and
//! found again by the grant's key at the end of their first line.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::probe::Probe;
use crate::policy::{Decision, RowFilter};

/// One policy test.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// Unique in the file.
    pub(super) name: String,
    pub(super) probe: Probe,
    pub(super) purpose: Option<String>,
    /// An address.
    pub(super) product: String,
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) decision: Decision,
}

impl Case {
    /// The case as an item of a list indented by `indent` blanks. `key` finds it again.
    pub(super) fn yaml(&self, key: &str, indent: usize) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write(&mut text, key);
        let blanks = " ".repeat(indent);
        text.lines().map(|line| format!("{blanks}{line}\n")).collect()
    }

    fn write(&self, text: &mut String, key: &str) -> std::fmt::Result {
        writeln!(text, "- name: {}  # {key}", quoted(&self.name))?;
        writeln!(text, "  principal:")?;
        writeln!(text, "    user: {}", quoted(&self.probe.user))?;
        if !self.probe.groups.is_empty() {
            let groups: Vec<String> = self.probe.groups.iter().map(|group| quoted(group)).collect();
            writeln!(text, "    groups: [{}]", groups.join(", "))?;
        }
        if !self.probe.claims.is_empty() {
            let claims: Vec<String> =
                self.probe.claims.iter().map(|(claim, value)| format!("{}: {}", quoted(claim), flow(value))).collect();
            writeln!(text, "    claims: {{{}}}", claims.join(", "))?;
        }
        if let Some(purpose) = &self.purpose {
            writeln!(text, "  purpose: {}", quoted(purpose))?;
        }
        writeln!(text, "  product: {}", self.product)?;
        if let Some(at) = self.at {
            writeln!(text, "  at: {}", at.to_rfc3339_opts(SecondsFormat::Secs, true))?;
        }
        writeln!(text, "  expect:")?;
        match &self.decision {
            Decision::Hidden => writeln!(text, "    denied: hidden"),
            Decision::Discoverable => writeln!(text, "    denied: unreadable"),
            Decision::PurposeNeeded(_) => writeln!(text, "    denied: purpose"),
            Decision::Permit(grant) => {
                match grant.rows() {
                    RowFilter::All => writeln!(text, "    rows: all")?,
                    rows => writeln!(text, "    rows: {}", single_quoted(&rows.to_string()))?,
                }
                let masks: Vec<String> = grant
                    .contract_columns()
                    .filter_map(|(column, mask)| Some(format!("{}: {}", quoted(&column.name), quoted(mask?.as_str()))))
                    .collect();
                if masks.is_empty() { Ok(()) } else { writeln!(text, "    masks: {{{}}}", masks.join(", ")) }
            }
        }
    }
}

/// A tests file with cases added; none when it is written in a way that text cannot be added to.
pub(super) fn added(before: Option<&str>, cases: &[Case], key: &str) -> Option<String> {
    let Some(before) = before.filter(|text| !text.trim().is_empty()) else {
        let cases: Vec<String> = cases.iter().map(|case| case.yaml(key, 2)).collect();
        return Some(format!(
            "# Who sees what by the grants that `airside grant` wrote: `airside test` holds the policies to it.\ntests:\n{}",
            cases.join("\n")
        ));
    };
    let indent = list_indent(before)?;
    let cases: Vec<String> = cases.iter().map(|case| case.yaml(key, indent)).collect();
    Some(format!("{}\n\n{}", before.trim_end(), cases.join("\n")))
}

/// The text without the cases of a key; none when no case is left.
pub(super) fn without(text: &str, is_meant: impl Fn(&str) -> bool) -> Option<String> {
    let mut kept = String::new();
    let mut left_out: Option<usize> = None;
    let mut any = false;
    for line in text.split_inclusive('\n') {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if let Some(item) = left_out {
            // An item goes on as long as its lines stand further in, or are empty.
            if content.trim().is_empty() || indent > item {
                continue;
            }
            left_out = None;
        }
        let key = content.trim_end().rsplit_once("  # ").map(|(_, key)| key);
        if content.starts_with("- name:") && key.is_some_and(&is_meant) {
            left_out = Some(indent);
            continue;
        }
        any |= content.starts_with("- ");
        kept.push_str(line);
    }
    any.then(|| format!("{}\n", kept.trim_end()))
}

/// How far the items of the one list `tests:` stand in, where it is the file's last key and in block style.
fn list_indent(text: &str) -> Option<usize> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    if lines.next()?.trim_end() != "tests:" {
        return None;
    }
    let first = lines.next()?;
    let indent = first.len() - first.trim_start().len();
    let is_item = |line: &str| line.trim_start().starts_with("- ");
    let inside = |line: &str| line.len() - line.trim_start().len() >= indent;
    (is_item(first) && lines.all(|line| inside(line) && (!line.starts_with("- ") || indent == 0))).then_some(indent)
}

/// A text as YAML reads it back: plain where it cannot be anything else.
fn quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

/// A text in single quotes, in which only these are doubled; one with control characters in double quotes.
fn single_quoted(text: &str) -> String {
    if text.chars().any(char::is_control) {
        return Value::String(text.to_owned()).to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// A value in flow style: JSON is YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
