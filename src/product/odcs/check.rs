//! Walks a tree beside the standard's description of it and reports every difference.

use std::fmt;

use super::faults::Faults;
use super::shape::{Key, List, Object, Parts, Shape, holds_variable};
use super::spelling::nearest;
use super::standard;
use super::yaml::{Map, Node, Value};

/// How many words a hint lists before it stops being one.
const LISTED: usize = 14;

/// Reports how `node` departs from `shape`.
pub(super) fn check(node: &Node, shape: &Shape, faults: &mut Faults<'_>) {
    Walk { faults }.value(node, shape, Subject::Contract);
}

/// What a message speaks of.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Contract,
    Key(&'a str),
    Item(&'a str),
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract => f.write_str("a contract"),
            Self::Key(key) => write!(f, "`{key}`"),
            Self::Item(key) => write!(f, "an item of `{key}`"),
        }
    }
}

impl<'a> Subject<'a> {
    fn item(self) -> Self {
        match self {
            Self::Key(key) => Self::Item(key),
            other => other,
        }
    }
}

struct Walk<'f, 'a> {
    faults: &'f mut Faults<'a>,
}

impl Walk<'_, '_> {
    fn value(&mut self, node: &Node, shape: &Shape, subject: Subject<'_>) {
        if self.faults.is_full() {
            return;
        }
        match (shape, &node.value) {
            (Shape::Any, _)
            | (Shape::Text, Value::Text(_))
            | (Shape::Flag, Value::Flag(_))
            | (Shape::Number, Value::Number(_))
            | (Shape::Scalar, Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_)) => {}
            (Shape::Form(form), Value::Text(text)) => {
                if !(form.holds)(text) {
                    self.faults.add(node.line, format!("{subject} must be {}, not `{}`", form.is, short(text)));
                }
            }
            (Shape::Word(words), Value::Text(text)) => self.word(node.line, text, words, subject),
            (Shape::Whole(least), Value::Number(number)) => {
                if !number.whole {
                    self.faults
                        .add(node.line, format!("{subject} must be a whole number, not `{}`", short(&number.text)));
                } else if let Some(least) = least.filter(|least| number.value < f64::from(*least)) {
                    self.faults
                        .add(node.line, format!("{subject} must be at least {least}, not `{}`", short(&number.text)));
                }
            }
            (Shape::Positive, Value::Number(number)) => {
                // NaN is not at most zero, and so passes as it does officially.
                if number.value <= 0.0 {
                    self.faults.add(node.line, format!("{subject} must be above zero, not `{}`", short(&number.text)));
                }
            }
            (Shape::List(list), Value::List(items)) => self.list(node, items, list, subject),
            (Shape::Object(object), Value::Map(map)) => self.object(map, object),
            (Shape::Free, Value::Map(map)) => self.free(map, subject),
            (Shape::Either(shapes), value) => match shapes.iter().find(|shape| fits(shape, value)) {
                Some(shape) => self.value(node, shape, subject),
                None => self.wrong_kind(node, shape, subject),
            },
            _ => self.wrong_kind(node, shape, subject),
        }
    }

    fn wrong_kind(&mut self, node: &Node, shape: &Shape, subject: Subject<'_>) {
        let found = match (&node.value, node.written()) {
            (Value::Number(_) | Value::Flag(_), Some(written)) => format!("`{written}`"),
            _ => node.kind().to_owned(),
        };
        let reason = format!("{subject} must be {}, not {found}", wanted(shape));
        match &node.value {
            Value::Null => self.faults.advise(node.line, reason, "give a value, or leave the key out"),
            Value::Number(number) if takes_text(shape) => {
                self.faults.advise(node.line, reason, format!("write it in quotes: \"{}\"", number.text));
            }
            Value::Flag(flag) if takes_text(shape) => {
                self.faults.advise(node.line, reason, format!("YAML reads this word as {flag}: write it in quotes"));
            }
            Value::Text(text) if matches!(shape, Shape::Flag) && matches!(text.as_str(), "true" | "false") => {
                self.faults.advise(node.line, reason, "write it without quotes");
            }
            Value::Text(_) if matches!(shape, Shape::Whole(_) | Shape::Number | Shape::Positive) => {
                self.faults.advise(node.line, reason, "write the number without quotes");
            }
            Value::Map(_) if matches!(shape, Shape::List(_)) => {
                self.faults.advise(node.line, reason, "begin each item with `- `");
            }
            _ => self.faults.add(node.line, reason),
        }
    }

    fn word(&mut self, line: u32, text: &str, words: &[&str], subject: Subject<'_>) {
        if words.contains(&text) || holds_variable(text) {
            return;
        }
        let reason = format!("`{}` is not a value of {subject}", short(text));
        match nearest(text, words.iter().copied()) {
            Some(word) => self.faults.advise(line, reason, format!("did you mean `{word}`?")),
            None => self.faults.advise(line, reason, listed("write", words)),
        }
    }

    fn list(&mut self, node: &Node, items: &[Node], list: &List, subject: Subject<'_>) {
        if items.len() < list.least || items.len() > list.most {
            let reason = match (list.least, list.most) {
                (1, usize::MAX) => format!("{subject} must have at least one item"),
                (least, most) if least == most => format!("{subject} must have exactly {least} items"),
                (least, most) => format!("{subject} must have {least} to {most} items"),
            };
            self.faults.add(node.line, reason);
        }
        for (position, item) in items.iter().enumerate() {
            if list.distinct && items[..position].iter().any(|other| other.value == item.value) {
                self.faults.add(item.line, format!("{} is there twice", subject.item()));
            }
            self.value(item, &list.item, subject.item());
        }
    }

    fn free(&mut self, map: &Map, subject: Subject<'_>) {
        for entry in map.entries.iter().filter(|entry| entry.key.text().is_none()) {
            let key = entry.key.written().unwrap_or_default();
            self.faults.advise(
                entry.key.line,
                format!("the key `{key}` of {subject} must be text"),
                "write it in quotes",
            );
        }
    }

    fn object(&mut self, map: &Map, object: &Object) {
        let parts = object.parts.map_or_else(|| Parts::Known(Vec::new()), |parts| parts(map));
        let (parts, lenient) = match parts {
            Parts::Known(parts) => (parts, object.open),
            Parts::Unknown => (Vec::new(), true),
        };
        // A part's key prevails over the object's own.
        let keys = || parts.iter().rev().chain(object.keys);
        for entry in &map.entries {
            let known = entry.key.text().and_then(|text| keys().find(|key| key.name == text));
            if self.faults.is_full() {
                return;
            }
            match known {
                Some(key) => self.value(&entry.value, &key.shape, Subject::Key(key.name)),
                None if lenient => {}
                None => self.unknown_key(&entry.key, object, keys()),
            }
        }
        let mut missing: Vec<&str> =
            keys().filter(|key| key.needed && map.get(key.name).is_none()).map(|key| key.name).collect();
        missing.sort_unstable();
        missing.dedup();
        for name in missing {
            self.faults.advise(map.line, format!("{} lacks `{name}`", object.is), format!("add `{name}:`"));
        }
        if let Some(rule) = object.rule {
            rule(map, self.faults);
        }
    }

    fn unknown_key<'k>(&mut self, key: &Node, object: &Object, keys: impl Iterator<Item = &'k Key>) {
        let Some(text) = key.text() else {
            let written = key.written().unwrap_or_default();
            let reason = format!("`{written}` is not a key of {}", object.is);
            return self.faults.advise(key.line, reason, "YAML does not read this word as text: write it in quotes");
        };
        let reason = format!("`{}` is not a key of {}", short(text), object.is);
        let names: Vec<&str> = keys.map(|key| key.name).collect();
        if let Some(name) = nearest(text, names.iter().copied()) {
            return self.faults.advise(key.line, reason, format!("did you mean `{name}`?"));
        }
        let homes = standard::homes_of(text);
        if !homes.is_empty() {
            return self.faults.advise(key.line, reason, format!("`{text}` belongs to {}", homes.join(" or ")));
        }
        self.faults.advise(key.line, reason, "what the standard has no key for goes into `customProperties`");
    }
}

/// Whether a value is of the kind that a shape wants.
fn fits(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Scalar => !matches!(value, Value::List(_) | Value::Map(_)),
        Shape::Text | Shape::Form(_) | Shape::Word(_) => matches!(value, Value::Text(_)),
        Shape::Flag => matches!(value, Value::Flag(_)),
        Shape::Whole(_) | Shape::Number | Shape::Positive => matches!(value, Value::Number(_)),
        Shape::List(_) => matches!(value, Value::List(_)),
        Shape::Object(_) | Shape::Free => matches!(value, Value::Map(_)),
        Shape::Either(shapes) => shapes.iter().any(|shape| fits(shape, value)),
    }
}

fn takes_text(shape: &Shape) -> bool {
    fits(shape, &Value::Text(String::new())) && !matches!(shape, Shape::Any | Shape::Scalar)
}

/// What a shape wants, in an author's words.
fn wanted(shape: &Shape) -> String {
    match shape {
        Shape::Any => "a value".into(),
        Shape::Scalar => "a single value".into(),
        Shape::Text | Shape::Word(_) => "text".into(),
        Shape::Form(form) => form.is.into(),
        Shape::Flag => "true or false".into(),
        Shape::Whole(_) => "a whole number".into(),
        Shape::Number | Shape::Positive => "a number".into(),
        Shape::List(_) => "a list".into(),
        Shape::Object(_) | Shape::Free => "a mapping".into(),
        Shape::Either(shapes) => shapes.iter().map(wanted).collect::<Vec<_>>().join(" or "),
    }
}

fn listed(verb: &str, words: &[&str]) -> String {
    let shown = words.iter().take(LISTED).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let more = if words.len() > LISTED { ", …" } else { "" };
    format!("{verb} one of {shown}{more}")
}

/// An author's text, cut to what a message can carry.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
