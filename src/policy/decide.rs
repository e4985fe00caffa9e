//! Decisions: what a principal may see of a dataset, for a purpose, now.
//!
//! Decisions are remembered for each question until the clock changes them, a few minutes at most.
//! Policies never change under a running gateway: a changed mesh loads new ones, with nothing remembered.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::sync::Cache;

use super::Grant;
use super::asking::Asking;
use super::cedar::Cedar;
use super::dataset::DatasetEntities;
use super::error::PolicyError;
use super::load::{DatasetSlices, DomainSet, Loaded, PolicyInput, load};
use super::scope::concerns;
use crate::fault::Fault;
use crate::principal::{Principal, Purpose};
use crate::product::{Dataset, Name, Product, Version};

/// What the policies say.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It may be read as far as the grant goes.
    Permit(Grant),
    /// The product asks for a purpose, and it would be read as far as a grant goes if one of these were stated.
    PurposeNeeded(Vec<Purpose>),
    /// The principal may know that it exists, but not read it.
    Discoverable,
    /// For this principal it does not exist.
    Hidden,
}

/// The policies of a mesh, checked. Immutable; a changed mesh loads new ones.
pub struct Policies {
    version: String,
    pub(super) domains: HashMap<Name, DomainSet>,
    pub(super) cedar: Cedar,
    cache: Cache<Question, Arc<Answer>>,
}

/// Longest time a decision is remembered; less if the clock changes it earlier.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Stack for deciding. Cedar errors where it runs out, and an error denies: what loaded should decide
/// alike on every thread and in every build.
pub(super) const STACK: usize = 16 << 20;
/// Most decisions remembered.
const MOST_REMEMBERED: u64 = 20_000;

/// Everything a decision depends on, besides the clock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    principal: Principal,
    purpose: Purpose,
    domain: Name,
    product: Name,
    version: Version,
    dataset: Name,
}

struct Answer {
    decision: Decision,
    asked_at: DateTime<Utc>,
    valid_until: Option<DateTime<Utc>>,
}

impl Policies {
    /// Reads and checks all policies.
    ///
    /// # Errors
    /// Every fault of every policy; then nothing is loaded.
    pub fn load(input: PolicyInput<'_>) -> Result<Self, Vec<Fault>> {
        Self::load_part(input, false)
    }

    /// Reads and checks the policies of a part of a mesh: shared policies may speak of domains that are not in it.
    /// What they say of these is of no concern here.
    ///
    /// # Errors
    /// Every fault of every policy.
    pub fn load_alone(input: PolicyInput<'_>) -> Result<Self, Vec<Fault>> {
        Self::load_part(input, true)
    }

    fn load_part(input: PolicyInput<'_>, alone: bool) -> Result<Self, Vec<Fault>> {
        let Loaded { version, domains, bounded } = load(&input, alone)?;
        let cedar = Cedar::new(input.attributes.clone(), bounded)
            .map_err(|error| vec![Fault::new("", format!("the policies cannot be made ready: {error}"))])?;
        Ok(Self {
            version,
            domains,
            cedar,
            cache: Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(REMEMBERED).build(),
        })
    }

    /// A digest of the policies and of all they speak of; equal on replicas that loaded the same.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Decides what `principal` may see of a dataset for `purpose` at `now`.
    ///
    /// `product` and `dataset` must be those the policies were loaded with; anything else is hidden.
    pub fn decide(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        product: &Arc<Product>,
        dataset: &Arc<Dataset>,
        now: DateTime<Utc>,
    ) -> Decision {
        let question = Question {
            principal: principal.clone(),
            purpose: purpose.clone(),
            domain: product.id.domain.clone(),
            product: product.id.name.clone(),
            version: product.version,
            dataset: dataset.name.clone(),
        };
        if let Some(answer) = self.cache.get(&question)
            && answer.holds(product, dataset, now)
        {
            metrics::counter!("airside_decisions_total", "outcome" => "remembered").increment(1);
            return answer.decision.clone();
        }
        metrics::counter!("airside_decisions_total", "outcome" => "made").increment(1);
        let Some(answer) = self.answer(principal, purpose, product, dataset, now) else { return Decision::Hidden };
        let decision = answer.decision.clone();
        self.cache.insert(question, Arc::new(answer));
        decision
    }

    /// As [`Policies::decide`], with the moment the clock may change it; neither looked up nor remembered, so that
    /// asking about many principals takes nothing from those who are served.
    pub fn decide_anew(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        product: &Arc<Product>,
        dataset: &Arc<Dataset>,
        now: DateTime<Utc>,
    ) -> (Decision, Option<DateTime<Utc>>) {
        let answer = self.answer(principal, purpose, product, dataset, now);
        answer.map_or((Decision::Hidden, None), |answer| (answer.decision, answer.valid_until))
    }

    /// What Cedar answers; none when it fails, which denies.
    fn answer(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        product: &Arc<Product>,
        dataset: &Arc<Dataset>,
        now: DateTime<Utc>,
    ) -> Option<Answer> {
        let ask = || -> Result<Answer, PolicyError> {
            let About { set, slices, entities } = self.about(product, dataset)?;
            let valid_until = valid_until(set, slices, principal, now);
            let decide = |purpose: &Purpose| {
                let asking = Asking::new(&self.cedar, set, slices, entities, principal, purpose, now)?;
                Ok::<_, PolicyError>(asking.decide(valid_until))
            };
            let mut decision = decide(purpose)?;
            // Who may not know of the product is not told that it asks for a purpose.
            if !product.accepts(purpose.as_str()) && !matches!(decision, Decision::Hidden) {
                let mut helpful = Vec::new();
                for accepted in product.purposes.iter().filter_map(|purpose| Purpose::parse(purpose).ok()) {
                    if matches!(decide(&accepted)?, Decision::Permit(_)) {
                        helpful.push(accepted);
                    }
                }
                decision = if helpful.is_empty() { Decision::Discoverable } else { Decision::PurposeNeeded(helpful) };
            }
            Ok(Answer { decision, asked_at: now, valid_until })
        };
        stacker::maybe_grow(STACK, STACK, ask)
            .inspect_err(|error| {
                tracing::error!(product = %product.id, dataset = %dataset.name, principal = %principal.identity, %error,
                    "a decision failed and denies");
            })
            .ok()
    }

    /// What is loaded for one version of a dataset.
    pub(super) fn about(&self, product: &Arc<Product>, dataset: &Arc<Dataset>) -> Result<About<'_>, PolicyError> {
        let unknown = || PolicyError::Unknown(format!("{}.{}@{}", product.id, dataset.name, product.version));
        let set = self.domains.get(&product.id.domain).ok_or_else(unknown)?;
        let key = (product.id.name.clone(), product.version, dataset.name.clone());
        let entities = set.versions.get(&key).ok_or_else(unknown)?;
        let slices = set.slices.get(&dataset.name).ok_or_else(unknown)?;
        let same = (Arc::ptr_eq(&entities.product, product) || entities.product == *product)
            && (Arc::ptr_eq(&entities.dataset, dataset) || entities.dataset == *dataset);
        if !same {
            return Err(unknown());
        }
        Ok(About { set, slices, entities })
    }
}

/// What is loaded for one version of a dataset.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) set: &'a DomainSet,
    pub(super) slices: &'a DatasetSlices,
    pub(super) entities: &'a DatasetEntities,
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Answer {
    /// Whether it still answers, and for these very contracts.
    fn holds(&self, product: &Arc<Product>, dataset: &Arc<Dataset>, now: DateTime<Utc>) -> bool {
        let current = self.asked_at <= now && self.valid_until.is_none_or(|end| now < end);
        current
            && match &self.decision {
                Decision::Permit(grant) => {
                    Arc::ptr_eq(grant.product(), product) && Arc::ptr_eq(grant.dataset(), dataset)
                }
                Decision::PurposeNeeded(_) | Decision::Discoverable | Decision::Hidden => true,
            }
    }
}

/// The next moment at which a condition on the clock changes, of the policies that concern this principal.
pub(super) fn valid_until(
    set: &DomainSet,
    slices: &DatasetSlices,
    principal: &Principal,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let now = now.timestamp_millis();
    let rules = slices.ids.iter().filter_map(|id| set.rules.get(id));
    let moments = rules.filter(|rule| concerns(&rule.principal, principal)).flat_map(|rule| &rule.moments);
    // `now < m` changes at m; `now <= m` a millisecond later.
    let next =
        moments.flat_map(|moment| [Some(*moment), moment.checked_add(1)]).flatten().filter(|m| *m > now).min()?;
    DateTime::from_timestamp_millis(next)
}
