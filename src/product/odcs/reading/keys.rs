//! Primary keys, and foreign keys from `relationships`.

use super::super::check::short;
use super::super::faults::Faults;
use super::super::standard::is_qualified_reference;
use super::super::yaml::{Map, Node, Value};
use crate::product::{Dataset, ForeignKey, Name};

/// The columns of the primary key, by `primaryKeyPosition`; those without one follow in their order.
pub(super) fn primary_key(table: &Map) -> Vec<String> {
    let mut found: Vec<(f64, &str)> = table
        .maps("properties")
        .filter(|column| column.flag("primaryKey") == Some(true))
        .filter_map(|column| {
            let position = match column.get("primaryKeyPosition").map(|node| &node.value) {
                Some(Value::Number(number)) if number.value >= 0.0 => number.value,
                _ => f64::INFINITY,
            };
            Some((position, column.text("name")?))
        })
        .collect();
    found.sort_by(|(left, _), (right, _)| left.total_cmp(right));
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// One end of a relationship: columns of one dataset.
#[derive(PartialEq)]
struct End {
    domain: Name,
    dataset: Name,
    columns: Vec<String>,
}

/// The foreign keys of table number `at`. References into other contract files name nothing that Airside
/// could resolve; they describe, and are left to other readers of the contract.
pub(super) fn foreign_keys(
    table: &Map,
    at: usize,
    tables: &[&Map],
    datasets: &[Dataset],
    domain: &Name,
    faults: &mut Faults<'_>,
) -> Vec<ForeignKey> {
    let Some(own) = datasets.get(at) else { return Vec::new() };
    let mut reader = Reader { tables, datasets, domain, faults };
    let mut found = Vec::new();
    for column in table.maps("properties") {
        let Some(name) = column.text("name") else { continue };
        for relationship in column.maps("relationships") {
            if let Some(to) = reader.end(relationship, "to") {
                found.extend(reader.key(relationship.line, vec![name.to_owned()], to));
            }
        }
    }
    for relationship in table.maps("relationships") {
        if let (Some(from), Some(to)) = (reader.end(relationship, "from"), reader.end(relationship, "to")) {
            if from.dataset != own.name || from.domain != *domain {
                let reason = format!("a relationship of table `{}` begins at another table", own.name);
                reader.faults.advise(
                    relationship.line_of("from"),
                    reason,
                    format!("write `from: {}.<column>`", own.name),
                );
                continue;
            }
            found.extend(reader.key(relationship.line, from.columns, to));
        }
    }
    found
}

struct Reader<'t, 'f, 'a> {
    tables: &'t [&'t Map],
    datasets: &'t [Dataset],
    domain: &'t Name,
    faults: &'f mut Faults<'a>,
}

impl Reader<'_, '_, '_> {
    fn key(&mut self, line: u32, columns: Vec<String>, to: End) -> Option<ForeignKey> {
        if columns.len() != to.columns.len() {
            let reason = format!("the relationship joins {} columns to {}", columns.len(), to.columns.len());
            self.faults.advise(line, reason, "name as many columns on either side");
            return None;
        }
        Some(ForeignKey { columns, domain: to.domain, dataset: to.dataset, references: to.columns })
    }

    fn end(&mut self, relationship: &Map, key: &str) -> Option<End> {
        let node = relationship.get(key)?;
        let parts: Vec<&Node> = match &node.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut end: Option<End> = None;
        for part in parts {
            let (domain, dataset, column) = self.reference(part)?;
            match &mut end {
                None => end = Some(End { domain, dataset, columns: vec![column] }),
                Some(end) if end.domain == domain && end.dataset == dataset => end.columns.push(column),
                Some(_) => {
                    self.faults.add(part.line, format!("the columns of `{key}` are of different tables"));
                    return None;
                }
            }
        }
        end
    }

    /// `dataset.column`, `domain.dataset.column`, or `schema/<id>/properties/<id>` within the contract.
    fn reference(&mut self, node: &Node) -> Option<(Name, Name, String)> {
        let text = node.text()?;
        if is_qualified_reference(text) {
            return self.by_id(text);
        }
        let parts: Vec<&str> = text.trim_end().split('.').collect();
        let (domain, dataset, column) = match parts[..] {
            [dataset, column] => (self.domain.as_str(), dataset, column),
            [domain, dataset, column] => (domain, dataset, column),
            _ => {
                let reason = format!("`{}` does not refer to a column of a table", short(text));
                self.faults.advise(node.line, reason, "write `dataset.column` or `domain.dataset.column`");
                return None;
            }
        };
        let own = domain == self.domain.as_str();
        let known = self.datasets.iter().find(|known| own && known.name.as_str() == dataset);
        if known.is_some_and(|known| known.column(column).is_none()) {
            self.faults.add(node.line, format!("`{}` has no column `{}`", short(dataset), short(column)));
            return None;
        }
        match (Name::parse(domain), Name::parse(dataset)) {
            (Ok(domain), Ok(dataset)) => Some((domain, dataset, column.to_owned())),
            (Err(error), _) | (_, Err(error)) => {
                self.faults.add(node.line, error.to_string());
                None
            }
        }
    }

    fn by_id(&self, text: &str) -> Option<(Name, Name, String)> {
        let parts: Vec<&str> = text.trim_end().trim_start_matches('/').split('/').collect();
        let ["schema", table_id, "properties", column_id] = parts[..] else { return None };
        let is = |map: &Map, id: &str| {
            map.text("id") == Some(id) || (map.get("id").is_none() && map.text("name") == Some(id))
        };
        let at = self.tables.iter().position(|table| is(table, table_id))?;
        let column = self.tables[at].maps("properties").find(|column| is(column, column_id))?.text("name")?;
        Some((self.domain.clone(), self.datasets.get(at)?.name.clone(), column.to_owned()))
    }
}
