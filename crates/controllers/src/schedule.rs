//! When each key is due, and which are being worked on.

use std::collections::{BTreeSet, HashMap, HashSet};

use jamul_api::ObjectKey;
use jiff::Timestamp;

/// Keys by when they are due. A key that is being worked on waits until that is done. Keys whose work failed
/// the last time get at most half of the places, so that however many are broken, the others go on.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    due: HashMap<ObjectKey, Timestamp>,
    /// The same, but of keys that nobody works on, the earliest first.
    sound: BTreeSet<(Timestamp, ObjectKey)>,
    /// The same of keys that failed.
    broken: BTreeSet<(Timestamp, ObjectKey)>,
    failing: HashSet<ObjectKey>,
    busy: HashSet<ObjectKey>,
    /// How many of those failed the last time.
    busy_failing: usize,
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
        let order = self.order_of(&key);
        if let Some(before) = before {
            order.remove(&(before, key.clone()));
        }
        order.insert((at, key));
    }

    /// The next key that is due, from now on being worked on; `None` if as many are as may be.
    pub(crate) fn take(&mut self, now: Timestamp, most: usize) -> Option<ObjectKey> {
        let (at, key) = self.first(most)?;
        if *at > now {
            return None;
        }
        let (at, key) = (*at, key.clone());
        self.order_of(&key).remove(&(at, key.clone()));
        self.due.remove(&key);
        if self.failing.contains(&key) {
            self.busy_failing += 1;
        }
        self.busy.insert(key.clone());
        Some(key)
    }

    /// Nobody works on `key` any more; it went well.
    pub(crate) fn done(&mut self, key: &ObjectKey) {
        self.release(key);
        self.failing.remove(key);
        self.queue(key);
    }

    /// Nobody works on `key` any more; it did not go well.
    pub(crate) fn failed(&mut self, key: &ObjectKey) {
        self.release(key);
        self.failing.insert(key.clone());
        self.queue(key);
    }

    /// When [`Self::take`] has something next; `None` if something must be done before.
    pub(crate) fn next(&self, most: usize) -> Option<Timestamp> {
        self.first(most).map(|(at, _)| *at)
    }

    /// The earliest of the keys for which there is a place.
    fn first(&self, most: usize) -> Option<&(Timestamp, ObjectKey)> {
        if self.busy.len() >= most {
            return None;
        }
        let broken = self.broken.first().filter(|_| self.busy_failing < most.div_ceil(2));
        self.sound.first().into_iter().chain(broken).min()
    }

    fn order_of(&mut self, key: &ObjectKey) -> &mut BTreeSet<(Timestamp, ObjectKey)> {
        if self.failing.contains(key) { &mut self.broken } else { &mut self.sound }
    }

    fn release(&mut self, key: &ObjectKey) {
        if self.busy.remove(key) && self.failing.contains(key) {
            self.busy_failing = self.busy_failing.saturating_sub(1);
        }
    }

    fn queue(&mut self, key: &ObjectKey) {
        if let Some(at) = self.due.get(key).copied() {
            self.order_of(key).insert((at, key.clone()));
        }
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

    #[test]
    fn two_hundred_broken_keys_leave_half_of_the_places_to_the_others() {
        let mut schedule = Schedule::default();
        for n in 0..200 {
            let key = key(&format!("broken-{n:03}"));
            schedule.add(key.clone(), second(1));
            assert_eq!(schedule.take(second(1), 20), Some(key.clone()));
            schedule.failed(&key);
            schedule.add(key, second(2));
        }
        let broken = std::iter::from_fn(|| schedule.take(second(9), 20)).count();
        assert_eq!((broken, schedule.next(20)), (10, None));
        schedule.add(key("good"), second(9));
        assert_eq!(schedule.take(second(9), 20), Some(key("good")));
        schedule.done(&key("broken-000"));
        assert_eq!(schedule.take(second(9), 20), Some(key("broken-010")), "a place was free again");
    }
}
