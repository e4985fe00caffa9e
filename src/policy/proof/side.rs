//! One side of a comparison: what a mesh permits of a dataset, as conditions.
//!
//! The same composition as `super::super::asking`, which decides, and `super::super::columns`, which combines masks;
//! generated policies hold them against each other (`super::tests`):
//!
//! ```text
//! permitted = ( governance's permits  OR  (the domain's permits AND ceilings) )  AND NOT forbids
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, Template, Var};
use cedar_policy::{Policy, PolicySet};

use super::known::{Asker, Beyond, Known, Thing};
use super::logic::{self, Condition, and, any, condition_of, constant, not, or};
use crate::policy::Policies;
use crate::policy::dataset::DatasetEntities;
use crate::policy::load::{DatasetSlices, DomainSet};
use crate::policy::vocabulary::Action;
use crate::product::{Column, Dataset, Mask, Name, Product};

/// A domain of a mesh, with its policies as conditions.
pub(super) struct DomainSide<'a> {
    pub(super) policies: &'a Policies,
    pub(super) set: &'a DomainSet,
    /// What each policy says, by id.
    conditions: RefCell<HashMap<String, Condition>>,
}

/// One version of a dataset.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) domain: &'a DomainSide<'a>,
    pub(super) product: &'a Arc<Product>,
    pub(super) dataset: &'a Arc<Dataset>,
    pub(super) slices: &'a DatasetSlices,
}

/// The policies about one action on one thing, each kind of them as one condition.
struct Parts {
    governance: Condition,
    domain: Condition,
    /// True without ceilings.
    ceilings: Condition,
    forbids: Condition,
}

/// What policies can tell columns apart by: classification, tags, default mask and, if one looks at names, the name.
type Class<'a> = (&'a str, Vec<&'a str>, Option<Mask>, Option<&'a str>);

/// What must hold besides a permit.
pub(super) struct Around {
    pub(super) domain: Condition,
    pub(super) governance: Condition,
}

/// What decides about a column.
pub(super) struct Access {
    pub(super) read: Condition,
    pub(super) raw: Condition,
    pub(super) masked: Condition,
    /// `readColumn` was permitted and taken away.
    withheld: Condition,
    /// The permits of `readMasked`, forbidden or not, within ceilings or not.
    bounds: Vec<(Mask, Condition)>,
    default: Option<Mask>,
}

impl<'a> DomainSide<'a> {
    pub(super) fn new(policies: &'a Policies, domain: &Name) -> Option<Self> {
        let set = policies.domains.get(domain)?;
        Some(Self { policies, set, conditions: RefCell::default() })
    }

    /// The served versions of its datasets, by product.
    pub(super) fn served(&self) -> BTreeMap<&'a Name, Vec<&'a Arc<Product>>> {
        let mut served: BTreeMap<&Name, Vec<&Arc<Product>>> = BTreeMap::new();
        for entities in self.set.versions.values().filter(|entities| entities.product.is_served()) {
            let versions = served.entry(&entities.product.id.name).or_default();
            if versions.iter().all(|known| known.version != entities.product.version) {
                versions.push(&entities.product);
            }
        }
        served.values_mut().for_each(|versions| versions.sort_by_key(|product| product.version));
        served
    }

    pub(super) fn entities(&self, product: &Product, dataset: &Dataset) -> Option<&'a DatasetEntities> {
        self.set.versions.get(&(product.id.name.clone(), product.version, dataset.name.clone()))
    }

    pub(super) fn condition(&self, policy: &Policy) -> Result<Condition, Beyond> {
        let id = policy.id().to_string();
        if let Some(known) = self.conditions.borrow().get(&id) {
            return Ok(Arc::clone(known));
        }
        let condition = condition_of(&tree(policy)?);
        self.conditions.borrow_mut().insert(id, Arc::clone(&condition));
        Ok(condition)
    }
}

/// A policy as a tree.
fn tree(policy: &Policy) -> Result<Template, Beyond> {
    policy.to_pst().map(|tree| tree.body().clone()).map_err(Beyond::of)
}

impl<'a> Side<'a> {
    pub(super) fn new(
        domain: &'a DomainSide<'a>,
        product: &'a Arc<Product>,
        dataset: &'a Arc<Dataset>,
    ) -> Option<Self> {
        let slices = domain.set.slices.get(&dataset.name)?;
        domain.entities(product, dataset)?;
        Some(Self { domain, product, dataset, slices })
    }

    /// May it be known of?
    pub(super) fn discover(&self, asker: Asker) -> Result<Condition, Beyond> {
        self.permitted(asker, Action::Discover, &self.thing()?)
    }

    /// May this row be read, as far as the policies go?
    pub(super) fn query(&self, asker: Asker) -> Result<Condition, Beyond> {
        self.permitted(asker, Action::Query, &self.thing()?)
    }

    /// Is the purpose one that the product asks for?
    pub(super) fn accepts(&self) -> Condition {
        if self.product.purposes.is_empty() {
            return constant(true);
        }
        let purposes =
            self.product.purposes.iter().map(|purpose| Arc::new(Expr::Literal(Literal::String(purpose.into()))));
        let stated = Arc::new(Expr::GetAttr { expr: logic::var(Var::Context), attr: "purpose".into() });
        logic::binary(BinaryOp::Contains, Arc::new(Expr::Set(purposes.collect())), stated)
    }

    /// May the principal look behind decisions? Asked of the product and of its domain: a permit of either is enough, and a
    /// forbid of either forbids.
    pub(super) fn administer(&self, asker: Asker) -> Result<Condition, Beyond> {
        let beyond = || Beyond::of(self.product.id.to_string());
        let product = self.parts(asker, Action::Administer, &Thing::product(self.product).ok_or_else(beyond)?)?;
        let domain = self.parts(asker, Action::Administer, &Thing::domain(self.product).ok_or_else(beyond)?)?;
        let forbidden = or(Arc::clone(&product.forbids), Arc::clone(&domain.forbids));
        Ok(and(or(product.permits(), domain.permits()), not(forbidden)))
    }

    /// What decides about every column, in their order. Columns of a class are alike to every policy, and share it.
    pub(super) fn columns(&self, asker: Asker) -> Result<Vec<(&'a Column, Rc<Access>)>, Beyond> {
        let mut known: HashMap<Class<'_>, Rc<Access>> = HashMap::new();
        let mut columns = Vec::new();
        for column in &self.dataset.columns {
            let tags = column.tags.iter().map(String::as_str).collect();
            let name = self.slices.by_name.then_some(column.name.as_str());
            // Masks are checked at load; had one slipped through, nothing is shown rather than something odd.
            let default =
                column.mask_default.map(|mask| if mask.accepts(&column.data_type) { mask } else { Mask::Null });
            let class = (column.classification.as_str(), tags, default, name);
            let access = match known.get(&class) {
                Some(access) => Rc::clone(access),
                None => Rc::clone(known.entry(class).or_insert(Rc::new(self.access(asker, column, default)?))),
            };
            columns.push((column, access));
        }
        Ok(columns)
    }

    fn access(&self, asker: Asker, column: &Column, default: Option<Mask>) -> Result<Access, Beyond> {
        let thing = Thing::column(self.product, self.dataset, column).ok_or_else(|| Beyond::of(column.name.clone()))?;
        let read = self.parts(asker, Action::ReadColumn, &thing)?;
        let raw = self.parts(asker, Action::ReadRaw, &thing)?;
        let masked = self.parts(asker, Action::ReadMasked, &thing)?;
        let mut bounds = Vec::new();
        if let Some(slice) = self.slices.of.get(&Action::ReadMasked) {
            let known = Known { asker, action: Action::ReadMasked, thing: &thing };
            for policy in slice.permits.policies() {
                let Some(mask) = self.domain.set.rules.get(policy.id().as_ref() as &str).and_then(|rule| rule.mask)
                else {
                    continue;
                };
                bounds.push((mask, known.tell(&*self.domain.condition(policy)?)?));
            }
        }
        bounds.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.to_string().cmp(&y.to_string())));
        Ok(Access {
            read: read.permitted(),
            raw: and(raw.permitted(), not(Arc::clone(&read.forbids))),
            masked: masked.permitted(),
            withheld: or(Arc::clone(&read.forbids), and(Arc::clone(&read.domain), not(Arc::clone(&read.ceilings)))),
            bounds,
            default,
        })
    }

    /// What one policy says, and under what else a permit of a domain or of governance comes to permit.
    pub(super) fn alone_and_around(&self, id: &str, known: &Known<'_>) -> Result<(Condition, Around), Beyond> {
        let slice = self.slices.of.get(&known.action).ok_or_else(|| Beyond::of(id))?;
        let named = cedar_policy::PolicyId::new(id);
        let policy = slice.policies.policy(&named).or_else(|| slice.ceilings.policy(&named));
        let own = known.tell(&*self.domain.condition(policy.ok_or_else(|| Beyond::of(id))?)?)?;
        let parts = self.parts(known.asker, known.action, known.thing)?;
        let unforbidden = not(parts.forbids);
        Ok((own, Around { domain: and(parts.ceilings, Arc::clone(&unforbidden)), governance: unforbidden }))
    }

    fn permitted(&self, asker: Asker, action: Action, thing: &Thing) -> Result<Condition, Beyond> {
        Ok(self.parts(asker, action, thing)?.permitted())
    }

    fn thing(&self) -> Result<Thing, Beyond> {
        Thing::dataset(self.product, self.dataset).ok_or_else(|| Beyond::of(self.dataset.name.to_string()))
    }

    fn parts(&self, asker: Asker, action: Action, thing: &Thing) -> Result<Parts, Beyond> {
        let known = Known { asker, action, thing };
        let (mut governance, mut domain, mut forbids) = (Vec::new(), Vec::new(), Vec::new());
        let mut ceilings = Vec::new();
        if let Some(slice) = self.slices.of.get(&action) {
            for policy in in_order(&slice.policies) {
                let rule = self.domain.set.rules.get(policy.id().as_ref() as &str);
                let rule = rule.ok_or_else(|| Beyond::of(policy.id().to_string()))?;
                // A permit of every action names no mask, and shows nothing masked.
                if rule.place.permits && action == Action::ReadMasked && rule.mask.is_none() {
                    continue;
                }
                let list = match (rule.place.permits, rule.of_domain) {
                    (false, _) => &mut forbids,
                    (true, true) => &mut domain,
                    (true, false) => &mut governance,
                };
                list.push(known.tell(&*self.domain.condition(policy)?)?);
            }
            for policy in in_order(&slice.ceilings) {
                ceilings.push(known.tell(&*self.domain.condition(policy)?)?);
            }
        }
        let bounded = self.domain.policies.cedar.bounded;
        Ok(Parts {
            governance: any(governance),
            domain: any(domain),
            ceilings: if bounded { any(ceilings) } else { constant(true) },
            forbids: any(forbids),
        })
    }
}

impl Parts {
    fn permits(&self) -> Condition {
        or(Arc::clone(&self.governance), and(Arc::clone(&self.domain), Arc::clone(&self.ceilings)))
    }

    fn permitted(&self) -> Condition {
        and(self.permits(), not(Arc::clone(&self.forbids)))
    }
}

impl Access {
    /// The masks that may come to hold.
    pub(super) fn masks(&self) -> impl Iterator<Item = Mask> {
        self.bounds.iter().map(|(mask, _)| *mask).chain(self.default)
    }

    /// Whether the column is shown under `limit` or a weaker mask; without one: as it is.
    pub(super) fn shown(&self, limit: Option<Mask>) -> Condition {
        // Masks are in order of strength, the strictest first.
        let stricter = |mask: Mask| limit.is_none_or(|limit| mask < limit);
        let mut masks: Vec<Condition> =
            self.bounds.iter().filter(|(mask, _)| stricter(*mask)).map(|(_, holds)| Arc::clone(holds)).collect();
        if self.default.is_some_and(stricter) {
            masks.push(or(Arc::clone(&self.read), Arc::clone(&self.withheld)));
        }
        // What is shown by `readMasked` alone has a mask, so that none shows it as it is.
        let shown = if limit.is_none() { Arc::clone(&self.read) } else { self.read_or_masked() };
        or(Arc::clone(&self.raw), and(shown, not(any(masks))))
    }

    /// Whether it is shown at all.
    pub(super) fn visible(&self) -> Condition {
        or(Arc::clone(&self.raw), self.read_or_masked())
    }

    fn read_or_masked(&self) -> Condition {
        or(Arc::clone(&self.read), Arc::clone(&self.masked))
    }
}

/// Sorted, so that two sides that say the same make the same condition.
fn in_order(policies: &PolicySet) -> Vec<&Policy> {
    let mut policies: Vec<&Policy> = policies.policies().collect();
    policies.sort_by(|a, b| a.id().cmp(b.id()));
    policies
}
