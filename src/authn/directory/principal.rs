//! From somebody verified to a principal.

use std::collections::BTreeMap;

use super::{Directory, claims};
use crate::authn::error::AuthnError;
use crate::authn::verified::Verified;
use crate::principal::{Identity, Principal};

impl Directory {
    /// The principal that policies are asked about: names applied to its groups, the groups they
    /// lie within added, claims made typed attributes, and entitlements given. An entitlement goes
    /// before a claim of the same attribute.
    ///
    /// # Errors
    /// [`AuthnError::IncompleteGroups`] when the groups cannot be told completely;
    /// [`AuthnError::Rejected`] when a required attribute is missing.
    pub fn principal(&self, verified: &Verified) -> Result<Principal, AuthnError> {
        let entitlement = self.entitlements.get(&*verified.subject);
        let mut groups = self.groups.of(verified)?;
        groups.extend(entitlement.into_iter().flat_map(|entitlement| entitlement.groups.iter().cloned()));
        self.groups.close(&mut groups);

        let mut attributes = BTreeMap::new();
        for (name, declared) in &self.attributes {
            let entitled = entitlement.and_then(|entitlement| entitlement.attributes.get(name)).cloned();
            let claimed = || {
                let path = declared.claim.as_deref()?;
                let value = claims::find(&verified.claims, path)?;
                let attribute = claims::attribute(value, declared.kind);
                if attribute.is_none() {
                    tracing::warn!(
                        subject = &*verified.subject,
                        claim = path,
                        found = claims::kind_of(value),
                        declared = ?declared.kind,
                        "a claim is not of its attribute's type: the attribute is absent"
                    );
                }
                attribute
            };
            match entitled.or_else(claimed) {
                Some(attribute) => drop(attributes.insert(name.clone(), attribute)),
                None if declared.required => {
                    return Err(AuthnError::rejected(format!("`{}` has no attribute `{name}`", verified.subject)));
                }
                None => {}
            }
        }
        Ok(Principal { identity: Identity::User(verified.subject.clone()), groups, attributes })
    }
}
