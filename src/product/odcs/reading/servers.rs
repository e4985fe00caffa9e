//! Servers: the public endpoint that consumers use, and the private place of the files.
//!
//! The endpoint says who holds the files: its custom property `physicalServer` names another server of the
//! contract. A table may name one itself. Without either, the only server of Parquet files holds them.

use super::super::check::short;
use super::super::faults::Faults;
use super::super::yaml::{Map, Node};
use super::airside::custom_text;
use crate::product::Location;

const PHYSICAL_SERVER: &str = "physicalServer";
/// Stands for the table in the path of a product that has several (the official tools write it so too).
pub(crate) const TABLE: &str = "{model}";

/// The servers of a contract.
pub(super) struct Servers<'a> {
    all: Vec<&'a Map>,
    /// Those of Parquet files.
    storage: Vec<&'a Map>,
    /// The one the endpoint names.
    named: Option<(&'a str, u32)>,
    line: u32,
}

impl<'a> Servers<'a> {
    pub fn read(contract: &'a Map, faults: &mut Faults<'_>) -> Self {
        let all: Vec<&Map> = contract.items("servers").iter().filter_map(Node::map).collect();
        let mut names: Vec<&str> = Vec::new();
        for server in &all {
            let Some(name) = server.text("server") else { continue };
            if names.contains(&name) {
                faults.add(server.line_of("server"), format!("there are two servers named `{}`", short(name)));
            }
            names.push(name);
        }
        let storage = all.iter().copied().filter(|server| place(server).is_some() && !is_endpoint(server)).collect();
        let named = all.iter().find_map(|server| custom_text(server, PHYSICAL_SERVER));
        for (other, line) in all.iter().filter_map(|server| custom_text(server, PHYSICAL_SERVER)) {
            if named.is_some_and(|(name, _)| name != other) {
                let hint = "a contract describes one place; other environments have contracts of their own";
                faults.advise(line, format!("a second physical server is named: `{}`", short(other)), hint);
            }
        }
        Self { all, storage, named, line: contract.line_of("servers") }
    }

    /// Where the files of `table` are.
    pub fn location(&self, table: &Map, siblings: usize, faults: &mut Faults<'_>) -> Option<Location> {
        let server = match custom_text(table, PHYSICAL_SERVER).or(self.named) {
            Some((name, line)) => self.by_name(name, line, faults)?,
            None => self.only(faults)?,
        };
        let (key, written) = place(server)?;
        let line = server.line_of(key);
        if written.contains("${") {
            let hint = "write the place itself; a store's credentials stand in the gateway's configuration";
            faults.advise(line, "Airside fills in no variables", hint);
            return None;
        }
        if written.trim().is_empty() || written.chars().any(char::is_control) {
            faults.add(line, format!("`{key}` is no place of files"));
            return None;
        }
        if siblings > 1 && !written.contains(TABLE) && custom_text(table, PHYSICAL_SERVER).is_none() {
            let reason = format!("one place cannot hold the files of {siblings} tables");
            let hint = format!(
                "write `{TABLE}` where the table's name stands in the path, or name a server per table with the custom property `{PHYSICAL_SERVER}`"
            );
            faults.advise(line, reason, hint);
            return None;
        }
        let table = table.text("physicalName").or_else(|| table.text("name"))?;
        Some(Location { url: written.replace(TABLE, table), server: server.text("server")?.to_owned() })
    }

    fn by_name(&self, name: &str, line: u32, faults: &mut Faults<'_>) -> Option<&'a Map> {
        let Some(server) = self.all.iter().copied().find(|server| server.text("server") == Some(name)) else {
            faults.add(
                line,
                format!("`{PHYSICAL_SERVER}` names the server `{}`, which the contract does not have", short(name)),
            );
            return None;
        };
        if place(server).is_none() {
            let reason = format!("the server `{}` holds no Parquet files", short(name));
            faults.advise(
                server.line,
                reason,
                "it must be of type `local`, `s3`, `azure` or `custom`, with `format: parquet`",
            );
            return None;
        }
        Some(server)
    }

    fn only(&self, faults: &mut Faults<'_>) -> Option<&'a Map> {
        match self.storage[..] {
            [server] => Some(server),
            [] => {
                let hint = "add a server of type `local`, `s3`, `azure` or `custom` with `format: parquet`, or the custom property `airside.query` to a derived table";
                faults.advise(self.line, "no server of the contract holds the files", hint);
                None
            }
            _ => {
                let names: Vec<&str> = self.storage.iter().filter_map(|server| server.text("server")).collect();
                let reason = format!("several servers could hold the files: `{}`", names.join("`, `"));
                faults.advise(
                    self.line,
                    reason,
                    format!("name one in the custom property `{PHYSICAL_SERVER}` of the flight server"),
                );
                None
            }
        }
    }
}

/// The key and the text of a server's place of Parquet files; none for any other kind of server.
fn place(server: &Map) -> Option<(&'static str, &str)> {
    let key = match server.text("type")? {
        "local" => "path",
        "s3" | "azure" => "location",
        "custom" if server.text("location").is_some() => "location",
        "custom" => "path",
        _ => return None,
    };
    // Only `s3` may leave the format out; what Airside reads is Parquet.
    let parquet = match server.text("format") {
        Some(format) => format.eq_ignore_ascii_case("parquet"),
        None => server.text("type") == Some("s3"),
    };
    parquet.then(|| server.text(key)).flatten().map(|text| (key, text))
}

fn is_endpoint(server: &Map) -> bool {
    custom_text(server, PHYSICAL_SERVER).is_some() || custom_text(server, "protocol").is_some()
}
