//! What stands on either side of a comparison, and how the two compare.

use cedar_policy_core::parser::cst::RelOp;

use super::super::schema::Kind;
use super::read::{Reading, refuse};
use crate::principal::AttributeType;

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Side {
    Column {
        name: String,
        kind: Kind,
        optional: bool,
    },
    Attribute {
        name: String,
        kind: AttributeType,
    },
    /// A text, without its quotes, as written.
    Text(String),
    Number(String),
    Flag(bool),
    /// `decimal("…")` or `datetime("…")`.
    Call(&'static str, String),
    Set(Vec<Side>),
}

/// What compares with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Text,
    Number,
    Flag,
    Decimal,
    Instant,
}

impl Side {
    pub(super) fn family(&self) -> Option<Family> {
        match self {
            Self::Column { kind, .. } => Some(match kind {
                Kind::Text => Family::Text,
                Kind::Number => Family::Number,
                Kind::Flag => Family::Flag,
                Kind::Decimal => Family::Decimal,
                Kind::Instant => Family::Instant,
            }),
            Self::Attribute { kind, .. } => match kind {
                AttributeType::Text => Some(Family::Text),
                AttributeType::Number => Some(Family::Number),
                AttributeType::Flag => Some(Family::Flag),
                AttributeType::Texts => None,
            },
            Self::Text(_) => Some(Family::Text),
            Self::Number(_) => Some(Family::Number),
            Self::Flag(_) => Some(Family::Flag),
            Self::Call("decimal", _) => Some(Family::Decimal),
            Self::Call(..) => Some(Family::Instant),
            Self::Set(_) => None,
        }
    }

    /// A literal in the type of the column it stands beside.
    pub(super) fn fitted(&self, beside: &Self) -> Reading<Self> {
        let Self::Column { name, kind, .. } = beside else { return Ok(self.clone()) };
        match (self, kind) {
            (Self::Text(text), Kind::Instant) => Ok(Self::Call("datetime", text.clone())),
            (Self::Text(text), Kind::Decimal) => Ok(Self::Call("decimal", text.clone())),
            (Self::Number(number), Kind::Decimal) => Ok(Self::Call("decimal", format!("{number}.0"))),
            (Self::Set(_), _) => {
                Err(refuse(format!("`{name}` has one value, a set has many"), "write `[…].contains(column)`"))
            }
            _ => Ok(self.clone()),
        }
    }

    pub(super) fn cedar(&self) -> String {
        match self {
            Self::Column { name, .. } => below("resource.row", name),
            Self::Attribute { name, .. } => below("principal", name),
            Self::Text(text) => format!("\"{text}\""),
            Self::Number(number) => number.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::Call(function, text) => format!("{function}(\"{text}\")"),
            Self::Set(items) => format!("[{}]", items.iter().map(Self::cedar).collect::<Vec<_>>().join(", ")),
        }
    }

    /// As messages call it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Column { name, .. } => format!("`{name}`"),
            other => format!("`{}`", other.cedar()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    pub(super) fn of(op: RelOp) -> Reading<Self> {
        Ok(match op {
            RelOp::Eq => Self::Equal,
            RelOp::NotEq => Self::NotEqual,
            RelOp::Less => Self::Less,
            RelOp::LessEq => Self::LessOrEqual,
            RelOp::Greater => Self::Greater,
            RelOp::GreaterEq => Self::GreaterOrEqual,
            RelOp::InvalidSingleEq => return Err(refuse("`=` compares nothing", "write `==`")),
            RelOp::In => return Err(refuse("`in` cannot be written here", "write `[\"a\", \"b\"].contains(column)`")),
        })
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// What compares decimals.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Less => "lessThan",
            Self::LessOrEqual => "lessThanOrEqual",
            Self::Greater => "greaterThan",
            Self::GreaterOrEqual => "greaterThanOrEqual",
            Self::Equal | Self::NotEqual => "==",
        }
    }
}

/// `resource.row.x`, or `resource.row["x y"]` for what is no word of Cedar.
fn below(of: &str, name: &str) -> String {
    if is_word(name) { format!("{of}.{name}") } else { format!("{of}[\"{name}\"]") }
}

/// Asks whether it is there.
pub(super) fn has(of: &str, name: &str) -> String {
    if is_word(name) { format!("{of} has {name}") } else { format!("{of} has \"{name}\"") }
}

/// Whether Cedar takes a text as a name.
fn is_word(name: &str) -> bool {
    const RESERVED: [&str; 9] = ["true", "false", "if", "then", "else", "in", "is", "like", "has"];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !RESERVED.contains(&name)
        && name != "__cedar"
}
