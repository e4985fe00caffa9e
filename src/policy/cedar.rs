//! What every question to Cedar needs: made once for all policies, and a principal's attributes as Cedar has them.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{Authorizer, EntityTypeName, EntityUid, RestrictedExpression};

use super::dataset::{text, texts};
use super::error::PolicyError;
use super::vocabulary::{ACTION, Action, DOMAIN, GROUP, USER, uid};
use crate::principal::{Attribute, AttributeType, Principal};

/// What every question needs, made once.
pub(super) struct Cedar {
    pub(super) authorizer: Authorizer,
    pub(super) types: PrincipalTypes,
    pub(super) actions: HashMap<Action, EntityUid>,
    /// The declared attributes of users.
    pub(super) attributes: BTreeMap<String, AttributeType>,
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
        Ok(Self { authorizer: Authorizer::new(), types, actions, attributes, bounded })
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
        let value = match (value, declared) {
            (Attribute::Text(value), AttributeType::Text) => text(value),
            (Attribute::Number(value), AttributeType::Number) => RestrictedExpression::new_long(*value),
            (Attribute::Flag(value), AttributeType::Flag) => RestrictedExpression::new_bool(*value),
            (Attribute::Texts(values), AttributeType::Texts) => texts(values),
            // Leaving it out could keep a forbid from firing.
            _ => return Err(PolicyError::AttributeType(name.clone())),
        };
        attributes.insert(name.clone(), value);
    }
    Ok(attributes)
}
