//! Attributes of a principal nobody has met: the cases that policies can tell apart.
//!
//! A group's members differ in their attributes, and their tokens alone know them. So a group is asked about
//! several times: without attributes; with *some* value, a stand-in that no literal equals and that a filter shows
//! as `principal.x`; and with each literal that a policy compares the attribute with. One attribute is varied at a
//! time: what hangs on a combination of literals of two is not found, and the documentation says so.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::Literal;
use crate::principal::{Attribute, AttributeType};

/// A case: attributes, and how to say which.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    /// What tells it from the others: `market_segment == "BUILDING"`.
    pub(super) label: String,
    pub(super) attributes: BTreeMap<String, Attribute>,
}

/// Marks the stand-in of a text: two characters of no script, which no honest value holds.
const OPEN: char = '\u{e0a0}';
const CLOSE: char = '\u{e0a1}';
/// The stand-ins of numbers, each attribute's its own.
const NUMBERS: i64 = -9_100_000_000_000_000_000;

/// The cases of `relevant` attributes (with the literals they are compared with), beside those that are known.
/// `required` ones are never absent.
pub(super) fn cases(
    known: &BTreeMap<String, Attribute>,
    relevant: &BTreeMap<String, BTreeSet<Literal>>,
    types: &BTreeMap<String, AttributeType>,
    required: &BTreeSet<&str>,
) -> Vec<Case> {
    let open: Vec<(&String, AttributeType, &BTreeSet<Literal>)> = relevant
        .iter()
        .filter(|(name, _)| !known.contains_key(*name))
        .filter_map(|(name, literals)| Some((name, *types.get(name)?, literals)))
        .collect();
    if open.is_empty() {
        return vec![Case { label: String::new(), attributes: known.clone() }];
    }
    let mut some = known.clone();
    let mut absent = known.clone();
    for (position, (name, kind, _)) in open.iter().enumerate() {
        let value = stand_in(name, *kind, position);
        if required.contains(name.as_str()) {
            absent.insert((*name).clone(), value.clone());
        }
        some.insert((*name).clone(), value);
    }
    let names = |except: &str| {
        let names =
            open.iter().map(|(name, ..)| name.as_str()).filter(|name| *name != except && !required.contains(name));
        names.collect::<Vec<_>>().join(", ")
    };
    let mut cases = Vec::new();
    if !names("").is_empty() {
        cases.push(Case { label: format!("without {}", names("")), attributes: absent });
    }
    let any = open.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>().join(", ");
    cases.push(Case { label: format!("with {any}"), attributes: some.clone() });
    for (name, kind, literals) in &open {
        if open.len() > 1 && !required.contains(name.as_str()) {
            let mut attributes = some.clone();
            attributes.remove(*name);
            cases.push(Case { label: format!("without {name}"), attributes });
        }
        for (text, value) in values(*kind, literals) {
            let mut attributes = some.clone();
            attributes.insert((*name).clone(), value);
            cases.push(Case { label: format!("{name} == {text}"), attributes });
        }
    }
    cases
}

/// A value of an attribute that no policy knows.
fn stand_in(name: &str, kind: AttributeType, position: usize) -> Attribute {
    match kind {
        AttributeType::Text => Attribute::Text(format!("{OPEN}{name}{CLOSE}")),
        AttributeType::Texts => Attribute::Texts(BTreeSet::from([format!("{OPEN}{name}{CLOSE}")])),
        AttributeType::Number => Attribute::Number(NUMBERS - i64::try_from(position).unwrap_or_default()),
        AttributeType::Flag => Attribute::Flag(true),
    }
}

/// The values worth trying, with their texts.
fn values(kind: AttributeType, literals: &BTreeSet<Literal>) -> Vec<(String, Attribute)> {
    let mut values: BTreeMap<String, Attribute> = BTreeMap::new();
    if kind == AttributeType::Flag {
        return [true, false].map(|flag| (flag.to_string(), Attribute::Flag(flag))).to_vec();
    }
    for literal in literals {
        match (kind, literal) {
            (AttributeType::Text, Literal::Text(text)) => {
                values.insert(literal.to_string(), Attribute::Text(text.clone()));
            }
            (AttributeType::Texts, Literal::Text(text)) => {
                values.insert(format!("[{literal}]"), Attribute::Texts(BTreeSet::from([text.clone()])));
            }
            // On either side of the literal, an ordering changes.
            (AttributeType::Number, Literal::Number(number)) => {
                for number in [number.checked_sub(1), Some(*number), number.checked_add(1)].into_iter().flatten() {
                    values.insert(number.to_string(), Attribute::Number(number));
                }
            }
            _ => {}
        }
    }
    values.into_iter().collect()
}

/// A filter's text with `principal.x` where a stand-in stands.
pub(super) fn with_names(text: &str, types: &BTreeMap<String, AttributeType>, case: &Case) -> String {
    let mut text = text.to_owned();
    for (name, value) in &case.attributes {
        let named = format!("principal.{name}");
        match (types.get(name), value) {
            (Some(AttributeType::Text | AttributeType::Texts), _) => {
                let stand_in = format!("\"{OPEN}{name}{CLOSE}\"");
                text = text.replace(&format!("[{stand_in}]"), &named).replace(&stand_in, &named);
            }
            (Some(AttributeType::Number), Attribute::Number(number)) if *number <= NUMBERS => {
                text = text.replace(&number.to_string(), &named);
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> BTreeMap<String, AttributeType> {
        [("region", AttributeType::Text), ("level", AttributeType::Number), ("regions", AttributeType::Texts)]
            .map(|(name, kind)| (name.to_owned(), kind))
            .into()
    }

    fn relevant(name: &str, literals: &[Literal]) -> BTreeMap<String, BTreeSet<Literal>> {
        BTreeMap::from([(name.to_owned(), literals.iter().cloned().collect())])
    }

    #[test]
    fn a_case_for_each_thing_that_policies_tell_apart() {
        let text = relevant("region", &[Literal::Text("EMEA".to_owned())]);
        let labels = |known: &BTreeMap<String, Attribute>, required: &BTreeSet<&str>, relevant| -> Vec<String> {
            cases(known, relevant, &declared(), required).into_iter().map(|case| case.label).collect()
        };
        let nobody = BTreeMap::new();
        let none = BTreeSet::new();
        assert_eq!(labels(&nobody, &none, &text), ["without region", "with region", "region == \"EMEA\""]);
        assert_eq!(labels(&nobody, &["region"].into(), &text), ["with region", "region == \"EMEA\""]);
        let known = BTreeMap::from([("region".to_owned(), Attribute::Text("APAC".to_owned()))]);
        assert_eq!(labels(&known, &none, &text), [""]);
        let number = relevant("level", &[Literal::Number(3)]);
        let expected = ["without level", "with level", "level == 2", "level == 3", "level == 4"];
        assert_eq!(labels(&nobody, &none, &number), expected);
    }

    #[test]
    fn stand_ins_read_as_what_they_stand_for() {
        let types = declared();
        let attributes = types.iter().enumerate().map(|(at, (name, kind))| (name.clone(), stand_in(name, *kind, at)));
        let case = Case { label: String::new(), attributes: attributes.collect() };
        let Attribute::Number(level) = case.attributes["level"] else { panic!() };
        let text = format!("a == \"{OPEN}region{CLOSE}\" && b < {level} && [\"{OPEN}regions{CLOSE}\"].contains(c)");
        let expected = "a == principal.region && b < principal.level && principal.regions.contains(c)";
        assert_eq!(with_names(&text, &types, &case), expected);
    }
}
