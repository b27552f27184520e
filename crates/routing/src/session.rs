//! Sessions that stay at their endpoint: ingress-nginx's affinity cookie, in its format, so that a cookie set by
//! one of them is understood by the other.
//!
//! The value is `KEY|TAG`. The tag says which upstream the session belongs to, so that it stays with a canary or
//! with what the canary is compared to. The key decides the endpoint: by consistent hash in balanced mode, or
//! as the endpoint's own name, hashed, in persistent mode.

use std::sync::Arc;

use http::{HeaderValue, header};
use md5::{Digest, Md5};

use crate::endpoint::Endpoint;
use crate::hash_by::cookie;
use crate::head::RequestHead;

mod same_site;

pub use same_site::SameSite;

/// What the `session-cookie-*` annotations say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCookie {
    /// `session-cookie-name`: `INGRESSCOOKIE`.
    pub name: String,
    /// How a key decides.
    pub mode: Mode,
    /// Whether a session stays on its side of a canary.
    pub canary: CanarySessions,
    /// `session-cookie-path`; `None` = the path of the route.
    pub path: Option<String>,
    /// `session-cookie-domain`.
    pub domain: Option<String>,
    /// `session-cookie-expires`: seconds from now.
    pub expires: Option<u32>,
    /// `session-cookie-max-age`: seconds.
    pub max_age: Option<u32>,
    /// `session-cookie-secure: "true"`: also over plain http. Over https it always is.
    pub always_secure: bool,
    /// `session-cookie-samesite`.
    pub same_site: Option<SameSite>,
    /// `session-cookie-conditional-samesite-none`: leave `SameSite=None` away for clients that mistake it.
    pub spare_old_clients: bool,
    /// `session-cookie-change-on-failure`.
    pub on_failure: OnFailure,
}

/// `affinity-mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Keys are spread over all endpoints: some sessions move when endpoints come or go.
    #[default]
    Balanced,
    /// A session stays as long as its endpoint exists.
    Persistent,
}

/// `affinity-canary-behavior`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CanarySessions {
    /// A session stays where it was first served.
    #[default]
    Sticky,
    /// Each request is decided anew.
    Legacy,
}

/// What happens to a session whose endpoint fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It stays.
    #[default]
    Stay,
    /// It moves to another endpoint and gets a new cookie.
    Move,
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self {
            name: "INGRESSCOOKIE".to_owned(),
            mode: Mode::default(),
            canary: CanarySessions::default(),
            path: None,
            domain: None,
            expires: None,
            max_age: None,
            always_secure: false,
            same_site: None,
            spare_old_clients: false,
            on_failure: OnFailure::default(),
        }
    }
}

/// The sessions of one route at one upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What the annotations say.
    pub cookie: Arc<SessionCookie>,
    /// `Path` of the cookie.
    pub path: String,
    /// `namespace-service-port`, as ingress-nginx names upstreams.
    upstream: String,
    tag: String,
}

/// The client to whom a cookie is given.
#[derive(Clone, Copy, Debug)]
pub struct Receiver<'a> {
    /// Whether it came by TLS.
    pub is_tls: bool,
    /// Its `User-Agent`.
    pub user_agent: Option<&'a str>,
}

impl Session {
    /// Sessions at the upstream that ingress-nginx would call `upstream`; `route_path` is the cookie's path
    /// unless the annotations say another.
    #[must_use]
    pub fn new(cookie: Arc<SessionCookie>, upstream: String, route_path: &str) -> Self {
        let path = cookie.path.clone().unwrap_or_else(|| route_path.to_owned());
        let tag = md5_hex(&format!("{}{upstream}", md5_hex(&upstream)));
        Self { cookie, path, upstream, tag }
    }

    /// The key of the session that `head` belongs to; `None` if it has none. The tag does not matter, as in
    /// ingress-nginx: Services that share a cookie share its key, or each would take it from the other.
    #[must_use]
    pub fn key<'a>(&self, head: &'a RequestHead) -> Option<&'a str> {
        let value = cookie(head, &self.cookie.name)?;
        let key = value.split_once('|').map_or(value, |(key, _)| key);
        (!key.is_empty()).then_some(key)
    }

    /// Whether the session that `head` belongs to began here and not at another upstream.
    #[must_use]
    pub fn began_here(&self, head: &RequestHead) -> bool {
        let mut parts =
            cookie(head, &self.cookie.name).into_iter().flat_map(|value| value.split('|')).skip(1);
        parts.next() == Some(self.tag.as_str())
    }

    /// The key that names `endpoint` in persistent mode.
    #[must_use]
    pub fn key_of(&self, endpoint: &Endpoint) -> String {
        md5_hex(&format!("{}{endpoint}", self.upstream))
    }

    /// The `Set-Cookie` for a session with `key`.
    #[must_use]
    pub fn set_cookie(&self, key: &str, receiver: Receiver<'_>, now: jiff::Timestamp) -> Option<HeaderValue> {
        let cookie = &self.cookie;
        let mut text = format!("{}={key}|{}", cookie.name, self.tag);
        if let Some(seconds) = cookie.expires {
            let at = now.checked_add(jiff::SignedDuration::from_secs(seconds.into())).ok()?;
            // nginx writes two digits of the year as long as every browser reads them as this century.
            let year = if at.to_zoned(jiff::tz::TimeZone::UTC).year() > 2037 { "%Y" } else { "%y" };
            let format = format!("%a, %d-%b-{year} %H:%M:%S GMT");
            text.push_str(&format!("; Expires={}", at.strftime(&format)));
        }
        if let Some(seconds) = cookie.max_age {
            text.push_str(&format!("; Max-Age={seconds}"));
        }
        if let Some(domain) = &cookie.domain {
            text.push_str(&format!("; Domain={domain}"));
        }
        text.push_str(&format!("; Path={}", self.path));
        if cookie.always_secure || receiver.is_tls {
            text.push_str("; Secure");
        }
        text.push_str("; HttpOnly");
        let agent = receiver.user_agent.unwrap_or_default();
        match cookie.same_site {
            Some(SameSite::None) if cookie.spare_old_clients && same_site::mistakes_none(agent) => {}
            Some(same_site) => text.push_str(&format!("; SameSite={}", same_site.word())),
            None => {}
        }
        HeaderValue::try_from(text).ok()
    }

    /// The client of `head`.
    #[must_use]
    pub fn receiver(head: &RequestHead) -> Receiver<'_> {
        let agent = head.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Receiver { is_tls: head.is_tls, user_agent: agent }
    }
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::head;

    fn session(cookie: SessionCookie) -> Session {
        Session::new(Arc::new(cookie), "default-web-80".to_owned(), "/app")
    }

    fn text(cookie: SessionCookie, receiver: Receiver<'_>) -> String {
        let now = "2026-01-05T10:00:00Z".parse().expect("a time");
        let value = session(cookie).set_cookie("key", receiver, now).expect("a header value");
        value.to_str().expect("text").to_owned()
    }

    const PLAIN: Receiver<'_> = Receiver { is_tls: false, user_agent: None };

    #[test]
    fn a_cookie_has_the_format_of_ingress_nginx() {
        let tag = session(SessionCookie::default()).tag;
        assert!(tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()), "{tag}");
        let plain = text(SessionCookie::default(), PLAIN);
        assert_eq!(plain, format!("INGRESSCOOKIE=key|{tag}; Path=/app; HttpOnly"));
        let full = SessionCookie {
            name: "route".to_owned(),
            path: Some("/".to_owned()),
            domain: Some("example.com".to_owned()),
            expires: Some(3600),
            max_age: Some(60),
            same_site: Some(SameSite::Strict),
            ..SessionCookie::default()
        };
        let secure = text(full, Receiver { is_tls: true, user_agent: None });
        let expected = format!(
            "route=key|{tag}; Expires=Mon, 05-Jan-26 11:00:00 GMT; Max-Age=60; Domain=example.com; Path=/; \
             Secure; HttpOnly; SameSite=Strict"
        );
        assert_eq!(secure, expected);
    }

    #[test]
    fn same_site_none_is_left_away_for_those_who_mistake_it() {
        let cookie = SessionCookie {
            same_site: Some(SameSite::None),
            spare_old_clients: true,
            ..SessionCookie::default()
        };
        let old = Some("Mozilla/5.0 (iPhone; CPU iPhone OS 12_4 like Mac OS X) AppleWebKit/605.1.15");
        let receiver = Receiver { is_tls: true, user_agent: old };
        assert!(!text(cookie.clone(), receiver).contains("SameSite"));
        assert!(text(cookie.clone(), PLAIN).contains("SameSite=None"));
        assert!(
            text(SessionCookie { spare_old_clients: false, ..cookie }, receiver).contains("SameSite=None")
        );
    }

    #[test]
    fn the_tag_says_where_a_session_began_and_the_key_counts_everywhere() {
        let session = session(SessionCookie::default());
        let with = |value: String| {
            let mut head = head("/");
            head.headers.insert(header::COOKIE, HeaderValue::try_from(value).expect("a value"));
            (session.key(&head).map(str::to_owned), session.began_here(&head))
        };
        let key = || Some("k".to_owned());
        assert_eq!(with(format!("a=b; INGRESSCOOKIE=k|{}", session.tag)), (key(), true));
        assert_eq!(with("INGRESSCOOKIE=k|0123".to_owned()), (key(), false));
        assert_eq!(with("INGRESSCOOKIE=k".to_owned()), (key(), false));
        assert_eq!(with("INGRESSCOOKIE=".to_owned()), (None, false));
        assert_eq!(with("INGRESSCOOKIE=|0123".to_owned()), (None, false));
    }

    /// Worked out with the expressions of ingress-nginx's `sticky.lua` and `nodemap.lua`.
    #[test]
    fn tags_and_persistent_keys_are_those_of_ingress_nginx() {
        let of = |name: &str| Session::new(Arc::default(), name.to_owned(), "/");
        assert_eq!(of("default-web-80").tag, "6cde5721ec2c7e2bce07cff7d0e4ac37");
        assert_eq!(of("shop-api-http").tag, "0daabe3a517b1eefb207110f1ba3138e");
        let endpoint = Endpoint::Address(([10, 244, 0, 5], 8080).into());
        assert_eq!(of("default-web-80").key_of(&endpoint), "a4218db18517898613a5b988c1d68087");
    }

    #[test]
    fn a_year_that_two_digits_would_not_tell_has_four() {
        let cookie = SessionCookie { expires: Some(u32::MAX), ..SessionCookie::default() };
        assert!(text(cookie, PLAIN).contains("-2162 "));
    }
}
