//! `affinity: cookie` with `affinity-*` and `session-cookie-*`: sessions that stay at their endpoint.
//!
//! What cookies look like and how they decide is in [`crate::session`]. With a path that is a regular expression
//! the cookie's path is `/` (ingress-nginx sends the expression, which no client ever matches).

use std::sync::Arc;

use crate::alphabet::holds_only;
use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;
use crate::session::{CanarySessions, Mode, OnFailure, SameSite, SessionCookie};

const AFFINITY: &str = "affinity";
const MODE: &str = "affinity-mode";
const CANARY: &str = "affinity-canary-behavior";
const NAME: &str = "session-cookie-name";
const PATH: &str = "session-cookie-path";
const DOMAIN: &str = "session-cookie-domain";
const EXPIRES: &str = "session-cookie-expires";
const MAX_AGE: &str = "session-cookie-max-age";
const SECURE: &str = "session-cookie-secure";
const SAME_SITE: &str = "session-cookie-samesite";
const SPARE: &str = "session-cookie-conditional-samesite-none";
const ON_FAILURE: &str = "session-cookie-change-on-failure";

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
        const LOW: Risk = Risk::Low;
        const MEDIUM: Risk = Risk::Medium;
        const KEYS: &[Key] = &[
            key(AFFINITY, "", LOW, "cookie", "Keeps the requests of a client at one endpoint; only: cookie."),
            key(
                MODE,
                "balanced",
                MEDIUM,
                "persistent",
                "balanced: some sessions move when endpoints come or go; persistent: none while theirs exists.",
            ),
            key(
                CANARY,
                "sticky",
                LOW,
                "legacy",
                "sticky: a session stays on its side of a canary; legacy: each request is decided anew.",
            ),
            key(NAME, "INGRESSCOOKIE", MEDIUM, "route", "Name of the cookie."),
            key(PATH, "path of the rule", MEDIUM, "/", "Path of the cookie."),
            key(DOMAIN, "", MEDIUM, "example.com", "Domain of the cookie."),
            key(EXPIRES, "", MEDIUM, "172800", "Seconds until the cookie expires, as a date."),
            key(MAX_AGE, "", MEDIUM, "172800", "Seconds that the cookie lives."),
            key(
                SECURE,
                "",
                LOW,
                "true",
                "Marks the cookie Secure also over plain http; over https it always is.",
            ),
            key(SAME_SITE, "", LOW, "Lax", "SameSite of the cookie: None, Lax or Strict."),
            key(SPARE, "false", LOW, "true", "Leaves SameSite=None away for clients that mistake it."),
            key(
                ON_FAILURE,
                "false",
                LOW,
                "true",
                "Moves a session whose endpoint fails, with a new cookie, instead of failing its requests.",
            ),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let affinity = values.take(AFFINITY);
        let mut first = Ok(());
        let cookie = cookie(values, &mut first);
        match affinity {
            Some("cookie") => draft.route.session = Some(Arc::new(cookie)),
            Some(other) => first = Err(Invalid::new(AFFINITY, other, "\"cookie\"")),
            None => {}
        }
        first
    }
}

/// Reads every key; one that is refused keeps its default, and the first of them is told.
fn cookie(values: &mut Values<'_>, first: &mut Result<(), Invalid>) -> SessionCookie {
    let mut refuse = |invalid: Invalid| {
        if first.is_ok() {
            *first = Err(invalid);
        }
    };
    let mut cookie = SessionCookie::default();
    let mut word = |key, accept: &mut dyn FnMut(&str) -> bool, expected: &str| {
        if let Some(value) = values.take(key)
            && !accept(value)
        {
            refuse(Invalid::new(key, value, expected));
        }
    };
    word(MODE, &mut |value| put(&mut cookie.mode, parse_mode(value)), "balanced or persistent");
    word(CANARY, &mut |value| put(&mut cookie.canary, parse_canary(value)), "sticky or legacy");
    let token = "a cookie name: letters, digits, - and _";
    word(NAME, &mut |value| put(&mut cookie.name, is_token(value).then(|| value.to_owned())), token);
    let path = "a path that begins with /";
    word(PATH, &mut |value| put_some(&mut cookie.path, is_path(value).then(|| value.to_owned())), path);
    let domain = "a domain name";
    word(
        DOMAIN,
        &mut |value| put_some(&mut cookie.domain, is_domain(value).then(|| value.to_owned())),
        domain,
    );
    let seconds = "whole seconds";
    word(EXPIRES, &mut |value| put_some(&mut cookie.expires, value.parse().ok()), seconds);
    word(MAX_AGE, &mut |value| put_some(&mut cookie.max_age, value.parse().ok()), seconds);
    let same_site = "None, Lax or Strict";
    word(SAME_SITE, &mut |value| put_some(&mut cookie.same_site, SameSite::parse(value)), same_site);
    let mut flag = |key| match values.take_bool(key) {
        Ok(flag) => flag == Some(true),
        Err(invalid) => {
            refuse(invalid);
            false
        }
    };
    cookie.always_secure = flag(SECURE);
    cookie.spare_old_clients = flag(SPARE);
    cookie.on_failure = if flag(ON_FAILURE) { OnFailure::Move } else { OnFailure::Stay };
    cookie
}

fn put<T>(field: &mut T, value: Option<T>) -> bool {
    let is_there = value.is_some();
    if let Some(value) = value {
        *field = value;
    }
    is_there
}

fn put_some<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    put(field, value.map(Some))
}

fn parse_mode(word: &str) -> Option<Mode> {
    match word {
        "balanced" => Some(Mode::Balanced),
        "persistent" => Some(Mode::Persistent),
        _ => None,
    }
}

fn parse_canary(word: &str) -> Option<CanarySessions> {
    match word {
        "sticky" => Some(CanarySessions::Sticky),
        "legacy" => Some(CanarySessions::Legacy),
        _ => None,
    }
}

fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && holds_only(text, "")
}

fn is_domain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::compile;

    fn session(pairs: &[(&str, &str)]) -> Option<SessionCookie> {
        let pairs: Vec<_> = std::iter::once((AFFINITY, "cookie")).chain(pairs.iter().copied()).collect();
        compile(&Family, &pairs).expect("valid").route.session.map(|cookie| (*cookie).clone())
    }

    #[test]
    fn cookies_are_as_in_ingress_nginx_unless_told_otherwise() {
        assert_eq!(session(&[]), Some(SessionCookie::default()));
        let told = session(&[
            (NAME, "route"),
            (MODE, "persistent"),
            (CANARY, "legacy"),
            (MAX_AGE, "60"),
            (SAME_SITE, "None"),
            (SECURE, "true"),
            (ON_FAILURE, "true"),
        ]);
        let expected = SessionCookie {
            name: "route".to_owned(),
            mode: Mode::Persistent,
            canary: CanarySessions::Legacy,
            max_age: Some(60),
            same_site: Some(SameSite::None),
            always_secure: true,
            on_failure: OnFailure::Move,
            ..SessionCookie::default()
        };
        assert_eq!(told, Some(expected));
    }

    #[test]
    fn without_affinity_the_other_keys_do_nothing() {
        assert_eq!(compile(&Family, &[(NAME, "route")]).expect("valid").route.session, None);
    }

    #[test]
    fn what_could_end_a_cookie_early_is_refused() {
        let bad = [
            (AFFINITY, "ip"),
            (NAME, "a=b"),
            (PATH, "/a; Domain=evil"),
            (PATH, "app"),
            (DOMAIN, "a;b"),
            (EXPIRES, "1d"),
            (SAME_SITE, "lax"),
            (SECURE, "on"),
        ];
        for (key, value) in bad {
            assert_eq!(compile(&Family, &[(key, value)]).expect_err(value).key, key);
        }
    }
}
