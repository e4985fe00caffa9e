//! A default schema: put into the text before every table that is named without one.
//!
//! ```text
//! WITH w AS (SELECT * FROM orders) SELECT * FROM w, geography.nation
//! WITH w AS (SELECT * FROM "sales".orders) SELECT * FROM w, geography.nation
//! ```
//!
//! Done to the text, so that whatever carries the statement on, a ticket, a handle, the audit, says what it reads and
//! none of them has to know of a schema beside it.

use datafusion::sql::sqlparser::tokenizer::Location;

use super::allow_list::Review;
use super::{STACK, Statement, one_query, quoted, tokens};
use crate::query::Limits;

impl Statement {
    /// A statement's text with `schema` before the tables it names without one; none if it names each with its schema,
    /// or is no statement.
    pub fn within_schema(sql: &str, schema: &str, limits: &Limits) -> Option<String> {
        let (tokens, _) = tokens::tokenize(sql, limits).ok()?;
        let mut places = stacker::grow(STACK, || {
            let query = one_query(tokens).ok()?;
            Some(Review::calling(&query, limits).ok()?.bare)
        })?;
        if places.is_empty() {
            return None;
        }
        let mut text = String::with_capacity(sql.len() + places.len() * (schema.len() + 3));
        places.sort_unstable();
        let mut places = places.into_iter().peekable();
        let mut here = Location { line: 1, column: 1 };
        for c in sql.chars() {
            if places.next_if_eq(&here).is_some() {
                text.push_str(&quoted(schema));
                text.push('.');
            }
            text.push(c);
            here = match c {
                '\n' => Location { line: here.line + 1, column: 1 },
                _ => Location { line: here.line, column: here.column + 1 },
            };
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_without_a_schema_get_one() {
        let within = |sql: &str| {
            let text = Statement::within_schema(sql, "sales", &Limits::default());
            let again = text.as_deref().map(|text| Statement::within_schema(text, "sales", &Limits::default()));
            assert!(again.is_none_or(|again| again.is_none()), "{sql}");
            text
        };
        for (sql, expected) in [
            ("SELECT * FROM orders", "SELECT * FROM \"sales\".orders"),
            (
                "SELECT 'ü\n', o.* FROM\n\t\"orders\" o, b -- c",
                "SELECT 'ü\n', o.* FROM\n\t\"sales\".\"orders\" o, \"sales\".b -- c",
            ),
            ("SELECT orders.a FROM orders, x.orders", "SELECT orders.a FROM \"sales\".orders, x.orders"),
            (
                "WITH w AS (SELECT * FROM w) SELECT ? FROM w JOIN t ON EXISTS (SELECT 1 FROM u)",
                "WITH w AS (SELECT * FROM \"sales\".w) SELECT ? FROM w JOIN \"sales\".t ON EXISTS (SELECT 1 FROM \"sales\".u)",
            ),
        ] {
            assert_eq!(within(sql).as_deref(), Some(expected));
        }
        assert_eq!(within("SELECT * FROM mesh.sales.orders, sales.b"), None);
        assert_eq!(within("SELECT 1"), None);
        let called = "SELECT * FROM marketing.of_customer(7) AS q, \"sales\".orders";
        assert_eq!(within(&called.replace("\"sales\".", "")).as_deref(), Some(called));
    }
}
