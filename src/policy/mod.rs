//! What a principal may see: Cedar policies turned into [`Grant`]s.

mod grant;
mod row_filter;

pub use grant::{Grant, GrantedColumn};
pub use row_filter::{Comparison, Literal, PatternElement, RowFilter};
