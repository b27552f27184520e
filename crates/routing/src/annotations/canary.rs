//! `canary` and `canary-*`: this Ingress is a variant of another one that has the same hosts and paths; some of
//! the requests go to its backends.
//!
//! Header beats cookie beats weight; a session that exists beats them all ([`crate::choice`]). Of a canary's
//! other annotations only those that choose an endpoint have an effect.

use http::HeaderName;

use crate::alternative::{ByHeader, Split};
use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;
use crate::path::Pattern;

const CANARY: &str = "canary";
const HEADER: &str = "canary-by-header";
const VALUE: &str = "canary-by-header-value";
const PATTERN: &str = "canary-by-header-pattern";
const COOKIE: &str = "canary-by-cookie";
const WEIGHT: &str = "canary-weight";
const TOTAL: &str = "canary-weight-total";
/// ingress-nginx takes smaller totals for this one.
const LEAST_TOTAL: u32 = 100;

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
                CANARY,
                "false",
                Risk::Low,
                "true",
                "Makes this Ingress a variant of the one with the same host, path and path type: some of its \
                 requests go here.",
            ),
            key(HEADER, "", Risk::Medium, "X-Canary", "A header that decides: always or never."),
            key(VALUE, "", Risk::Medium, "beta", "The value of that header that leads to the canary."),
            key(PATTERN, "", Risk::Medium, "^beta-", "A pattern of such values; not used if a value is set."),
            key(COOKIE, "", Risk::Medium, "canary", "A cookie that decides: always or never."),
            key(WEIGHT, "0", Risk::Low, "10", "Requests that the canary gets, of canary-weight-total."),
            key(TOTAL, "100", Risk::Low, "1000", "What the weight is a part of; less than 100 is 100."),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let is_canary = values.take_bool(CANARY);
        let (header, value, pattern) = (values.take(HEADER), values.take(VALUE), values.take(PATTERN));
        let (cookie, weight, total) = (values.take(COOKIE), values.take(WEIGHT), values.take(TOTAL));
        if is_canary? != Some(true) {
            return Ok(());
        }
        let mut split = Split { total: LEAST_TOTAL, ..Split::default() };
        let mut first = Ok(());
        let mut refuse = |invalid: Invalid| {
            if first.is_ok() {
                first = Err(invalid);
            }
        };
        if let Some(name) = header {
            match HeaderName::try_from(name) {
                Ok(name) => split.header = Some((name, by_header(value, pattern, &mut refuse))),
                Err(_) => refuse(Invalid::new(HEADER, name, "the name of a header")),
            }
        }
        match cookie.map(parse_cookie).transpose() {
            Ok(name) => split.cookie = name,
            Err(invalid) => refuse(invalid),
        }
        for (key, value, field) in [(WEIGHT, weight, &mut split.weight), (TOTAL, total, &mut split.total)] {
            match value.map(str::parse) {
                None => {}
                Some(Ok(number)) => *field = number,
                Some(Err(_)) => {
                    refuse(Invalid::new(key, value.unwrap_or_default(), "a whole number, 0 or more"));
                }
            }
        }
        split.total = split.total.max(LEAST_TOTAL);
        draft.canary = Some(split);
        first
    }
}

fn by_header(value: Option<&str>, pattern: Option<&str>, refuse: &mut dyn FnMut(Invalid)) -> ByHeader {
    match (value, pattern) {
        (Some(value), _) => ByHeader::Value(value.to_owned()),
        (None, None) => ByHeader::Words,
        (None, Some(text)) => match Pattern::search(text) {
            Ok(pattern) => ByHeader::Pattern(pattern),
            Err(error) => {
                refuse(Invalid::new(PATTERN, text, format!("a regular expression ({error})")));
                ByHeader::Never
            }
        },
    }
}

/// The name of a cookie is a token (RFC 6265 section 4.1.1).
fn parse_cookie(text: &str) -> Result<String, Invalid> {
    match http::HeaderName::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Invalid::new(COOKIE, text, "the name of a cookie, such as beta")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Objects, annotations, compile};

    fn split(pairs: &[(&str, &str)]) -> Split {
        let pairs: Vec<_> = std::iter::once((CANARY, "true")).chain(pairs.iter().copied()).collect();
        compile(&Family, &pairs).expect("valid").canary.expect("a canary")
    }

    #[test]
    fn weights_are_taken_and_small_totals_are_a_hundred() {
        let split = |pairs| (split(pairs).weight, split(pairs).total);
        assert_eq!(split(&[]), (0, 100));
        assert_eq!(split(&[(WEIGHT, "5"), (TOTAL, "1000")]), (5, 1000));
        assert_eq!(split(&[(WEIGHT, "5"), (TOTAL, "10")]), (5, 100));
    }

    #[test]
    fn a_value_beats_a_pattern() {
        let by = |pairs| split(pairs).header.map(|(_, by)| by);
        assert!(matches!(by(&[(HEADER, "X-C")]), Some(ByHeader::Words)));
        let both = [(HEADER, "X-C"), (VALUE, "v"), (PATTERN, "(")];
        assert!(matches!(by(&both), Some(ByHeader::Value(value)) if value == "v"));
        assert!(matches!(by(&[(HEADER, "X-C"), (PATTERN, "^a")]), Some(ByHeader::Pattern(_))));
    }

    #[test]
    fn a_pattern_that_is_none_is_reported_and_leaves_its_requests_where_they_are() {
        let pairs = annotations(&[(CANARY, "true"), (HEADER, "X-C"), (PATTERN, "("), (WEIGHT, "100")]);
        let mut draft = Draft::default();
        let invalid = Family.compile(&mut Values::new("p", &pairs), &mut draft, &Objects::default());
        assert_eq!(invalid.expect_err("no pattern").key, PATTERN);
        let split = draft.canary.expect("a canary");
        assert!(matches!(split.header, Some((_, ByHeader::Never))) && split.weight == 100);
    }

    #[test]
    fn without_the_word_canary_nothing_is_one() {
        assert!(compile(&Family, &[(CANARY, "false"), (WEIGHT, "10")]).expect("valid").canary.is_none());
        assert!(compile(&Family, &[(WEIGHT, "10")]).expect("valid").canary.is_none());
    }
}
