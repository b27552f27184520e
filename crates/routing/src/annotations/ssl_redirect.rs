//! `ssl-redirect`, `force-ssl-redirect` and their companions: plain http becomes https.

use std::sync::Arc;

use crate::alphabet::items;
use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values, parse_bool};
use crate::annotations::other_names::redirect_status;
use crate::draft::{Draft, RedirectPort, RedirectStyle, SslRedirect, TrailingSlash};
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};

const SSL_REDIRECT: &str = "ssl-redirect";
const FORCE: &str = "force-ssl-redirect";

const PRESERVE: &str = "preserve-trailing-slash";
const USE_PORT: &str = "use-port-in-redirects";
/// The setting with the paths whose rules are not redirected.
const EXEMPT: &str = "no-tls-redirect-locations";

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
            PRESERVE_KEY,
            USE_PORT_KEY,
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
        let style = &mut draft.route.redirect_style;
        style.status = redirect_status(lookup);
        if let Some(exempt) = lookup.setting(EXEMPT) {
            style.exempt = items(&exempt).map(str::to_owned).collect();
        }
        let preserve = values.take_bool_or_setting(PRESERVE, lookup);
        if matches!(preserve, Ok(Some(true))) {
            style.trailing_slash = TrailingSlash::Keep;
        }
        let port = values.take_bool_or_setting(USE_PORT, lookup);
        if matches!(port, Ok(Some(true))) {
            style.port = RedirectPort::Always;
        }
        with_tls.and(force).and(preserve).and(port).map(|_| ())
    }
}

const PRESERVE_KEY: Key = Key::route(
    PRESERVE,
    "false",
    Risk::Medium,
    "Keeps the slash at the end in the redirect to https, which otherwise loses one.",
    "true",
);
const USE_PORT_KEY: Key = Key::route(
    USE_PORT,
    "false",
    Risk::Low,
    "The redirect to https always names the port; without it, a port other than 443 only.",
    "true",
);

/// The filter for `policy` on a host that has TLS or not; `None` if it would never redirect. It belongs
/// before all other filters of a route.
#[must_use]
pub fn filter(policy: SslRedirect, style: &RedirectStyle, has_tls: bool) -> Option<Arc<dyn Filter>> {
    match (policy, has_tls) {
        (SslRedirect::Always, _) | (SslRedirect::WithTls, true) => {
            Some(Arc::new(SslRedirectFilter { style: style.clone() }))
        }
        (SslRedirect::WithTls, false) | (SslRedirect::Never, _) => None,
    }
}

/// Answers plain http with a redirect.
#[derive(Debug, Default)]
struct SslRedirectFilter {
    style: RedirectStyle,
}

impl Filter for SslRedirectFilter {
    fn name(&self) -> &'static str {
        SSL_REDIRECT
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        let path = scope.route.path.text();
        if head.is_tls || self.style.exempt.iter().any(|exempt| path.starts_with(exempt)) {
            return Verdict::Continue;
        }
        let port = match (self.style.port, scope.https_port) {
            (RedirectPort::IfUnusual, 443) => String::new(),
            (RedirectPort::IfUnusual | RedirectPort::Always, port) => format!(":{port}"),
        };
        let target = match self.style.trailing_slash {
            // As ingress-nginx: the last character goes if it is a slash, even one of the query.
            TrailingSlash::Strip => head.target.strip_suffix('/').unwrap_or(&head.target),
            TrailingSlash::Keep => &head.target,
        };
        let location = format!("https://{}{port}{target}", head.public_host());
        Verdict::Reply(Reply::redirect_to(self.style.status, &location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Objects, compile, compile_with, head, location, prefix, route, scope};

    fn redirected(target: &str, https_port: u16, path: &str) -> Option<(u16, String)> {
        let route = route(prefix(path));
        let mut scope = Scope { https_port, ..scope(&route) };
        location(SslRedirectFilter::default().on_request(&mut head(target), &mut scope))
    }

    #[test]
    fn slash_port_status_and_exempt_paths_can_be_said() {
        let mut objects = Objects::default();
        objects.settings.insert("http-redirect-code".to_owned(), "301".to_owned());
        objects.settings.insert(EXEMPT.to_owned(), "/open, /free".to_owned());
        let pairs = [(PRESERVE, "true"), (USE_PORT, "true")];
        let draft = compile_with(&Family, &pairs, &objects).expect("valid");
        let filter = filter(SslRedirect::Always, &draft.route.redirect_style, false).expect("redirects");
        let at = |path| {
            let route = route(prefix(path));
            location(filter.on_request(&mut head("/a/"), &mut scope(&route)))
        };
        assert_eq!(at("/"), Some((301, "https://example.com:443/a/".to_owned())));
        assert_eq!(at("/free/x"), None);
        assert!(at("/.well-known/acme-challenge").is_some(), "the setting replaces the default");
        assert!(compile(&Family, &[(PRESERVE, "yes")]).is_err());
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
        assert!(matches!(
            SslRedirectFilter::default().on_request(&mut request, &mut scope(&route)),
            Verdict::Continue
        ));
    }

    #[test]
    fn force_wins_and_needs_no_tls() {
        let policy = |pairs| compile(&Family, pairs).map(|draft| draft.route.ssl_redirect);
        assert_eq!(policy(&[]), Ok(SslRedirect::WithTls));
        assert_eq!(policy(&[(SSL_REDIRECT, "false")]), Ok(SslRedirect::Never));
        assert_eq!(policy(&[(SSL_REDIRECT, "false"), (FORCE, "true")]), Ok(SslRedirect::Always));
        assert!(policy(&[(SSL_REDIRECT, "yes")]).is_err());
        let style = RedirectStyle::default();
        assert!(filter(SslRedirect::Always, &style, false).is_some());
        assert!(filter(SslRedirect::WithTls, &style, true).is_some());
        assert!(filter(SslRedirect::WithTls, &style, false).is_none());
        assert!(filter(SslRedirect::Never, &style, true).is_none());
    }
}
