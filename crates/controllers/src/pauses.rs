//! Until when a server does not want to hear of something: what a rate limit said, kept apart from what it was about.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Pauses by subject. A restart forgets them, which costs one more refusal each.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<HashMap<String, Timestamp>>);

impl Pauses {
    /// Lets `subject` rest.
    pub(crate) fn set(&self, subject: String, until: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(subject, until);
    }

    /// Until when `subject` rests, if it does at `now`.
    pub(crate) fn until(&self, subject: &str, now: Timestamp) -> Option<Timestamp> {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.retain(|_, until| now < *until);
        pauses.get(subject).copied()
    }
}
