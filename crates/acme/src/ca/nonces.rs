//! Nonces: each may be used once (RFC 8555 section 6.5).
//!
//! They live in memory only. A restart forgets them, and a client then gets `badNonce` with a fresh one and repeats.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::random;

/// The nonces that are out and unused.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    inner: Mutex<Outstanding>,
}

#[derive(Debug, Default)]
struct Outstanding {
    unused: HashSet<String>,
    /// Oldest first; also holds used ones until their turn to be forgotten comes.
    handed_out: VecDeque<String>,
}

impl Nonces {
    /// A new nonce. When too many are out, the oldest is forgotten.
    pub(super) fn issue(&self) -> String {
        let nonce = random::token();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.handed_out.len() >= LIMIT
            && let Some(oldest) = inner.handed_out.pop_front()
        {
            inner.unused.remove(&oldest);
        }
        inner.handed_out.push_back(nonce.clone());
        inner.unused.insert(nonce.clone());
        nonce
    }

    /// Whether `nonce` was handed out and not used yet; from now on it is used.
    pub(super) fn redeem(&self, nonce: &str) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).unused.remove(nonce)
    }
}

/// Some megabytes of memory; a client that is slower than this many answers to others repeats its request.
const LIMIT: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_once() {
        let nonces = Nonces::default();
        let nonce = nonces.issue();
        assert!(nonces.redeem(&nonce));
        assert!(!nonces.redeem(&nonce));
        assert!(!nonces.redeem("never issued"));
    }

    #[test]
    fn memory_stays_bounded_and_the_newest_survive() {
        let nonces = Nonces::default();
        let first = nonces.issue();
        let last = (0..LIMIT).map(|_| nonces.issue()).last().expect("LIMIT is not zero");
        assert!(!nonces.redeem(&first));
        assert!(nonces.redeem(&last));
        assert!(nonces.inner.lock().expect("not poisoned").handed_out.len() <= LIMIT);
    }
}
