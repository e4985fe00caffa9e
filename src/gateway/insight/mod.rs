//! Knowing who sees what: decisions explained, access listed, policy tests run, for those who look after a mesh.
//!
//! Everything here asks the policies through the same decision that serves consumers; nothing decides anew. The
//! command line is for those who have the mesh's files anyway. A caller over the wire sees what it may administer;
//! anything else does not exist for it.

mod access;
mod attributes;
mod explain;
mod rehearse;
mod report;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;

pub use access::AccessQuestion;
pub use explain::{ExplainQuestion, Subject};
pub use rehearse::{AskedAs, Mismatch, TestOutcome, TestSelection};
pub use report::{
    Access, AccessReport, AccessRow, ColumnExplained, DatasetExplained, Explained, PolicyNamed, PrincipalShown,
    RowPolicy, Shown, Who,
};

use super::Gateway;
use super::error::AnswerError;
use super::publish::Published;
use super::question::Caller;
use crate::audit::{Asked, Failure, Outcome};
use crate::authn::{AuthnError, Role, Verified};
use crate::policy::{Decision, PolicyPlace};
use crate::principal::{Principal, Purpose};
use crate::product::{Dataset, Product};

/// On whose behalf one looks behind decisions.
#[derive(Debug, Clone, Copy)]
pub enum Viewer<'a> {
    /// Whoever has the mesh's files: everything, files named as they were read.
    Operator,
    /// A caller, for the products that the policies let it administer; files named below their domain.
    Administrator(&'a Caller),
}

impl Viewer<'_> {
    fn file(self, place: &PolicyPlace) -> String {
        match self {
            Self::Operator => place.file.display().to_string(),
            Self::Administrator(_) => place.short(),
        }
    }
}

/// How many callers may look behind decisions at a time: it costs far more than an answer.
pub(super) const INSPECTIONS: usize = 4;
/// How long a caller's look may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Gateway {
    /// Looks behind decisions. A caller's look is on record before it begins, takes no longer than it may, and waits for
    /// nobody's.
    async fn look<T>(
        &self,
        viewer: Viewer<'_>,
        asked: impl FnOnce() -> Asked,
        look: impl Future<Output = Result<T, AnswerError>>,
    ) -> Result<T, AnswerError> {
        let Viewer::Administrator(caller) = viewer else { return look.await };
        let Ok(_place) = self.inspections.try_acquire() else {
            return Err(self.denied(caller, asked, AnswerError::TooMany).await);
        };
        let entry = self.record_look(caller, asked).await?;
        let seen = tokio::time::timeout(PATIENCE, look).await.unwrap_or(Err(AnswerError::TooLong));
        match &seen {
            Ok(_) => entry.close(Outcome::Complete, None),
            Err(error) => entry.close(Outcome::Denied, Some(Failure::new(error.kind(), error.id()))),
        }
        seen
    }
}

/// Somebody a question is asked about: what sign-in would know of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Supposed {
    /// The name.
    pub user: String,
    /// Groups and claims.
    pub role: Role,
    /// Whether the users file has the name.
    pub known: bool,
}

impl Supposed {
    /// Somebody with the groups and claims given, and with those of the users file; a claim given goes first.
    pub fn new(user: impl Into<String>, given: Role, known: Option<Role>) -> Self {
        let is_known = known.is_some();
        let mut role = known.unwrap_or_default();
        role.groups.extend(given.groups);
        role.claims.extend(given.claims);
        Self { user: user.into(), role, known: is_known }
    }
}

/// The word for a decision, in reports and in tests.
pub(super) fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Permit(_) => "permitted",
        Decision::PurposeNeeded(_) => "purpose",
        Decision::Discoverable => "unreadable",
        Decision::Hidden => "hidden",
    }
}

impl Published {
    /// Whether `viewer` may look behind the decisions about a product.
    fn shows(&self, viewer: Viewer<'_>, product: &Arc<Product>) -> bool {
        match viewer {
            Viewer::Operator => true,
            Viewer::Administrator(caller) => {
                self.mesh().policies().administers(&caller.principal, &caller.purpose, product, Utc::now())
            }
        }
    }

    /// The dataset asked about, if the viewer may look behind its decisions; else it does not exist.
    fn inspected(
        &self,
        viewer: Viewer<'_>,
        found: Option<(Arc<Product>, Arc<Dataset>)>,
        named: &str,
    ) -> Result<(Arc<Product>, Arc<Dataset>), AnswerError> {
        let found = found.filter(|(product, _)| self.shows(viewer, product));
        found.ok_or_else(|| AnswerError::NotFound(named.to_owned()))
    }

    /// The principal that somebody would be after sign-in.
    fn supposed(&self, supposed: &Supposed) -> Result<Principal, AuthnError> {
        let Supposed { user, role, .. } = supposed;
        let verified = Verified::supposed(user, role.groups.clone(), role.claims.clone());
        self.mesh().directory().principal(&verified)
    }
}

/// Somebody asking, without any transport.
fn caller(principal: Principal, purpose: Purpose) -> Caller {
    Caller { principal, purpose }
}
