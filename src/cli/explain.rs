//! `airside explain`: what somebody would get, and which policies say so.
//!
//! For those who have the mesh's files: it shows what consumers may not know of.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde_json::{Map, Value};

use super::opened::{block_on, open};
use crate::authn::Role;
use crate::gateway::insight::{
    DatasetExplained, ExplainQuestion, Explained, PolicyNamed, Shown, Subject, Supposed, Viewer,
};
use crate::principal::Purpose;

#[derive(Debug, Args)]
pub struct Explain {
    /// The configuration file.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml")]
    config: PathBuf,
    /// Who is supposed to ask. Groups and claims of the users file count, if it names them.
    #[arg(long = "as", value_name = "USER")]
    user: String,
    /// A group they are in besides; may be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// A claim they have besides, as KEY=VALUE; a value that is JSON is read as such. May be given several times.
    #[arg(long = "claim", value_name = "KEY=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
    /// The purpose they state.
    #[arg(long, default_value = "", value_parser = purpose, hide_default_value = true)]
    purpose: Purpose,
    /// As of when, as in 2026-12-01T00:00:00Z; now by default.
    #[arg(long, value_parser = moment)]
    at: Option<DateTime<Utc>>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// What they ask for: `domain.product`, or a statement.
    #[arg(value_name = "SQL or PRODUCT")]
    subject: String,
}

impl Explain {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let explained = block_on(async {
            let opened = open(&self.config).await?;
            let given = Role {
                groups: self.groups.into_iter().collect(),
                claims: self.claims.into_iter().collect::<Map<_, _>>(),
            };
            let known = opened.authenticator.role_of(&self.user);
            let question = ExplainQuestion {
                supposed: Supposed::new(self.user, given, known),
                purpose: self.purpose,
                at: self.at,
                subject: Subject::parse(&self.subject),
            };
            Ok(opened.gateway.explain(Viewer::Operator, &question).await?)
        })?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&explained)?);
        } else {
            print!("{}", text(&explained)?);
        }
        Ok(())
    }
}

pub(super) fn claim(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("a claim is written KEY=VALUE")?;
    Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
}

pub(super) fn purpose(text: &str) -> Result<Purpose, String> {
    Purpose::parse(text).map_err(|error| error.to_string())
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| "a moment is written 2026-12-01T00:00:00Z")?;
    Ok(at.with_timezone(&Utc))
}

/// A moment, to the second.
pub(super) fn shown_moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn text(explained: &Explained) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let principal = &explained.principal;
    let groups = principal.groups.iter().flatten().cloned().collect::<Vec<_>>().join(", ");
    writeln!(text, "user        {}", principal.user)?;
    writeln!(text, "groups      {}", if groups.is_empty() { "none" } else { &groups })?;
    for (name, value) in principal.attributes.iter().flatten() {
        writeln!(text, "attribute   {name} = {value}")?;
    }
    writeln!(text, "purpose     {}", if explained.purpose.is_empty() { "none" } else { &explained.purpose })?;
    writeln!(text, "at          {}", shown_moment(explained.at))?;
    for dataset in &explained.datasets {
        writeln!(text)?;
        write_dataset(dataset, &mut text)?;
    }
    match (&explained.plan, &explained.no_plan) {
        (Some(plan), _) => {
            writeln!(text, "\nplan")?;
            plan.lines().try_for_each(|line| writeln!(text, "  {line}"))?;
        }
        (None, Some(why)) => writeln!(text, "\nno plan: {why}")?,
        (None, None) => {}
    }
    Ok(text)
}

fn write_dataset(dataset: &DatasetExplained, text: &mut String) -> fmt::Result {
    writeln!(text, "{}: {}", dataset.product, dataset.decision)?;
    writeln!(text, "  why       {}", dataset.why)?;
    if let Some(until) = dataset.valid_until {
        writeln!(text, "  until     {}", shown_moment(until))?;
    }
    if let Some(rows) = &dataset.rows {
        writeln!(text, "  rows      {rows}")?;
    }
    for policy in &dataset.row_policies {
        let verb = if policy.effect == "forbid" { "leaves" } else { "shows" };
        writeln!(text, "              {} {} {verb} {}", policy.effect, policy.policy, policy.rows)?;
    }
    let width = dataset.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or_default();
    for (position, column) in dataset.columns.iter().enumerate() {
        let head = if position == 0 { "columns" } else { "" };
        let shown = match (column.shown, column.mask) {
            (Shown::Raw, _) => "raw",
            (Shown::Masked, mask) => mask.unwrap_or("masked"),
            (Shown::Absent, _) => "absent",
        };
        writeln!(text, "  {head:<9} {:<width$}  {shown:<7}  {}", column.name, column.why)?;
    }
    write_policies("policies", &dataset.policies, text)?;
    write_policies("others", &dataset.others, text)
}

fn write_policies(head: &str, policies: &[PolicyNamed], text: &mut String) -> fmt::Result {
    for (position, policy) in policies.iter().enumerate() {
        let head = if position == 0 { head } else { "" };
        writeln!(text, "  {head:<9} {} {}  {}:{}", policy.effect, policy.id, policy.file, policy.line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_json_where_they_can_be() {
        assert_eq!(claim("region=EMEA").unwrap(), ("region".to_owned(), Value::from("EMEA")));
        assert_eq!(claim("level=3").unwrap().1, Value::from(3));
        assert_eq!(claim("a=[\"x=y\"]").unwrap().1, serde_json::json!(["x=y"]));
        assert!(claim("region").is_err());
    }
}
