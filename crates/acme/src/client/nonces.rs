//! Nonces that came with earlier answers, so that most requests need no extra round trip (RFC 8555 section 6.5).

use std::sync::{Mutex, PoisonError};

use super::answer::Answer;

/// The freshest nonce goes out first: old ones are the likeliest to have expired.
#[derive(Debug, Default)]
pub(super) struct NoncePool {
    nonces: Mutex<Vec<String>>,
}

impl NoncePool {
    pub(super) fn take(&self) -> Option<String> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(super) fn keep(&self, answer: &Answer) {
        let Some(nonce) = answer.header("replay-nonce") else { return };
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= LIMIT {
            nonces.remove(0);
        }
        nonces.push(nonce.to_owned());
    }
}

/// About as many as requests may be under way at once.
const LIMIT: usize = 64;
