//! When a request is sent to another endpoint (nginx's `proxy_next_upstream`).

use std::num::NonZeroU32;
use std::time::Duration;

use http::{Method, StatusCode};

/// When a request is sent to another endpoint; the default is ingress-nginx's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// What is worth another attempt.
    pub on: Conditions,
    /// Attempts in all, the first included: 3; `None` = as many as there are endpoints.
    pub tries: Option<NonZeroU32>,
    /// No attempt begins later than this after the first one; `None` = any time.
    pub within: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        let on = Conditions::default().with(Condition::Error).with(Condition::Timeout);
        Self { on, tries: NonZeroU32::new(3), within: None }
    }
}

impl Retry {
    /// Attempts in all for an upstream of so many endpoints.
    #[must_use]
    pub fn attempts(&self, endpoints: usize) -> usize {
        self.tries.map_or(endpoints, |tries| usize::try_from(tries.get()).unwrap_or(usize::MAX)).max(1)
    }

    /// Whether a request of `method` may be sent again after an endpoint may have acted on it. nginx names the
    /// methods that may not: POST, LOCK, PATCH.
    #[must_use]
    pub fn repeats(&self, method: &Method) -> bool {
        let acts_each_time = matches!(method.as_str(), "POST" | "LOCK" | "PATCH");
        !self.on.is_empty() && (!acts_each_time || self.on.contains(Condition::NonIdempotent))
    }
}

/// What is worth another attempt: a word of `proxy-next-upstream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No connection, or it broke before the response's head.
    Error,
    /// No connection or no response in time.
    Timeout,
    /// The response was empty or no HTTP.
    InvalidHeader,
    /// Status 403.
    Forbidden,
    /// Status 404.
    NotFound,
    /// Status 429.
    TooManyRequests,
    /// Status 500.
    InternalServerError,
    /// Status 502.
    BadGateway,
    /// Status 503.
    ServiceUnavailable,
    /// Status 504.
    GatewayTimeout,
    /// Not a condition: methods that act each time may be repeated, too.
    NonIdempotent,
}

/// nginx's words.
const WORDS: [(&str, Condition); 11] = [
    ("error", Condition::Error),
    ("timeout", Condition::Timeout),
    ("invalid_header", Condition::InvalidHeader),
    ("http_403", Condition::Forbidden),
    ("http_404", Condition::NotFound),
    ("http_429", Condition::TooManyRequests),
    ("http_500", Condition::InternalServerError),
    ("http_502", Condition::BadGateway),
    ("http_503", Condition::ServiceUnavailable),
    ("http_504", Condition::GatewayTimeout),
    ("non_idempotent", Condition::NonIdempotent),
];

impl Condition {
    /// The condition that an answer with `status` is.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Option<Self> {
        Some(match status {
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::INTERNAL_SERVER_ERROR => Self::InternalServerError,
            StatusCode::BAD_GATEWAY => Self::BadGateway,
            StatusCode::SERVICE_UNAVAILABLE => Self::ServiceUnavailable,
            StatusCode::GATEWAY_TIMEOUT => Self::GatewayTimeout,
            _ => return None,
        })
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of [`Condition`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions(u16);

impl Conditions {
    /// The set and `condition`.
    #[must_use]
    pub const fn with(self, condition: Condition) -> Self {
        Self(self.0 | condition.bit())
    }

    /// Whether `condition` is in the set.
    #[must_use]
    pub const fn contains(self, condition: Condition) -> bool {
        self.0 & condition.bit() != 0
    }

    /// Whether nothing is worth another attempt.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 & !Condition::NonIdempotent.bit() == 0
    }

    /// Reads nginx's words, separated by spaces; `off` empties the set.
    #[must_use]
    pub fn parse(words: &str) -> Option<Self> {
        let mut set = Self::default();
        let mut is_off = false;
        for word in words.split_whitespace() {
            if word == "off" {
                is_off = true;
                continue;
            }
            let (_, condition) = WORDS.iter().find(|(known, _)| *known == word)?;
            set = set.with(*condition);
        }
        Some(if is_off { Self::default() } else { set })
    }

    /// The words that [`Self::parse`] knows.
    #[must_use]
    pub fn words() -> String {
        let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
        format!("{}, off", words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_make_a_set_and_off_empties_it() {
        let set = Conditions::parse("error  http_503 non_idempotent").expect("known words");
        assert!(set.contains(Condition::Error) && set.contains(Condition::ServiceUnavailable));
        assert!(!set.contains(Condition::Timeout));
        assert_eq!(Conditions::parse("error off"), Some(Conditions::default()));
        assert_eq!(Conditions::parse("error http_501"), None);
        assert!(Conditions::parse("non_idempotent").is_some_and(Conditions::is_empty));
    }

    #[test]
    fn methods_that_act_each_time_are_not_repeated_unless_the_user_says_so() {
        let usual = Retry::default();
        assert!(usual.repeats(&Method::PUT) && !usual.repeats(&Method::POST));
        let daring = Retry { on: usual.on.with(Condition::NonIdempotent), ..usual };
        assert!(daring.repeats(&Method::POST));
        let off = Retry { on: Conditions::default(), ..usual };
        assert!(!off.repeats(&Method::GET));
    }
}
