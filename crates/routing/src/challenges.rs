//! HTTP-01 answers, looked up before routing (RFC 8555 section 8.3).

use std::collections::HashMap;

use crate::host::Host;

/// Path below which HTTP-01 answers live.
pub const HTTP01_PREFIX: &str = "/.well-known/acme-challenge/";

/// Key authorizations by host and token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenges {
    answers: HashMap<(Host, String), String>,
}

impl Challenges {
    /// Answers `token` on `host` with `key_authorization`.
    pub fn insert(&mut self, host: Host, token: String, key_authorization: String) {
        self.answers.insert((host, token), key_authorization);
    }

    /// The answer to a request for `path` on `host`; `None` if nobody waits for it.
    #[must_use]
    pub fn find(&self, host: &Host, path: &str) -> Option<&str> {
        if self.answers.is_empty() {
            return None;
        }
        let token = path.strip_prefix(HTTP01_PREFIX)?;
        self.answers.get(&(host.clone(), token.to_owned())).map(String::as_str)
    }

    /// How many answers are waited for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}
