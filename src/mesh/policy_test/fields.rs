//! The fields of a mapping, taken one by one; whatever is wrong becomes a fault with its line.
//!
//! Readers answer twice: `None` when a fault was found, `Some(None)` when the key is absent.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Map as Claims, Number, Value as Claim};

use crate::product::odcs::yaml::{Map, Node, Value};
use crate::product::odcs::{Faults, argument};
use crate::product::{Argument, Mask};

/// Deepest nesting of claims.
const DEPTH: usize = 8;

/// A mapping with known keys.
pub(super) struct Fields<'a>(&'a Map);

impl<'a> Fields<'a> {
    /// The fields of `node`, which is `what`; keys that are none of `keys` are faults.
    pub(super) fn of(node: &'a Node, what: &str, keys: &[&str], faults: &mut Faults<'_>) -> Option<Self> {
        let Some(map) = node.map() else {
            faults.add(node.line, format!("{what} must be a mapping, not {}", node.kind()));
            return None;
        };
        for entry in &map.entries {
            let key = entry.key.written().unwrap_or_default();
            if !keys.contains(&key.as_str()) {
                let reason = format!("`{key}` is no key of {what}");
                faults.advise(entry.key.line, reason, format!("its keys are `{}`", keys.join("`, `")));
            }
        }
        Some(Self(map))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.entries.len()
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.0.get(key)
    }

    pub(super) fn line(&self, key: &str) -> u32 {
        self.0.line_of(key)
    }

    /// A field that must be there.
    pub(super) fn required(&self, key: &str, faults: &mut Faults<'_>) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() {
            faults.add(self.0.line, format!("`{key}` is missing"));
        }
        node
    }

    /// A text that must be there and say something.
    pub(super) fn required_text(&self, key: &str, faults: &mut Faults<'_>) -> Option<String> {
        self.required(key, faults)?;
        let text = self.text(key, faults)??;
        if text.trim().is_empty() {
            faults.add(self.line(key), format!("`{key}` is empty"));
            return None;
        }
        Some(text)
    }

    /// A scalar, as it was written.
    #[expect(clippy::option_option, reason = "a fault is not an absent key")]
    pub(super) fn text(&self, key: &str, faults: &mut Faults<'_>) -> Option<Option<String>> {
        let Some(node) = self.get(key) else { return Some(None) };
        match (&node.value, node.written()) {
            (Value::Null, _) | (_, None) => {
                faults.add(node.line, format!("`{key}` must be text, not {}", node.kind()));
                None
            }
            (_, Some(text)) => Some(Some(text)),
        }
    }

    /// A scalar that `parse` understands.
    #[expect(clippy::option_option, reason = "a fault is not an absent key")]
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        faults: &mut Faults<'_>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let Some(text) = self.text(key, faults)? else { return Some(None) };
        match parse(text.trim()) {
            Ok(value) => Some(Some(value)),
            Err(reason) => {
                faults.add(self.line(key), reason);
                None
            }
        }
    }

    /// The items of a list.
    pub(super) fn list(&self, key: &str, faults: &mut Faults<'_>) -> Option<&'a [Node]> {
        let node = self.get(key)?;
        let list = node.list();
        if list.is_none() {
            faults.add(node.line, format!("`{key}` must be a list, not {}", node.kind()));
        }
        list
    }

    /// A list of texts, each with its line.
    #[expect(clippy::option_option, reason = "a fault is not an absent key")]
    pub(super) fn texts(&self, key: &str, faults: &mut Faults<'_>) -> Option<Option<Vec<(String, u32)>>> {
        if self.get(key).is_none() {
            return Some(None);
        }
        let mut texts = Vec::new();
        for item in self.list(key, faults)? {
            match (&item.value, item.written()) {
                (Value::Null, _) | (_, None) => {
                    faults.add(item.line, format!("`{key}` is a list of texts, and this is {}", item.kind()));
                    return None;
                }
                (_, Some(text)) => texts.push((text, item.line)),
            }
        }
        Some(Some(texts))
    }
}

/// Claims, as a token would carry them.
pub(super) fn claims(node: &Node, faults: &mut Faults<'_>) -> Option<Claims<String, Claim>> {
    match claim(node, DEPTH, faults)? {
        Claim::Object(claims) => Some(claims),
        _ => {
            faults.add(node.line, format!("`claims` must be a mapping, not {}", node.kind()));
            None
        }
    }
}

fn claim(node: &Node, depth: usize, faults: &mut Faults<'_>) -> Option<Claim> {
    let Some(depth) = depth.checked_sub(1) else {
        faults.add(node.line, "the claims nest too deep");
        return None;
    };
    Some(match &node.value {
        Value::Null => Claim::Null,
        Value::Flag(flag) => Claim::Bool(*flag),
        Value::Text(text) => Claim::String(text.clone()),
        Value::Number(number) => match (number.text.parse::<i64>(), Number::from_f64(number.value)) {
            (Ok(whole), _) => Claim::from(whole),
            (Err(_), Some(other)) => Claim::Number(other),
            (Err(_), None) => {
                faults.add(node.line, format!("`{}` is no number that a claim can have", number.text));
                return None;
            }
        },
        Value::List(items) => {
            Claim::Array(items.iter().map(|item| claim(item, depth, faults)).collect::<Option<Vec<_>>>()?)
        }
        Value::Map(map) => {
            let entries = map
                .entries
                .iter()
                .map(|entry| Some((entry.key.written().unwrap_or_default(), claim(&entry.value, depth, faults)?)));
            Claim::Object(entries.collect::<Option<Claims<_, _>>>()?)
        }
    })
}

/// Columns with their masks. The word `null` is YAML's null as well.
pub(super) fn masks(node: &Node, faults: &mut Faults<'_>) -> Option<BTreeMap<String, Mask>> {
    let Some(map) = node.map() else {
        faults.add(node.line, format!("`masks` must be a mapping, not {}", node.kind()));
        return None;
    };
    let mut masks = BTreeMap::new();
    for entry in &map.entries {
        match Mask::from_str(&entry.value.written().unwrap_or_default()) {
            Ok(mask) => drop(masks.insert(entry.key.written().unwrap_or_default(), mask)),
            Err(error) => {
                faults.add(entry.value.line, error.to_string());
                return None;
            }
        }
    }
    Some(masks)
}

/// A named query's arguments, each by the name of its parameter.
pub(super) fn arguments(node: &Node, faults: &mut Faults<'_>) -> Option<Vec<(String, Argument)>> {
    let Some(map) = node.map() else {
        faults.add(node.line, format!("`arguments` must be a mapping, not {}", node.kind()));
        return None;
    };
    let mut arguments = Vec::new();
    for entry in &map.entries {
        let Some(argument) = argument(&entry.value) else {
            faults.add(entry.value.line, format!("an argument is one value, not {}", entry.value.kind()));
            return None;
        };
        arguments.push((entry.key.written().unwrap_or_default(), argument));
    }
    Some(arguments)
}
