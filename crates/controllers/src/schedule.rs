//! When each key is due, and which are being worked on.

use std::collections::{BTreeSet, HashMap, HashSet};

use jamul_api::ObjectKey;
use jiff::Timestamp;

/// Keys by when they are due. A key that is being worked on waits until that is done.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    due: HashMap<ObjectKey, Timestamp>,
    /// The same, but of keys that nobody works on, the earliest first.
    order: BTreeSet<(Timestamp, ObjectKey)>,
    busy: HashSet<ObjectKey>,
}

impl Schedule {
    /// `key` is due at that time, or earlier if it was.
    pub(crate) fn add(&mut self, key: ObjectKey, at: Timestamp) {
        let before = self.due.get(&key).copied();
        if before.is_some_and(|before| before <= at) {
            return;
        }
        self.due.insert(key.clone(), at);
        if self.busy.contains(&key) {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, key.clone()));
        }
        self.order.insert((at, key));
    }

    /// The next key that is due, from now on being worked on; `None` if as many are as may be.
    pub(crate) fn take(&mut self, now: Timestamp, most: usize) -> Option<ObjectKey> {
        let (at, _) = self.order.first()?;
        if *at > now || self.busy.len() >= most {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.due.remove(&key);
        self.busy.insert(key.clone());
        Some(key)
    }

    /// Nobody works on `key` any more.
    pub(crate) fn done(&mut self, key: &ObjectKey) {
        self.busy.remove(key);
        if let Some(at) = self.due.get(key) {
            self.order.insert((*at, key.clone()));
        }
    }

    /// When [`Self::take`] has something next; `None` if something must be done before.
    pub(crate) fn next(&self, most: usize) -> Option<Timestamp> {
        self.order.first().filter(|_| self.busy.len() < most).map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("default", name)
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_earliest_time_of_a_key_counts() {
        let mut schedule = Schedule::default();
        schedule.add(key("a"), second(5));
        schedule.add(key("a"), second(3));
        schedule.add(key("a"), second(9));
        assert_eq!(schedule.next(20), Some(second(3)));
        assert_eq!(schedule.take(second(2), 20), None);
        assert_eq!(schedule.take(second(3), 20), Some(key("a")));
        assert_eq!(schedule.take(second(9), 20), None);
    }

    #[test]
    fn a_key_that_is_worked_on_waits_until_that_is_done() {
        let mut schedule = Schedule::default();
        schedule.add(key("a"), second(1));
        assert_eq!(schedule.take(second(1), 20), Some(key("a")));
        schedule.add(key("a"), second(1));
        assert_eq!((schedule.next(20), schedule.take(second(1), 20)), (None, None));
        schedule.done(&key("a"));
        assert_eq!(schedule.take(second(1), 20), Some(key("a")));
    }

    #[test]
    fn no_more_are_worked_on_than_may_be() {
        let mut schedule = Schedule::default();
        for name in ["a", "b"] {
            schedule.add(key(name), second(1));
        }
        assert_eq!(schedule.take(second(1), 1), Some(key("a")));
        assert_eq!((schedule.next(1), schedule.take(second(1), 1)), (None, None));
    }
}
