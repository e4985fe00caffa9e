//! The functions a statement may call: a reviewed list. A test compares it with what DataFusion offers,
//! so that a function which a new version brings is refused until somebody has looked at it.
//!
//! Refused are those that tell where data lies (`input_file_name`), that make much of little
//! (`range`, `array_repeat`), that can double a value as often as they are nested without a length to
//! check (lists, structs, maps) and that compare long texts in quadratic time. Texts that grow are
//! permitted and wrapped (`growth`).

mod concatenation;
mod growth;
mod literals;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

pub(super) use concatenation::BoundConcatenation;
pub(super) use literals::check_literals;

/// Scalar functions by their first names; their aliases come with them.
const SCALAR: &[&str] = &[
    // Conditions
    "coalesce",
    "greatest",
    "least",
    "nullif",
    "nvl",
    "nvl2",
    "nanvl",
    "isnan",
    "iszero",
    // Numbers
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "gcd",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "pi",
    "power",
    "radians",
    "random",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    // Texts that do not grow, or only once
    "ascii",
    "bit_length",
    "btrim",
    "character_length",
    "chr",
    "contains",
    "ends_with",
    "find_in_set",
    "initcap",
    "left",
    "lower",
    "ltrim",
    "octet_length",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "reverse",
    "right",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substr_index",
    "to_hex",
    "translate",
    "upper",
    "uuid",
    // Digests
    "decode",
    "digest",
    "md5",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    // Dates and times
    "current_date",
    "current_time",
    "date_bin",
    "date_part",
    "date_trunc",
    "from_unixtime",
    "make_date",
    "make_time",
    "now",
    "to_date",
    "to_local_time",
    "to_time",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
    // Parts of nested values
    "array_any_value",
    "array_dims",
    "array_distinct",
    "array_element",
    "array_has",
    "array_length",
    "array_max",
    "array_min",
    "array_ndims",
    "array_pop_back",
    "array_pop_front",
    "array_position",
    "array_reverse",
    "array_slice",
    "array_sort",
    "array_sum",
    "array_avg",
    "cardinality",
    "empty",
    "flatten",
    "get_field",
    "map_extract",
    "map_keys",
    "map_values",
];

/// Scalar functions whose results can be longer than their arguments, each with the rule that bounds it.
const GROWING: &[(&str, growth::Rule)] = &[
    ("concat", growth::Rule::Sum),
    ("concat_ws", growth::Rule::Join),
    ("encode", growth::Rule::Encode),
    ("lpad", growth::Rule::Pad),
    ("regexp_replace", growth::Rule::RegexpReplace),
    ("repeat", growth::Rule::Repeat),
    ("replace", growth::Rule::Replace),
    ("rpad", growth::Rule::Pad),
    ("to_char", growth::Rule::Format),
];

/// Aggregates: all of DataFusion's. What they gather is counted against the memory of the query.
const AGGREGATE: &[&str] = &[
    "any_value",
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "first_value",
    "grouping",
    "last_value",
    "max",
    "median",
    "min",
    "nth_value",
    "percentile_cont",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "string_agg",
    "sum",
    "var",
    "var_pop",
];

/// Window functions: all of DataFusion's.
const WINDOW: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// Names that DataFusion's SQL planner gives a meaning of its own.
const PLANNED: &[&str] = &["unnest"];

/// Everything a session may call.
#[derive(Debug)]
pub(super) struct Functions {
    pub(super) scalar: Vec<Arc<ScalarUDF>>,
    pub(super) aggregate: Vec<Arc<AggregateUDF>>,
    pub(super) window: Vec<Arc<WindowUDF>>,
    pub(super) planners: Vec<Arc<dyn ExprPlanner>>,
}

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(Functions::select);

static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let functions = &*FUNCTIONS;
    let scalar = functions.scalar.iter().flat_map(|f| names(f.name(), f.aliases()));
    let aggregate = functions.aggregate.iter().flat_map(|f| names(f.name(), f.aliases()));
    let window = functions.window.iter().flat_map(|f| names(f.name(), f.aliases()));
    scalar.chain(aggregate).chain(window).chain(PLANNED.iter().map(ToString::to_string)).collect()
});

fn names(name: &str, aliases: &[String]) -> Vec<String> {
    aliases.iter().cloned().chain([name.to_owned()]).collect()
}

impl Functions {
    /// The permitted functions, the growing ones wrapped.
    pub(super) fn permitted() -> &'static Self {
        &FUNCTIONS
    }

    fn select() -> Self {
        let rules: HashMap<&str, growth::Rule> = GROWING.iter().copied().collect();
        let scalar = SessionStateDefaults::default_scalar_functions().into_iter().filter_map(|function| {
            match rules.get(function.name()) {
                Some(rule) => Some(growth::bounded(function, *rule)),
                None => SCALAR.contains(&function.name()).then_some(function),
            }
        });
        let aggregate = SessionStateDefaults::default_aggregate_functions();
        let window = SessionStateDefaults::default_window_functions();
        Self {
            scalar: scalar.collect(),
            aggregate: aggregate.into_iter().filter(|f| AGGREGATE.contains(&f.name())).collect(),
            window: window.into_iter().filter(|f| WINDOW.contains(&f.name())).collect(),
            planners: planners(),
        }
    }
}

/// The planners of SQL's special syntax, without the one that makes lists, maps and their concatenations.
fn planners() -> Vec<Arc<dyn ExprPlanner>> {
    use datafusion::functions::{core, datetime, unicode};
    vec![
        Arc::new(core::planner::CoreFunctionPlanner::default()),
        Arc::new(datafusion::functions_nested::planner::FieldAccessPlanner),
        Arc::new(datetime::planner::DatetimeFunctionPlanner),
        Arc::new(unicode::planner::UnicodeFunctionPlanner),
        Arc::new(datafusion::functions_aggregate::planner::AggregateFunctionPlanner),
        Arc::new(datafusion::functions_window::planner::WindowFunctionPlanner),
    ]
}

/// Whether a statement may call a function of this name (in lower case).
pub(super) fn is_permitted(name: &str) -> bool {
    NAMES.contains(name)
}

/// Whether the function's results can be longer than its arguments.
pub(super) fn grows(name: &str) -> bool {
    GROWING.iter().any(|(growing, _)| *growing == name) || name == "date_format"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Looked at and refused. See the head of this file for the reasons.
    const REFUSED: &[&str] = &[
        "array_add",
        "array_append",
        "array_compact",
        "array_concat",
        "array_distance",
        "array_except",
        "array_has_all",
        "array_has_any",
        "array_intersect",
        "array_normalize",
        "array_positions",
        "array_prepend",
        "array_product",
        "array_remove",
        "array_remove_all",
        "array_remove_n",
        "array_repeat",
        "array_replace",
        "array_replace_all",
        "array_replace_n",
        "array_resize",
        "array_scale",
        "array_subtract",
        "array_to_string",
        "array_union",
        "arrays_zip",
        "arrow_cast",
        "arrow_field",
        "arrow_metadata",
        "arrow_try_cast",
        "arrow_typeof",
        "cast_to_type",
        "cosine_distance",
        "file_row_index",
        "generate_series",
        "inner_product",
        "input_file_name",
        "levenshtein",
        "make_array",
        "map",
        "map_entries",
        "named_struct",
        "overlay",
        "range",
        "string_to_array",
        "struct",
        "try_cast_to_type",
        "union_extract",
        "union_tag",
        "version",
        "with_metadata",
    ];

    #[test]
    fn every_function_of_datafusion_has_been_looked_at() {
        let offered: BTreeSet<String> =
            SessionStateDefaults::default_scalar_functions().iter().map(|f| f.name().to_owned()).collect();
        let reviewed: BTreeSet<String> = SCALAR
            .iter()
            .chain(GROWING.iter().map(|(name, _)| name))
            .chain(REFUSED)
            .map(|name| (*name).to_owned())
            .collect();
        assert_eq!(offered, reviewed);
        let aggregates: BTreeSet<String> =
            SessionStateDefaults::default_aggregate_functions().iter().map(|f| f.name().to_owned()).collect();
        assert_eq!(aggregates, AGGREGATE.iter().map(|name| (*name).to_owned()).collect());
        let windows: BTreeSet<String> =
            SessionStateDefaults::default_window_functions().iter().map(|f| f.name().to_owned()).collect();
        assert_eq!(windows, WINDOW.iter().map(|name| (*name).to_owned()).collect());
    }

    #[test]
    fn names_and_aliases_are_permitted_together() {
        for name in ["lower", "trim", "length", "current_timestamp", "count", "row_number", "unnest", "date_format"] {
            assert!(is_permitted(name), "{name}");
        }
        for name in REFUSED {
            assert!(!is_permitted(name), "{name}");
        }
        for (name, _) in GROWING {
            assert!(grows(name), "{name}");
        }
    }
}
