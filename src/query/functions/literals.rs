//! Constants are copied into every row of a batch where an operator wants a column: a text of a hundred
//! kilobytes selected from a table would take a gigabyte per batch, outside the memory pool. So a plan may
//! hold only so many bytes of constants where that happens.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};

use crate::query::QueryError;

/// Bytes of constants in one plan, those only compared with excepted.
const MAX_CONSTANTS: usize = 16 << 10;

/// Refuses a plan (optimised: its constants are folded) with too long constants.
pub(in crate::query) fn check_literals(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut bytes = 0_usize;
    let walked = plan.apply_with_subqueries(|plan| {
        // The rows of VALUES are as many as are written: nothing is copied.
        if !matches!(plan, LogicalPlan::Values(_)) {
            plan.apply_expressions(|expr| count(expr, &mut bytes))?;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if let Err(error) = walked {
        return Err(QueryError::internal(&error));
    }
    if bytes > MAX_CONSTANTS {
        return Err(QueryError::limit(format!("the constants of a statement may have at most {MAX_CONSTANTS} bytes")));
    }
    Ok(())
}

fn count(expr: &Expr, bytes: &mut usize) -> Result<TreeNodeRecursion> {
    expr.apply(|expr| match expr {
        Expr::Literal(value, _) => {
            *bytes = bytes.saturating_add(length(value));
            Ok(TreeNodeRecursion::Continue)
        }
        Expr::InList(list) if list.list.iter().all(|value| matches!(value, Expr::Literal(..))) => {
            count(&list.expr, bytes)?;
            Ok(TreeNodeRecursion::Jump)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
            for side in [left, right] {
                if !matches!(side.as_ref(), Expr::Literal(..)) {
                    count(side, bytes)?;
                }
            }
            Ok(TreeNodeRecursion::Jump)
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })
}

/// Comparisons take a constant as one value.
fn compares(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

/// The bytes of a text; other values are small.
fn length(value: &ScalarValue) -> usize {
    match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            text.len()
        }
        ScalarValue::Binary(Some(bytes))
        | ScalarValue::LargeBinary(Some(bytes))
        | ScalarValue::BinaryView(Some(bytes))
        | ScalarValue::FixedSizeBinary(_, Some(bytes)) => bytes.len(),
        ScalarValue::Dictionary(_, value) => length(value),
        value if value.data_type().is_nested() => value.size(),
        _ => 0,
    }
}
