//! Names that a CA could not verify: whoever orders for one waits, whichever Certificate it is for. CAs count failures by
//! name and close the door after a few.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jamul_issuance::plan::Backoff;
use jiff::{SignedDuration, Timestamp};

/// How long a name is remembered after its wait.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// Names by the server that could not verify them. A restart forgets them, which costs one more failure each.
#[derive(Debug, Default)]
pub(crate) struct Domains(Mutex<HashMap<(String, String), Failing>>);

/// A name that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// How often in a row.
    pub(crate) failures: i32,
    /// When it may be tried again.
    pub(crate) until: Timestamp,
}

impl Domains {
    /// `server` could not verify `name`.
    pub(crate) fn failed(&self, server: &str, name: &str, backoff: Backoff, now: Timestamp) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, failing| now < failing.until.checked_add(REMEMBERED).unwrap_or(failing.until));
        let failing = names.entry((server.to_owned(), name.to_owned()));
        let failing = failing.or_insert(Failing { failures: 0, until: now });
        failing.failures = failing.failures.saturating_add(1);
        let until = now.checked_add(backoff.after(failing.failures)).unwrap_or(now);
        failing.until = Timestamp::from_second(until.as_second()).unwrap_or(until);
    }

    /// `server` verified `name`.
    pub(crate) fn verified(&self, server: &str, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.remove(&(server.to_owned(), name.to_owned()));
    }

    /// The one of `names` that has to wait longest at `now`.
    pub(crate) fn waiting<'a>(
        &self,
        server: &str,
        names: impl Iterator<Item = &'a String>,
        now: Timestamp,
    ) -> Option<(&'a str, Failing)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = names.filter_map(|name| {
            let failing = known.get(&(server.to_owned(), name.clone()))?;
            (now < failing.until).then(|| (name.as_str(), failing.clone()))
        });
        waiting.max_by_key(|(_, failing)| failing.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    #[test]
    fn a_name_waits_longer_with_each_failure_and_no_more_once_it_is_verified() {
        let backoff = Backoff { min: SignedDuration::from_mins(1), max: SignedDuration::from_hours(1) };
        let domains = Domains::default();
        let names = ["good.example".to_owned(), "bad.example".to_owned()];
        let waits = |server: &str, at: i64| {
            domains.waiting(server, names.iter(), second(at)).map(|(name, failing)| (name, failing.until))
        };
        domains.failed("one", "bad.example", backoff, second(0));
        assert_eq!(waits("one", 0), Some(("bad.example", second(60))));
        assert_eq!((waits("one", 60), waits("other", 0)), (None, None));
        domains.failed("one", "bad.example", backoff, second(60));
        assert_eq!(waits("one", 61), Some(("bad.example", second(180))));
        for _ in 0..20 {
            domains.failed("one", "bad.example", backoff, second(200));
        }
        assert_eq!(waits("one", 201), Some(("bad.example", second(3800))));
        domains.verified("one", "bad.example");
        assert_eq!(waits("one", 201), None);
    }
}
