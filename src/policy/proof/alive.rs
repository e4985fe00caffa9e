//! Permits that permit nothing: of no column or row of the mesh, for no principal, purpose or moment.
//!
//! A permit is looked at until it is seen to permit something, which mostly is at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::known::{Asker, Known, Thing};
use super::logic::{and, constant, decided};
use super::question::{Ground, Question};
use super::side::Side;
use super::solver::{Answer, Solver};
use crate::fault::Fault;
use crate::policy::explain::{Author, PolicyPlace};
use crate::policy::load::Rule;
use crate::policy::vocabulary::Action;

/// How far a permit gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    /// Nothing satisfies it.
    Never,
    /// What satisfies it, a forbid denies or no ceiling allows.
    Taken,
    /// It permits something; or that is not known.
    Permits,
}

/// All permits of a mesh, as far as they have been seen to get.
#[derive(Default)]
pub(super) struct Permits {
    seen: BTreeMap<(std::path::PathBuf, String), (Life, PolicyPlace)>,
}

impl Permits {
    /// Looks at what the permits about a dataset permit of it.
    pub(super) fn look(&mut self, solver: &mut Solver, side: &Side<'_>) {
        let Ok(ground) = Ground::new(&side.product.id.domain, &[side.dataset], &side.domain.policies.cedar.attributes)
        else {
            return;
        };
        for action in Action::ALL {
            let Some(slice) = side.slices.of.get(&action) else { continue };
            for policy in slice.permits.policies().chain(slice.ceilings.policies()) {
                let id: &str = policy.id().as_ref();
                let Some(rule) = side.domain.set.rules.get(id) else { continue };
                let key = (rule.place.file.clone(), id.to_owned());
                let known = self.seen.get(&key).map_or(Life::Never, |(life, _)| *life);
                if known == Life::Permits {
                    continue;
                }
                let life = known.max(life(solver, &ground, side, action, id, rule));
                self.seen.insert(key, (life, rule.place.clone()));
            }
        }
    }

    /// The permits that permit nothing. In a part of a mesh, shared ones may be for the rest.
    pub(super) fn found(self, alone: bool) -> Vec<Fault> {
        let own = |place: &PolicyPlace| !alone || matches!(place.author, Author::Domain(_));
        let dead = self.seen.into_iter().filter(|(_, (_, place))| own(place));
        let fault = |((_, id), (life, place)): ((_, String), (Life, PolicyPlace))| {
            let (reason, hint) = match life {
                Life::Permits => return None,
                Life::Never => (
                    format!(
                        "`{id}` permits nothing: no principal, purpose, column or row of today's mesh satisfies it"
                    ),
                    "look for conditions that exclude each other, or a tag, classification or name that nothing has",
                ),
                Life::Taken => (
                    format!("`{id}` permits nothing: a forbid denies, or no ceiling allows, whatever satisfies it"),
                    "`airside explain` names the forbid or ceiling for one principal; take the permit out, or have them changed",
                ),
            };
            Some(Fault::new(&place.file, reason).at(place.line).hint(hint))
        };
        dead.filter_map(fault).collect()
    }
}

fn life(solver: &mut Solver, ground: &Ground, side: &Side<'_>, action: Action, id: &str, rule: &Rule) -> Life {
    let mut life = Life::Never;
    for thing in things(side, action) {
        for asker in Asker::ALL {
            let known = Known { asker, action, thing: &thing };
            let Ok((own, around)) = side.alone_and_around(id, &known) else { return Life::Permits };
            let taken = if rule.of_domain { around.domain } else { around.governance };
            let left = and(Arc::clone(&own), taken);
            if satisfiable(solver, ground, asker, &left) {
                return Life::Permits;
            }
            if life == Life::Never && satisfiable(solver, ground, asker, &own) {
                life = Life::Taken;
            }
        }
    }
    life
}

fn satisfiable(solver: &mut Solver, ground: &Ground, asker: Asker, condition: &super::logic::Condition) -> bool {
    if let Some(decided) = decided(condition) {
        return decided;
    }
    let facts = ground.facts(&[condition], &BTreeMap::new(), asker);
    let left = and(facts, Arc::clone(condition));
    // What is not known is not called dead.
    !matches!(solver.ask(&Question { ground, asker, left, right: constant(false) }), Answer::Holds)
}

fn things(side: &Side<'_>, action: Action) -> Vec<Thing> {
    match action {
        Action::Discover | Action::Query => Thing::dataset(side.product, side.dataset).into_iter().collect(),
        Action::ReadColumn | Action::ReadRaw | Action::ReadMasked => {
            let columns = side.dataset.columns.iter();
            columns.filter_map(|column| Thing::column(side.product, side.dataset, column)).collect()
        }
        Action::Administer => {
            [Thing::product(side.product), Thing::domain(side.product)].into_iter().flatten().collect()
        }
        Action::Publish => Vec::new(),
    }
}
