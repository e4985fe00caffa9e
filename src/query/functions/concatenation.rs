//! The operator `||`, bounded like the functions that grow.
//!
//! ```text
//! before:  a || b           evaluated by DataFusion's binary operator, without a bound
//! after:   concat_operator(a, b)
//! ```
//!
//! It runs after type coercion, so both sides have the same text type, and before constants are folded.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::functions::string;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;

use super::growth::{Rule, bounded};
use crate::query::QueryError;

static OPERATOR: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| bounded(string::concat(), Rule::SumOrNull));

/// The rule that replaces `||`.
#[derive(Debug)]
pub(in crate::query) struct BoundConcatenation;

impl AnalyzerRule for BoundConcatenation {
    fn name(&self) -> &str {
        "bound_concatenation"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let mut schema = merge_schema(&plan.inputs());
            if let LogicalPlan::TableScan(scan) = &plan {
                schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
            }
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(|expr| replace(expr, &schema))?.update_data(|expr| name.restore(expr)))
            })
        })
        .map(|transformed| transformed.data)
    }
}

fn replace(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) = expr else {
        return Ok(Transformed::no(expr));
    };
    for side in [&left, &right] {
        let data_type = side.get_type(schema)?;
        if !matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) {
            return Err(QueryError::unsupported("`||` of anything but texts").into());
        }
    }
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&OPERATOR), vec![*left, *right]))))
}
