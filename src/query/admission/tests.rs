use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures::FutureExt;
use proptest::prelude::*;

use super::gate::{Admission, Bounds, Gate};
use super::queue::FairQueue;
use crate::principal::Identity;

fn party(name: u8) -> Identity {
    Identity::User(format!("u{name}").into())
}

fn gate(slots: usize) -> Gate {
    Gate::new("tests", Bounds { slots, open: 100, open_of_one: 100 })
}

/// Whether it is in a slot, or comes into one now.
fn enters(admission: &mut Admission) -> bool {
    admission.enter().now_or_never().is_some()
}

#[test]
fn a_thousand_of_one_delay_another_by_one_turn() {
    let mut queue = FairQueue::default();
    for ticket in 0..1000 {
        queue.push(&"greedy", ticket, ticket);
    }
    queue.push(&"modest", 1000, 1000);
    queue.push(&"third", 1001, 1001);
    let turns: Vec<u64> = (0..4).filter_map(|_| queue.pop()).collect();
    assert_eq!(turns, [0, 1000, 1001, 1]);
}

#[test]
fn what_is_full_refuses_at_once_and_says_whose_share_it_is() {
    let gate = Gate::new("tests", Bounds { slots: 1, open: 3, open_of_one: 2 });
    let own = [gate.open(&party(0)).unwrap(), gate.open(&party(0)).unwrap()];
    assert!(gate.open(&party(0)).unwrap_err().own);
    let other = gate.open(&party(1)).unwrap();
    let full = gate.open(&party(1)).unwrap_err();
    assert!(!full.own && full.retry_after >= Duration::from_secs(1), "{full:?}");
    drop((own, other));
    assert_eq!(gate.counts(), [0, 0, 0]);
    assert!(gate.open(&party(0)).is_ok());
}

#[tokio::test]
async fn a_slot_goes_to_whoever_is_next() {
    let gate = gate(1);
    let [mut first, mut second, mut third] = [0, 0, 1].map(|name| gate.open(&party(name)).unwrap());
    assert!(enters(&mut first));
    let mut waits = Box::pin(second.enter());
    assert!((&mut waits).now_or_never().is_none());
    let mut others = Box::pin(third.enter());
    assert!((&mut others).now_or_never().is_none());
    assert_eq!(gate.counts(), [1, 2, 3]);
    // Both are before it now.
    let mut gives = Box::pin(first.give_way());
    assert!((&mut gives).now_or_never().is_none());
    waits.await;
    assert!((&mut others).now_or_never().is_none());
    drop(second);
    others.await;
    third.leave();
    gives.await;
    assert_eq!(gate.counts(), [1, 0, 2]);
}

#[tokio::test]
async fn who_is_alone_gives_way_to_nobody() {
    let gate = gate(1);
    let mut alone = gate.open(&party(0)).unwrap();
    assert!(enters(&mut alone));
    assert!(alone.give_way().now_or_never().is_some());
    alone.leave();
    assert!(alone.give_way().now_or_never().is_some(), "and comes back when it was outside");
    assert_eq!(gate.counts(), [1, 0, 1]);
}

#[tokio::test]
async fn a_call_that_nobody_hears_is_not_lost() {
    let gate = gate(1);
    let [mut first, mut second, mut third] = [0, 1, 2].map(|name| gate.open(&party(name)).unwrap());
    assert!(enters(&mut first) && !enters(&mut second) && !enters(&mut third));
    // The second is called, and was not waiting any more.
    first.leave();
    assert_eq!(gate.counts(), [1, 1, 3]);
    drop(second);
    assert_eq!(gate.counts(), [1, 0, 2]);
    assert!(enters(&mut third), "it was called in its turn");
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Open(u8),
    Enter(usize),
    GiveWay(usize),
    Leave(usize),
    End(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8).prop_map(Step::Open),
        any::<usize>().prop_map(Step::Enter),
        any::<usize>().prop_map(Step::GiveWay),
        any::<usize>().prop_map(Step::Leave),
        any::<usize>().prop_map(Step::End),
    ]
}

proptest! {
    /// Whatever comes, waits, gives up and goes: nobody waits beside a free slot, nothing is over its bound, and nothing
    /// is left in the end.
    #[test]
    fn the_gate_keeps_its_bounds(slots in 1..4_usize, steps in prop::collection::vec(step(), 0..60)) {
        let gate = Gate::new("tests", Bounds { slots, open: 12, open_of_one: 6 });
        let mut open: Vec<Admission> = Vec::new();
        for step in steps {
            let all = open.len().max(1);
            match step {
                Step::Open(name) => open.extend(gate.open(&party(name)).ok()),
                Step::Enter(at) => { open.get_mut(at % all).map(enters); }
                Step::GiveWay(at) => { open.get_mut(at % all).map(|one| one.give_way().now_or_never()); }
                Step::Leave(at) => { open.get_mut(at % all).map(Admission::leave); }
                Step::End(at) if !open.is_empty() => drop(open.swap_remove(at % all)),
                Step::End(_) => {}
            }
            let [working, waiting, counted] = gate.counts();
            prop_assert!(working <= slots && (waiting == 0 || working == slots), "{working} work, {waiting} wait");
            prop_assert_eq!(counted, open.len());
            prop_assert!(working + waiting <= counted && counted <= 12);
        }
        drop(open);
        prop_assert_eq!(gate.counts(), [0, 0, 0]);
    }

    /// Each party's come in their order, and between two turns of one that waits each other that waits has one.
    #[test]
    fn turns_go_round(steps in prop::collection::vec((0..4_u8, any::<bool>()), 0..80)) {
        let (mut queue, mut model) = (FairQueue::default(), HashMap::<u8, VecDeque<u64>>::new());
        let mut passed = HashMap::<u8, Vec<u8>>::new();
        for (ticket, (name, push)) in (0_u64..).zip(steps) {
            if push {
                queue.push(&name, ticket, (name, ticket));
                model.entry(name).or_default().push_back(ticket);
                continue;
            }
            let Some((party, ticket)) = queue.pop() else {
                prop_assert!(model.values().all(VecDeque::is_empty));
                continue;
            };
            prop_assert_eq!(model.get_mut(&party).and_then(VecDeque::pop_front), Some(ticket));
            passed.remove(&party);
            for (waits, own) in &model {
                if *waits != party && !own.is_empty() {
                    let before = passed.entry(*waits).or_default();
                    prop_assert!(!before.contains(&party), "{party} twice before {waits}");
                    before.push(party);
                }
            }
        }
        prop_assert_eq!(queue.len(), model.values().map(VecDeque::len).sum::<usize>());
    }
}
