//! `ssl-redirect`, `force-ssl-redirect`: plain http becomes https.

use std::sync::Arc;

use http::StatusCode;

use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values, parse_bool};
use crate::draft::{Draft, SslRedirect};
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};

const SSL_REDIRECT: &str = "ssl-redirect";
const FORCE: &str = "force-ssl-redirect";

/// Rules below this path are not redirected (ingress-nginx's `no-tls-redirect-locations`).
const NOT_REDIRECTED: &str = "/.well-known/acme-challenge";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        &[
            Key {
                name: SSL_REDIRECT,
                default: "true",
                risk: Risk::Low,
                scope: KeyScope::Route,
                summary: "Redirects plain http to https with 308 where the host has TLS.",
                example: "false",
                on_invalid: OnInvalid::UseDefault,
            },
            Key {
                name: FORCE,
                default: "false",
                risk: Risk::Medium,
                scope: KeyScope::Route,
                summary: "Redirects plain http to https with 308 also where the host has no TLS here.",
                example: "true",
                on_invalid: OnInvalid::UseDefault,
            },
        ]
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let mut read =
            |key| values.take_or_setting(key, lookup).map(|value| parse_bool(key, &value)).transpose();
        let (with_tls, force) = (read(SSL_REDIRECT), read(FORCE));
        draft.route.ssl_redirect = match (&force, &with_tls) {
            (Ok(Some(true)), _) => SslRedirect::Always,
            (_, Ok(Some(false))) => SslRedirect::Never,
            (Ok(Some(false) | None) | Err(_), Ok(Some(true) | None) | Err(_)) => SslRedirect::WithTls,
        };
        with_tls.and(force).map(|_| ())
    }
}

/// The filter for `policy` on a host that has TLS or not; `None` if it would never redirect. It belongs
/// before all other filters of a route.
#[must_use]
pub fn filter(policy: SslRedirect, has_tls: bool) -> Option<Arc<dyn Filter>> {
    match (policy, has_tls) {
        (SslRedirect::Always, _) | (SslRedirect::WithTls, true) => Some(Arc::new(SslRedirectFilter)),
        (SslRedirect::WithTls, false) | (SslRedirect::Never, _) => None,
    }
}

/// Answers plain http with 308.
#[derive(Debug)]
struct SslRedirectFilter;

impl Filter for SslRedirectFilter {
    fn name(&self) -> &'static str {
        SSL_REDIRECT
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        if head.is_tls || scope.route.path.text().starts_with(NOT_REDIRECTED) {
            return Verdict::Continue;
        }
        let port = match scope.https_port {
            443 => String::new(),
            port => format!(":{port}"),
        };
        // As ingress-nginx: the last character goes if it is a slash, even one of the query.
        let target = head.target.strip_suffix('/').unwrap_or(&head.target);
        let location = format!("https://{}{port}{target}", head.host);
        Verdict::Reply(Reply::redirect_to(StatusCode::PERMANENT_REDIRECT, &location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compile, head, location, prefix, route, scope};

    fn redirected(target: &str, https_port: u16, path: &str) -> Option<(u16, String)> {
        let route = route(prefix(path));
        let mut scope = Scope { https_port, ..scope(&route) };
        location(SslRedirectFilter.on_request(&mut head(target), &mut scope))
    }

    #[test]
    fn one_trailing_slash_goes_and_the_query_stays() {
        for (target, expected) in [
            ("/", "https://example.com"),
            ("/a/", "https://example.com/a"),
            ("/a//", "https://example.com/a/"),
            ("/a?b=/", "https://example.com/a?b="),
            ("/%61?b=c", "https://example.com/%61?b=c"),
        ] {
            assert_eq!(redirected(target, 443, "/"), Some((308, expected.to_owned())));
        }
        assert_eq!(redirected("/a", 8443, "/"), Some((308, "https://example.com:8443/a".to_owned())));
    }

    #[test]
    fn rules_for_challenges_and_https_are_left_alone() {
        assert_eq!(redirected("/.well-known/acme-challenge/t", 443, "/.well-known/acme-challenge/t"), None);
        let route = route(prefix("/"));
        let mut request = head("/");
        request.is_tls = true;
        assert!(matches!(SslRedirectFilter.on_request(&mut request, &mut scope(&route)), Verdict::Continue));
    }

    #[test]
    fn force_wins_and_needs_no_tls() {
        let policy = |pairs| compile(&Family, pairs).map(|draft| draft.route.ssl_redirect);
        assert_eq!(policy(&[]), Ok(SslRedirect::WithTls));
        assert_eq!(policy(&[(SSL_REDIRECT, "false")]), Ok(SslRedirect::Never));
        assert_eq!(policy(&[(SSL_REDIRECT, "false"), (FORCE, "true")]), Ok(SslRedirect::Always));
        assert!(policy(&[(SSL_REDIRECT, "yes")]).is_err());
        assert!(filter(SslRedirect::Always, false).is_some());
        assert!(filter(SslRedirect::WithTls, true).is_some());
        assert!(filter(SslRedirect::WithTls, false).is_none());
        assert!(filter(SslRedirect::Never, true).is_none());
    }
}
