//! A row filter as text, in the words of the policy it came from: Cedar's syntax, `resource.row.` left out.
//!
//! ```text
//! region == "EMEA" && (amount >= 10 || !(note like "x*"))
//! ```
//!
//! For people and their tests, never parsed back. Equal filters print equally.

use std::fmt::{self, Display, Formatter, Write as _};

use chrono::{DateTime, SecondsFormat};

use super::{Comparison, Literal, PatternElement, RowFilter};

impl Display for RowFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Nothing => f.write_str("none"),
            Self::And(parts) => joined(f, parts, " && "),
            Self::Or(parts) => joined(f, parts, " || "),
            Self::Compare { column, op, value: Literal::Decimal(value) } => match decimal_method(*op) {
                Some(method) => write!(f, "{}.{method}({})", Attribute(column), Literal::Decimal(*value)),
                None => write!(f, "{} {op} {}", Attribute(column), Literal::Decimal(*value)),
            },
            Self::Compare { column, op, value } => write!(f, "{} {op} {value}", Attribute(column)),
            Self::CompareColumns { left, op, right } => write!(f, "{} {op} {}", Attribute(left), Attribute(right)),
            Self::In { column, values, negated } => {
                f.write_str(if *negated { "![" } else { "[" })?;
                for (position, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if position == 0 { "" } else { ", " })?;
                }
                write!(f, "].contains({})", Attribute(column))
            }
            Self::Like { column, pattern, negated: false } => write!(f, "{} like {}", Attribute(column), Like(pattern)),
            Self::Like { column, pattern, negated: true } => {
                write!(f, "!({} like {})", Attribute(column), Like(pattern))
            }
            Self::Flag { column, value } => write!(f, "{}{}", if *value { "" } else { "!" }, Attribute(column)),
            Self::Present { column, present: true } => write!(f, "row has {}", Key(column)),
            Self::Present { column, present: false } => write!(f, "!(row has {})", Key(column)),
        }
    }
}

/// AND binds tighter than OR, as in Cedar; each stands in brackets within the other, so that nobody need know.
fn joined(f: &mut Formatter<'_>, parts: &[RowFilter], word: &str) -> fmt::Result {
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            f.write_str(word)?;
        }
        match part {
            RowFilter::And(_) | RowFilter::Or(_) => write!(f, "({part})")?,
            leaf => write!(f, "{leaf}")?,
        }
    }
    Ok(())
}

/// Cedar orders decimals by methods.
fn decimal_method(op: Comparison) -> Option<&'static str> {
    match op {
        Comparison::Equal | Comparison::NotEqual => None,
        Comparison::Less => Some("lessThan"),
        Comparison::LessOrEqual => Some("lessThanOrEqual"),
        Comparison::Greater => Some("greaterThan"),
        Comparison::GreaterOrEqual => Some("greaterThanOrEqual"),
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

/// As a policy writes it.
impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{}\"", Escaped(text)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Decimal(value) => write_decimal(f, *value),
            Self::Instant(milliseconds) => write_instant(f, *milliseconds),
        }
    }
}

/// Ten-thousandths, with as many digits after the point as they need and at least one.
fn write_decimal(f: &mut Formatter<'_>, value: i64) -> fmt::Result {
    let sign = if value < 0 { "-" } else { "" };
    let (whole, fraction) = (value.unsigned_abs() / 10_000, value.unsigned_abs() % 10_000);
    let digits = format!("{fraction:04}");
    let digits = digits.trim_end_matches('0');
    write!(f, "decimal(\"{sign}{whole}.{}\")", if digits.is_empty() { "0" } else { digits })
}

/// The day if it is its first moment, else the second, else the millisecond.
fn write_instant(f: &mut Formatter<'_>, milliseconds: i64) -> fmt::Result {
    const DAY: i64 = 86_400_000;
    let Some(at) = DateTime::from_timestamp_millis(milliseconds) else {
        return write!(f, "datetime(\"1970-01-01\").offset(duration(\"{milliseconds}ms\"))");
    };
    let text = if milliseconds.rem_euclid(DAY) == 0 {
        at.format("%Y-%m-%d").to_string()
    } else if milliseconds.rem_euclid(1000) == 0 {
        at.to_rfc3339_opts(SecondsFormat::Secs, true)
    } else {
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    };
    write!(f, "datetime(\"{text}\")")
}

/// A column where a value is expected; names that are no words of Cedar's are quoted.
struct Attribute<'a>(&'a str);

impl Display for Attribute<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) { f.write_str(self.0) } else { write!(f, "row[\"{}\"]", Escaped(self.0)) }
    }
}

/// A column after `has`.
struct Key<'a>(&'a str);

impl Display for Key<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) { f.write_str(self.0) } else { write!(f, "\"{}\"", Escaped(self.0)) }
    }
}

fn is_plain(name: &str) -> bool {
    const WORDS: [&str; 12] = ["all", "none", "row", "true", "false", "if", "then", "else", "in", "is", "like", "has"];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !WORDS.contains(&name)
}

/// The inside of a text literal.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| escaped(f, c))
    }
}

fn escaped(f: &mut Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        c if c.is_control() => write!(f, "{}", c.escape_unicode()),
        c => f.write_char(c),
    }
}

/// A pattern as a literal; a star of the text is `\*`.
struct Like<'a>(&'a [PatternElement]);

impl Display for Like<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for element in self.0 {
            match element {
                PatternElement::Any => f.write_char('*')?,
                PatternElement::Char('*') => f.write_str("\\*")?,
                PatternElement::Char(c) => escaped(f, *c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(column: &str, op: Comparison, value: Literal) -> RowFilter {
        RowFilter::Compare { column: column.to_owned(), op, value }
    }

    fn like(text: &str, negated: bool) -> RowFilter {
        let element = |c| if c == '%' { PatternElement::Any } else { PatternElement::Char(c) };
        RowFilter::Like { column: "note".to_owned(), pattern: text.chars().map(element).collect(), negated }
    }

    #[test]
    fn filters_read_like_the_policies_they_came_from() {
        let text = |text: &str| Literal::Text(text.to_owned());
        let region = compare("region", Comparison::Equal, text("EMEA"));
        let values = vec![text("a"), text("b")];
        let within = |negated| RowFilter::In { column: "x".to_owned(), values: values.clone(), negated };
        let present = |name: &str, present| RowFilter::Present { column: name.to_owned(), present };
        let columns = RowFilter::CompareColumns { left: "a".into(), op: Comparison::LessOrEqual, right: "b c".into() };
        for (filter, expected) in [
            (RowFilter::All, "all"),
            (RowFilter::Nothing, "none"),
            (region.clone(), r#"region == "EMEA""#),
            (RowFilter::And(vec![region.clone(), like("x%", true)]), r#"region == "EMEA" && !(note like "x*")"#),
            (
                RowFilter::And(vec![present("note", true), RowFilter::Or(vec![region.clone(), like("5*%", false)])]),
                r#"row has note && (region == "EMEA" || note like "5\**")"#,
            ),
            (
                RowFilter::Or(vec![RowFilter::And(vec![region.clone(), within(true)]), within(false)]),
                r#"(region == "EMEA" && !["a", "b"].contains(x)) || ["a", "b"].contains(x)"#,
            ),
            (present("odd name", false), r#"!(row has "odd name")"#),
            (columns, r#"a <= row["b c"]"#),
            (RowFilter::Flag { column: "paid".into(), value: false }, "!paid"),
            (compare("region", Comparison::NotEqual, text("a\"\\\n\u{0}")), r#"region != "a\"\\\n\u{0}""#),
        ] {
            assert_eq!(filter.to_string(), expected);
        }
    }

    #[test]
    fn literals_are_those_of_cedar() {
        for (literal, expected) in [
            (Literal::Number(-3), "-3"),
            (Literal::Decimal(15_000), r#"decimal("1.5")"#),
            (Literal::Decimal(-1), r#"decimal("-0.0001")"#),
            (Literal::Decimal(0), r#"decimal("0.0")"#),
            (Literal::Decimal(i64::MIN), r#"decimal("-922337203685477.5808")"#),
            (Literal::Instant(0), r#"datetime("1970-01-01")"#),
            (Literal::Instant(1_798_761_599_000), r#"datetime("2026-12-31T23:59:59Z")"#),
            (Literal::Instant(-1), r#"datetime("1969-12-31T23:59:59.999Z")"#),
            (Literal::Instant(i64::MAX), r#"datetime("1970-01-01").offset(duration("9223372036854775807ms"))"#),
        ] {
            assert_eq!(literal.to_string(), expected);
        }
        let cheap = compare("price", Comparison::Less, Literal::Decimal(15_000));
        assert_eq!(cheap.to_string(), r#"price.lessThan(decimal("1.5"))"#);
        let exact = compare("price", Comparison::Equal, Literal::Decimal(15_000));
        assert_eq!(exact.to_string(), r#"price == decimal("1.5")"#);
    }
}
