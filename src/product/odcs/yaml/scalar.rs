//! What a plain word means.
//!
//! YAML 1.1 as PyYAML reads it, less timestamps: these are the rules under which the official validator
//! sees a contract, so `version: 1.0` is a number and `name: no` a flag to us as well.

use super::node::{Number, Value};

/// The value of a plain (unquoted, untagged) scalar; none for the two words that stand for syntax.
pub(super) fn plain(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "=" | "<<" => None,
        _ => Some(
            flag(text).map(Value::Flag).or_else(|| number(text).map(Value::Number)).unwrap_or_else(|| text_of(text)),
        ),
    }
}

fn text_of(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(super) fn flag(text: &str) -> Option<bool> {
    const YES: [&str; 9] = ["yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
    const NO: [&str; 9] = ["no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];
    if YES.contains(&text) {
        Some(true)
    } else if NO.contains(&text) {
        Some(false)
    } else {
        None
    }
}

pub(super) fn number(text: &str) -> Option<Number> {
    let found = |value: f64, whole: bool| Some(Number { text: text.to_owned(), value, whole });
    if let Some(value) = integer(text) {
        return found(value, true);
    }
    let value = float(text)?;
    found(value, value.is_finite() && value.fract() == 0.0)
}

/// Integers: decimal, `0b`, `0x`, octal with a leading zero, base 60 with colons; `_` between digits.
fn integer(text: &str) -> Option<f64> {
    let (sign, digits) = signed(text);
    let radix = |digits: &str, radix: u32| {
        let digits = digits.replace('_', "");
        let mut value = 0.0;
        for digit in digits.chars() {
            value = value * f64::from(radix) + f64::from(digit.to_digit(radix)?);
        }
        (!digits.is_empty()).then_some(value)
    };
    let value = if let Some(binary) = digits.strip_prefix("0b") {
        radix(binary, 2)?
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        radix(hexadecimal, 16)?
    } else if digits.len() > 1 && digits.starts_with('0') {
        radix(&digits[1..], 8)?
    } else if digits.contains(':') {
        if digits.starts_with('0') {
            return None;
        }
        sexagesimal(digits)?
    } else {
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        radix(digits, 10)?
    };
    Some(sign * value)
}

/// Floats need a point, and a sign on the exponent; `.inf` and `.nan` are numbers too.
fn float(text: &str) -> Option<f64> {
    let (sign, digits) = signed(text);
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if digits == text => return Some(f64::NAN),
        _ => {}
    }
    let (whole, rest) = digits.split_once('.')?;
    if whole.contains(':') {
        let fraction = rest.bytes().all(|b| b.is_ascii_digit() || b == b'_');
        return (fraction && starts_with_digit(whole)).then(|| sexagesimal(whole)).flatten().map(|value| sign * value);
    }
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let digits_only = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let whole_formed = if whole.is_empty() {
        // PyYAML takes no sign before a bare point.
        digits == text && starts_with_digit(fraction)
    } else {
        starts_with_digit(whole)
    };
    let exponent_formed = exponent.is_none_or(|exponent| {
        exponent.strip_prefix(['+', '-']).is_some_and(|e| !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit()))
    });
    if !whole_formed || !digits_only(whole) || !digits_only(fraction) || !exponent_formed {
        return None;
    }
    let plain = text.replace('_', "");
    plain.trim_end_matches('.').parse().ok()
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn signed(text: &str) -> (f64, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    }
}

/// `1:30` is ninety: every part after the first is one or two digits below sixty.
fn sexagesimal(text: &str) -> Option<f64> {
    let mut parts = text.split(':');
    let first = parts.next()?.replace('_', "");
    let mut value: f64 = first.bytes().all(|b| b.is_ascii_digit()).then(|| first.parse().ok()).flatten()?;
    for part in parts {
        let formed = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
        if !formed {
            return None;
        }
        value = value * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_mean_what_they_mean_to_the_official_validator() {
        let text = |word: &str| matches!(plain(word), Some(Value::Text(_)));
        for word in [
            "1.2.0",
            "v1",
            "2024-01-01",
            "1e5",
            "1.0e5",
            "-.5",
            "0o17",
            "08",
            "1:75",
            "yEs",
            "y",
            "a=b",
            "..",
            "+",
            "-",
            "1_a",
            "0x",
            "09:30",
        ] {
            assert!(text(word), "{word} -> {:?}", plain(word));
        }
        for (word, value, whole) in [
            ("0", 0.0, true),
            ("-12", -12.0, true),
            ("1_000", 1000.0, true),
            ("010", 8.0, true),
            ("0x1F", 31.0, true),
            ("0b101", 5.0, true),
            ("1:30", 90.0, true),
            ("1.0", 1.0, true),
            ("1.", 1.0, true),
            (".5", 0.5, false),
            ("1.5e+2", 150.0, true),
            ("2.5", 2.5, false),
            ("-.inf", f64::NEG_INFINITY, false),
        ] {
            let found = number(word).unwrap_or_else(|| panic!("{word} is a number"));
            assert_eq!((found.value, found.whole), (value, whole), "{word}");
        }
        assert_eq!(plain("No"), Some(Value::Flag(false)));
        assert_eq!(plain("~"), Some(Value::Null));
        assert_eq!(plain("="), None);
    }
}
