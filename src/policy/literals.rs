//! Cedar's extension literals as numbers: `decimal("1.50")`, `datetime("2026-12-31")`.
//!
//! Cedar evaluates them itself, but shows the results only as text: `decimal("1.5000")`, and for a
//! folded datetime `datetime("1970-01-01").offset(duration("…ms"))`.

use cedar_policy::pst::{BinaryOp, Expr, Literal as CedarLiteral, UnaryOp};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime};

use super::Literal;

/// Digits after the point of a Cedar decimal.
const DECIMAL_SCALE: usize = 4;

/// The literal that an expression is; none for any other expression.
pub(super) fn literal(expr: &Expr) -> Option<Literal> {
    match expr {
        Expr::Literal(CedarLiteral::Bool(value)) => Some(Literal::Flag(*value)),
        Expr::Literal(CedarLiteral::Long(value)) => Some(Literal::Number(*value)),
        Expr::Literal(CedarLiteral::String(value)) => Some(Literal::Text(value.to_string())),
        Expr::UnaryOp { op: UnaryOp::Decimal, expr } => decimal(text(expr)?).map(Literal::Decimal),
        _ => instant(expr).map(Literal::Instant),
    }
}

/// The moment that a `datetime` literal, or a folded one, names: milliseconds since 1970.
pub(super) fn instant(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::UnaryOp { op: UnaryOp::Datetime, expr } => datetime(text(expr)?),
        Expr::BinaryOp { op: BinaryOp::Offset, left, right } => match right.as_ref() {
            Expr::UnaryOp { op: UnaryOp::Duration, expr } => {
                let milliseconds: i64 = text(expr)?.strip_suffix("ms")?.parse().ok()?;
                instant(left)?.checked_add(milliseconds)
            }
            _ => None,
        },
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(CedarLiteral::String(text)) => Some(text.as_str()),
        _ => None,
    }
}

/// `-?digits.digits`, one to four digits after the point.
fn decimal(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.')?;
    let formed = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !formed(whole) || !formed(fraction) || fraction.len() > DECIMAL_SCALE {
        return None;
    }
    let scaled = format!("{}{whole}{fraction:0<DECIMAL_SCALE$}", if negative { "-" } else { "" });
    scaled.parse().ok()
}

/// `YYYY-MM-DD`, or with `THH:MM:SS[.SSS]` and `Z` or `±hhmm`.
fn datetime(text: &str) -> Option<i64> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    }
    let naive = |format: &str| NaiveDateTime::parse_from_str(text, format).map(|at| at.and_utc().timestamp_millis());
    let offset = |format: &str| -> Option<i64> {
        DateTime::<FixedOffset>::parse_from_str(text, format).ok().map(|at| at.timestamp_millis())
    };
    naive("%Y-%m-%dT%H:%M:%SZ")
        .or_else(|_| naive("%Y-%m-%dT%H:%M:%S%.3fZ"))
        .ok()
        .or_else(|| offset("%Y-%m-%dT%H:%M:%S%z"))
        .or_else(|| offset("%Y-%m-%dT%H:%M:%S%.3f%z"))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use cedar_policy::pst::Clause;
    use cedar_policy::{EvalResult, Expression, Policy, Request};

    use super::*;

    fn read(source: &str) -> Option<Literal> {
        let policy = Policy::from_str(&format!("permit(principal, action, resource) when {{ {source} }};")).unwrap();
        let tree = policy.to_pst().unwrap();
        let Clause::When(condition) = &tree.body().clauses()[0] else { panic!("a when clause") };
        literal(condition)
    }

    /// Whether Cedar holds `left == right`.
    fn cedar_equal(left: &str, right: &str) -> bool {
        let uid = |text: &str| cedar_policy::EntityUid::from_str(text).unwrap();
        let request = Request::new(
            uid("User::\"a\""),
            uid("Action::\"b\""),
            uid("User::\"c\""),
            cedar_policy::Context::empty(),
            None,
        )
        .unwrap();
        let expression = Expression::from_str(&format!("{left} == {right}")).unwrap();
        let result = cedar_policy::eval_expression(&request, &cedar_policy::Entities::empty(), &expression).unwrap();
        result == EvalResult::Bool(true)
    }

    #[test]
    fn decimals_are_ten_thousandths() {
        for (text, value) in [("1.5", 15_000), ("-0.0001", -1), ("0.0", 0), ("922337203685477.5807", i64::MAX)] {
            assert_eq!(read(&format!("decimal(\"{text}\")")), Some(Literal::Decimal(value)), "{text}");
        }
        for text in ["1", "1.", ".1", "1.23456", "+1.0", "1.2x", "922337203685477.5808"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn datetimes_are_read_as_cedar_reads_them() {
        for text in [
            "1970-01-01",
            "2026-12-31",
            "0001-01-01",
            "9999-12-31T23:59:59.999Z",
            "2024-02-29T12:00:00Z",
            "2024-02-29T12:00:00.001Z",
            "2024-02-29T12:00:00+0130",
            "2024-02-29T12:00:00.250-0800",
        ] {
            let Some(Literal::Instant(value)) = read(&format!("datetime(\"{text}\")")) else {
                panic!("`{text}` is a datetime")
            };
            let folded = format!("datetime(\"1970-01-01\").offset(duration(\"{value}ms\"))");
            assert!(cedar_equal(&format!("datetime(\"{text}\")"), &folded), "{text} is {value}");
            assert_eq!(read(&folded), Some(Literal::Instant(value)));
        }
    }
}
