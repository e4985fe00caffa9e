//! How much of anything one statement may ask for, before anything is planned.
//!
//! Planning is synchronous and recursive inside DataFusion, so what is too large must be refused by
//! counting, not by waiting.

use serde::Deserialize;

/// Caps on a statement. The defaults are generous for people and BI tools and small for attackers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of SQL text.
    pub max_sql_bytes: usize,
    /// Words, signs and literals of the text, white space excluded.
    pub max_tokens: usize,
    /// Nodes of the syntax tree, with every common table expression counted where it is used.
    pub max_nodes: usize,
    /// Depth of the syntax tree.
    pub max_depth: usize,
    /// Tables, subqueries and common table expressions read, counted as `max_nodes` counts.
    pub max_relations: usize,
    /// Values of one `IN` list.
    pub max_in_values: usize,
    /// Items of one SELECT list and columns of a product request.
    pub max_columns: usize,
    /// Grouping sets of one GROUP BY, after CUBE and ROLLUP are expanded.
    pub max_grouping_sets: usize,
    /// Parameters of a prepared statement.
    pub max_parameters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_sql_bytes: 256 * 1024,
            max_tokens: 50_000,
            max_nodes: 25_000,
            max_depth: 200,
            max_relations: 100,
            max_in_values: 5_000,
            max_columns: 2_500,
            max_grouping_sets: 256,
            max_parameters: 1_000,
        }
    }
}
