//! Counterexamples: a principal, a purpose, a moment and a row that show a difference.
//!
//! What the solver finds is read, tried against Cedar's own evaluator, and made as small as it can be: a group, an
//! attribute, or a value of a column that may be missing, is taken out where the difference does not need it, so that the one left is the reason.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Decision, Entities, Entity, EntityUid, EvalResult, Policy, PolicySet, Request, RestrictedExpression,
    pst::Clause,
};
use cedar_policy_symcc::Env;
use chrono::{DateTime, SecondsFormat, Utc};

use super::known::Asker;
use super::question::{Named, Question};
use crate::policy::Literal;
use crate::policy::cedar::{context, expression};
use crate::policy::dataset::text;
use crate::policy::literals;
use crate::policy::vocabulary::{
    ACTION, ANY_ROW, Action, DOMAIN, GROUP, ROW, USER, dataset_id, dataset_type, row_type, uid,
};
use crate::principal::{Attribute, Identity, Principal, Purpose};
use crate::product::Name;

/// Who, why, when, and which row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Who asks.
    pub principal: Principal,
    /// For which purpose; empty when the difference does not need one.
    pub purpose: Purpose,
    /// When, if that matters.
    pub now: Option<DateTime<Utc>>,
    /// The values of the columns that matter. Columns without a value are absent.
    pub row: BTreeMap<String, Literal>,
    /// The columns that matter, with values or without.
    pub columns: BTreeSet<String>,
}

/// Tries examples of one question.
pub(super) struct Trial<'a, 'q> {
    question: &'a Question<'q>,
    left: PolicySet,
    right: PolicySet,
    named: Named,
}

impl<'a, 'q> Trial<'a, 'q> {
    pub(super) fn new(question: &'a Question<'q>, left: PolicySet, right: PolicySet) -> Self {
        let named = Named::of(&[&question.left, &question.right]);
        Self { question, left, right, named }
    }

    /// The example the solver found, if it can be read and really is one; as small as it gets.
    pub(super) fn example(&self, found: &Env) -> Option<Example> {
        let mut example = self.read(found)?;
        example =
            self.first(self.purposes(&example).into_iter().map(|purpose| Example { purpose, ..example.clone() }))?;
        example = self.first(self.identities(&example).into_iter().map(|identity| {
            let principal = Principal { identity, ..example.principal.clone() };
            Example { principal, ..example.clone() }
        }))?;
        if !self.named.clock {
            example.now = None;
        } else if let Some(today) = self.tried(Example { now: Some(Utc::now()), ..example.clone() }) {
            example = today;
        }
        for group in example.principal.groups.clone() {
            let mut less = example.clone();
            less.principal.groups.remove(&group);
            example = self.tried(less).unwrap_or(example);
        }
        for attribute in example.principal.attributes.keys().cloned().collect::<Vec<_>>() {
            let mut less = example.clone();
            less.principal.attributes.remove(&attribute);
            example = self.tried(less).unwrap_or(example);
        }
        for column in example.row.keys().cloned().collect::<Vec<_>>() {
            if self.question.ground.optional.contains(&column) {
                let mut less = example.clone();
                less.row.remove(&column);
                example = self.tried(less).unwrap_or(example);
            }
        }
        Some(example)
    }

    fn tried(&self, example: Example) -> Option<Example> {
        self.shows(&example).then_some(example)
    }

    fn first(&self, mut examples: impl Iterator<Item = Example>) -> Option<Example> {
        examples.find(|example| self.shows(example))
    }

    /// None first, then what policies name, which is what matters, then anything.
    fn purposes(&self, example: &Example) -> Vec<Purpose> {
        let named = self.named.texts.iter().filter_map(|text| Purpose::parse(text).ok());
        [Purpose::default()]
            .into_iter()
            .chain(named)
            .chain([example.purpose.clone()])
            .chain(Purpose::parse("other"))
            .collect()
    }

    fn identities(&self, example: &Example) -> Vec<Identity> {
        match self.question.asker {
            Asker::User => vec![Identity::User("somebody".into()), example.principal.identity.clone()],
            Asker::Domain => {
                let own = Identity::Domain(self.question.ground.domain.clone());
                vec![example.principal.identity.clone(), own]
            }
        }
    }

    fn read(&self, found: &Env) -> Option<Example> {
        let principal = found.request.principal()?;
        let id = principal.id().unescaped();
        let identity = match self.question.asker {
            Asker::User => Identity::User(id.into()),
            // A domain of any other name is replaced below.
            Asker::Domain => Identity::Domain(Name::parse(id).unwrap_or_else(|_| self.question.ground.domain.clone())),
        };
        let mut groups = BTreeSet::new();
        for above in found.entities.ancestors(principal).into_iter().flatten() {
            if above.type_name().to_string() == GROUP && self.named.groups.contains(above.id().unescaped()) {
                groups.insert(above.id().unescaped().to_owned());
            }
        }
        let mut attributes = BTreeMap::new();
        for (name, value) in found.entities.get(principal).into_iter().flat_map(Entity::attrs) {
            attributes.insert(name.to_owned(), attribute(&value.ok()?)?);
        }
        let context = found.request.context()?;
        let purpose = match context.get("purpose")? {
            EvalResult::String(text) => Purpose::parse(&text).unwrap_or_default(),
            _ => return None,
        };
        let now = match literal(&context.get("now")?)? {
            Literal::Instant(at) => DateTime::from_timestamp_millis(at).unwrap_or_default(),
            _ => return None,
        };
        let mut row = BTreeMap::new();
        let resource = found.entities.get(found.request.resource()?);
        if let Some(Ok(EvalResult::EntityUid(row_uid))) = resource.and_then(|resource| resource.attr(ROW)) {
            for (name, value) in found.entities.get(&row_uid).into_iter().flat_map(Entity::attrs) {
                if self.named.columns.contains(name) {
                    row.insert(name.to_owned(), literal(&value.ok()?)?);
                }
            }
        }
        let columns = self.named.columns.clone();
        let principal = Principal { identity, groups, attributes };
        Some(Example { principal, purpose, now: Some(now), row, columns })
    }

    /// Whether Cedar, asked about it, permits by the left condition and denies by the right one, without an error.
    fn shows(&self, example: &Example) -> bool {
        let asked = (|| {
            let (request, entities) = self.world(example)?;
            let ask = |set: &PolicySet| {
                let response = Authorizer::new().is_authorized(&request, set, &entities);
                let failed = response.diagnostics().errors().next().is_some();
                (!failed).then_some(response.decision())
            };
            Some((ask(&self.left)?, ask(&self.right)?))
        })();
        asked == Some((Decision::Allow, Decision::Deny))
    }

    fn world(&self, example: &Example) -> Option<(Request, Entities)> {
        let ground = self.question.ground;
        let named = |ty: &str, id: &str| uid(ty, id).ok();
        let principal = match &example.principal.identity {
            Identity::User(name) => named(USER, name)?,
            Identity::Domain(name) => named(DOMAIN, name.as_str())?,
        };
        let resource =
            named(&dataset_type(&ground.domain, &ground.dataset), &dataset_id(&ground.domain, &ground.dataset))?;
        let row = named(&row_type(&ground.domain, &ground.dataset), ANY_ROW)?;
        let groups: Option<HashSet<EntityUid>> =
            example.principal.groups.iter().map(|group| named(GROUP, group)).collect();
        let attributes = &example.principal.attributes;
        let attributes = attributes.iter().map(|(name, value)| (name.clone(), expression(value)));
        let values: Option<HashMap<String, RestrictedExpression>> =
            example.row.iter().map(|(name, value)| Some((name.clone(), restricted(value)?))).collect();
        let of_row = HashMap::from([(ROW.to_owned(), RestrictedExpression::new_entity_uid(row.clone()))]);
        let entities = [
            Entity::new(principal.clone(), attributes.collect(), groups?).ok()?,
            Entity::new(resource.clone(), of_row, HashSet::new()).ok()?,
            Entity::new(row, values?, HashSet::new()).ok()?,
        ];
        let entities = Entities::from_entities(entities, None).ok()?;
        let context = context(&example.purpose, example.now.unwrap_or_else(Utc::now)).ok()?;
        let action = uid(ACTION, Action::Query.as_str()).ok()?;
        Some((Request::new(principal, action, resource, context, None).ok()?, entities))
    }
}

/// A row's value as Cedar takes it.
fn restricted(value: &Literal) -> Option<RestrictedExpression> {
    Some(match value {
        Literal::Text(value) => text(value),
        Literal::Number(value) => RestrictedExpression::new_long(*value),
        Literal::Flag(value) => RestrictedExpression::new_bool(*value),
        Literal::Decimal(value) => RestrictedExpression::new_decimal(decimal(*value)),
        Literal::Instant(value) => {
            let folded = format!("datetime(\"1970-01-01\").offset(duration(\"{value}ms\"))");
            RestrictedExpression::from_str(&folded).ok()?
        }
    })
}

fn attribute(value: &EvalResult) -> Option<Attribute> {
    Some(match value {
        EvalResult::String(text) => Attribute::Text(text.clone()),
        EvalResult::Long(number) => Attribute::Number(*number),
        EvalResult::Bool(flag) => Attribute::Flag(*flag),
        EvalResult::Set(items) => {
            let texts = items.iter().map(|item| match item {
                EvalResult::String(text) => Some(text.clone()),
                _ => None,
            });
            Attribute::Texts(texts.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn literal(value: &EvalResult) -> Option<Literal> {
    match value {
        EvalResult::String(text) => Some(Literal::Text(text.clone())),
        EvalResult::Long(number) => Some(Literal::Number(*number)),
        EvalResult::Bool(flag) => Some(Literal::Flag(*flag)),
        EvalResult::ExtensionValue(text) => {
            // Cedar shows them as text only.
            let policy = Policy::from_str(&format!("permit (principal, action, resource) when {{ {text} }};")).ok()?;
            let tree = policy.to_pst().ok()?;
            match tree.body().clauses().first()? {
                Clause::When(condition) => literals::literal(condition),
                Clause::Unless(_) => None,
            }
        }
        _ => None,
    }
}

impl Example {
    /// Who, in words.
    pub fn who(&self) -> String {
        let mut words = match &self.principal.identity {
            Identity::User(name) if &**name == "somebody" => "a user".to_owned(),
            Identity::User(name) => format!("the user `{name}`"),
            Identity::Domain(name) => format!("the domain `{name}`, for its derived products"),
        };
        let groups: Vec<String> = self.principal.groups.iter().map(|group| format!("`{group}`")).collect();
        match groups.as_slice() {
            [] => {}
            [group] => words.push_str(&format!(" in the group {group}")),
            groups => words.push_str(&format!(" in the groups {}", groups.join(", "))),
        }
        let attributes: Vec<String> = self
            .principal
            .attributes
            .iter()
            .map(|(name, value)| format!("{name} = {}", shown_attribute(value)))
            .collect();
        if !attributes.is_empty() {
            words.push_str(&format!(" with {}", attributes.join(" and ")));
        }
        words
    }

    /// The row's values that matter, each in words; none when the row does not matter.
    pub fn values(&self) -> Vec<String> {
        let shown = |column: &String| match self.row.get(column) {
            Some(value) => format!("{column} = {}", shown_literal(value)),
            None => format!("{column} without a value"),
        };
        self.columns.iter().map(shown).collect()
    }
}

/// `a user in the group `x` with region = "EU", for the purpose `audit`: rows with amount = 1`.
impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.who())?;
        if !self.purpose.as_str().is_empty() {
            write!(f, ", for the purpose `{}`", self.purpose.as_str())?;
        }
        if let Some(now) = self.now {
            write!(f, ", on {}", now.to_rfc3339_opts(SecondsFormat::Secs, true))?;
        }
        let values = self.values();
        if values.is_empty() { Ok(()) } else { write!(f, ": a row with {}", values.join(", ")) }
    }
}

fn shown_attribute(value: &Attribute) -> String {
    match value {
        Attribute::Text(text) => format!("{text:?}"),
        Attribute::Number(number) => number.to_string(),
        Attribute::Flag(flag) => flag.to_string(),
        Attribute::Texts(texts) => format!("{texts:?}").replace('{', "[").replace('}', "]"),
    }
}

fn shown_literal(value: &Literal) -> String {
    match value {
        Literal::Text(text) => format!("{text:?}"),
        Literal::Number(number) => number.to_string(),
        Literal::Flag(flag) => flag.to_string(),
        Literal::Decimal(value) => decimal(*value),
        Literal::Instant(value) => match DateTime::from_timestamp_millis(*value) {
            Some(at) => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            None => format!("{value} ms since 1970"),
        },
    }
}

/// Ten-thousandths as Cedar writes a decimal.
fn decimal(value: i64) -> String {
    let (sign, digits) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
    format!("{sign}{}.{:04}", digits / 10_000, digits % 10_000)
}
