//! What type a parameter is likely meant to have where DataFusion infers none: drivers need one before they bind.
//!
//! It is a suggestion. A value of another type is taken as it comes, as SQL would take a literal in its place.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

/// For parameters without a type of their own, by their names: that of a CAST around them or of what they are
/// calculated with, and a whole number for LIMIT and OFFSET.
pub(super) fn of_plan(plan: &LogicalPlan) -> Result<HashMap<String, DataType>> {
    let mut found = HashMap::new();
    let mut suggest = |expr: &Expr, data_type: DataType| {
        if let Expr::Placeholder(placeholder) = expr
            && data_type != DataType::Null
        {
            found.entry(placeholder.id.clone()).or_insert(data_type);
        }
    };
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            limit.skip.iter().chain(&limit.fetch).for_each(|rows| suggest(rows, DataType::Int64));
        }
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
                        suggest(expr, field.data_type().clone());
                    }
                    Expr::BinaryExpr(binary) => {
                        for (one, other) in [(&binary.left, &binary.right), (&binary.right, &binary.left)] {
                            if let Ok(data_type) = other.get_type(&schema) {
                                suggest(one, data_type);
                            }
                        }
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}
