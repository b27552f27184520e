//! `load-balance`, `upstream-hash-by`, `upstream-hash-by-subset`, `upstream-hash-by-subset-size`: which endpoint
//! is asked when no session says so.
//!
//! ```yaml
//! nginx.ingress.kubernetes.io/upstream-hash-by: "$http_x_user"
//! ```
//! `upstream-hash-by` beats `load-balance`, and an affinity cookie beats both, as in ingress-nginx.
//! `least_requests` is Jamul's own.

use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values, parse_bool};
use crate::balance::Method;
use crate::draft::Draft;
use crate::hash_by::{EXPECTED, HashBy};

const LOAD_BALANCE: &str = "load-balance";
const HASH_BY: &str = "upstream-hash-by";
const SUBSET: &str = "upstream-hash-by-subset";
const SUBSET_SIZE: &str = "upstream-hash-by-subset-size";
const DEFAULT_SUBSET: usize = 3;

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
                LOAD_BALANCE,
                "round_robin",
                Risk::Low,
                "ewma",
                "How an endpoint is chosen: round_robin, ewma (the faster of two) or least_requests.",
            ),
            key(
                HASH_BY,
                "",
                Risk::High,
                "$request_uri",
                "Requests for which this text is the same go to the same endpoint (consistent hashing).",
            ),
            key(
                SUBSET,
                "false",
                Risk::Low,
                "true",
                "The hash leads to several endpoints, chance to one of them.",
            ),
            key(SUBSET_SIZE, "3", Risk::Low, "5", "How many those are."),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let method = values.take_or_setting(LOAD_BALANCE, lookup);
        let hash_by = values.take(HASH_BY);
        let subset = values.take(SUBSET);
        let size = values.take(SUBSET_SIZE);
        if let Some(method) = method {
            draft.route.method = parse_method(&method)?;
        }
        let Some(text) = hash_by else { return Ok(()) };
        let hash = HashBy::parse(text).ok_or_else(|| Invalid::new(HASH_BY, text, EXPECTED))?;
        let size = match size {
            Some(size) => size
                .parse::<usize>()
                .ok()
                .filter(|size| *size > 0)
                .ok_or_else(|| Invalid::new(SUBSET_SIZE, size, "a whole number, 1 or more"))?,
            None => DEFAULT_SUBSET,
        };
        let is_subset = subset.map_or(Ok(false), |word| parse_bool(SUBSET, word))?;
        draft.route.method = Method::Hash(hash.within(is_subset.then_some(size)));
        Ok(())
    }
}

fn parse_method(word: &str) -> Result<Method, Invalid> {
    match word {
        "round_robin" => Ok(Method::RoundRobin),
        "ewma" => Ok(Method::Ewma),
        "least_requests" => Ok(Method::LeastRequests),
        _ => Err(Invalid::new(LOAD_BALANCE, word, "round_robin, ewma or least_requests")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::compile;

    fn method(pairs: &[(&str, &str)]) -> Result<Method, Invalid> {
        compile(&Family, pairs).map(|draft| draft.route.method)
    }

    #[test]
    fn words_name_methods_and_a_hash_beats_them() {
        assert_eq!(method(&[]), Ok(Method::RoundRobin));
        assert_eq!(method(&[(LOAD_BALANCE, "ewma")]), Ok(Method::Ewma));
        let hash = HashBy::parse("$request_uri").expect("valid");
        let both = [(LOAD_BALANCE, "ewma"), (HASH_BY, "$request_uri")];
        assert_eq!(method(&both), Ok(Method::Hash(hash.clone())));
        let subset = [(HASH_BY, "$request_uri"), (SUBSET, "true")];
        assert_eq!(method(&subset), Ok(Method::Hash(hash.within(Some(3)))));
    }

    #[test]
    fn other_words_variables_and_sizes_are_refused() {
        let refused = |pairs: &[(&str, &str)]| method(pairs).map_err(|invalid| invalid.key);
        assert_eq!(refused(&[(LOAD_BALANCE, "ip_hash")]), Err(LOAD_BALANCE));
        assert_eq!(refused(&[(HASH_BY, "$geoip_city")]), Err(HASH_BY));
        assert_eq!(refused(&[(HASH_BY, "$uri"), (SUBSET_SIZE, "0")]), Err(SUBSET_SIZE));
        assert_eq!(refused(&[(HASH_BY, "$uri"), (SUBSET, "yes")]), Err(SUBSET));
    }
}
