//! The words in which `standard` describes what a contract may hold.
//!
//! A description is data: static tables of keys and shapes that `check` walks beside the tree. That keeps
//! the standard readable next to its text, and lets one walk report every fault; types filled by serde
//! would report the first.

use super::faults::Faults;
use super::yaml::{Map, Node};

/// What a value must be.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Anything.
    Any,
    /// Anything but a list or a mapping.
    Scalar,
    /// Text.
    Text,
    /// Text of a certain form.
    Form(&'static Form),
    /// One of these words.
    Word(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A whole number, no smaller than the bound.
    Whole(Option<i32>),
    /// A number.
    Number,
    /// A number above zero.
    Positive,
    /// A list.
    List(&'static List),
    /// A mapping with the keys of this description.
    Object(&'static Object),
    /// A mapping with any words as keys.
    Free,
    /// The first of these whose kind of value stands there.
    Either(&'static [Shape]),
}

/// Texts of a certain form.
pub(super) struct Form {
    pub holds: fn(&str) -> bool,
    /// What such a text is: `a table and a column, as in orders.id`.
    pub is: &'static str,
}

/// A list.
pub(super) struct List {
    pub item: Shape,
    pub least: usize,
    pub most: usize,
    pub distinct: bool,
}

impl List {
    /// Any number of items.
    pub const fn of(item: Shape) -> Self {
        Self { item, least: 0, most: usize::MAX, distinct: false }
    }
}

/// A mapping of the standard.
pub(super) struct Object {
    /// What it is, in messages: `a column`.
    pub is: &'static str,
    pub keys: &'static [Key],
    /// Whether other keys may stand beside these.
    pub open: bool,
    /// The keys that depend on what else the mapping says.
    pub parts: Option<fn(&Map) -> Parts>,
    /// What keys and shapes cannot say.
    pub rule: Option<fn(&Map, &mut Faults<'_>)>,
}

impl Object {
    /// A mapping with these keys and no others.
    pub const fn new(is: &'static str, keys: &'static [Key]) -> Self {
        Self { is, keys, open: false, parts: None, rule: None }
    }

    pub const fn with_parts(self, parts: fn(&Map) -> Parts) -> Self {
        Self { parts: Some(parts), ..self }
    }

    pub const fn with_rule(self, rule: fn(&Map, &mut Faults<'_>)) -> Self {
        Self { rule: Some(rule), ..self }
    }
}

/// The keys a mapping has besides those of its [`Object`].
pub(super) enum Parts {
    /// These, which prevail over the object's own of the same name.
    Known(Vec<Key>),
    /// What decides about them is itself at fault: say nothing more.
    Unknown,
}

/// A key of an [`Object`].
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub needed: bool,
}

/// A key that may be left out.
pub(super) const fn may(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, needed: false }
}

/// A key that must be there.
pub(super) const fn must(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, needed: true }
}

/// Whether a text holds a `${VARIABLE}` reference, which stands for a word not yet known (the standard's
/// RFC 0050): the official validator checks no enumeration against it.
pub(super) fn holds_variable(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| {
        let rest = &text[at + 2..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let named = rest[..end].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let after = &rest[end..];
        named && (after.starts_with('}') || (after.starts_with(":-") && after.contains('}')))
    })
}

/// The word a node holds, when it is one of `words`.
pub(super) fn word_of(node: Option<&Node>, words: &'static [&'static str]) -> Option<&'static str> {
    let text = node?.text()?;
    words.iter().copied().find(|word| *word == text)
}
