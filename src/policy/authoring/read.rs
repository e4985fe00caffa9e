//! Reading the row condition of a grant, as an owner writes it: `region == principal.region && amount < 1000`.
//!
//! ```text
//! text ──Cedar's own parser──▶ concrete syntax ──read──▶ Condition ──▶ Cedar: columns spelled out, guarded
//! ```
//!
//! Bare words are columns. Whatever may be missing, a column that may be NULL or an attribute of the
//! principal, gets its `has`, outside of any negation: a row of which nothing is known is not shown. Texts
//! beside dates and decimals become what Cedar compares these with.

use std::collections::BTreeMap;

use cedar_policy_core::parser::Node;
use cedar_policy_core::parser::cst::{
    Add, And, Expr, ExprData, Ident, Literal, MemAccess, Member, Name, NegOp, Or, Primary, RelOp, Relation, Str,
};
use cedar_policy_core::parser::text_to_cst::parse_expr;

use super::super::schema::{Kind, RowShape};
use super::super::statement::{near, too_complex};
use super::AuthoringError;
use super::condition::{Condition, Test, joined};
use super::side::{Family, Operator, Side};
use crate::principal::AttributeType;

/// What a condition may name.
pub(super) struct Vocabulary<'a> {
    pub(super) row: &'a RowShape,
    pub(super) attributes: &'a BTreeMap<String, AttributeType>,
}

pub(super) type Reading<T> = Result<T, AuthoringError>;

pub(super) fn refuse(reason: impl Into<String>, hint: impl Into<String>) -> AuthoringError {
    AuthoringError::Rows { reason: reason.into(), hint: hint.into() }
}

pub(super) const FORMS: &str = "compare a column: `region == principal.region`, `amount < 1000`, `[\"a\", \"b\"].contains(status)`, \
                     `name like \"A*\"`, joined by `&&`, `||`, `!` and parentheses";

/// Reads a condition.
pub(super) fn read(text: &str, vocabulary: &Vocabulary<'_>) -> Reading<Condition> {
    const LONGEST: usize = 4096;
    if text.len() > LONGEST {
        return Err(refuse(format!("the condition is longer than {LONGEST} bytes"), "write the policy by hand"));
    }
    if let Some((_, reason)) = too_complex(text) {
        return Err(refuse(reason, "write the policy by hand"));
    }
    let tree = parse_expr(text).map_err(|errors| {
        let first = errors.iter().next().map(ToString::to_string).unwrap_or_default();
        refuse(format!("`{text}` is no condition: {first}"), FORMS)
    })?;
    Reader { vocabulary }.expr(&tree, false)
}

struct Reader<'a> {
    vocabulary: &'a Vocabulary<'a>,
}

impl Reader<'_> {
    fn expr(&self, node: &Node<Option<Expr>>, negated: bool) -> Reading<Condition> {
        let Expr::Expr(expr) = inner(node)?;
        match expr.expr.as_ref() {
            ExprData::Or(or) => self.or(or, negated),
            ExprData::If(..) => Err(refuse("`if` cannot be written here", FORMS)),
        }
    }

    fn or(&self, node: &Node<Option<Or>>, negated: bool) -> Reading<Condition> {
        let or = inner(node)?;
        let parts = std::iter::once(&or.initial).chain(&or.extended).map(|part| self.and(part, negated));
        // !(a || b) is !a && !b.
        Ok(joined(parts.collect::<Reading<Vec<_>>>()?, negated))
    }

    fn and(&self, node: &Node<Option<And>>, negated: bool) -> Reading<Condition> {
        let and = inner(node)?;
        let parts = std::iter::once(&and.initial).chain(&and.extended).map(|part| self.relation(part, negated));
        Ok(joined(parts.collect::<Reading<Vec<_>>>()?, !negated))
    }

    fn relation(&self, node: &Node<Option<Relation>>, negated: bool) -> Reading<Condition> {
        match inner(node)? {
            Relation::Common { initial, extended } => match extended.as_slice() {
                [] => self.alone(initial, negated),
                [(op, right)] => self.comparison(initial, *op, right, negated).map(Condition::Test),
                _ => Err(refuse("comparisons do not chain", "write `a < b && b < c`")),
            },
            Relation::Like { target, pattern } => {
                let column = self.side(target)?;
                let Side::Text(pattern) = self.side(pattern)? else {
                    return Err(refuse("`like` needs a pattern in quotes", "write `name like \"A*\"`"));
                };
                if column.family() != Some(Family::Text) {
                    return Err(refuse(format!("`like` compares texts, and {} is none", column.shown()), FORMS));
                }
                self.need_column(&[&column])?;
                let text = format!("{} like \"{pattern}\"", column.cedar());
                let text = if negated { format!("!({text})") } else { text };
                Ok(Condition::Test(Test::of(text, &[&column])))
            }
            Relation::Has { target, field } => {
                let _ = (target, field);
                Err(refuse("`has` is added where it is needed", "leave it out"))
            }
            Relation::IsIn { .. } => Err(refuse("`is` cannot be written here", FORMS)),
        }
    }

    /// A comparison with nothing: a flag, a call, something in parentheses.
    fn alone(&self, node: &Node<Option<Add>>, negated: bool) -> Reading<Condition> {
        let (negations, member) = simple(node)?;
        let negated = negated != (negations % 2 == 1);
        if let (Primary::Expr(expr), []) = (inner(&member.item)?, member.access.as_slice()) {
            return self.expr(expr, negated);
        }
        let access = member.access.iter().map(inner).collect::<Reading<Vec<_>>>()?;
        if let [before @ .., MemAccess::Field(method), MemAccess::Call(arguments)] = access.as_slice() {
            let method = ident(inner(method)?).unwrap_or_default();
            let [argument] = arguments.as_slice() else {
                return Err(refuse(format!("`{method}` takes one argument"), FORMS));
            };
            let receiver = self.member(&member.item, before)?;
            let argument = self.side_of(argument)?;
            return self.method(&receiver, &method, &argument, negated).map(Condition::Test);
        }
        let side = self.member(&member.item, &access)?;
        match &side {
            Side::Column { kind: Kind::Flag, .. } => {
                let text = if negated { format!("!{}", side.cedar()) } else { side.cedar() };
                Ok(Condition::Test(Test::of(text, &[&side])))
            }
            other => Err(refuse(format!("{} is compared with nothing", other.shown()), FORMS)),
        }
    }

    fn method(&self, receiver: &Side, method: &str, argument: &Side, negated: bool) -> Reading<Test> {
        self.need_column(&[receiver, argument])?;
        let text = match (method, receiver, argument) {
            ("contains", Side::Set(items), column @ Side::Column { .. }) => {
                let items = items.iter().map(|item| item.fitted(column)).collect::<Reading<Vec<_>>>()?;
                let items: Vec<String> = items.iter().map(Side::cedar).collect();
                format!("[{}].contains({})", items.join(", "), column.cedar())
            }
            (
                "contains",
                Side::Attribute { kind: AttributeType::Texts, .. },
                column @ Side::Column { kind: Kind::Text, .. },
            ) => format!("{}.contains({})", receiver.cedar(), column.cedar()),
            ("lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual", left, right)
                if left.family() == Some(Family::Decimal) && right.family() == Some(Family::Decimal) =>
            {
                format!("{}.{method}({})", left.cedar(), right.cedar())
            }
            ("contains", ..) => {
                return Err(refuse(
                    "`contains` asks whether a set holds a column's value",
                    "write `[\"a\", \"b\"].contains(status)` or `principal.regions.contains(region)`",
                ));
            }
            _ => return Err(refuse(format!("`{method}` cannot be written here"), FORMS)),
        };
        let text = if negated { format!("!{text}") } else { text };
        Ok(Test::of(text, &[receiver, argument]))
    }

    fn comparison(
        &self,
        left: &Node<Option<Add>>,
        op: RelOp,
        right: &Node<Option<Add>>,
        negated: bool,
    ) -> Reading<Test> {
        let op = Operator::of(op)?;
        let (left, right) = (self.side(left)?, self.side(right)?);
        let (left, right) = (left.fitted(&right)?, right.fitted(&left)?);
        self.need_column(&[&left, &right])?;
        let family = match (left.family(), right.family()) {
            (Some(a), Some(b)) if a == b => a,
            _ => {
                return Err(refuse(
                    format!("{} and {} are of different types", left.shown(), right.shown()),
                    "compare texts with texts, numbers with numbers, dates with `\"2026-12-31\"`",
                ));
            }
        };
        let op = if negated { op.negated() } else { op };
        let ordered = !matches!(op, Operator::Equal | Operator::NotEqual);
        let text = match family {
            Family::Text | Family::Flag if ordered => {
                return Err(refuse(
                    format!("{} has no order: `{}` compares numbers, decimals and dates", left.shown(), op.sign()),
                    "use `==`, `!=`, `like` or `contains`",
                ));
            }
            Family::Decimal if ordered => format!("{}.{}({})", left.cedar(), op.method(), right.cedar()),
            _ => format!("{} {} {}", left.cedar(), op.sign(), right.cedar()),
        };
        let mut test = Test::of(text, &[&left, &right]);
        test.sample = match (&left, &right) {
            (Side::Attribute { name, .. }, Side::Text(text)) | (Side::Text(text), Side::Attribute { name, .. }) => {
                Some((name.clone(), text.clone()))
            }
            _ => None,
        };
        Ok(test)
    }

    /// A test that looks at no column is about the principal, not the rows.
    fn need_column(&self, sides: &[&Side]) -> Reading<()> {
        if sides.iter().any(|side| matches!(side, Side::Column { .. } | Side::Attribute { .. })) {
            return Ok(());
        }
        Err(refuse("a comparison of literals is always the same", FORMS))
    }

    fn side_of(&self, node: &Node<Option<Expr>>) -> Reading<Side> {
        let Expr::Expr(expr) = inner(node)?;
        let ExprData::Or(or) = expr.expr.as_ref() else { return Err(refuse("`if` cannot be written here", FORMS)) };
        let or = inner(or)?;
        let and = inner(&or.initial)?;
        let relation = inner(&and.initial)?;
        match relation {
            Relation::Common { initial, extended }
                if or.extended.is_empty() && and.extended.is_empty() && extended.is_empty() =>
            {
                self.side(initial)
            }
            _ => Err(refuse("a comparison cannot be compared", FORMS)),
        }
    }

    fn side(&self, node: &Node<Option<Add>>) -> Reading<Side> {
        let add = inner(node)?;
        let unary = inner(&inner(&add.initial)?.initial)?;
        if let (Some(NegOp::Dash(1)), true) = (&unary.op, add.extended.is_empty()) {
            let member = inner(&unary.item)?;
            if let Side::Number(number) = self.member(&member.item, &[])? {
                return Ok(Side::Number(format!("-{number}")));
            }
        }
        let (negations, member) = simple(node)?;
        if negations > 0 {
            return Err(refuse("`!` stands before a whole comparison", "write `!(region == \"EMEA\")`"));
        }
        if let (Primary::Expr(expr), []) = (inner(&member.item)?, member.access.as_slice()) {
            return self.side_of(expr);
        }
        let access = member.access.iter().map(inner).collect::<Reading<Vec<_>>>()?;
        self.member(&member.item, &access)
    }

    fn member(&self, item: &Node<Option<Primary>>, access: &[&MemAccess]) -> Reading<Side> {
        match (inner(item)?, access) {
            (Primary::Literal(literal), []) => match inner(literal)? {
                Literal::True => Ok(Side::Flag(true)),
                Literal::False => Ok(Side::Flag(false)),
                Literal::Num(number) => Ok(Side::Number(number.to_string())),
                Literal::Str(text) => Ok(Side::Text(written(inner(text)?)?)),
            },
            (Primary::EList(items), []) => {
                Ok(Side::Set(items.iter().map(|item| self.side_of(item)).collect::<Reading<_>>()?))
            }
            (Primary::Name(name), access) => self.named(inner(name)?, access),
            _ => Err(refuse("this cannot be written in a row condition", FORMS)),
        }
    }

    fn named(&self, name: &Name, access: &[&MemAccess]) -> Reading<Side> {
        let word = inner(&name.name)?;
        if !name.path.is_empty() {
            return Err(refuse("a row condition names no entities", FORMS));
        }
        match (word, access) {
            (Ident::Principal, [MemAccess::Field(field)]) => self.attribute(&ident(inner(field)?).unwrap_or_default()),
            (Ident::Principal, [MemAccess::Index(index)]) => match self.side_of(index)? {
                Side::Text(name) => self.attribute(&name),
                _ => Err(refuse("an attribute is named by a text", FORMS)),
            },
            (Ident::Principal, _) => Err(refuse(
                "the principal itself cannot be compared",
                format!("name one of its attributes: {}", listed(self.vocabulary.attributes.keys(), "principal.")),
            )),
            (Ident::Resource, [MemAccess::Field(row), column]) if ident(inner(row)?).as_deref() == Some("row") => {
                match column {
                    MemAccess::Field(column) => self.column(&ident(inner(column)?).unwrap_or_default()),
                    MemAccess::Index(index) => match self.side_of(index)? {
                        Side::Text(column) => self.column(&column),
                        _ => Err(refuse("a column is named by a text", FORMS)),
                    },
                    MemAccess::Call(_) => Err(refuse("this cannot be written in a row condition", FORMS)),
                }
            }
            (Ident::Context, _) => Err(refuse(
                "a row condition does not look at the purpose or the clock",
                "use `--purpose` and `--until`",
            )),
            (Ident::Ident(function), [MemAccess::Call(arguments)])
                if matches!(function.as_str(), "decimal" | "datetime") =>
            {
                let [argument] = arguments.as_slice() else {
                    return Err(refuse(format!("`{function}` takes one text"), FORMS));
                };
                match (function.as_str(), self.side_of(argument)?) {
                    ("decimal", Side::Text(text)) => Ok(Side::Call("decimal", text)),
                    (_, Side::Text(text)) => Ok(Side::Call("datetime", text)),
                    _ => Err(refuse(format!("`{function}` takes one text"), FORMS)),
                }
            }
            (word, []) => match ident(word) {
                Some(column) => self.column(&column),
                None => Err(refuse("this word cannot be written in a row condition", FORMS)),
            },
            (word, _) => {
                let word = ident(word).unwrap_or_default();
                Err(refuse(format!("`{word}` has nothing below it"), FORMS))
            }
        }
    }

    fn column(&self, name: &str) -> Reading<Side> {
        let row = self.vocabulary.row;
        if let Some(column) = row.columns.get(name) {
            return Ok(Side::Column { name: name.to_owned(), kind: column.kind, optional: column.optional });
        }
        if let Some(why) = row.unfilterable.get(name) {
            return Err(refuse(
                format!("rows cannot be filtered by `{name}`: {why}"),
                format!("rows can be filtered by {}", listed(row.columns.keys(), "")),
            ));
        }
        let hint = match near(name, row.columns.keys().map(String::as_str)).as_slice() {
            [] if self.vocabulary.attributes.contains_key(name) => format!("did you mean `principal.{name}`?"),
            [] => format!("its columns are {}", listed(row.columns.keys(), "")),
            near => format!("did you mean {}?", listed(near, "")),
        };
        Err(refuse(format!("there is no column `{name}`"), hint))
    }

    fn attribute(&self, name: &str) -> Reading<Side> {
        let attributes = self.vocabulary.attributes;
        if let Some(kind) = attributes.get(name) {
            return Ok(Side::Attribute { name: name.to_owned(), kind: *kind });
        }
        let hint = match near(name, attributes.keys().map(String::as_str)).as_slice() {
            [] if attributes.is_empty() => {
                "principals have no attributes: the platform declares them in governance/principals.toml".to_owned()
            }
            [] => format!("the attributes are {}", listed(attributes.keys(), "principal.")),
            near => format!("did you mean {}?", listed(near, "principal.")),
        };
        Err(refuse(format!("principals have no attribute `{name}`"), hint))
    }
}

/// The member an expression is, and how often it is negated; arithmetic is refused.
fn simple(node: &Node<Option<Add>>) -> Reading<(u8, &Member)> {
    let add = inner(node)?;
    let product = inner(&add.initial)?;
    if !add.extended.is_empty() || !product.extended.is_empty() {
        return Err(refuse("a row condition does not compute", "write the result as a literal"));
    }
    let unary = inner(&product.initial)?;
    let negations = match unary.op {
        None => 0,
        Some(NegOp::Bang(count)) => count,
        Some(NegOp::Dash(_) | NegOp::OverDash | NegOp::OverBang) => {
            return Err(refuse("a row condition does not compute", "write the result as a literal"));
        }
    };
    Ok((negations, inner(&unary.item)?))
}

fn inner<T>(node: &Node<Option<T>>) -> Reading<&T> {
    node.as_inner().ok_or_else(|| refuse("the condition cannot be read", FORMS))
}

/// A word that may be a name.
fn ident(word: &Ident) -> Option<String> {
    match word {
        Ident::Ident(name) => Some(name.to_string()),
        Ident::Action | Ident::Context | Ident::Principal | Ident::Resource => None,
        Ident::Invalid(_) | Ident::True | Ident::False => None,
        other => Some(other.to_string()),
    }
}

fn written(text: &Str) -> Reading<String> {
    match text {
        Str::String(text) => Ok(text.to_string()),
        Str::Invalid(text) => Err(refuse(format!("`{text}` is no text"), FORMS)),
    }
}

fn listed<T: AsRef<str>>(words: impl IntoIterator<Item = T>, prefix: &str) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{prefix}{}`", word.as_ref())).collect();
    words.join(", ")
}
