//! What every question to Cedar needs: made once for all policies, and a principal's attributes as Cedar has them.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{Authorizer, Context, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use chrono::{DateTime, SecondsFormat, Utc};

use super::dataset::{text, texts};
use super::error::PolicyError;
use super::schema::schema_text;
use super::vocabulary::{ACTION, Action, DOMAIN, GROUP, USER, uid};
use crate::principal::{Attribute, AttributeType, Principal, Purpose};

/// What every question needs, made once.
pub(super) struct Cedar {
    pub(super) authorizer: Authorizer,
    pub(super) types: PrincipalTypes,
    pub(super) actions: HashMap<Action, EntityUid>,
    /// The declared attributes of users.
    pub(super) attributes: BTreeMap<String, AttributeType>,
    /// The schema of principals alone, which what is known of one is held against.
    pub(super) principals: Schema,
    /// Whether there are ceilings.
    pub(super) bounded: bool,
}

pub(super) struct PrincipalTypes {
    pub(super) user: EntityTypeName,
    pub(super) group: EntityTypeName,
    pub(super) domain: EntityTypeName,
}

impl Cedar {
    pub(super) fn new(attributes: BTreeMap<String, AttributeType>, bounded: bool) -> Result<Self, PolicyError> {
        let types = PrincipalTypes { user: USER.parse()?, group: GROUP.parse()?, domain: DOMAIN.parse()? };
        let mut actions = HashMap::new();
        for action in Action::ALL {
            actions.insert(action, uid(ACTION, action.as_str())?);
        }
        let (principals, _) = Schema::from_cedarschema_str(&schema_text(None, &BTreeMap::new(), &attributes))?;
        Ok(Self { authorizer: Authorizer::new(), types, actions, attributes, principals, bounded })
    }
}

/// A principal's attributes, of the declared types. Undeclared ones no policy can mention.
pub(super) fn attributes(
    principal: &Principal,
    declared: &BTreeMap<String, AttributeType>,
) -> Result<HashMap<String, RestrictedExpression>, PolicyError> {
    let mut attributes = HashMap::new();
    for (name, value) in &principal.attributes {
        let Some(declared) = declared.get(name) else { continue };
        let fits = matches!(
            (value, declared),
            (Attribute::Text(_), AttributeType::Text)
                | (Attribute::Number(_), AttributeType::Number)
                | (Attribute::Flag(_), AttributeType::Flag)
                | (Attribute::Texts(_), AttributeType::Texts)
        );
        if !fits {
            // Leaving it out could keep a forbid from firing.
            return Err(PolicyError::AttributeType(name.clone()));
        }
        attributes.insert(name.clone(), expression(value));
    }
    Ok(attributes)
}

/// An attribute's value as Cedar has it.
pub(super) fn expression(value: &Attribute) -> RestrictedExpression {
    match value {
        Attribute::Text(value) => text(value),
        Attribute::Number(value) => RestrictedExpression::new_long(*value),
        Attribute::Flag(value) => RestrictedExpression::new_bool(*value),
        Attribute::Texts(values) => texts(values),
    }
}

/// What a request says of itself: why it asks, and when.
pub(super) fn context(purpose: &Purpose, now: DateTime<Utc>) -> Result<Context, PolicyError> {
    let now = RestrictedExpression::new_datetime(now.to_rfc3339_opts(SecondsFormat::Millis, true));
    Ok(Context::from_pairs([("purpose".to_owned(), text(purpose.as_str())), ("now".to_owned(), now)])?)
}
