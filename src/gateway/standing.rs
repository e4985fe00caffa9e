//! What a running answer stands on: who reads, and the grants it was planned with. Looked at again while it runs.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Gateway;
use super::publish::Published;
use crate::authn::{Authenticator, Verified};
use crate::policy::{Decision, Grant};
use crate::principal::{Principal, Purpose};
use crate::product::Name;
use crate::query::{GovernedTable, Rows};

/// A grant that a running answer reads by.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The domain that reads, for the sources of a derived dataset; else the caller itself.
    domain: Option<Name>,
    grant: Grant,
}

impl Held {
    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }
}

/// Every grant of an answer's tables, those of derived datasets' sources included.
pub(super) fn held(tables: &[GovernedTable]) -> Vec<Held> {
    let mut grants = Vec::new();
    collect(None, tables, &mut grants);
    grants
}

fn collect(domain: Option<&Name>, tables: &[GovernedTable], grants: &mut Vec<Held>) {
    for table in tables {
        grants.push(Held { domain: domain.cloned(), grant: table.grant.clone() });
        if let Rows::Derived { tables, .. } = &table.rows {
            collect(Some(&table.grant.product().id.domain), tables, grants);
        }
    }
}

/// Whether a running answer may go on.
pub(super) struct Standing {
    gateway: Arc<Gateway>,
    authenticator: Arc<Authenticator>,
    verified: Verified,
    purpose: Purpose,
    held: Vec<Held>,
    /// What the last look was at, so that a look at nothing new costs nothing.
    seen: Arc<Published>,
    principal: Principal,
    valid_until: Option<DateTime<Utc>>,
}

impl Standing {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        authenticator: Arc<Authenticator>,
        verified: Verified,
        (principal, purpose): (Principal, Purpose),
        held: Vec<Held>,
        seen: Arc<Published>,
    ) -> Self {
        let valid_until = held.iter().filter_map(|held| held.grant.valid_until()).min();
        Self { gateway, authenticator, verified, purpose, held, seen, principal, valid_until }
    }

    /// Whether the reader's credentials stand, and today's policy still shows all that the answer shows.
    pub(super) async fn holds(&mut self) -> bool {
        let Some(verified) = self.authenticator.recall(&self.verified).await else { return false };
        let published = self.gateway.published.load_full();
        let Ok(principal) = published.mesh().directory().principal(&verified) else { return false };
        let now = Utc::now();
        let nothing_new = Arc::ptr_eq(&published, &self.seen)
            && principal == self.principal
            && self.valid_until.is_none_or(|end| now < end);
        if nothing_new {
            return true;
        }
        let mut valid_until: Option<DateTime<Utc>> = None;
        for held in &self.held {
            let Some(grant) = decide(&published, &principal, &self.purpose, held, now) else { return false };
            if !grant.covers(&held.grant) {
                return false;
            }
            valid_until = [valid_until, grant.valid_until()].into_iter().flatten().min();
        }
        (self.seen, self.principal, self.valid_until) = (published, principal, valid_until);
        true
    }
}

/// Today's grant of the very dataset that is being read.
fn decide(
    published: &Published,
    principal: &Principal,
    purpose: &Purpose,
    held: &Held,
    now: DateTime<Utc>,
) -> Option<Grant> {
    let (was, dataset) = (held.grant.product(), held.grant.dataset());
    let domain = published.mesh().domains().get(&was.id.domain)?;
    let product = domain
        .products
        .iter()
        .find(|product| product.is_served() && product.id == was.id && product.version == was.version)?;
    let dataset = product.datasets.iter().find(|other| other.name == dataset.name)?;
    let of_domain = held.domain.clone().map(Principal::domain);
    let reader = of_domain.as_ref().unwrap_or(principal);
    match published.mesh().policies().decide(reader, purpose, product, dataset, now) {
        Decision::Permit(grant) => Some(grant),
        Decision::PurposeNeeded(_) | Decision::Discoverable | Decision::Hidden => None,
    }
}
