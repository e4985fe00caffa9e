//! Somebody to try a grant on: a made-up principal who is in the group and has what its row condition asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::authn::{Directory, Method, Verified};
use crate::policy::Grantee;
use crate::principal::{AttributeType, Principal};

/// A principal as a sign-in would establish it.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) user: String,
    pub(super) groups: BTreeSet<String>,
    pub(super) claims: Map<String, Value>,
    /// Attributes that it cannot be given: they have no claim, and nobody is entitled to them.
    pub(super) lacking: Vec<String>,
}

impl Probe {
    /// Somebody of `to`, with values for `attributes`: those given, else made-up ones.
    pub(super) fn of(to: &Grantee, attributes: &BTreeMap<String, Option<String>>, directory: &Directory) -> Self {
        let types = directory.attribute_types();
        let required = directory.required_attributes().into_iter().map(|name| (name.to_owned(), None));
        let mut wanted: BTreeMap<String, Option<String>> = required.collect();
        wanted.extend(attributes.clone());
        let (user, groups) = match to {
            Grantee::Group(group) => (format!("somebody_in_{group}"), BTreeSet::from([group.clone()])),
            Grantee::User(user) => (user.clone(), BTreeSet::new()),
        };
        let mut probe = Self { user, groups, claims: Map::new(), lacking: Vec::new() };
        for (name, value) in wanted {
            let Some(kind) = types.get(&name) else { continue };
            match (directory.claim_of(&name), directory.entitled_to(&name)) {
                (Some(claim), _) => {
                    probe.claims.insert(claim.to_owned(), sample(&name, *kind, value));
                }
                // An entitlement goes by name: only somebody who has one can be tried.
                (None, Some(entitled)) if matches!(to, Grantee::Group(_)) => entitled.clone_into(&mut probe.user),
                (None, Some(_)) => {}
                (None, None) => probe.lacking.push(name),
            }
        }
        probe
    }

    /// Somebody whom nothing is known of.
    pub(super) fn stranger() -> Self {
        Self { user: "stranger".into(), groups: BTreeSet::new(), claims: Map::new(), lacking: Vec::new() }
    }

    /// The principal that policies are asked about; none when it would not be let in.
    pub(super) fn principal(&self, directory: &Directory) -> Option<Principal> {
        let verified = Verified {
            subject: self.user.as_str().into(),
            method: Method::Password,
            groups: self.groups.clone(),
            claims: self.claims.clone(),
            expires: None,
            entry: None,
        };
        directory.principal(&verified).ok()
    }
}

fn sample(name: &str, kind: AttributeType, value: Option<String>) -> Value {
    match (kind, value) {
        (AttributeType::Text, Some(value)) => Value::String(value),
        (AttributeType::Text, None) => Value::String(format!("a_{name}")),
        (AttributeType::Number, _) => json!(1),
        (AttributeType::Flag, _) => json!(true),
        (AttributeType::Texts, _) => json!([format!("a_{name}"), format!("b_{name}")]),
    }
}
