//! Which predicates a leaf takes from the plan above it.
//!
//! The Parquet reader may evaluate predicates in any order, so one that comes "after" the row filter still
//! meets hidden rows. Being infallible is the defence: a predicate is taken only if it cannot fail on any
//! value, looks at nothing but unmasked columns, and compares without a cast. The rest stays above.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use std::sync::Arc;

type Expr = Arc<dyn PhysicalExpr>;

/// What the leaf shows: its schema, and which of its columns are raw ones.
pub(super) struct Shown<'a> {
    pub(super) schema: &'a Schema,
    pub(super) is_raw: &'a dyn Fn(usize) -> bool,
}

impl Shown<'_> {
    /// A predicate that cannot fail and looks at unmasked columns only.
    pub(super) fn accepts(&self, expr: &Expr) -> bool {
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            let (left, right) = (binary.left(), binary.right());
            return match binary.op() {
                Operator::And | Operator::Or => self.accepts(left) && self.accepts(right),
                Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq
                | Operator::IsDistinctFrom
                | Operator::IsNotDistinctFrom => self.comparable(left, right),
                _ => false,
            };
        }
        if let Some(in_list) = expr.downcast_ref::<InListExpr>() {
            return self.is_column(in_list.expr())
                && in_list.list().iter().all(|value| is_literal(value) && self.comparable(in_list.expr(), value));
        }
        if let Some(is_null) = expr.downcast_ref::<IsNullExpr>() {
            return self.is_column(is_null.arg());
        }
        if let Some(is_not_null) = expr.downcast_ref::<IsNotNullExpr>() {
            return self.is_column(is_not_null.arg());
        }
        if let Some(not) = expr.downcast_ref::<NotExpr>() {
            return self.accepts(not.arg());
        }
        if let Some(like) = expr.downcast_ref::<LikeExpr>() {
            return !like.case_insensitive()
                && self.is_column(like.expr())
                && self.comparable(like.expr(), like.pattern())
                && like.pattern().downcast_ref::<Literal>().is_some_and(|pattern| is_prefix(pattern.value()));
        }
        self.is_column(expr) && self.data_type(expr) == Some(DataType::Boolean)
    }

    /// A filter that a join, an aggregate or a sort fills in while it runs, over unmasked columns. Its
    /// children are the keys, so one with a key like `CAST(note AS INT)` is not taken.
    pub(super) fn accepts_dynamic(&self, expr: &Expr) -> bool {
        expr.downcast_ref::<DynamicFilterPhysicalExpr>()
            .is_some_and(|filter| filter.children().into_iter().all(|child| self.is_column(child)))
    }

    /// A column shown as it is.
    pub(super) fn is_column(&self, expr: &Expr) -> bool {
        expr.downcast_ref::<Column>()
            .is_some_and(|column| column.index() < self.schema.fields().len() && (self.is_raw)(column.index()))
    }

    /// Both sides columns or literals, at least one a column, of one flat type.
    fn comparable(&self, left: &Expr, right: &Expr) -> bool {
        let operand = |expr: &Expr| self.is_column(expr) || is_literal(expr);
        let (left_type, right_type) = (self.data_type(left), self.data_type(right));
        (self.is_column(left) || self.is_column(right))
            && operand(left)
            && operand(right)
            && left_type == right_type
            && left_type.is_some_and(|data_type| !data_type.is_nested())
    }

    fn data_type(&self, expr: &Expr) -> Option<DataType> {
        expr.data_type(self.schema).ok()
    }
}

fn is_literal(expr: &Expr) -> bool {
    expr.is::<Literal>()
}

/// A LIKE pattern that is a literal prefix: `%` at the end only, nothing to escape, so nothing to compile.
fn is_prefix(pattern: &ScalarValue) -> bool {
    let (ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text))) =
        pattern
    else {
        return false;
    };
    let prefix = text.strip_suffix('%').unwrap_or(text);
    !prefix.is_empty() && !prefix.contains(['%', '_', '\\'])
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;
    use datafusion::physical_expr::expressions::{CastExpr, binary, col, in_list, lit};

    use super::*;

    #[test]
    fn only_what_cannot_fail_is_taken() {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("note", DataType::Utf8, true),
            Field::new("email", DataType::Utf8, true),
            Field::new("flag", DataType::Boolean, true),
            Field::new("other", DataType::Int64, true),
        ]);
        let shown = Shown { schema: &schema, is_raw: &|index| index != 2 };
        let column = |name| col(name, &schema).unwrap();
        let compare = |left: Expr, op, right: Expr| Arc::new(BinaryExpr::new(left, op, right)) as Expr;
        let id = |op| compare(column("id"), op, lit(5_i64));
        let like = |name, pattern: &str| Arc::new(LikeExpr::new(false, false, column(name), lit(pattern))) as Expr;
        let number = Arc::new(CastExpr::new(column("note"), DataType::Int64, None)) as Expr;

        let taken: Vec<Expr> = vec![
            id(Operator::Eq),
            compare(lit(5_i64), Operator::Lt, column("id")),
            compare(column("id"), Operator::LtEq, column("other")),
            binary(id(Operator::Gt), Operator::Or, Arc::new(IsNullExpr::new(column("note"))), &schema).unwrap(),
            in_list(column("id"), vec![lit(1_i64), lit(2_i64)], &false, &schema).unwrap(),
            Arc::new(NotExpr::new(id(Operator::Eq))),
            like("note", "abc%"),
            column("flag"),
        ];
        for expr in taken {
            assert!(shown.accepts(&expr), "{expr}");
        }
        let left: Vec<Expr> = vec![
            compare(column("email"), Operator::Eq, lit("x")),
            Arc::new(IsNullExpr::new(column("email"))),
            compare(column("id"), Operator::Eq, lit(5_i32)),
            compare(number.clone(), Operator::Eq, lit(5_i64)),
            compare(compare(lit(1000_i64), Operator::Divide, column("id")), Operator::Gt, lit(1_i64)),
            compare(id(Operator::Eq), Operator::And, compare(number, Operator::Gt, lit(0_i64))),
            compare(column("note"), Operator::RegexMatch, lit("(")),
            compare(lit(1_i64), Operator::Eq, lit(1_i64)),
            like("note", "a%b"),
            like("note", "%"),
            like("email", "a%"),
            column("note"),
        ];
        for expr in left {
            assert!(!shown.accepts(&expr), "{expr}");
        }
    }
}
