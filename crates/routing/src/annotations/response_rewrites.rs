//! `proxy-cookie-domain`, `proxy-cookie-path`, `proxy-redirect-from`, `proxy-redirect-to`: what the upstream says about
//! its own address is put right for clients.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

use crate::alphabet::URL;
use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope};
use crate::head::ResponseHead;

const DOMAIN: &str = "proxy-cookie-domain";
const PATH: &str = "proxy-cookie-path";
const FROM: &str = "proxy-redirect-from";
const TO: &str = "proxy-redirect-to";

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                DOMAIN,
                "off",
                Risk::Medium,
                "Domain of the upstream's cookies: off, or what it says and what clients get.",
                "internal.example app.example.com",
            ),
            Key::route(
                PATH,
                "off",
                Risk::Medium,
                "The same for their path, whose beginning is compared.",
                "/ /app/",
            ),
            Key::route(
                FROM,
                "off",
                Risk::Medium,
                "Beginning of the upstream's Location and Refresh that proxy-redirect-to replaces; off and default \
                 change nothing.",
                "http://internal.example/",
            ),
            Key::route(
                TO,
                "off",
                Risk::Medium,
                "What proxy-redirect-from becomes.",
                "https://app.example.com/",
            ),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let mut pair =
            |key| values.take_or_setting(key, lookup).map(|text| parse_pair(key, &text)).transpose();
        let (domain, path) = (pair(DOMAIN), pair(PATH));
        let (from, to) = (values.take_or_setting(FROM, lookup), values.take_or_setting(TO, lookup));
        let location = parse_location(from.as_deref(), to.as_deref());
        let chosen = |pair: &Result<Option<Option<Replacement>>, Invalid>| {
            pair.as_ref().ok().cloned().flatten().flatten()
        };
        let cookies = Cookies { domain: chosen(&domain), path: chosen(&path) };
        if cookies.domain.is_some() || cookies.path.is_some() {
            draft.route.filters.push(Arc::new(cookies));
        }
        if let Ok(Some(replacement)) = &location {
            draft.route.filters.push(Arc::new(Location { replacement: replacement.clone() }));
        }
        domain?;
        path?;
        location.map(|_| ())
    }
}

/// What becomes what.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Replacement {
    from: String,
    to: String,
}

/// Rewrites attributes of `Set-Cookie` (RFC 6265 section 5.2).
#[derive(Debug)]
struct Cookies {
    domain: Option<Replacement>,
    path: Option<Replacement>,
}

impl Filter for Cookies {
    fn name(&self) -> &'static str {
        if self.domain.is_some() { DOMAIN } else { PATH }
    }

    fn on_response(&self, head: &mut ResponseHead, _scope: &mut Scope<'_>) {
        for cookie in
            head.headers.iter_mut().filter(|(name, _)| *name == header::SET_COOKIE).map(|(_, value)| value)
        {
            if let Some(rewritten) = cookie.to_str().ok().map(|text| self.rewritten(text))
                && let Ok(value) = HeaderValue::try_from(rewritten)
            {
                *cookie = value;
            }
        }
    }
}

impl Cookies {
    fn rewritten(&self, cookie: &str) -> String {
        let mut parts = cookie.split(';');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text.push(';');
            text.push_str(&self.attribute(part).unwrap_or_else(|| part.to_owned()));
        }
        text
    }

    /// The attribute as it becomes, if it changes.
    fn attribute(&self, part: &str) -> Option<String> {
        let (name, value) = part.split_once('=')?;
        let value = value.trim();
        let replaced = match name.trim().to_ascii_lowercase().as_str() {
            "domain" => {
                let Replacement { from, to } = self.domain.as_ref()?;
                let bare = |domain: &str| domain.trim_start_matches('.').to_ascii_lowercase();
                (bare(value) == bare(from)).then(|| to.clone())?
            }
            "path" => {
                let Replacement { from, to } = self.path.as_ref()?;
                format!("{to}{}", value.strip_prefix(from.as_str())?)
            }
            _ => return None,
        };
        Some(format!("{name}={replaced}"))
    }
}

/// Rewrites the beginning of `Location` and `Refresh`.
#[derive(Debug)]
struct Location {
    replacement: Replacement,
}

impl Filter for Location {
    fn name(&self) -> &'static str {
        FROM
    }

    fn on_response(&self, head: &mut ResponseHead, _scope: &mut Scope<'_>) {
        for name in [header::LOCATION, REFRESH] {
            let Some(text) = head.headers.get(&name).and_then(|value| value.to_str().ok()) else { continue };
            // Refresh: 5; url=...
            let start = if name == REFRESH { text.find("url=").map_or(0, |at| at + 4) } else { 0 };
            let Some((before, url)) = text.split_at_checked(start) else { continue };
            let Replacement { from, to } = &self.replacement;
            let Some(rest) = url.strip_prefix(from.as_str()) else { continue };
            if let Ok(value) = HeaderValue::try_from(format!("{before}{to}{rest}")) {
                head.headers.insert(name, value);
            }
        }
    }
}

/// `off`, or two words.
fn parse_pair(key: &'static str, text: &str) -> Result<Option<Replacement>, Invalid> {
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("off"), None, _) => Ok(None),
        (Some(from), Some(to), None) if is_clean(from) && is_clean(to) => {
            Ok(Some(Replacement { from: from.to_owned(), to: to.to_owned() }))
        }
        _ => {
            Err(Invalid::new(key, text, "off, or two words without variables: what is replaced, and by what"))
        }
    }
}

fn parse_location(from: Option<&str>, to: Option<&str>) -> Result<Option<Replacement>, Invalid> {
    match (from.unwrap_or("off"), to.unwrap_or("off")) {
        // nginx's default maps its own name of the upstream, which nobody but nginx ever says.
        ("off" | "default", _) | (_, "off") => Ok(None),
        (from, to) if is_clean(from) && is_clean(to) => {
            Ok(Some(Replacement { from: from.to_owned(), to: to.to_owned() }))
        }
        (from, to) => {
            let (key, value) = if is_clean(from) { (TO, to) } else { (FROM, from) };
            Err(Invalid::new(key, value, "off, default, or a URL or path without variables"))
        }
    }
}

fn is_clean(text: &str) -> bool {
    crate::alphabet::holds_only(text, URL)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::fixtures::{compile, filter, prefix, route, scope};

    fn rewritten(pairs: &[(&str, &str)], name: &'static str, value: &'static str) -> String {
        let draft = compile(&Family, pairs).expect("valid");
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
        let mut head = ResponseHead { status: StatusCode::OK, headers };
        let route = route(prefix("/"));
        filter(&draft).on_response(&mut head, &mut scope(&route));
        head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    #[test]
    fn cookies_get_the_domain_and_path_that_clients_see() {
        let pairs = [(DOMAIN, "in.example out.example"), (PATH, "/ /app/")];
        for (cookie, expected) in [
            ("a=1; Domain=.IN.example; Path=/x; HttpOnly", "a=1; Domain=out.example; Path=/app/x; HttpOnly"),
            ("a=domain; domain=other.example", "a=domain; domain=other.example"),
        ] {
            assert_eq!(rewritten(&pairs, "set-cookie", cookie), expected);
        }
    }

    #[test]
    fn redirects_get_the_address_that_clients_see() {
        let pairs = [(FROM, "http://in.example/"), (TO, "https://out.example/")];
        assert_eq!(rewritten(&pairs, "location", "http://in.example/a?b"), "https://out.example/a?b");
        assert_eq!(rewritten(&pairs, "location", "http://else.example/"), "http://else.example/");
        assert_eq!(
            rewritten(&pairs, "refresh", "5; url=http://in.example/a"),
            "5; url=https://out.example/a"
        );
    }

    #[test]
    fn off_changes_nothing_and_other_shapes_are_refused() {
        for pairs in [[(DOMAIN, "off"), (PATH, "off")], [(FROM, "default"), (TO, "x")]] {
            assert!(compile(&Family, &pairs).expect("valid").route.filters.is_empty());
        }
        for pairs in [
            [(DOMAIN, "one"), (PATH, "off")],
            [(DOMAIN, "off"), (PATH, "/ /a;b")],
            [(FROM, "http://$host/"), (TO, "/")],
            [(FROM, "/"), (TO, "/\r\nx")],
        ] {
            assert!(compile(&Family, &pairs).is_err(), "{pairs:?}");
        }
    }
}
