//! A named query, read once: what stands in for its calls.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, Expr, Value, visit_expressions_mut};
use sha2::{Digest, Sha256};

use super::allow_list::Review;
use super::{STACK, TableName, one_query, tokens};
use crate::product::{NamedQuery, Product, ProductId, Version};
use crate::query::{Limits, QueryError};

/// A named query as statements call it: a SELECT of allowed parts, within its limits.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryTemplate {
    product: ProductId,
    version: Version,
    declared: Arc<NamedQuery>,
    /// `$1` stands for the first parameter's argument, and so on.
    query: ast::Query,
    nodes: usize,
    tables: BTreeSet<TableName>,
    digest: String,
}

impl QueryTemplate {
    /// Reads the SQL of a query that `product` declares.
    ///
    /// # Errors
    /// As [`super::Statement::parse`]; `Invalid` when its parameters are not those declared.
    pub fn parse(product: &Product, declared: &Arc<NamedQuery>, limits: &Limits) -> Result<Self, QueryError> {
        let names: Vec<&str> = declared.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let (tokens, places) = tokens::tokenize_named(&declared.sql, limits, &names)?;
        stacker::grow(STACK, || {
            let mut query = one_query(tokens)?;
            let mut review = Review::new(limits, true);
            review.review_query(&query)?;
            let (nodes, tables) = (review.nodes, review.tables);
            // Each is counted by replacing it with itself.
            let own: Vec<Expr> = (1..=names.len()).map(placeholder).collect();
            if substitute(&mut query, &own) != places {
                return Err(QueryError::invalid("a parameter stands where no value can stand"));
            }
            Ok(Self {
                product: product.id.clone(),
                version: product.version,
                declared: Arc::clone(declared),
                query,
                nodes,
                tables,
                digest: digest(declared),
            })
        })
    }

    /// What the contract says of it.
    pub fn declared(&self) -> &Arc<NamedQuery> {
        &self.declared
    }

    /// The product that offers it.
    pub fn product(&self) -> &ProductId {
        &self.product
    }

    /// The version of that product's contract.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The tables it reads.
    pub fn tables(&self) -> &BTreeSet<TableName> {
        &self.tables
    }

    /// Tells whether it is still the same question.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many parts it adds to a statement.
    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    /// Its query with `arguments` in the place of its parameters.
    pub(super) fn with(&self, arguments: &[Expr]) -> ast::Query {
        let mut query = self.query.clone();
        substitute(&mut query, arguments);
        query
    }
}

/// `domain.product@version/query`
impl fmt::Display for QueryTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.product, self.version, self.declared.name)
    }
}

/// A digest of what is asked: texts that only people read do not count.
fn digest(declared: &NamedQuery) -> String {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    add(&declared.sql);
    for parameter in &declared.parameters {
        add(parameter.name.as_str());
        add(&format!("{:?} {:?}", parameter.data_type, parameter.default));
    }
    hex::encode(digest.finalize())
}

/// `$number`
pub(super) fn placeholder(number: usize) -> Expr {
    Expr::Value(Value::Placeholder(format!("${number}")).into())
}

/// The number of `$number`.
pub(super) fn placeholder_number(text: &str) -> Option<usize> {
    text.strip_prefix('$')?.parse().ok()
}

/// Puts values in the place of parameters; answers how often one stood there. What is put in is not looked into, so a
/// parameter within it stays.
fn substitute(query: &mut ast::Query, values: &[Expr]) -> usize {
    let mut places = 0;
    let _ = visit_expressions_mut(query, |expr| {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(text) = &value.value
            && let Some(value) = placeholder_number(text).and_then(|number| values.get(number.checked_sub(1)?))
        {
            places += 1;
            *expr = value.clone();
        }
        ControlFlow::<()>::Continue(())
    });
    places
}
