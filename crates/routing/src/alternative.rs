//! Other places for a route's requests: canaries.

use std::sync::Arc;

use crate::balance::Balance;
use crate::hash_by::cookie;
use crate::head::RequestHead;
use crate::path::Pattern;
use crate::upstream::UpstreamId;

/// Another place for a route's requests.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// Which requests go there.
    pub split: Split,
    /// Where.
    pub upstream: UpstreamId,
    /// `namespace-service-port`, as ingress-nginx names upstreams; for metrics.
    pub name: Arc<str>,
    /// How an endpoint is chosen there.
    pub balance: Balance,
}

/// Which requests go to a canary (`canary-*`), in the order of ingress-nginx: header, cookie, weight.
#[derive(Clone, Debug, Default)]
pub struct Split {
    /// `canary-by-header` and what its value says.
    pub header: Option<(http::HeaderName, ByHeader)>,
    /// `canary-by-cookie`: `always` and `never` decide.
    pub cookie: Option<String>,
    /// `canary-weight`: of [`Self::total`] requests so many.
    pub weight: u32,
    /// `canary-weight-total`, 100 or more.
    pub total: u32,
}

/// How the value of a header decides.
#[derive(Clone, Debug)]
pub enum ByHeader {
    /// `always` and `never` decide.
    Words,
    /// This value does (`canary-by-header-value`).
    Value(String),
    /// A value that matches does (`canary-by-header-pattern`).
    Pattern(Pattern),
    /// No value does, and neither do cookie and weight: the pattern was none.
    Never,
}

impl Split {
    /// Whether the request of `head` goes there; `chance(n)` gives a number below `n`.
    pub(crate) fn takes(&self, head: &RequestHead, chance: &mut dyn FnMut(u32) -> u32) -> bool {
        let by_header = self.header.as_ref().and_then(|(name, by)| {
            let value = head.headers.get(name)?.to_str().ok()?;
            by.decide(value)
        });
        let by_cookie = || self.cookie.as_ref().and_then(|name| always_or_never(cookie(head, name)?));
        by_header
            .or_else(by_cookie)
            .unwrap_or_else(|| self.weight > 0 && chance(self.total.max(1)) < self.weight)
    }
}

impl ByHeader {
    /// `None` leaves it to the next rule.
    fn decide(&self, value: &str) -> Option<bool> {
        match self {
            Self::Words => always_or_never(value),
            Self::Value(expected) => (value == expected).then_some(true),
            Self::Pattern(pattern) => pattern.is_match(value).then_some(true),
            Self::Never => Some(false),
        }
    }
}

fn always_or_never(value: &str) -> Option<bool> {
    match value {
        "always" => Some(true),
        "never" => Some(false),
        _ => None,
    }
}
