//! Two meshes compared: does the new one permit only what the old one did?
//!
//! For each dataset, each action and each kind of principal two questions are put, one in each direction:
//!
//! ```text
//! wider?     shown by NEW, and permitted by NEW    ⇒  permitted by OLD
//! narrower?  shown by OLD, and permitted by OLD    ⇒  permitted by NEW
//! ```
//!
//! *Shown* is everything else that must be granted before anything is seen (discover, query, the product's purposes), so
//! that a difference which nobody can come to see is none, and one change is told once. If every action's first answer is
//! "yes", all that NEW shows was permitted by OLD in every respect: nothing is shown that was not.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::alike::alike;
use super::changes;
use super::errors;
use super::example::Example;
use super::known::{Asker, Beyond};
use super::logic::{Condition, and, any, constant};
use super::question::{Ground, Named, Question, kinds};
use super::side::{Access, DomainSide, Side};
use super::solver::{Answer, Solver};
use crate::policy::vocabulary::Action;
use crate::policy::{GroupsAbove, Policies};
use crate::principal::AttributeType;
use crate::product::{Column, Dataset, Mask, Name, Product};

/// One mesh, as far as comparing goes.
#[derive(Debug, Clone, Copy)]
pub struct MeshSide<'a> {
    /// Its policies.
    pub policies: &'a Policies,
    /// The groups that lie within groups.
    pub groups: &'a GroupsAbove,
}

/// What differs about one dataset of a product.
#[derive(Debug, Clone)]
pub struct DatasetDifference {
    /// `domain.product`, with the dataset's name if that is another.
    pub name: String,
    /// The versions compared.
    pub versions: Versions,
    /// The verdict on each action.
    pub actions: Vec<ActionDifference>,
    /// What changed in the contract that policies or masks depend on, and in the masks of policies.
    pub changes: Vec<String>,
}

/// Which versions of a dataset were compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Old and new.
    Both(String, String),
    /// There is only a new one.
    Added(String),
    /// There was only an old one.
    Removed(String),
}

/// What differs in one action.
#[derive(Debug, Clone)]
pub struct ActionDifference {
    /// `discover`, `query`, `readColumn`, `readRaw`, `readMasked`, `masks` or `administer`.
    pub action: &'static str,
    /// What NEW permits and OLD did not.
    pub wider: Vec<Finding>,
    /// What OLD permitted and NEW does not.
    pub narrower: Vec<Finding>,
    /// What could not be proven, and why.
    pub unproven: Vec<String>,
}

/// One difference.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The columns it is about; none for an action of the dataset.
    pub columns: Vec<String>,
    /// The mask under which, or under a weaker one, they are shown; `raw` for none. Absent but for `masks`.
    pub shown: Option<&'static str>,
    /// Who sees what the other side hides. None where the solver found a difference, and no example could be confirmed.
    pub example: Option<Example>,
}

/// An action's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Proven: NEW permits what OLD did.
    Same,
    /// Proven: NEW permits nothing that OLD did not, and less.
    Narrower,
    /// Not known whether NEW permits more.
    Unproven,
    /// NEW permits more.
    Wider,
    /// NEW permits more of one thing, and less of another.
    Both,
}

impl ActionDifference {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        match (self.wider.is_empty(), self.narrower.is_empty(), self.unproven.is_empty()) {
            (false, false, _) => Verdict::Both,
            (false, true, _) => Verdict::Wider,
            (true, _, false) => Verdict::Unproven,
            (true, false, true) => Verdict::Narrower,
            (true, true, true) => Verdict::Same,
        }
    }
}

impl Verdict {
    /// Whether it is proven that NEW permits no more than OLD.
    pub fn permits_no_more(self) -> bool {
        matches!(self, Self::Same | Self::Narrower)
    }

    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Narrower => "narrower",
            Self::Unproven => "not proven",
            Self::Wider => "wider",
            Self::Both => "wider and narrower",
        }
    }
}

/// Compares every dataset of two meshes; those in which nothing differs are left out. `progress` hears each domain.
pub(super) fn compare(
    solver: &mut Solver,
    old: MeshSide<'_>,
    new: MeshSide<'_>,
    progress: &dyn Fn(&str),
) -> Vec<DatasetDifference> {
    let mut differences = Vec::new();
    let domains: BTreeSet<&Name> = old.policies.domains.keys().chain(new.policies.domains.keys()).collect();
    let attributes = old.policies.cedar.attributes.iter().chain(&new.policies.cedar.attributes);
    let attributes = attributes.map(|(name, ty)| (name.clone(), *ty)).collect();
    let groups = common(old.groups, new.groups);
    for domain in domains {
        progress(domain.as_str());
        let (before, after) = (DomainSide::new(old.policies, domain), DomainSide::new(new.policies, domain));
        let mut comparison =
            Comparison { solver, attributes: &attributes, groups: &groups, domain, erring: errors::Known::default() };
        for (old, new) in pairs(before.as_ref(), after.as_ref()) {
            differences.extend(comparison.dataset(old, new));
        }
    }
    differences
}

/// What both meshes say of groups within groups: the rest is a change of its own.
fn common(old: &GroupsAbove, new: &GroupsAbove) -> GroupsAbove {
    let both = |(group, above): (&String, &BTreeSet<String>)| {
        let above = new.get(group)?.intersection(above).cloned().collect();
        Some((group.clone(), above))
    };
    old.iter().filter_map(both).collect()
}

type Pair<'a> = (Option<Side<'a>>, Option<Side<'a>>);

/// Which versions of which datasets are compared: a version with itself; a new one with the last of its major before it,
/// else with the one that answered by default.
fn pairs<'a>(old: Option<&'a DomainSide<'a>>, new: Option<&'a DomainSide<'a>>) -> Vec<Pair<'a>> {
    let (before, after) = (old.map(DomainSide::served), new.map(DomainSide::served));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let mut pairs = Vec::new();
    let names: BTreeSet<&Name> = before.keys().chain(after.keys()).copied().collect();
    for name in names {
        let olds = before.get(name).map(Vec::as_slice).unwrap_or_default();
        let news = after.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut used = BTreeSet::new();
        for product in news {
            let predecessor = olds
                .iter()
                .find(|candidate| candidate.version == product.version)
                .or_else(|| olds.iter().rfind(|candidate| candidate.version.major == product.version.major))
                .or_else(|| olds.iter().find(|candidate| candidate.default_version))
                .or_else(|| olds.last());
            used.extend(predecessor.map(|product| product.version));
            pairs.extend(of_product(old.zip(predecessor.copied()), new.zip(Some(*product))));
        }
        for product in olds.iter().filter(|product| !used.contains(&product.version)) {
            pairs.extend(of_product(old.zip(Some(*product)), None));
        }
    }
    pairs
}

type Of<'a> = Option<(&'a DomainSide<'a>, &'a Arc<Product>)>;

fn of_product<'a>(old: Of<'a>, new: Of<'a>) -> Vec<Pair<'a>> {
    let datasets = |of: Of<'a>| of.into_iter().flat_map(|(_, product)| &product.datasets).map(|dataset| &dataset.name);
    let names: BTreeSet<&Name> = datasets(old).chain(datasets(new)).collect();
    let side = |of: Of<'a>, name: &Name| {
        let (domain, product) = of?;
        Side::new(domain, product, product.dataset(name.as_str())?)
    };
    names.into_iter().map(|name| (side(old, name), side(new, name))).collect()
}

struct Comparison<'a> {
    solver: &'a mut Solver,
    attributes: &'a BTreeMap<String, AttributeType>,
    groups: &'a GroupsAbove,
    domain: &'a Name,
    erring: errors::Known,
}

/// What one side says of one dataset to one kind of principal.
struct Says<'a> {
    discover: Condition,
    query: Condition,
    /// All that is asked besides a column.
    rows: Condition,
    administer: Condition,
    columns: BTreeMap<&'a str, Rc<Access>>,
    /// Whether any column is shown.
    any: Condition,
}

impl<'a> Says<'a> {
    fn of(side: Option<&Side<'a>>, asker: Asker) -> Result<Self, Beyond> {
        let Some(side) = side else {
            let never = || constant(false);
            let columns = BTreeMap::new();
            return Ok(Self {
                discover: never(),
                query: never(),
                rows: never(),
                administer: never(),
                columns,
                any: never(),
            });
        };
        let (discover, query) = (side.discover(asker)?, side.query(asker)?);
        let columns: BTreeMap<&str, Rc<Access>> =
            side.columns(asker)?.into_iter().map(|(column, access)| (column.name.as_str(), access)).collect();
        let query = and(query, side.accepts());
        Ok(Self {
            rows: and(Arc::clone(&discover), Arc::clone(&query)),
            discover,
            query,
            administer: side.administer(asker)?,
            any: any(columns.values().map(|access| access.visible()).collect()),
            columns,
        })
    }
}

/// One of the permissions that a column's access is made of.
type Part = fn(&Access) -> &Condition;

/// Two questions, one a direction: what the one side shows, and whether the other permits it.
struct Asked {
    wider: (Condition, Condition),
    narrower: (Condition, Condition),
}

impl Comparison<'_> {
    fn dataset(&mut self, old: Option<Side<'_>>, new: Option<Side<'_>>) -> Option<DatasetDifference> {
        if old.as_ref().zip(new.as_ref()).is_some_and(|(old, new)| alike(old, new)) {
            return None;
        }
        let side = new.or(old)?;
        let product = side.product.id.to_string();
        let name = side.dataset.name.as_str();
        let name = if product.ends_with(&format!(".{name}")) { product } else { format!("{product} ({name})") };
        let version = |side: &Side<'_>| side.product.version.to_string();
        let versions = match (&old, &new) {
            (Some(old), Some(new)) => Versions::Both(version(old), version(new)),
            (Some(old), None) => Versions::Removed(version(old)),
            _ => Versions::Added(version(&side)),
        };
        let mut changes = match (&old, &new) {
            (Some(old), Some(new)) => changes::of(old, new),
            _ => Vec::new(),
        };
        let actions = ["discover", "query", "readColumn", "readRaw", "readMasked", "masks", "administer"];
        let mut actions = actions.map(|action| ActionDifference {
            action,
            wider: Vec::new(),
            narrower: Vec::new(),
            unproven: Vec::new(),
        });
        let datasets: Vec<&Dataset> = [&new, &old].into_iter().flatten().map(|side| &**side.dataset).collect();
        match Ground::new(self.domain, &datasets, self.attributes) {
            Ok(ground) => {
                for asker in Asker::ALL {
                    if let Err(error) = self.asked_by(asker, &ground, old.as_ref(), new.as_ref(), &mut actions) {
                        actions.iter_mut().for_each(|action| action.unproven.push(error.to_string()));
                    }
                }
            }
            Err(error) => actions.iter_mut().for_each(|action| action.unproven.push(error.to_string())),
        }
        if let (Some(old), Some(new)) = (&old, &new) {
            let (was, is) = (kinds(old.product, &old.dataset.name), kinds(new.product, &new.dataset.name));
            for (column, kind) in is.iter().filter(|(column, kind)| was.get(*column).is_some_and(|was| was != *kind)) {
                let kind = if kind.is_some() { "another type" } else { "a type that policies cannot look at" };
                changes.push(format!("the column `{column}` has {kind}"));
            }
        }
        let mut actions = actions.to_vec();
        for action in &mut actions {
            action.unproven.sort();
            action.unproven.dedup();
        }
        actions.retain(|action| action.verdict() != Verdict::Same);
        let unchanged = actions.is_empty() && changes.is_empty() && matches!(versions, Versions::Both(..));
        (!unchanged).then_some(DatasetDifference { name, versions, actions, changes })
    }

    fn asked_by(
        &mut self,
        asker: Asker,
        ground: &Ground,
        old: Option<&Side<'_>>,
        new: Option<&Side<'_>>,
        actions: &mut [ActionDifference; 7],
    ) -> Result<(), Beyond> {
        let (was, is) = (Says::of(old, asker)?, Says::of(new, asker)?);
        let sides = [old, new];
        let [discover, query, read, raw, masked, masks, administer] = actions;
        let mut ask = |of: &mut ActionDifference, asking: &[Action], subject: &Finding, asked: Asked| {
            self.ask(ground, asker, &sides, of, asking, subject, asked);
        };
        let whole = Finding { columns: Vec::new(), shown: None, example: None };
        let plain = |was: &Condition, is: &Condition| Asked {
            wider: (Arc::clone(is), Arc::clone(was)),
            narrower: (Arc::clone(was), Arc::clone(is)),
        };
        ask(discover, &[Action::Discover], &whole, plain(&was.discover, &is.discover));
        ask(administer, &[Action::Administer], &whole, plain(&was.administer, &is.administer));
        let shown = |says: &Says<'_>| and(Arc::clone(&says.rows), Arc::clone(&says.any));
        let rows =
            Asked { wider: (shown(&is), Arc::clone(&was.query)), narrower: (shown(&was), Arc::clone(&is.query)) };
        let of_columns = [Action::ReadColumn, Action::ReadRaw, Action::ReadMasked];
        let with = |action: &[Action]| [&[Action::Discover, Action::Query], action].concat();
        ask(query, &with(&of_columns), &whole, rows);

        if let (Some(old), Some(new)) = (old, new) {
            let looked_at = Named::of(&[&is.query]).columns;
            let missing = |column: &&Column| {
                let was = old.dataset.column(&column.name);
                column.nullable && looked_at.contains(&column.name) && was.is_some_and(|was| !was.nullable)
            };
            for column in new.dataset.columns.iter().filter(missing) {
                let reason = format!("not compared: rows without `{}`, which there were none of", column.name);
                query.unproven.push(reason);
            }
        }

        let names: BTreeSet<&str> = was.columns.keys().chain(is.columns.keys()).copied().collect();
        for name in names {
            let (before, after) = (was.columns.get(name), is.columns.get(name));
            let part = |access: Option<&Rc<Access>>, part: fn(&Access) -> &Condition| {
                access.map_or_else(|| constant(false), |access| Arc::clone(part(access)))
            };
            let asked = |before: Condition, after: Condition| Asked {
                wider: (and(Arc::clone(&is.rows), Arc::clone(&after)), Arc::clone(&before)),
                narrower: (and(Arc::clone(&was.rows), before), after),
            };
            let column = Finding { columns: vec![name.to_owned()], shown: None, example: None };
            let parts: [(&mut ActionDifference, Action, Part); 3] = [
                (&mut *read, Action::ReadColumn, |access| &access.read),
                (&mut *raw, Action::ReadRaw, |access| &access.raw),
                (&mut *masked, Action::ReadMasked, |access| &access.masked),
            ];
            for (of, action, which) in parts {
                ask(of, &with(&[action]), &column, asked(part(before, which), part(after, which)));
            }
            // How plainly it is shown, where masks can make a difference.
            let (Some(before), Some(after)) = (before, after) else { continue };
            let limits: BTreeSet<Mask> = before.masks().chain(after.masks()).collect();
            if limits.is_empty() {
                continue;
            }
            for limit in limits.into_iter().map(Some).chain([None]) {
                let column = Finding { shown: Some(limit.map_or("raw", Mask::as_str)), ..column.clone() };
                ask(masks, &with(&of_columns), &column, asked(before.shown(limit), after.shown(limit)));
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; a struct would be named once and taken apart here")]
    fn ask(
        &mut self,
        ground: &Ground,
        asker: Asker,
        sides: &[Option<&Side<'_>>; 2],
        of: &mut ActionDifference,
        actions: &[Action],
        subject: &Finding,
        asked: Asked,
    ) {
        let Asked { wider, narrower } = asked;
        for ((left, right), widens) in [(wider, true), (narrower, false)] {
            if super::logic::decided(&left) == Some(false) || implied(&left, &right) {
                continue;
            }
            if let Some(reason) = self.erring.any_of(self.solver, asker, sides, actions) {
                of.unproven.push(reason);
                continue;
            }
            let facts = ground.facts(&[&left, &right], self.groups, asker);
            let left = and(facts, left);
            match self.solver.ask(&Question { ground, asker, left, right }) {
                Answer::Holds => {}
                Answer::Fails(example) => {
                    let list = if widens { &mut of.wider } else { &mut of.narrower };
                    add(list, subject, example.map(|example| *example));
                }
                Answer::Unknown(reason) => of.unproven.push(about(subject, &reason)),
            }
        }
    }
}

/// Columns that are told apart by nothing are told together.
fn add(list: &mut Vec<Finding>, subject: &Finding, example: Option<Example>) {
    match list.iter_mut().find(|known| known.shown == subject.shown && known.example == example) {
        Some(known) => {
            for column in &subject.columns {
                if !known.columns.contains(column) {
                    known.columns.push(column.clone());
                }
            }
        }
        None => list.push(Finding { example, ..subject.clone() }),
    }
}

fn about(subject: &Finding, reason: &str) -> String {
    match subject.columns.first() {
        Some(column) => format!("`{column}`: {reason}"),
        None => reason.to_owned(),
    }
}

/// Whether a condition is the one it should imply, in the same words, or a conjunction that holds it.
fn implied(left: &Condition, right: &Condition) -> bool {
    use cedar_policy::pst::{BinaryOp, Expr};
    match left.as_ref() {
        _ if left == right => true,
        Expr::BinaryOp { op: BinaryOp::And, left, right: other } => implied(left, right) || implied(other, right),
        _ => false,
    }
}
