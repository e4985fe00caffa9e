//! Expressions: what may be computed. The other half, queries and relations, is in `relations`.
//!
//! One walk does everything a statement must pass before planning: the allow-list, the counts of
//! [`Limits`] and the names of the tables. Every `match` ends in a refusal, so what is not named is out.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CeilFloorKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, Ident, ObjectName, ObjectNamePart, Subscript, UnaryOperator, Value,
    WindowFrameBound, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Location;

use super::TableName;
use super::relations::Scope;
use crate::query::functions;
use crate::query::{Limits, QueryError};

type Reviewed = Result<(), QueryError>;

/// The state of one walk.
pub(super) struct Review<'a> {
    pub(super) limits: &'a Limits,
    pub(super) tables: BTreeSet<TableName>,
    /// Where tables are named without a schema.
    pub(super) bare: Vec<Location>,
    /// Common table expressions in sight, the innermost WITH last.
    pub(super) scopes: Vec<Scope>,
    /// Nodes so far, each common table expression counted again where it is used: planning copies it there.
    pub(super) nodes: usize,
    /// Relations so far, counted alike.
    pub(super) relations: usize,
    /// Calls of functions whose results can be longer than their arguments.
    growing: usize,
    /// Calls over windows: planning copies the columns so far for each of them.
    windows: usize,
    depth: usize,
    subqueries: bool,
    /// Whether named queries may be called: they have not been put in yet.
    calls: bool,
    /// Calls of named queries.
    pub(super) called: usize,
}

/// Calls of growing functions that one statement may hold; their outputs are capped one by one.
const MAX_GROWING_CALLS: usize = 64;

/// Calls over windows that one statement may hold.
const MAX_WINDOW_CALLS: usize = 100;

impl<'a> Review<'a> {
    pub(super) fn new(limits: &'a Limits, subqueries: bool) -> Self {
        Self {
            limits,
            tables: BTreeSet::new(),
            bare: Vec::new(),
            scopes: Vec::new(),
            nodes: 0,
            relations: 0,
            growing: 0,
            windows: 0,
            depth: 0,
            subqueries,
            calls: false,
            called: 0,
        }
    }

    /// Reviews a query in which named queries may be called.
    pub(super) fn calling(query: &ast::Query, limits: &'a Limits) -> Result<Self, QueryError> {
        let mut review = Self { calls: true, ..Self::new(limits, true) };
        review.review_query(query)?;
        Ok(review)
    }

    /// Whether a table of this name with arguments may stand.
    pub(super) fn may_call(&self, name: &ObjectName) -> bool {
        self.calls && super::call::is_callable(name)
    }

    /// Reviews a whole query.
    pub(super) fn query(query: &ast::Query, limits: &'a Limits) -> Result<Self, QueryError> {
        let mut review = Self::new(limits, true);
        review.review_query(query)?;
        Ok(review)
    }

    /// Reviews one condition, which may not look anywhere but at its row.
    pub(super) fn filter(expr: &Expr, limits: &'a Limits) -> Reviewed {
        Self::new(limits, false).review_expr(expr)
    }

    /// Counts one node and goes one level down.
    pub(super) fn node(&mut self, within: impl FnOnce(&mut Self) -> Reviewed) -> Reviewed {
        self.count(1, 0)?;
        self.depth += 1;
        if self.depth > self.limits.max_depth {
            return Err(self.too_deep());
        }
        within(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn too_deep(&self) -> QueryError {
        QueryError::limit(format!("the statement is nested too deeply: at most {} levels", self.limits.max_depth))
    }

    /// Adds to the counts and compares them with their limits.
    pub(super) fn count(&mut self, nodes: usize, relations: usize) -> Reviewed {
        self.nodes = self.nodes.saturating_add(nodes);
        self.relations = self.relations.saturating_add(relations);
        if self.nodes > self.limits.max_nodes {
            return Err(QueryError::limit(format!(
                "the statement is too large: at most {} parts, common table expressions counted where they are used",
                self.limits.max_nodes
            )));
        }
        if self.relations > self.limits.max_relations {
            return Err(QueryError::limit(format!(
                "the statement reads too many tables: at most {}, common table expressions counted where they are used",
                self.limits.max_relations
            )));
        }
        Ok(())
    }

    pub(super) fn review_all<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) -> Reviewed {
        exprs.into_iter().try_for_each(|expr| self.review_expr(expr))
    }

    pub(super) fn review_expr(&mut self, expr: &Expr) -> Reviewed {
        self.node(|review| review.review_expr_within(expr))
    }

    fn review_expr_within(&mut self, expr: &Expr) -> Reviewed {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Ok(()),
            Expr::CompoundFieldAccess { root, access_chain } => {
                // Planning nests one call for each access.
                if access_chain.len() > self.limits.max_depth.saturating_sub(self.depth) {
                    return Err(self.too_deep());
                }
                self.review_expr(root)?;
                access_chain.iter().try_for_each(|access| self.review_access(access))
            }
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::Nested(inner) => self.review_expr(inner),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.review_all([left.as_ref(), right.as_ref()])
            }
            Expr::InList { expr, list, negated: _ } => {
                if list.len() > self.limits.max_in_values {
                    return Err(QueryError::limit(format!(
                        "an IN list may have at most {} values",
                        self.limits.max_in_values
                    )));
                }
                self.review_expr(expr)?;
                self.review_all(list)
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                self.review_expr(expr)?;
                self.review_subquery(subquery)
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => self.review_subquery(subquery),
            Expr::Between { expr, negated: _, low, high } => {
                self.review_all([expr.as_ref(), low.as_ref(), high.as_ref()])
            }
            Expr::BinaryOp { left, op, right } => {
                self.review_operator(op)?;
                self.review_all([left.as_ref(), right.as_ref()])
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } | Expr::AllOp { left, compare_op, right } => {
                self.review_operator(compare_op)?;
                self.review_all([left.as_ref(), right.as_ref()])
            }
            Expr::Like { negated: _, any: false, expr, pattern, escape_char: _ }
            | Expr::ILike { negated: _, any: false, expr, pattern, escape_char: _ }
            | Expr::SimilarTo { negated: _, expr, pattern, escape_char: _ } => {
                self.review_all([expr.as_ref(), pattern.as_ref()])
            }
            Expr::UnaryOp { op: UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not, expr } => {
                self.review_expr(expr)
            }
            Expr::Cast { kind: _, expr, data_type, array: false, format: None } => {
                review_type(data_type)?;
                self.review_expr(expr)
            }
            Expr::AtTimeZone { timestamp, time_zone } => self.review_all([timestamp.as_ref(), time_zone.as_ref()]),
            Expr::Extract { field: _, syntax: _, expr } => self.review_expr(expr),
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) }
            | Expr::Floor { expr, field: CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.review_expr(expr)
            }
            Expr::Position { expr, r#in } => self.review_all([expr.as_ref(), r#in.as_ref()]),
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                self.review_expr(expr)?;
                self.review_all([substring_from, substring_for].into_iter().flatten().map(AsRef::as_ref))
            }
            Expr::Trim { trim_where: _, trim_what, expr, trim_characters } => {
                self.review_expr(expr)?;
                self.review_all(trim_what.iter().map(AsRef::as_ref))?;
                self.review_all(trim_characters.iter().flatten())
            }
            Expr::Value(value) => review_value(&value.value),
            Expr::TypedString(typed) => {
                review_type(&typed.data_type)?;
                review_value(&typed.value.value)
            }
            Expr::Interval(interval) => self.review_expr(&interval.value),
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.review_all(operand.iter().chain(else_result).map(AsRef::as_ref))?;
                self.review_all(conditions.iter().flat_map(|when| [&when.condition, &when.result]))
            }
            Expr::Function(function) => self.review_function(function),
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => self.review_all(sets.iter().flatten()),
            other => Err(QueryError::unsupported(name_of(other))),
        }
    }

    fn review_subquery(&mut self, query: &ast::Query) -> Reviewed {
        if !self.subqueries {
            return Err(QueryError::unsupported("a subquery in a filter"));
        }
        self.review_query(query)
    }

    fn review_access(&mut self, access: &AccessExpr) -> Reviewed {
        match access {
            AccessExpr::Dot(field) => self.review_expr(field),
            AccessExpr::Subscript(Subscript::Index { index }) => self.review_expr(index),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                self.review_all([lower_bound, upper_bound, stride].into_iter().flatten())
            }
        }
    }

    fn review_operator(&mut self, op: &BinaryOperator) -> Reviewed {
        use BinaryOperator as Op;
        match op {
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => Ok(()),
            Op::Gt | Op::Lt | Op::GtEq | Op::LtEq | Op::Eq | Op::NotEq | Op::And | Op::Or => Ok(()),
            Op::BitwiseOr | Op::BitwiseAnd | Op::BitwiseXor | Op::PGBitwiseXor => Ok(()),
            Op::PGBitwiseShiftLeft | Op::PGBitwiseShiftRight => Ok(()),
            Op::PGRegexMatch | Op::PGRegexIMatch | Op::PGRegexNotMatch | Op::PGRegexNotIMatch => Ok(()),
            Op::PGLikeMatch | Op::PGILikeMatch | Op::PGNotLikeMatch | Op::PGNotILikeMatch => Ok(()),
            Op::StringConcat => self.growing_call(),
            other => Err(QueryError::unsupported(format!("operator `{other}`"))),
        }
    }

    fn growing_call(&mut self) -> Reviewed {
        self.growing += 1;
        if self.growing > MAX_GROWING_CALLS {
            return Err(QueryError::limit(format!(
                "a statement may join, pad or replace texts at most {MAX_GROWING_CALLS} times"
            )));
        }
        Ok(())
    }

    fn review_function(&mut self, function: &Function) -> Reviewed {
        let Function { name, uses_odbc_syntax: _, parameters, args, filter, null_treatment: _, over, within_group } =
            function;
        let plain = single_name(name)
            .ok_or_else(|| QueryError::unsupported(format!("function `{}`", super::shortened(&name.to_string()))))?;
        if !functions::is_permitted(&plain) {
            return Err(QueryError::unsupported(format!("function `{}`", super::shortened(&plain))));
        }
        if functions::grows(&plain) {
            self.growing_call()?;
        }
        if *parameters != FunctionArguments::None {
            return Err(QueryError::unsupported(format!("a second argument list of function `{plain}`")));
        }
        match args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => {
                return Err(QueryError::unsupported(format!("a bare subquery as argument of function `{plain}`")));
            }
            FunctionArguments::List(list) => {
                for arg in &list.args {
                    match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.review_expr(expr)?,
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => self.count(1, 0)?,
                        _ => return Err(QueryError::unsupported("a named or qualified function argument")),
                    }
                }
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                        FunctionArgumentClause::OrderBy(order) => self.review_order(order)?,
                        _ => return Err(QueryError::unsupported(format!("a clause within function `{plain}`"))),
                    }
                }
            }
        }
        self.review_all(filter.iter().map(AsRef::as_ref))?;
        self.review_order(within_group)?;
        if over.is_some() {
            self.windows += 1;
            if self.windows > MAX_WINDOW_CALLS {
                return Err(QueryError::limit(format!(
                    "a statement may have at most {MAX_WINDOW_CALLS} window functions"
                )));
            }
        }
        match over {
            None | Some(WindowType::NamedWindow(_)) => Ok(()),
            Some(WindowType::WindowSpec(window)) => self.review_window(window),
        }
    }

    pub(super) fn review_window(&mut self, window: &WindowSpec) -> Reviewed {
        let WindowSpec { window_name: _, partition_by, order_by, window_frame } = window;
        self.review_all(partition_by)?;
        self.review_order(order_by)?;
        let Some(frame) = window_frame else { return Ok(()) };
        for bound in [Some(&frame.start_bound), frame.end_bound.as_ref()].into_iter().flatten() {
            match bound {
                WindowFrameBound::CurrentRow => {}
                WindowFrameBound::Preceding(distance) | WindowFrameBound::Following(distance) => {
                    self.review_all(distance.iter().map(AsRef::as_ref))?;
                }
            }
        }
        Ok(())
    }
}

fn review_value(value: &Value) -> Reviewed {
    match value {
        Value::Number(..)
        | Value::SingleQuotedString(_)
        | Value::EscapedStringLiteral(_)
        | Value::UnicodeStringLiteral(_)
        | Value::NationalStringLiteral(_)
        | Value::DollarQuotedString(_)
        | Value::HexStringLiteral(_)
        | Value::Boolean(_)
        | Value::Null
        | Value::Placeholder(_) => Ok(()),
        _ => Err(QueryError::unsupported("this kind of literal")),
    }
}

/// Types of casts: plain ones. A list of a given length, for one, would be allocated at that length.
fn review_type(data_type: &DataType) -> Reviewed {
    match data_type {
        DataType::Character(_)
        | DataType::Char(_)
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Varchar(_)
        | DataType::Text
        | DataType::String(_)
        | DataType::Bytea
        | DataType::Numeric(_)
        | DataType::Decimal(_)
        | DataType::Dec(_)
        | DataType::Float(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Real
        | DataType::Double(_)
        | DataType::DoublePrecision
        | DataType::TinyInt(_)
        | DataType::TinyIntUnsigned(_)
        | DataType::Int2(_)
        | DataType::Int2Unsigned(_)
        | DataType::SmallInt(_)
        | DataType::SmallIntUnsigned(_)
        | DataType::Int(_)
        | DataType::Int4(_)
        | DataType::Int8(_)
        | DataType::Integer(_)
        | DataType::IntUnsigned(_)
        | DataType::Int4Unsigned(_)
        | DataType::IntegerUnsigned(_)
        | DataType::BigInt(_)
        | DataType::BigIntUnsigned(_)
        | DataType::Int8Unsigned(_)
        | DataType::Bool
        | DataType::Boolean
        | DataType::Date
        | DataType::Time(..)
        | DataType::Timestamp(..)
        | DataType::Interval { .. } => Ok(()),
        other => Err(QueryError::unsupported(format!("type `{}`", super::shortened(&other.to_string())))),
    }
}

/// The name of an object that has one part, as DataFusion normalises it.
fn single_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(normalised(ident)),
        _ => None,
    }
}

/// An identifier as DataFusion understands it: lower case unless quoted.
pub(super) fn normalised(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// What a refused expression is called.
fn name_of(expr: &Expr) -> &'static str {
    match expr {
        Expr::Overlay { .. } => "OVERLAY",
        Expr::Collate { .. } => "COLLATE",
        Expr::Convert { .. } => "CONVERT",
        Expr::Cast { .. } => "CAST with a format or of an array",
        Expr::Tuple(_) => "a row of several values",
        Expr::Struct { .. } | Expr::Dictionary(_) => "a struct literal",
        Expr::Map(_) => "a map literal",
        Expr::Array(_) => "an array literal",
        Expr::Lambda(_) => "a lambda function",
        Expr::JsonAccess { .. } => "JSON access",
        Expr::RLike { .. } => "RLIKE",
        Expr::Like { .. } | Expr::ILike { .. } => "LIKE ANY",
        Expr::MatchAgainst { .. } => "MATCH AGAINST",
        Expr::Ceil { .. } | Expr::Floor { .. } => "CEIL or FLOOR to a unit",
        Expr::UnaryOp { .. } => "this unary operator",
        Expr::OuterJoin(_) => "the outer join sign (+)",
        Expr::Prior(_) => "PRIOR",
        _ => "an expression of this statement",
    }
}
