//! One question put to Cedar.
//!
//! Knowing of a dataset and seeing a column are decided by Cedar as they stand, since no row occurs in
//! those policies. The rows are decided by partial evaluation, whose residuals become the row filter:
//!
//! ```text
//! rows = ( governance's permits  OR  (the domain's permits AND ceilings) )  AND NOT each forbid
//! ```
//!
//! INVARIANT: a policy that errors denies what it was asked about. Cedar itself would skip it, and a
//! skipped forbid would open what it closes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{
    Context, Decision as CedarDecision, Entities, Entity, EntityId, EntityUid, PartialEntities, PartialEntity,
    PartialEntityUid, PartialRequest, PolicyId, PolicySet, Request, RestrictedExpression, TpeResponse, pst::SmolStr,
};
use chrono::{DateTime, Utc};

use super::cedar::{Cedar, attributes, context};
use super::columns::ColumnAccess;
use super::dataset::DatasetEntities;
use super::error::PolicyError;
use super::explain::{ActionReasons, ColumnReasons, Reasons, RowReasons};
use super::load::{DatasetSlices, DomainSet, Rule};
use super::residual::{Translator, Untranslatable};
use super::vocabulary::{Action, DOMAIN, PRODUCT, uid};
use super::{Decision, Grant, GrantedColumn, RowFilter};
use crate::principal::{Identity, Principal, Purpose};

/// One question, with everything Cedar needs to answer it.
pub(super) struct Asking<'a> {
    cedar: &'a Cedar,
    set: &'a DomainSet,
    slices: &'a DatasetSlices,
    entities: &'a DatasetEntities,
    principal: EntityUid,
    context: Context,
    concrete: Entities,
    partial: PartialEntities,
}

/// A policy's id, and what else is known of it.
type Named<'a> = (&'a str, &'a Rule);

/// What Cedar says of one action on one thing.
#[derive(Default)]
struct Verdict<'a> {
    /// The permits that hold, ceilings applied; none when a forbid holds.
    permits: Vec<Named<'a>>,
    /// The forbids that hold.
    forbids: Vec<&'a str>,
    /// The permits that no ceiling allows.
    withheld: Vec<&'a str>,
    /// Whether a policy errored: nothing is permitted then.
    failed: bool,
}

impl Verdict<'_> {
    fn permitted(&self) -> bool {
        !self.permits.is_empty()
    }

    fn reasons(&self) -> ActionReasons {
        let sorted = |mut ids: Vec<String>| {
            ids.sort();
            ids
        };
        ActionReasons {
            permits: sorted(self.permits.iter().map(|(id, _)| (*id).to_owned()).collect()),
            forbids: sorted(self.forbids.iter().map(|id| (*id).to_owned()).collect()),
            withheld: sorted(self.withheld.iter().map(|id| (*id).to_owned()).collect()),
            failed: self.failed,
        }
    }
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        cedar: &'a Cedar,
        set: &'a DomainSet,
        slices: &'a DatasetSlices,
        entities: &'a DatasetEntities,
        principal: &Principal,
        purpose: &Purpose,
        now: DateTime<Utc>,
    ) -> Result<Self, PolicyError> {
        let context = context(purpose, now)?;
        let types = &cedar.types;
        let identity = match &principal.identity {
            Identity::User(name) => EntityUid::from_type_name_and_id(types.user.clone(), EntityId::new(name)),
            Identity::Domain(name) => {
                EntityUid::from_type_name_and_id(types.domain.clone(), EntityId::new(name.as_str()))
            }
        };
        let (groups, attributes) = match &principal.identity {
            Identity::User(_) => (
                principal
                    .groups
                    .iter()
                    .map(|group| EntityUid::from_type_name_and_id(types.group.clone(), EntityId::new(group)))
                    .collect::<HashSet<_>>(),
                attributes(principal, &cedar.attributes)?,
            ),
            // A domain has neither, whatever a caller puts there.
            Identity::Domain(_) => (HashSet::new(), HashMap::new()),
        };
        let mut concrete = entities.concrete.clone();
        if concrete.get(&identity).is_none() {
            let entity = Entity::new(identity.clone(), attributes.clone(), groups.clone())?;
            concrete = concrete.add_entities([entity], Some(&cedar.principals))?;
        }
        let attributes: BTreeMap<SmolStr, RestrictedExpression> =
            attributes.into_iter().map(|(name, value)| (SmolStr::from(name), value)).collect();
        let entity = PartialEntity::new(identity.clone(), Some(attributes), Some(groups), None, &slices.schema)?;
        let partial =
            PartialEntities::from_partial_entities(entities.partial.iter().cloned().chain([entity]), &slices.schema)?;
        Ok(Self { cedar, set, slices, entities, principal: identity, context, concrete, partial })
    }

    pub(super) fn decide(&self, valid_until: Option<DateTime<Utc>>) -> Decision {
        self.explain(valid_until).0
    }

    /// The decision and what it was made of: one way to decide, so that they cannot disagree.
    pub(super) fn explain(&self, valid_until: Option<DateTime<Utc>>) -> (Decision, Reasons) {
        let mut reasons = Reasons::default();
        let discover = self.verdict_or_deny(Action::Discover, &self.entities.resource);
        reasons.discover = discover.reasons();
        if !discover.permitted() {
            return (Decision::Hidden, reasons);
        }
        let mut decided: BTreeSet<String> = reasons.discover.permits.iter().cloned().collect();
        let rows = self.rows(reasons.rows.insert(RowReasons::default()));
        let rows = match rows {
            Ok(Some(rows)) => rows,
            Ok(None) => return (Decision::Discoverable, reasons),
            Err(error) => {
                self.log(Action::Query, &error);
                reasons.rows = Some(RowReasons { failed: true, ..RowReasons::default() });
                return (Decision::Discoverable, reasons);
            }
        };
        decided.extend(reasons.rows.iter().flat_map(RowReasons::ids).cloned());
        let columns = self.columns(&mut decided, &mut reasons.columns);
        if columns.is_empty() {
            return (Decision::Discoverable, reasons);
        }
        let grant = Grant::new(
            Arc::clone(&self.entities.product),
            Arc::clone(&self.entities.dataset),
            columns,
            rows,
            valid_until,
            decided.into_iter().collect(),
        );
        (Decision::Permit(grant), reasons)
    }

    /// Whether the principal may look behind the decisions about the dataset's product: `administer` of the product
    /// or of its domain permitted, and of neither forbidden.
    pub(super) fn administers(&self) -> Result<bool, PolicyError> {
        let id = &self.entities.product.id;
        let product = self.verdict(Action::Administer, &uid(PRODUCT, &id.to_string())?)?;
        let domain = self.verdict(Action::Administer, &uid(DOMAIN, id.domain.as_str())?)?;
        let forbidden = !product.forbids.is_empty() || !domain.forbids.is_empty();
        Ok(!forbidden && (product.permitted() || domain.permitted()))
    }

    /// Which rows; none when no row may be read.
    fn rows(&self, reasons: &mut RowReasons) -> Result<Option<RowFilter>, PolicyError> {
        let Some(slice) = self.slices.of.get(&Action::Query) else { return Ok(None) };
        let request = PartialRequest::new(
            PartialEntityUid::from_concrete(self.principal.clone()),
            self.action(Action::Query)?,
            PartialEntityUid::from_concrete(self.entities.resource.clone()),
            Some(self.context.clone()),
            &self.slices.schema,
        )?;
        let response = slice.policies.tpe(&request, &self.partial, &self.slices.schema)?;
        refuse_failed(&response)?;
        reasons.forbids = response.true_forbids().map(|id| (id.to_string(), RowFilter::Nothing)).collect();
        reasons.forbids.sort_by(|(a, _), (b, _)| a.cmp(b));
        if !reasons.forbids.is_empty() {
            return Ok(None);
        }
        let mut translator = Translator::new(&self.entities.product.id.domain, &self.entities.dataset);

        let permits = self.satisfied(&response, &mut translator)?;
        reasons.permits = permits.iter().map(|(id, _, rows)| (id.clone(), rows.clone())).collect();
        if permits.is_empty() {
            return Ok(None);
        }
        let (bounded, unbounded): (Vec<_>, Vec<_>) =
            permits.into_iter().partition(|(_, rule, _)| rule.of_domain && self.cedar.bounded);
        let mut permitted: Vec<RowFilter> = unbounded.into_iter().map(|(_, _, rows)| rows).collect();
        if !bounded.is_empty() {
            let response = slice.ceilings.tpe(&request, &self.partial, &self.slices.schema)?;
            refuse_failed(&response)?;
            let ceilings = self.satisfied(&response, &mut translator)?;
            if ceilings.is_empty() {
                reasons.withheld = bounded.iter().map(|(id, _, _)| id.clone()).collect();
            }
            if ceilings.is_empty() && permitted.is_empty() {
                return Ok(None);
            }
            reasons.ceilings = ceilings.iter().map(|(id, _, rows)| (id.clone(), rows.clone())).collect();
            permitted.push(RowFilter::all_of([
                RowFilter::any_of(bounded.into_iter().map(|(_, _, rows)| rows)),
                RowFilter::any_of(ceilings.into_iter().map(|(_, _, rows)| rows)),
            ]));
        }
        let mut parts = vec![RowFilter::any_of(permitted)];
        let mut forbids: Vec<&PolicyId> = response.residual_forbids().collect();
        forbids.sort();
        for id in forbids {
            let left = translate(&response, id, &mut translator, true)?;
            reasons.forbids.push((id.to_string(), left.clone()));
            parts.push(left);
        }
        Ok(Some(RowFilter::all_of(parts)))
    }

    /// The permits that hold of some rows, with those rows.
    fn satisfied(
        &self,
        response: &TpeResponse<'_>,
        translator: &mut Translator<'_>,
    ) -> Result<Vec<(String, &'a Rule, RowFilter)>, PolicyError> {
        let mut satisfied = Vec::new();
        for id in response.true_permits() {
            satisfied.push((id.to_string(), self.rule(id)?, RowFilter::All));
        }
        for id in response.residual_permits() {
            satisfied.push((id.to_string(), self.rule(id)?, translate(response, id, translator, false)?));
        }
        // Cedar answers in no order; plans should not change from one decision to the next.
        satisfied.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        Ok(satisfied)
    }

    /// Which columns, and under which masks.
    fn columns(&self, decided: &mut BTreeSet<String>, reasons: &mut Vec<ColumnReasons>) -> Vec<GrantedColumn> {
        let mut columns = Vec::new();
        for class in self.entities.classes(self.slices.by_name) {
            // Columns of a class are alike to every policy: one of them is asked for all.
            let Some(resource) = class.first().and_then(|index| self.entities.columns.get(*index)) else { continue };
            let (access, why) = self.access(resource);
            for index in class {
                let Some(column) = self.entities.dataset.columns.get(index) else { continue };
                reasons.push(ColumnReasons { index, ..why.clone() });
                if let Some(mask) = access.mask_of(column) {
                    decided.extend(access.policies.iter().cloned());
                    columns.push(GrantedColumn { index, mask });
                }
            }
        }
        columns.sort_by_key(|column| column.index);
        reasons.sort_by_key(|column| column.index);
        columns
    }

    fn access(&self, column: &EntityUid) -> (ColumnAccess, ColumnReasons) {
        let read = self.verdict_or_deny(Action::ReadColumn, column);
        let raw = self.verdict_or_deny(Action::ReadRaw, column);
        let masked = self.verdict_or_deny(Action::ReadMasked, column);
        let bounds = self.bounds(column);
        let mut reasons = ColumnReasons {
            index: 0,
            read: read.reasons(),
            raw: raw.reasons(),
            masked: masked.reasons(),
            bounds: bounds.iter().flatten().filter_map(|(id, rule)| Some(((*id).to_owned(), rule.mask?))).collect(),
        };
        reasons.bounds.sort();
        if read.failed || raw.failed || masked.failed || bounds.is_none() {
            return (ColumnAccess::default(), reasons);
        }
        let verdicts = [&read, &raw, &masked];
        let permits = verdicts.into_iter().flat_map(|verdict| verdict.permits.iter().map(|(id, _)| *id));
        let forbids = verdicts.into_iter().flat_map(|verdict| verdict.forbids.iter().copied());
        let bounds = bounds.unwrap_or_default();
        let policies = permits.chain(forbids).chain(bounds.iter().map(|(id, _)| *id)).map(str::to_owned).collect();
        let access = ColumnAccess {
            read: read.permitted(),
            // A permit of every action names no mask, and shows nothing masked.
            masked: masked.permits.iter().any(|(_, rule)| rule.mask.is_some()),
            // Whoever may not read a column may not read it raw either.
            raw: raw.permitted() && read.forbids.is_empty(),
            withheld: !read.withheld.is_empty() || !read.forbids.is_empty(),
            masks: bounds.iter().filter_map(|(_, rule)| rule.mask).collect(),
            policies,
        };
        (access, reasons)
    }

    /// The permits of `readMasked` that hold, forbidden or not, within ceilings or not; none if one errored.
    fn bounds(&self, column: &EntityUid) -> Option<Vec<Named<'a>>> {
        let Some(slice) = self.slices.of.get(&Action::ReadMasked) else { return Some(Vec::new()) };
        let asked = self.request(Action::ReadMasked, column).and_then(|request| self.answer(&request, &slice.permits));
        match asked {
            Ok((_, permits)) => Some(permits),
            Err(error) => {
                self.log(Action::ReadMasked, &error);
                None
            }
        }
    }

    fn verdict_or_deny(&self, action: Action, resource: &EntityUid) -> Verdict<'a> {
        self.verdict(action, resource).unwrap_or_else(|error| {
            self.log(action, &error);
            Verdict { failed: true, ..Verdict::default() }
        })
    }

    /// Asks Cedar about an action in which no row occurs.
    fn verdict(&self, action: Action, resource: &EntityUid) -> Result<Verdict<'a>, PolicyError> {
        let Some(slice) = self.slices.of.get(&action) else { return Ok(Verdict::default()) };
        if slice.policies.is_empty() {
            return Ok(Verdict::default());
        }
        let request = self.request(action, resource)?;
        let (decision, reasons) = self.answer(&request, &slice.policies)?;
        let mut verdict = Verdict::default();
        if decision == CedarDecision::Deny {
            verdict.forbids = reasons.into_iter().map(|(id, _)| id).collect();
            return Ok(verdict);
        }
        let mut within_ceiling = None;
        for (id, rule) in reasons {
            if rule.of_domain && self.cedar.bounded {
                let allowed = match within_ceiling {
                    Some(allowed) => allowed,
                    None => *within_ceiling.insert(self.answer(&request, &slice.ceilings)?.0 == CedarDecision::Allow),
                };
                if !allowed {
                    verdict.withheld.push(id);
                    continue;
                }
            }
            verdict.permits.push((id, rule));
        }
        Ok(verdict)
    }

    /// Cedar's answer with the policies that made it; an error if any policy errored.
    fn answer(&self, request: &Request, policies: &PolicySet) -> Result<(CedarDecision, Vec<Named<'a>>), PolicyError> {
        let response = self.cedar.authorizer.is_authorized(request, policies, &self.concrete);
        let diagnostics = response.diagnostics();
        let failed: Vec<String> = diagnostics.errors().map(ToString::to_string).collect();
        if !failed.is_empty() {
            return Err(PolicyError::Failed(failed));
        }
        let reasons = diagnostics.reason().map(|id| self.named_rule(id)).collect::<Result<Vec<_>, _>>()?;
        Ok((response.decision(), reasons))
    }

    /// Not checked against the schema again: its parts have been made from it.
    fn request(&self, action: Action, resource: &EntityUid) -> Result<Request, PolicyError> {
        let principal = self.principal.clone();
        Ok(Request::new(principal, self.action(action)?, resource.clone(), self.context.clone(), None)?)
    }

    fn named_rule(&self, id: &PolicyId) -> Result<Named<'a>, PolicyError> {
        let id: &str = id.as_ref();
        let found = self.set.rules.get_key_value(id).map(|(id, rule)| (id.as_str(), rule));
        found.ok_or_else(|| PolicyError::Unknown(id.to_owned()))
    }

    fn rule(&self, id: &PolicyId) -> Result<&'a Rule, PolicyError> {
        self.named_rule(id).map(|(_, rule)| rule)
    }

    fn action(&self, action: Action) -> Result<EntityUid, PolicyError> {
        self.cedar.actions.get(&action).cloned().ok_or_else(|| PolicyError::Unknown(action.to_string()))
    }

    fn log(&self, action: Action, error: &PolicyError) {
        tracing::error!(product = %self.entities.product.id, dataset = %self.entities.dataset.name,
            principal = %self.principal, %action, %error, "a policy failed and denies");
    }
}

fn refuse_failed(response: &TpeResponse<'_>) -> Result<(), PolicyError> {
    let failed: Vec<String> =
        response.error_permits().chain(response.error_forbids()).map(ToString::to_string).collect();
    if failed.is_empty() { Ok(()) } else { Err(PolicyError::Failed(failed)) }
}

fn translate(
    response: &TpeResponse<'_>,
    id: &PolicyId,
    translator: &mut Translator<'_>,
    negated: bool,
) -> Result<RowFilter, PolicyError> {
    let failed = |source: Untranslatable| PolicyError::Residual { id: id.to_string(), source };
    let policy = response.get_policy(id).ok_or_else(|| PolicyError::Unknown(id.to_string()))?;
    let tree = policy.to_pst().map_err(|error| failed(Untranslatable::Tree(error.to_string())))?;
    translator.policy(&tree, negated).map_err(failed)
}
