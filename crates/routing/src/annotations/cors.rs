//! `enable-cors`, `cors-*`: which other sites may call this one from a browser (the Fetch standard, section 3.3).
//!
//! ingress-nginx takes an invalid list of origins for `*`; here what is invalid allows nobody.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};

use crate::alphabet::items;
use crate::annotation::{Annotation, Invalid, Key, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{HeaderEdit, Reply, RequestHead};

const ENABLE: &str = "enable-cors";
const ORIGIN: &str = "cors-allow-origin";
const METHODS: &str = "cors-allow-methods";
const HEADERS: &str = "cors-allow-headers";
const CREDENTIALS: &str = "cors-allow-credentials";
const EXPOSE: &str = "cors-expose-headers";
const MAX_AGE: &str = "cors-max-age";

const DEFAULT_METHODS: HeaderValue = HeaderValue::from_static("GET, PUT, POST, DELETE, PATCH, OPTIONS");
const DEFAULT_HEADERS: HeaderValue = HeaderValue::from_static(
    "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
);
/// Twenty days, in seconds.
const DEFAULT_MAX_AGE: u32 = 1_728_000;

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(ENABLE, "false", Risk::Low, "Switch for the other cors keys.", "true"),
            Key::route(
                ORIGIN,
                "*",
                Risk::Medium,
                "Comma list of origins that may call: *, null, or scheme://host[:port], where *. stands for one label. \
                 What is not valid allows nobody.",
                "https://app.example.com,https://*.example.org",
            )
            .if_invalid(OnInvalid::LeaveOut),
            Key::route(
                METHODS,
                "GET, PUT, POST, DELETE, PATCH, OPTIONS",
                Risk::Medium,
                "Methods that they may use.",
                "GET, POST",
            ),
            Key::route(
                HEADERS,
                "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,\
                 Authorization",
                Risk::Medium,
                "Headers that they may send.",
                "Content-Type,X-Token",
            ),
            Key::route(CREDENTIALS, "true", Risk::Low, "Whether they may send cookies.", "false"),
            Key::route(EXPOSE, "", Risk::Medium, "Headers of answers that their scripts may read.", "X-Total"),
            Key::route(MAX_AGE, "1728000", Risk::Low, "Seconds for which a browser remembers all this.", "600"),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let enable = values.take_bool(ENABLE);
        let origins = values.take(ORIGIN).map_or(Ok(vec![Allowed::Any]), parse_origins);
        let methods = values.take(METHODS).map(|text| parse_list(METHODS, text)).transpose();
        let headers = values.take(HEADERS).map(|text| parse_list(HEADERS, text)).transpose();
        let credentials = values.take_bool(CREDENTIALS);
        let expose = values.take(EXPOSE).map(|text| parse_list(EXPOSE, text)).transpose();
        let max_age = values.take(MAX_AGE).map(parse_seconds).transpose();
        if matches!(enable, Ok(Some(true))) {
            let mut edits = Vec::new();
            let mut set = |name, value| edits.push(HeaderEdit::Set(name, value));
            if !matches!(credentials, Ok(Some(false))) {
                set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            let chosen = |list: &Result<Option<HeaderValue>, Invalid>| list.as_ref().ok().cloned().flatten();
            set(header::ACCESS_CONTROL_ALLOW_METHODS, chosen(&methods).unwrap_or(DEFAULT_METHODS));
            set(header::ACCESS_CONTROL_ALLOW_HEADERS, chosen(&headers).unwrap_or(DEFAULT_HEADERS));
            let seconds = max_age.as_ref().ok().copied().flatten().unwrap_or(DEFAULT_MAX_AGE);
            set(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
            if let Some(names) = chosen(&expose) {
                set(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
            }
            let allowed = origins.as_deref().unwrap_or_default().to_vec();
            draft.route.filters.push(Arc::new(Cors { allowed, edits }));
        }
        origins?;
        methods?;
        headers?;
        expose?;
        max_age?;
        enable.and(credentials).map(|_| ())
    }
}

/// Says who may call, and answers the question itself.
#[derive(Debug)]
struct Cors {
    allowed: Vec<Allowed>,
    /// What is the same for all origins.
    edits: Vec<HeaderEdit>,
}

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    /// `*`
    Any,
    /// An origin, in lower case.
    Origin(String),
    /// `scheme://*.host[:port]`: what is before and after the one label, in lower case.
    OneLabel { before: String, after: String },
}

impl Allowed {
    fn takes(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Origin(allowed) => allowed == origin,
            Self::OneLabel { before, after } => {
                let rest = origin.strip_prefix(before.as_str());
                let label = rest.and_then(|rest| rest.strip_suffix(after.as_str()));
                label.is_some_and(|label| {
                    !label.is_empty()
                        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                })
            }
        }
    }
}

impl Filter for Cors {
    fn name(&self) -> &'static str {
        ENABLE
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        let is_any = self.allowed.contains(&Allowed::Any);
        if !is_any {
            // The answer differs by origin, also for those that are not allowed: caches must know.
            scope.response_edits.push(HeaderEdit::Add(header::VARY, HeaderValue::from_static("Origin")));
        }
        let origin = if is_any { Some(HeaderValue::from_static("*")) } else { self.echo(head) };
        let Some(origin) = origin else { return Verdict::Continue };
        scope.response_edits.push(HeaderEdit::Set(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        scope.response_edits.extend(self.edits.iter().cloned());
        if head.method != Method::OPTIONS {
            return Verdict::Continue;
        }
        let mut reply = Reply::status(StatusCode::NO_CONTENT);
        reply.body = bytes::Bytes::new();
        reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain charset=UTF-8"));
        Verdict::Reply(reply)
    }
}

impl Cors {
    /// The request's origin, if it is allowed.
    fn echo(&self, head: &RequestHead) -> Option<HeaderValue> {
        let sent = head.headers.get(header::ORIGIN)?;
        let origin = sent.to_str().ok()?.to_ascii_lowercase();
        self.allowed.iter().any(|allowed| allowed.takes(&origin)).then(|| sent.clone())
    }
}

fn parse_origins(text: &str) -> Result<Vec<Allowed>, Invalid> {
    let expected = "*, null or a comma list of origins such as https://app.example.com or https://*.example.com:8443; \
                    nobody is allowed until it is mended";
    let origins: Option<Vec<Allowed>> = items(text).map(parse_origin).collect();
    origins.filter(|origins| !origins.is_empty()).ok_or_else(|| Invalid::new(ORIGIN, text, expected))
}

fn parse_origin(text: &str) -> Option<Allowed> {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        "*" => return Some(Allowed::Any),
        "null" => return Some(Allowed::Origin(text)),
        _ => {}
    }
    let (scheme, authority) = text.split_once("://")?;
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let (star, name) = host.strip_prefix("*.").map_or((false, host), |name| (true, name));
    let is_scheme = scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && !name.contains("..");
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if !(is_scheme && is_name && is_port) {
        return None;
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(if star {
        Allowed::OneLabel { before: format!("{scheme}://"), after: format!(".{name}{port}") }
    } else {
        Allowed::Origin(text)
    })
}

/// A comma list of tokens, as written.
fn parse_list(key: &'static str, text: &str) -> Result<HeaderValue, Invalid> {
    let is_token = |item: &str| {
        item == "*" || item.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let is_valid = items(text).all(is_token) && items(text).next().is_some();
    let value = HeaderValue::from_str(text).ok().filter(|_| is_valid);
    value.ok_or_else(|| Invalid::new(key, text, "a comma list of names, such as GET, POST or X-Token, or *"))
}

fn parse_seconds(text: &str) -> Result<u32, Invalid> {
    text.parse().map_err(|_| Invalid::new(MAX_AGE, text, "seconds, such as 600"))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::fixtures::{compile, filter, head, prefix, reply, route, scope};

    fn answered(pairs: &[(&str, &str)], method: Method, origin: Option<&str>) -> (Option<u16>, HeaderMap) {
        let mut all = vec![(ENABLE, "true")];
        all.extend_from_slice(pairs);
        let draft = compile(&Family, &all).expect("valid");
        let (route, mut head) = (route(prefix("/")), head("/"));
        head.method = method;
        head.headers
            .extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_str(origin).expect("valid"))));
        let mut scope = scope(&route);
        let verdict = filter(&draft).on_request(&mut head, &mut scope);
        let mut headers = HeaderMap::new();
        for edit in scope.response_edits {
            edit.apply(&mut headers, StatusCode::OK);
        }
        (reply(verdict).map(|reply| reply.status.as_u16()), headers)
    }

    fn allowed(origins: &str, origin: &str) -> Option<String> {
        let (_, headers) = answered(&[(ORIGIN, origins)], Method::GET, Some(origin));
        Some(headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN)?.to_str().ok()?.to_owned())
    }

    #[test]
    fn origins_are_compared_without_case_and_a_star_is_one_label() {
        let list = "https://a.example, https://*.b.example:8443, app://mobile, null";
        for origin in
            ["https://a.example", "HTTPS://A.example", "https://x.b.example:8443", "app://mobile", "null"]
        {
            assert_eq!(allowed(list, origin).as_deref(), Some(origin));
        }
        for origin in [
            "http://a.example",
            "https://a.example.evil",
            "https://evil-a.example",
            "https://x.b.example",
            "https://x.y.b.example:8443",
            "https://.b.example:8443",
            "https://evil/.b.example:8443",
        ] {
            assert_eq!(allowed(list, origin), None, "{origin}");
        }
        assert_eq!(allowed("https://a.example,*", "x://y").as_deref(), Some("*"));
    }

    #[test]
    fn a_preflight_is_answered_and_one_of_others_goes_on() {
        let list =
            [(ORIGIN, "https://a.example"), (MAX_AGE, "600"), (CREDENTIALS, "false"), (EXPOSE, "X-Total")];
        let (status, headers) = answered(&list, Method::OPTIONS, Some("https://a.example"));
        assert_eq!(status, Some(204));
        assert_eq!(headers.get(header::ACCESS_CONTROL_MAX_AGE), Some(&HeaderValue::from_static("600")));
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert!(headers.contains_key(header::ACCESS_CONTROL_EXPOSE_HEADERS));
        let (status, headers) = answered(&list, Method::OPTIONS, Some("https://b.example"));
        assert_eq!((status, headers.len()), (None, 1), "only Vary");
        let (status, headers) = answered(&[], Method::GET, None);
        assert_eq!((status, headers.len()), (None, 5), "* also without an origin");
    }

    #[test]
    fn an_invalid_origin_never_becomes_any() {
        for value in
            ["a.example", "https://a.example,*.b.example", "https://", "https://a.example/x", "https://a;b"]
        {
            let mut draft = Draft::default();
            let annotations = crate::fixtures::annotations(&[(ENABLE, "true"), (ORIGIN, value)]);
            let mut values = Values::new("p", &annotations);
            let invalid = Family.compile(&mut values, &mut draft, &crate::fixtures::Objects::default());
            assert_eq!(invalid.expect_err(value).key, ORIGIN);
            let (route, mut head) = (route(prefix("/")), head("/"));
            let mut scope = scope(&route);
            filter(&draft).on_request(&mut head, &mut scope);
            let names: Vec<_> = scope.response_edits.iter().collect();
            assert!(matches!(names[..], [HeaderEdit::Add(_, _)]), "{names:?}");
        }
        for (key, value) in [(METHODS, "GET;"), (HEADERS, "a b:c"), (MAX_AGE, "-1"), (EXPOSE, "\u{e4}")] {
            assert!(compile(&Family, &[(key, value)]).is_err(), "{key} {value}");
        }
    }
}
