//! Who depends on what.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// A thing and those that depend on it, in order.
#[derive(Debug)]
pub(crate) struct Index<K, V>(HashMap<K, BTreeSet<V>, foldhash::fast::RandomState>);

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Eq + Hash, V: Ord> Index<K, V> {
    /// `dependant` depends on `key`.
    pub(crate) fn insert(&mut self, key: K, dependant: V) {
        self.0.entry(key).or_default().insert(dependant);
    }

    /// `dependant` no longer depends on `key`.
    pub(crate) fn remove(&mut self, key: &K, dependant: &V) {
        if let Some(dependants) = self.0.get_mut(key) {
            dependants.remove(dependant);
            if dependants.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// Those that depend on `key`.
    pub(crate) fn get<'a>(&'a self, key: &K) -> impl Iterator<Item = &'a V> + use<'a, K, V> {
        self.0.get(key).into_iter().flatten()
    }

    /// Whether anyone depends on `key`.
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }
}
