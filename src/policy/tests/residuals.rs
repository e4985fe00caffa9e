//! The translation held against Cedar itself: over generated policies, principals and rows, the row filter
//! shows a row exactly where Cedar, given that row as a concrete entity, permits the query.
//!
//! 256 cases by default; `AIRSIDE_SOAK_CASES` asks for more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, Entities, Entity, EntityUid, PolicySet, Request,
    RestrictedExpression,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fixtures::*;
use crate::policy::{Comparison, Decision, Literal, PatternElement, RowFilter};
use crate::principal::{Attribute, Principal};

/// The columns policies may look at: name, whether it may be NULL, and a sample that says its kind.
const COLUMNS: [(&str, bool, Kind); 12] = [
    ("region", false, Kind::Text),
    ("note", true, Kind::Text),
    ("amount", false, Kind::Number),
    ("rank", true, Kind::Number),
    ("paid", false, Kind::Flag),
    ("open", true, Kind::Flag),
    ("price", false, Kind::Decimal),
    ("rebate", true, Kind::Decimal),
    // NULL, or there at all, in the second version of the contract only; decided is the first.
    ("placed", true, Kind::Instant),
    ("extra", true, Kind::Text),
    ("ship date", true, Kind::Instant),
    ("changed", true, Kind::Instant),
];

/// Pairs of columns of one type.
const PAIRS: [(&str, &str); 5] =
    [("region", "note"), ("amount", "rank"), ("paid", "open"), ("price", "rebate"), ("placed", "ship date")];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Flag,
    Decimal,
    Instant,
}

/// The column of this name, for good.
pub(in crate::policy) fn known_column(name: &str) -> &'static str {
    COLUMNS.iter().find(|(known, _, _)| *known == name).unwrap().0
}

fn kind(column: &str) -> Kind {
    COLUMNS.iter().find(|(name, _, _)| *name == column).unwrap().2
}

fn nullable(column: &str) -> bool {
    COLUMNS.iter().find(|(name, _, _)| *name == column).unwrap().1
}

// ---------------------------------------------------------------- conditions, as trees and as Cedar's text

#[derive(Debug, Clone)]
enum Condition {
    /// Without a column: Cedar folds it.
    Plain(&'static str),
    Has(&'static str),
    Flag(&'static str),
    Compare {
        column: &'static str,
        op: Comparison,
        value: Literal,
        swapped: bool,
    },
    Columns {
        left: &'static str,
        op: Comparison,
        right: &'static str,
    },
    Principal {
        column: &'static str,
        attribute: &'static str,
        op: Comparison,
    },
    Like {
        column: &'static str,
        pattern: String,
    },
    Member {
        column: &'static str,
        values: Vec<Literal>,
    },
    MemberOfPrincipal {
        column: &'static str,
    },
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    If(Box<Condition>, Box<Condition>, Box<Condition>),
    /// `has x && …`, which lets `…` look at x.
    Guarded(&'static str, Box<Condition>),
    /// `if has x then … else …`.
    IfHas(&'static str, Box<Condition>, Box<Condition>),
}

fn column_text(column: &str) -> String {
    if column.contains(' ') { format!("resource.row[\"{column}\"]") } else { format!("resource.row.{column}") }
}

fn has_text(column: &str) -> String {
    if column.contains(' ') { format!("resource.row has \"{column}\"") } else { format!("resource.row has {column}") }
}

fn quoted(text: &str) -> String {
    let escaped: String = text.chars().map(|c| format!("\\u{{{:x}}}", u32::from(c))).collect();
    format!("\"{escaped}\"")
}

fn decimal_text(value: i64) -> String {
    let (sign, digits) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
    format!("decimal(\"{sign}{}.{:04}\")", digits / 10_000, digits % 10_000)
}

fn literal_text(value: &Literal) -> String {
    match value {
        Literal::Text(text) => quoted(text),
        Literal::Number(number) => format!("({number})"),
        Literal::Flag(flag) => flag.to_string(),
        Literal::Decimal(value) => decimal_text(*value),
        Literal::Instant(value) => {
            let at = chrono::DateTime::from_timestamp_millis(*value).unwrap();
            format!("datetime(\"{}\")", at.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
        }
    }
}

fn comparison_text(left: &str, op: Comparison, right: &str, kind: Kind) -> String {
    let symbol = match (op, kind) {
        (Comparison::Equal, _) => "==",
        (Comparison::NotEqual, _) => "!=",
        // Cedar orders neither texts nor flags.
        (Comparison::Less | Comparison::LessOrEqual, Kind::Text | Kind::Flag) => "==",
        (Comparison::Greater | Comparison::GreaterOrEqual, Kind::Text | Kind::Flag) => "!=",
        (Comparison::Less, Kind::Decimal) => return format!("{left}.lessThan({right})"),
        (Comparison::LessOrEqual, Kind::Decimal) => return format!("{left}.lessThanOrEqual({right})"),
        (Comparison::Greater, Kind::Decimal) => return format!("{left}.greaterThan({right})"),
        (Comparison::GreaterOrEqual, Kind::Decimal) => return format!("{left}.greaterThanOrEqual({right})"),
        (Comparison::Less, _) => "<",
        (Comparison::LessOrEqual, _) => "<=",
        (Comparison::Greater, _) => ">",
        (Comparison::GreaterOrEqual, _) => ">=",
    };
    format!("{left} {symbol} {right}")
}

impl Condition {
    /// Cedar's text; `guards` are the nullable columns known to have a value here.
    fn text(&self, guards: &mut Vec<&'static str>) -> String {
        let both = |a: &Condition, b: &Condition, guards: &mut Vec<&'static str>| (a.text(guards), b.text(guards));
        match self {
            Self::Plain(text) => format!("({text})"),
            Self::Has(column) => format!("({})", has_text(column)),
            Self::Flag(column) => guarded(&[column], guards, column_text(column)),
            Self::Compare { column, op, value, swapped } => {
                let (left, right) = (column_text(column), literal_text(value));
                let (left, right) = if *swapped { (right, left) } else { (left, right) };
                guarded(&[column], guards, comparison_text(&left, *op, &right, kind(column)))
            }
            Self::Columns { left, op, right } => {
                let text = comparison_text(&column_text(left), *op, &column_text(right), kind(left));
                guarded(&[left, right], guards, text)
            }
            Self::Principal { column, attribute, op } => {
                let text = comparison_text(&column_text(column), *op, &format!("principal.{attribute}"), kind(column));
                format!("(principal has {attribute} && {})", guarded(&[column], guards, text))
            }
            Self::Like { column, pattern } => {
                guarded(&[column], guards, format!("{} like \"{pattern}\"", column_text(column)))
            }
            Self::Member { column, values } => {
                let set = values.iter().map(literal_text).collect::<Vec<_>>().join(", ");
                guarded(&[column], guards, format!("[{set}].contains({})", column_text(column)))
            }
            Self::MemberOfPrincipal { column } => {
                let text = format!("principal.regions.contains({})", column_text(column));
                format!("(principal has regions && {})", guarded(&[column], guards, text))
            }
            Self::Not(inner) => format!("!{}", inner.text(guards)),
            Self::And(a, b) => {
                let (a, b) = both(a, b, guards);
                format!("({a} && {b})")
            }
            Self::Or(a, b) => {
                let (a, b) = both(a, b, guards);
                format!("({a} || {b})")
            }
            Self::If(c, a, b) => {
                let c = c.text(guards);
                let (a, b) = both(a, b, guards);
                format!("(if {c} then {a} else {b})")
            }
            Self::Guarded(column, inner) => {
                guards.push(column);
                let inner = inner.text(guards);
                guards.pop();
                format!("({} && {inner})", has_text(column))
            }
            Self::IfHas(column, a, b) => {
                guards.push(column);
                let a = a.text(guards);
                guards.pop();
                format!("(if {} then {a} else {})", has_text(column), b.text(guards))
            }
        }
    }
}

/// Adds the guards that nullable columns still need.
fn guarded(columns: &[&'static str], guards: &[&'static str], text: String) -> String {
    let missing = columns.iter().filter(|column| nullable(column) && !guards.contains(column));
    let parts: Vec<String> = missing.map(|column| has_text(column)).chain([text]).collect();
    format!("({})", parts.join(" && "))
}

// ---------------------------------------------------------------- what is generated

const TEXTS: [&str; 11] =
    ["", "EU", "eu", "O'Hare\" OR 1=1 --", "a*b", "ab", "a%b_", "é", "e\u{301}", "\u{0}", "\u{202e}\u{10ffff}"];

/// The last one policies may not say (invisible characters are refused), but principals and rows may hold.
const WRITTEN: usize = 10;

/// Within what a policy's `datetime("…")` can say.
const MOMENTS: [i64; 6] = [-62_135_596_800_000, -1, 0, 1, 1_577_836_800_000, 253_402_300_799_999];

fn literal(kind: Kind, beyond: bool) -> BoxedStrategy<Literal> {
    match kind {
        Kind::Text => select(TEXTS[..if beyond { TEXTS.len() } else { WRITTEN }].to_vec())
            .prop_map(|text| Literal::Text(text.to_owned()))
            .boxed(),
        Kind::Number => {
            prop_oneof![select(vec![i64::MIN, -1, 0, 1, i64::MAX]), any::<i64>()].prop_map(Literal::Number).boxed()
        }
        Kind::Flag => any::<bool>().prop_map(Literal::Flag).boxed(),
        Kind::Decimal => prop_oneof![select(vec![i64::MIN, -1, 0, 1, 12_300, i64::MAX]), any::<i64>()]
            .prop_map(Literal::Decimal)
            .boxed(),
        // Columns hold moments that no literal names.
        Kind::Instant if beyond => {
            prop_oneof![select(MOMENTS.to_vec()), select(vec![i64::MIN, i64::MAX]), MOMENTS[0]..=MOMENTS[5]]
                .prop_map(Literal::Instant)
                .boxed()
        }
        Kind::Instant => {
            prop_oneof![select(MOMENTS.to_vec()), MOMENTS[0]..=MOMENTS[5]].prop_map(Literal::Instant).boxed()
        }
    }
}

fn comparison() -> impl Strategy<Value = Comparison> {
    select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ])
}

fn columns_of(kinds: &'static [Kind]) -> impl Strategy<Value = &'static str> {
    select(COLUMNS.iter().filter(|(_, _, kind)| kinds.contains(kind)).map(|(name, _, _)| *name).collect::<Vec<_>>())
}

const ALL: &[Kind] = &[Kind::Text, Kind::Number, Kind::Flag, Kind::Decimal, Kind::Instant];

fn atom() -> impl Strategy<Value = Condition> {
    let plain = select(vec![
        "true",
        "false",
        "context.purpose == \"audit\"",
        "principal in Group::\"g1\"",
        "principal is User",
        "resource.classification == \"internal\"",
        "resource.tags.contains(\"pii\")",
        "context.now < datetime(\"2027-01-01\")",
        "principal has suspended && principal.suspended",
        "[\"audit\", \"reports\"].contains(context.purpose)",
    ]);
    prop_oneof![
        1 => plain.prop_map(Condition::Plain),
        2 => columns_of(ALL).prop_map(Condition::Has),
        1 => columns_of(&[Kind::Flag]).prop_map(Condition::Flag),
        5 => (columns_of(ALL), comparison(), any::<bool>()).prop_flat_map(|(column, op, swapped)| {
            // A decimal method is called on the left operand, which may be the literal as well.
            literal(kind(column), false).prop_map(move |value| Condition::Compare { column, op, value, swapped })
        }),
        2 => (select(PAIRS.to_vec()), comparison(), any::<bool>()).prop_map(|((a, b), op, swapped)| {
            let (left, right) = if swapped { (b, a) } else { (a, b) };
            Condition::Columns { left, op, right }
        }),
        1 => (columns_of(&[Kind::Text]), comparison())
            .prop_map(|(column, op)| Condition::Principal { column, attribute: "region", op }),
        1 => (columns_of(&[Kind::Number]), comparison())
            .prop_map(|(column, op)| Condition::Principal { column, attribute: "clearance", op }),
        2 => (columns_of(&[Kind::Text]), select(vec!["*", "", "a*", "*b", "a\\*b", "*E*", "a%*", "**", "é*"]))
            .prop_map(|(column, pattern)| Condition::Like { column, pattern: pattern.to_owned() }),
        2 => columns_of(&[Kind::Text, Kind::Number, Kind::Decimal, Kind::Instant]).prop_flat_map(|column| {
            vec(literal(kind(column), false), 1..4).prop_map(move |values| Condition::Member { column, values })
        }),
        1 => columns_of(&[Kind::Text]).prop_map(|column| Condition::MemberOfPrincipal { column }),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    atom().prop_recursive(4, 24, 3, |inner| {
        let optional = || select(COLUMNS.iter().filter(|column| column.1).map(|column| column.0).collect::<Vec<_>>());
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            2 => boxed().prop_map(Condition::Not),
            2 => (boxed(), boxed()).prop_map(|(a, b)| Condition::And(a, b)),
            2 => (boxed(), boxed()).prop_map(|(a, b)| Condition::Or(a, b)),
            1 => (boxed(), boxed(), boxed()).prop_map(|(c, a, b)| Condition::If(c, a, b)),
            2 => (optional(), boxed()).prop_map(|(column, inner)| Condition::Guarded(column, inner)),
            1 => (optional(), boxed(), boxed()).prop_map(|(column, a, b)| Condition::IfHas(column, a, b)),
        ]
    })
}

/// The clauses of one policy.
pub(in crate::policy) fn clauses() -> impl Strategy<Value = String> {
    vec((any::<bool>(), condition()), 1..3).prop_map(|clauses| {
        let clause = |(unless, condition): (bool, Condition)| {
            format!("{} {{ {} }}", if unless { "unless" } else { "when" }, condition.text(&mut Vec::new()))
        };
        clauses.into_iter().map(clause).collect::<Vec<_>>().join(" ")
    })
}

#[derive(Debug, Clone)]
struct Case {
    domain_permits: Vec<String>,
    global_permits: Vec<String>,
    forbids: Vec<String>,
    ceilings: Vec<String>,
    principal: Principal,
    purpose: &'static str,
    rows: Vec<BTreeMap<&'static str, Literal>>,
}

pub(in crate::policy) fn principal() -> impl Strategy<Value = Principal> {
    let attribute = |name: &'static str, value: BoxedStrategy<Attribute>| {
        proptest::option::of(value).prop_map(move |value| (name.to_owned(), value))
    };
    let text = || select(TEXTS.to_vec()).prop_map(str::to_owned);
    (
        vec(select(vec!["g1", "g2", "g3"]), 0..3),
        attribute("region", text().prop_map(Attribute::Text).boxed()),
        attribute("clearance", select(vec![i64::MIN, -1, 0, 1, i64::MAX]).prop_map(Attribute::Number).boxed()),
        attribute("suspended", any::<bool>().prop_map(Attribute::Flag).boxed()),
        attribute("regions", vec(text(), 0..3).prop_map(|t| Attribute::Texts(t.into_iter().collect())).boxed()),
    )
        .prop_map(|(groups, a, b, c, d)| {
            let mut principal = user("ann", &groups);
            principal.attributes = [a, b, c, d].into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            principal
        })
}

pub(in crate::policy) fn row() -> impl Strategy<Value = BTreeMap<&'static str, Literal>> {
    let values: Vec<_> = COLUMNS
        .iter()
        .map(|(name, nullable, kind)| {
            let value = literal(*kind, true);
            let value = match *name {
                "extra" => Just(None).boxed(),
                "placed" => value.prop_map(Some).boxed(),
                _ if *nullable => proptest::option::of(value).boxed(),
                _ => value.prop_map(Some).boxed(),
            };
            value.prop_map(|value| value.map(|value| (*name, value)))
        })
        .collect();
    values.prop_map(|values| values.into_iter().flatten().collect())
}

fn case() -> impl Strategy<Value = Case> {
    (
        vec(clauses(), 0..3),
        prop_oneof![3 => Just(Vec::new()), 1 => vec(clauses(), 1..2)],
        vec(clauses(), 0..3),
        prop_oneof![3 => Just(Vec::new()), 1 => vec(clauses(), 1..3)],
        principal(),
        select(vec!["", "audit", "reports"]),
        vec(row(), 6),
    )
        .prop_map(|(domain_permits, global_permits, forbids, ceilings, principal, purpose, rows)| Case {
            domain_permits,
            global_permits,
            forbids,
            ceilings,
            principal,
            purpose,
            rows,
        })
}

/// A later version of `sales.orders`, whose row the policies speak of as well.
pub(in crate::policy) fn second_version() -> std::sync::Arc<crate::product::Product> {
    let mut columns = orders().datasets[0].columns.clone();
    columns.iter_mut().filter(|column| column.name == "placed").for_each(|column| column.nullable = true);
    columns.push(column("extra", arrow::datatypes::DataType::Utf8, false));
    product("sales", "orders", "2.0.0", columns)
}

pub(in crate::policy) fn policies(effect: &str, clauses: &[String]) -> String {
    let policy = |clauses: &String| {
        format!("{effect} (principal, action == Action::\"query\", resource is sales::orders) {clauses};\n")
    };
    clauses.iter().map(policy).collect()
}

// ---------------------------------------------------------------- what SQL would say

/// The row filter's meaning: three-valued logic, `None` for unknown.
pub(in crate::policy) fn holds(filter: &RowFilter, row: &BTreeMap<&'static str, Literal>) -> Option<bool> {
    let value = |column: &String| row.get(column.as_str());
    match filter {
        RowFilter::All => Some(true),
        RowFilter::Nothing => Some(false),
        RowFilter::And(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| holds(part, row)).collect();
            if parts.contains(&Some(false)) {
                Some(false)
            } else {
                parts.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
            }
        }
        RowFilter::Or(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| holds(part, row)).collect();
            if parts.contains(&Some(true)) {
                Some(true)
            } else {
                parts.into_iter().collect::<Option<Vec<_>>>().map(|_| false)
            }
        }
        RowFilter::Compare { column, op, value: literal } => Some(compare(value(column)?, *op, literal)),
        RowFilter::CompareColumns { left, op, right } => Some(compare(value(left)?, *op, value(right)?)),
        RowFilter::In { column, values, negated } => Some(values.contains(value(column)?) != *negated),
        RowFilter::Like { column, pattern, negated } => {
            let Literal::Text(text) = value(column)? else { panic!("LIKE of no text") };
            Some(like(&text.chars().collect::<Vec<_>>(), pattern) != *negated)
        }
        RowFilter::Flag { column, value: wanted } => Some(*value(column)? == Literal::Flag(*wanted)),
        RowFilter::Present { column, present } => Some(value(column).is_some() == *present),
    }
}

fn compare(left: &Literal, op: Comparison, right: &Literal) -> bool {
    assert_eq!(std::mem::discriminant(left), std::mem::discriminant(right), "types agree");
    match op {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
}

fn like(text: &[char], pattern: &[PatternElement]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [PatternElement::Any, rest @ ..] => (0..=text.len()).any(|skipped| like(&text[skipped..], rest)),
        [PatternElement::Char(c), rest @ ..] => text.first() == Some(c) && like(&text[1..], rest),
    }
}

// ---------------------------------------------------------------- what Cedar says

fn uid(text: &str) -> EntityUid {
    EntityUid::from_str(text).unwrap()
}

fn restricted(value: &Literal) -> RestrictedExpression {
    match value {
        Literal::Text(text) => RestrictedExpression::new_string(text.clone()),
        Literal::Number(number) => RestrictedExpression::new_long(*number),
        Literal::Flag(flag) => RestrictedExpression::new_bool(*flag),
        Literal::Decimal(value) => RestrictedExpression::from_str(&decimal_text(*value)).unwrap(),
        Literal::Instant(value) => {
            let folded = format!("datetime(\"1970-01-01\").offset(duration(\"{value}ms\"))");
            RestrictedExpression::from_str(&folded).unwrap()
        }
    }
}

/// A world in which the row is as concrete as everything else.
fn world(principal: &Principal, row: &BTreeMap<&'static str, Literal>) -> Entities {
    let texts =
        |texts: Vec<String>| RestrictedExpression::new_set(texts.into_iter().map(RestrictedExpression::new_string));
    let attribute = |value: &Attribute| match value {
        Attribute::Text(text) => RestrictedExpression::new_string(text.clone()),
        Attribute::Number(number) => RestrictedExpression::new_long(*number),
        Attribute::Flag(flag) => RestrictedExpression::new_bool(*flag),
        Attribute::Texts(all) => texts(all.iter().cloned().collect()),
    };
    let row_uid = uid("sales::orders_Row::\"this one\"");
    let orders = HashMap::from([
        ("classification".to_owned(), RestrictedExpression::new_string("internal".into())),
        ("tags".to_owned(), texts(Vec::new())),
        ("owner".to_owned(), RestrictedExpression::new_string("someone".into())),
        ("row".to_owned(), RestrictedExpression::new_entity_uid(row_uid.clone())),
    ]);
    let groups = principal.groups.iter().map(|group| uid(&format!("Group::\"{group}\""))).collect();
    let attributes = principal.attributes.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    let row = row.iter().map(|(name, value)| ((*name).to_owned(), restricted(value))).collect();
    Entities::from_entities(
        [
            Entity::new(uid("User::\"ann\""), attributes, groups).unwrap(),
            Entity::new(uid("sales::orders::\"sales.orders\""), orders, HashSet::new()).unwrap(),
            Entity::new(row_uid, row, HashSet::new()).unwrap(),
        ],
        None,
    )
    .unwrap()
}

fn cedar_permits(policies: &PolicySet, purpose: &str, world: &Entities) -> bool {
    let context = Context::from_pairs([
        ("purpose".to_owned(), RestrictedExpression::new_string(purpose.to_owned())),
        ("now".to_owned(), RestrictedExpression::new_datetime(NOW)),
    ])
    .unwrap();
    let request = Request::new(
        uid("User::\"ann\""),
        uid("Action::\"query\""),
        uid("sales::orders::\"sales.orders\""),
        context,
        None,
    )
    .unwrap();
    let response = Authorizer::new().is_authorized(&request, policies, world);
    let errors: Vec<_> = response.diagnostics().errors().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "a checked policy errored: {errors:?}");
    response.decision() == CedarDecision::Allow
}

// ---------------------------------------------------------------- held against each other

fn check(case: &Case) -> Result<(), TestCaseError> {
    let everyone =
        r#"permit (principal, action in [Action::"discover", Action::"readColumn"], resource in Domain::"sales");"#;
    let domain = policies("permit", &case.domain_permits);
    let global = policies("permit", &case.global_permits);
    let forbids = policies("forbid", &case.forbids);
    let ceilings = policies("permit", &case.ceilings);
    let mut mesh =
        Mesh::new(&format!("{everyone}\n{domain}")).governance(&global).governance(&forbids).version(second_version());
    mesh.governance[1].file = "forbids.cedar".into();
    if !case.ceilings.is_empty() {
        mesh = mesh.ceilings(&format!(
            "permit (principal, action in [Action::\"discover\", Action::\"readColumn\"], resource);\n{ceilings}"
        ));
    }
    mesh.domains.remove("marketing");
    let policies = match mesh.try_load() {
        Ok(policies) => policies,
        Err(faults) => {
            // A condition may happen to be false for everyone, which is refused; nothing else is.
            prop_assert!(faults.iter().all(|fault| fault.reason.contains("never apply")), "{}", listed(&faults));
            return Err(TestCaseError::reject("a policy that can never apply"));
        }
    };
    let product = &mesh.domains["sales"].products[0];
    let purpose = crate::principal::Purpose::parse(case.purpose).unwrap();
    let decision = policies.decide(&case.principal, &purpose, product, &product.datasets[0], at(NOW));
    let rows = match &decision {
        Decision::Permit(grant) => grant.rows().clone(),
        Decision::Discoverable => RowFilter::Nothing,
        Decision::PurposeNeeded(_) | Decision::Hidden => return Err(TestCaseError::fail("hidden")),
    };
    // Parsed once: it takes longer than everything else together.
    let parsed = |text: &str| PolicySet::from_str(text).unwrap();
    let of_domain = parsed(&format!("{domain}{forbids}"));
    let (of_all, ceilings) = (parsed(&format!("{global}{forbids}")), parsed(&ceilings));
    for row in &case.rows {
        let world = world(&case.principal, row);
        let permitted = |policies: &PolicySet| cedar_permits(policies, case.purpose, &world);
        let by_domain = permitted(&of_domain);
        let within = case.ceilings.is_empty() || permitted(&ceilings);
        let expected = permitted(&of_all) || (by_domain && within);
        prop_assert_eq!(
            holds(&rows, row) == Some(true),
            expected,
            "\nrow {:?}\nfilter {:?}\n{:?}",
            row,
            rows,
            decision
        );
    }
    Ok(())
}

fn cases() -> u32 {
    std::env::var("AIRSIDE_SOAK_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_global_rejects: 1 << 20, ..ProptestConfig::default() })]

    #[test]
    fn filters_mean_what_cedar_means(case in case()) {
        check(&case)?;
    }

    /// Whatever a domain writes, loading answers with faults or policies, and deciding with a decision.
    #[test]
    fn nothing_written_panics(words in vec(select(WORDS.to_vec()), 0..40)) {
        let body = words.join(" ");
        for policy in [body.clone(), format!("permit (principal, action == Action::\"query\", resource is sales::orders) when {{ {body} }};")] {
            let mesh = Mesh::new(&policy);
            if let Ok(policies) = mesh.try_load() {
                let product = &mesh.domains["sales"].products[0];
                policies.decide(&user("ann", &["g1"]), &Default::default(), product, &product.datasets[0], at(NOW));
            }
        }
    }
}

const WORDS: [&str; 40] = [
    "permit",
    "forbid",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "when",
    "unless",
    "principal",
    "action",
    "resource",
    "context",
    ".row",
    ".amount",
    ".region",
    ".now",
    ".purpose",
    "==",
    "<",
    "&&",
    "||",
    "!",
    "has",
    "like",
    "in",
    "is",
    "if",
    "then",
    "else",
    "1",
    "\"x\"",
    "true",
    "resource.row.paid",
    "resource.row has note",
    "Group::\"g1\"",
    "datetime(\"2026-01-01\")",
    ".contains",
    ",",
];
