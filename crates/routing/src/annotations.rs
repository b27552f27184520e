//! The registry of annotations, in the order in which their filters run.

pub mod access_log;
pub mod affinity;
pub mod all_routes;
pub mod app_root;
pub mod auth_external;
pub mod auth_tls;
pub mod backend_protocol;
pub mod basic_auth;
pub mod block_lists;
pub mod canary;
pub mod cors;
pub mod custom_headers;
pub mod custom_http_errors;
pub mod endpoints;
pub mod gate;
pub mod limit_rate;
pub mod limits;
pub mod load_balance;
pub mod mirror;
pub mod other_names;
pub mod proxy_body_size;
pub mod proxy_next_upstream;
pub mod proxy_ssl;
pub mod proxy_timeouts;
pub mod redirects;
pub mod refused;
pub mod response_rewrites;
pub mod rewrite_target;
pub mod satisfy;
pub mod service_upstream;
pub mod snippets;
pub mod source_range;
pub mod ssl_passthrough;
pub mod ssl_redirect;
pub mod tls_versions;
pub mod upstream_vhost;
pub mod without_effect;

use crate::annotation::{Annotation, Invalid, Key, Lookup, OnInvalid, Support, Values};
use crate::draft::Draft;

/// Every family, in execution order: who may come, then where to, then how.
pub const ANNOTATIONS: &[&dyn Annotation] = &[
    &access_log::Family,
    &app_root::Family,
    &redirects::Family,
    &auth_tls::Family,
    &tls_versions::Family,
    &ssl_passthrough::Family,
    &ssl_redirect::Family,
    &other_names::Family,
    &cors::Family,
    &limits::Family,
    &block_lists::Family,
    &source_range::Family,
    &snippets::Family,
    &basic_auth::Family,
    &auth_external::Family,
    &satisfy::Family,
    &rewrite_target::Family,
    &upstream_vhost::Family,
    &response_rewrites::Family,
    &all_routes::Family,
    &custom_headers::Family,
    &custom_http_errors::Family,
    &proxy_timeouts::Family,
    &proxy_body_size::Family,
    &backend_protocol::Family,
    &proxy_ssl::Family,
    &proxy_next_upstream::Family,
    &load_balance::Family,
    &affinity::Family,
    &canary::Family,
    &service_upstream::Family,
    &endpoints::Family,
    &limit_rate::Family,
    &mirror::Family,
    &without_effect::Family,
    &refused::Family,
];

/// All keys of all families.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    ANNOTATIONS.iter().flat_map(|annotation| annotation.keys())
}

/// All keys of all families with how far they are supported.
pub fn supported() -> impl Iterator<Item = (&'static Key, Support)> {
    ANNOTATIONS.iter().flat_map(|family| family.keys().iter().map(|key| (key, family.support())))
}

/// Runs all families over the annotations of one Ingress. A family that fails does not stop the next. Returns
/// what was refused, with what that does: on [`OnInvalid::Close`] the caller closes the routes of the
/// Ingress.
pub fn compile(values: &mut Values<'_>, draft: &mut Draft, lookup: &dyn Lookup) -> Vec<(Invalid, OnInvalid)> {
    // What is refused in any case is left to who refuses it.
    let gated = supported().filter(|(_, support)| *support != Support::Refused).map(|(key, _)| key);
    let mut refused = gate::refuse(gated, values, lookup);
    for family in ANNOTATIONS {
        if let Err(invalid) = family.compile(values, draft, lookup) {
            let outcome = on_invalid(invalid.key);
            refused.push((invalid, outcome));
        }
    }
    refused
}

/// The known key that `name` (without prefix) was probably meant to be.
#[must_use]
pub fn did_you_mean(name: &str) -> Option<&'static str> {
    let distances = keys().map(|key| (strsim::damerau_levenshtein(name, key.name), key.name));
    let (distance, closest) = distances.min()?;
    (distance <= MAX_TYPOS && distance < name.len()).then_some(closest)
}

/// Beyond this many typing errors a suggestion would be a guess.
const MAX_TYPOS: usize = 3;

/// What an invalid value of `key` does; a key that no family lists would be a mistake of ours and closes.
fn on_invalid(key: &str) -> OnInvalid {
    keys().find(|known| known.name == key).map_or(OnInvalid::Close, |known| known.on_invalid)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::fixtures::{Objects, annotations};

    fn objects() -> Objects {
        let headers = BTreeMap::from([("X-Frame-Options".to_owned(), "DENY".to_owned())]);
        Objects {
            config_maps: BTreeMap::from([("my-headers".to_owned(), headers)]),
            secrets: BTreeMap::from([
                ("users".to_owned(), BTreeMap::from([("auth".to_owned(), b"jane:{PLAIN}x".to_vec())])),
                ("default/clients".to_owned(), BTreeMap::from([("ca.crt".to_owned(), b"a root".to_vec())])),
                ("default/endpoints".to_owned(), BTreeMap::from([("ca.crt".to_owned(), b"a root".to_vec())])),
            ]),
            settings: [
                ("global-allowed-response-headers", "X-Frame-Options"),
                ("allow-snippet-annotations", "true"),
                ("annotations-risk-level", "Critical"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        }
    }

    fn compiled(pairs: &[(&str, &str)]) -> (Draft, Vec<(Invalid, OnInvalid)>) {
        let annotations = annotations(pairs);
        let mut draft = Draft::default();
        let mut values = Values::new("p", &annotations);
        let invalid = compile(&mut values, &mut draft, &objects());
        assert_eq!(values.unknown(), Vec::<&str>::new());
        (draft, invalid)
    }

    #[test]
    fn names_are_unique_and_every_key_is_described() {
        let names: BTreeSet<_> = keys().map(|key| key.name).collect();
        assert_eq!(names.len(), keys().count());
        for key in keys() {
            assert!(key.summary.ends_with('.') && !key.example.is_empty(), "{}", key.name);
        }
    }

    #[test]
    fn every_example_compiles_alone_and_with_all_others() {
        let usable = || ANNOTATIONS.iter().filter(|family| family.support() != Support::Refused);
        let keys = || usable().flat_map(|family| family.keys());
        for key in keys() {
            // Keys that mean nothing alone: a password or certificate is asked for, and nobody has one.
            let users = match key.name {
                "auth-type" => ("auth-secret", "users"),
                "proxy-ssl-verify" => ("proxy-ssl-secret", "default/endpoints"),
                _ => ("use-regex", ""),
            };
            assert_eq!(compiled(&[(key.name, key.example), users]).1, [], "{}", key.name);
        }
        let all: Vec<_> = keys().map(|key| (key.name, key.example)).collect();
        let (draft, invalid) = compiled(&all);
        assert_eq!(invalid, []);
        let names: Vec<_> = draft.route.filters.iter().map(|filter| filter.name()).collect();
        let expected = [
            "enable-cors",
            "limit-rps",
            "satisfy",
            "rewrite-target",
            "connection-proxy-header",
            "upstream-vhost",
            "proxy-cookie-domain",
            "proxy-redirect-from",
            "custom-headers",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn security_fails_closed() {
        let is_security = |name: &str| {
            (name.starts_with("auth-")
                && !name.starts_with("auth-keepalive")
                && !name.starts_with("auth-cache"))
                || name.ends_with("-source-range")
        };
        // What holds instead of their values is as strict as any of them.
        let is_strict = |name: &str| {
            [
                "auth-tls-verify-client",
                "auth-tls-verify-depth",
                "auth-tls-error-page",
                "auth-tls-pass-certificate-to-upstream",
            ]
            .contains(&name)
        };
        for key in keys().filter(|key| is_security(key.name) && !is_strict(key.name)) {
            assert!(matches!(key.on_invalid, OnInvalid::Close | OnInvalid::CloseHost), "{}", key.name);
        }
    }

    /// CVE-2021-25742, 2021-25745, 2021-25746, 2022-4886, 2023-5043, 2023-5044, 2024-7646, 2025-1097, 2025-1098,
    /// 2025-24514, 2025-15566, 2026-1580, 2026-24512, 2026-3288, 2026-4342: text that ends a value of nginx's
    /// configuration early. Here nothing is pasted into text, and such text is no value of any key that takes a URL, a
    /// path, a name or a number.
    #[test]
    fn text_that_once_broke_out_of_a_value_is_no_value() {
        // A sentence for people, what a header is compared with, and what was never read by nginx.
        let is_free = |name: &str| {
            [
                "auth-realm",
                "auth-secret",
                "auth-cache-duration",
                "auth-cache-key",
                "fastcgi-",
                "opentelemetry-",
            ]
            .iter()
            .any(|free| name.starts_with(free))
        };
        let attacks = [
            "/x;}\nload_module /tmp/x.so;",
            "https://x.example/\r\nX-Admin: 1",
            "/x#;\n}",
            "http://x/;proxy_pass http://y;",
            "{\"a\"}",
            "x\u{0}y",
        ];
        let honoured =
            supported().filter(|(key, support)| *support == Support::Honoured && !is_free(key.name));
        for (key, _) in honoured {
            for attack in attacks {
                let annotations =
                    annotations(&[(key.name, attack), ("enable-cors", "true"), ("canary", "true")]);
                let mut values = Values::new("p", &annotations);
                let mut draft = Draft::default();
                let refused = compile(&mut values, &mut draft, &objects());
                let debug = format!("{draft:?}");
                let is_kept = debug.contains("load_module")
                    || debug.contains("proxy_pass")
                    || debug.contains("X-Admin");
                assert!(!refused.is_empty() || !is_kept, "{} takes {attack:?}: {debug}", key.name);
            }
        }
    }

    #[test]
    fn one_familys_failure_does_not_stop_the_next() {
        let (draft, invalid) =
            compiled(&[("denylist-source-range", "x"), ("ssl-redirect", "yes"), ("proxy-body-size", "8k")]);
        assert_eq!(draft.route.body_limit, Some(8192));
        let found: Vec<_> = invalid.iter().map(|(invalid, outcome)| (invalid.key, *outcome)).collect();
        let expected = [("ssl-redirect", OnInvalid::UseDefault), ("denylist-source-range", OnInvalid::Close)];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_misspelt_key_is_recognised_and_a_strange_one_is_not() {
        assert_eq!(did_you_mean("ssl-redirct"), Some("ssl-redirect"));
        assert_eq!(did_you_mean("proxy-bodysize"), Some("proxy-body-size"));
        assert_eq!(did_you_mean("something-else"), None);
        assert_eq!(did_you_mean("x"), None);
    }
}
