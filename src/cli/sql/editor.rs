//! The line being typed: when it is complete, and what a half-written word may become.

use std::collections::BTreeSet;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::connection::Table;
use super::split::split;

/// Words worth completing; short ones are typed faster than completed.
const WORDS: [&str; 28] = [
    "BETWEEN",
    "CAST",
    "CURRENT_DATE",
    "DISTINCT",
    "EXISTS",
    "EXPLAIN",
    "EXTRACT",
    "FALSE",
    "FULL",
    "GROUP BY",
    "HAVING",
    "INNER JOIN",
    "INTERSECT",
    "INTERVAL",
    "LEFT JOIN",
    "LIKE",
    "LIMIT",
    "NULLS LAST",
    "OFFSET",
    "ORDER BY",
    "OVER",
    "PARTITION BY",
    "SELECT",
    "TIMESTAMP",
    "TRUE",
    "UNION ALL",
    "WHERE",
    "WITH",
];

/// What the editor knows.
#[derive(Default)]
pub(super) struct Words {
    tables: Vec<Table>,
}

impl Words {
    /// Knows these tables from now on.
    pub(super) fn know(&mut self, tables: Vec<Table>) {
        self.tables = tables;
    }

    /// What the word before the cursor may become: words of SQL, tables, and the columns of the tables that the line names.
    fn candidates(&self, line: &str, word: &str) -> Vec<String> {
        let lower = line.to_lowercase();
        let typed = word.to_lowercase();
        let names = self.tables.iter().map(|table| format!("{}.{}", table.domain, table.name));
        let mentioned = self.tables.iter().filter(|table| lower.contains(&format!("{}.{}", table.domain, table.name)));
        let columns = mentioned.flat_map(|table| table.schema.fields().iter().map(|field| field.name().clone()));
        let words = WORDS.iter().map(ToString::to_string);
        let found: BTreeSet<String> =
            names.chain(columns).chain(words).filter(|name| name.to_lowercase().starts_with(&typed)).collect();
        found.into_iter().collect()
    }
}

impl Helper for Words {}

impl Highlighter for Words {}

impl Hinter for Words {
    type Hint = String;
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..at).unwrap_or(line);
        let begin = typed
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '@')))
            .map_or(0, |before| before + typed[before..].chars().next().map_or(1, char::len_utf8));
        let word = &typed[begin..];
        if word.is_empty() {
            return Ok((at, Vec::new()));
        }
        Ok((begin, self.candidates(line, word)))
    }
}

impl Validator for Words {
    fn validate(&self, typed: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = typed.input().trim();
        let complete = text.is_empty() || text.starts_with('\\') || split(text).1.is_empty();
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use rustyline::history::DefaultHistory;

    use super::*;

    #[test]
    fn words_tables_and_their_columns_are_completed() {
        let schema = Schema::new(vec![Field::new("o_clerk", DataType::Utf8, true)]);
        let mut words = Words::default();
        words.know(vec![Table { domain: "sales".into(), name: "orders".into(), schema }]);
        let history = DefaultHistory::new();
        for (line, at, begin, expected) in [
            ("SELECT * FROM sa", 16, 14, &["sales.orders"][..]),
            ("SELECT * FROM sales.o", 21, 14, &["sales.orders"]),
            ("SELECT o_ FROM sales.orders", 9, 7, &["o_clerk"]),
            ("SELECT o_ FROM elsewhere", 9, 7, &[]),
            ("wher", 4, 0, &["WHERE"]),
            ("SELECT ü", 9, 7, &[]),
            ("", 0, 0, &[]),
        ] {
            let (start, found) = words.complete(line, at, &Context::new(&history)).unwrap();
            assert_eq!(
                (start, found.iter().map(String::as_str).collect::<Vec<_>>()),
                (begin, expected.to_vec()),
                "{line}"
            );
        }
    }
}
