//! A large map of which one change copies a small part.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// One for each value of a byte: see [`shard_of`].
const SHARDS: usize = 1 << u8::BITS;

type Shard<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// A map whose clones share its parts: copy-on-write by shard, so that a clone with one change costs a
/// two-hundred-and-fiftieth of the table.
#[derive(Clone, Debug)]
pub struct Shards<K, V>(Vec<Arc<Shard<K, V>>>);

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self(vec![Arc::default(); SHARDS])
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Shards<K, V> {
    /// What is at `key`.
    #[must_use]
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(shard_of(key))?.get(key)
    }

    /// Puts `value` at `key`.
    pub fn insert(&mut self, key: K, value: V) {
        if let Some(shard) = self.0.get_mut(shard_of(&key)) {
            Arc::make_mut(shard).insert(key, value);
        }
    }

    /// Takes away and yields what is at `key`.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let shard = self.0.get_mut(shard_of(key))?;
        // What is not there is no reason to copy.
        shard.contains_key(key).then(|| Arc::make_mut(shard).remove(key)).flatten()
    }

    /// All of it, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().flat_map(|shard| shard.iter())
    }

    /// All keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|shard| shard.is_empty())
    }
}

fn shard_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    let [lowest, ..] = foldhash::fast::FixedState::with_seed(1).hash_one(key).to_le_bytes();
    usize::from(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_clone_copies_one_shard_and_leaves_the_original_alone() {
        let mut before = Shards::default();
        for key in 0..10_000 {
            before.insert(key, key);
        }
        let mut after = before.clone();
        after.insert(7, 8);
        assert_eq!((before.get(&7), after.get(&7)), (Some(&7), Some(&8)));
        let copied = before.0.iter().zip(&after.0).filter(|(before, after)| !Arc::ptr_eq(before, after));
        assert_eq!(copied.count(), 1);
        assert_eq!((after.remove(&7), after.remove(&10_000)), (Some(8), None));
        assert_eq!((before.len(), after.len()), (10_000, 9_999));
    }
}
