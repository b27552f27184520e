//! `proxy-next-upstream`, `proxy-next-upstream-tries`, `proxy-next-upstream-timeout`: when a request is sent to
//! another endpoint.
//!
//! A request that no endpoint has seen is sent elsewhere whatever its method. One that may have been acted on is
//! repeated only if its method allows it, and if what was sent of its body is still there.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values, parse_bool};
use crate::draft::Draft;
use crate::retry::{Condition, Conditions};

const ON: &str = "proxy-next-upstream";
const TRIES: &str = "proxy-next-upstream-tries";
const TIMEOUT: &str = "proxy-next-upstream-timeout";
/// Setting of the controller only.
const NON_IDEMPOTENT: &str = "retry-non-idempotent";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const fn key(
            name: &'static str,
            default: &'static str,
            risk: Risk,
            example: &'static str,
            summary: &'static str,
        ) -> Key {
            let (scope, on_invalid) = (KeyScope::Route, OnInvalid::UseDefault);
            Key { name, default, risk, scope, summary, example, on_invalid }
        }
        const KEYS: &[Key] = &[
            key(
                ON,
                "error timeout",
                Risk::Medium,
                "error timeout http_502 http_503",
                "What is worth another endpoint: error, timeout, invalid_header, http_403, http_404, http_429, \
                 http_500, http_502, http_503, http_504; non_idempotent: also for POST, LOCK and PATCH; or off.",
            ),
            key(TRIES, "3", Risk::Low, "5", "Attempts in all; 0: as many as there are endpoints."),
            key(TIMEOUT, "0", Risk::Low, "10", "Seconds after which no other attempt begins; 0: no limit."),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let retry = &mut draft.route.retry;
        let mut result = Ok(());
        if let Some(words) = values.take_or_setting(ON, lookup) {
            match Conditions::parse(&words) {
                Some(on) => retry.on = on,
                None => result = Err(Invalid::new(ON, words, format!("words of {}", Conditions::words()))),
            }
        }
        let repeats = lookup.setting(NON_IDEMPOTENT).map(|word| parse_bool(ON, word.trim()));
        if repeats == Some(Ok(true)) {
            retry.on = retry.on.with(Condition::NonIdempotent);
        }
        let number = |key, value: String| {
            let parsed = value.parse::<u32>();
            parsed.map_err(|_| Invalid::new(key, value, "a whole number, 0 or more, without unit"))
        };
        if let Some(value) = values.take_or_setting(TRIES, lookup) {
            match number(TRIES, value) {
                Ok(tries) => retry.tries = NonZeroU32::new(tries),
                Err(invalid) => result = result.and(Err(invalid)),
            }
        }
        if let Some(value) = values.take_or_setting(TIMEOUT, lookup) {
            match number(TIMEOUT, value) {
                Ok(0) => retry.within = None,
                Ok(seconds) => retry.within = Some(Duration::from_secs(seconds.into())),
                Err(invalid) => result = result.and(Err(invalid)),
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Objects, compile, compile_with};
    use crate::retry::Retry;

    #[test]
    fn conditions_tries_and_time_are_taken() {
        let draft =
            compile(&Family, &[(ON, "error http_503"), (TRIES, "0"), (TIMEOUT, "10")]).expect("valid");
        let retry = draft.route.retry;
        assert!(retry.on.contains(Condition::ServiceUnavailable) && !retry.on.contains(Condition::Timeout));
        assert_eq!((retry.tries, retry.within), (None, Some(Duration::from_secs(10))));
        assert_eq!(compile(&Family, &[]).expect("valid").route.retry, Retry::default());
    }

    #[test]
    fn the_controllers_setting_repeats_post_too() {
        let objects = Objects {
            settings: [(NON_IDEMPOTENT.to_owned(), "true".to_owned())].into(),
            ..Objects::default()
        };
        let draft = compile_with(&Family, &[(ON, "error")], &objects).expect("valid");
        assert!(draft.route.retry.on.contains(Condition::NonIdempotent));
    }

    #[test]
    fn other_words_and_units_are_refused() {
        for (key, value) in [(ON, "errors"), (TRIES, "-1"), (TRIES, "3x"), (TIMEOUT, "10s")] {
            assert_eq!(compile(&Family, &[(key, value)]).expect_err(value).key, key);
        }
    }
}
