//! Who is next: round robin over parties, first come first served within one.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Those of many parties that wait, each under a ticket. A party with a thousand delays another's first by one turn.
#[derive(Debug)]
pub(super) struct FairQueue<K, W> {
    /// Each party that waits once, the next one first.
    turns: VecDeque<K>,
    waiting: HashMap<K, VecDeque<(u64, W)>>,
    len: usize,
}

impl<K, W> Default for FairQueue<K, W> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), waiting: HashMap::new(), len: 0 }
    }
}

impl<K: Clone + Eq + Hash, W> FairQueue<K, W> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, party: &K, ticket: u64, waiter: W) {
        self.len += 1;
        let own = self.waiting.entry(party.clone()).or_default();
        if own.is_empty() {
            self.turns.push_back(party.clone());
        }
        own.push_back((ticket, waiter));
    }

    /// The next one. Its party is last in turn then.
    pub(super) fn pop(&mut self) -> Option<W> {
        let party = self.turns.pop_front()?;
        let own = self.waiting.get_mut(&party)?;
        let (_, waiter) = own.pop_front()?;
        self.len -= 1;
        if own.is_empty() {
            self.waiting.remove(&party);
        } else {
            self.turns.push_back(party);
        }
        Some(waiter)
    }

    /// Takes a ticket out, wherever it waits; false if it does not.
    pub(super) fn remove(&mut self, party: &K, ticket: u64) -> bool {
        let Some(own) = self.waiting.get_mut(party) else { return false };
        let Some(at) = own.iter().position(|(waits, _)| *waits == ticket) else { return false };
        own.remove(at);
        self.len -= 1;
        if own.is_empty() {
            self.waiting.remove(party);
            self.turns.retain(|turn| turn != party);
        }
        true
    }

    /// The first of each party.
    pub(super) fn fronts(&self) -> impl Iterator<Item = &W> {
        self.waiting.values().filter_map(VecDeque::front).map(|(_, waiter)| waiter)
    }
}
