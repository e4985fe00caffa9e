//! A plan as text, for those who look after a mesh. Consumers never see it: EXPLAIN is no statement of theirs.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::GovernedPlan;

/// What a plan's text may tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanDetail {
    /// Everything: whoever has the mesh's files may see where the data lies.
    Operator,
    /// The operators and the governed scans; of a dataset that is granted whole only that it is read.
    Administrator,
}

/// Deepest plan written out.
const DEPTH: usize = 200;

impl GovernedPlan {
    /// The plan, one operator a line. What happens inside a governed scan is not part of it.
    pub fn text(&self, detail: PlanDetail) -> String {
        let mut text = String::new();
        write(&self.runnable.plan, detail, 0, &mut text);
        text
    }
}

fn write(plan: &Arc<dyn ExecutionPlan>, detail: PlanDetail, depth: usize, text: &mut String) {
    if depth > DEPTH {
        return;
    }
    let line = displayable(plan.as_ref()).one_line().to_string();
    let line = line.trim_end();
    // Whatever reads data and is no governed scan may name its files.
    let reads = plan.children().is_empty() && line.starts_with("DataSourceExec");
    let shown = match detail {
        PlanDetail::Administrator if reads && !line.starts_with("DataSourceExec: governed=") => "DataSourceExec: whole",
        _ => line,
    };
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{:indent$}{shown}", "", indent = 2 * depth);
    for child in plan.children() {
        write(child, detail, depth + 1, text);
    }
}
