//! The text of a request that decides its endpoint (`upstream-hash-by`).

use std::fmt::Write;
use std::num::NonZeroUsize;

use http::{HeaderName, header};

use crate::alphabet::holds_only;
use crate::head::RequestHead;
use crate::ring::key_of;

/// The text of a request that decides its endpoint, with variables of nginx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashBy {
    parts: Vec<Part>,
    subset: Option<NonZeroUsize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `$remote_addr`, `$binary_remote_addr`, `$the_real_ip`.
    Client,
    Host,
    Method,
    /// Path and query as the client sent them.
    RequestUri,
    /// The canonical path.
    Uri,
    Query,
    /// `?` if there is a query.
    QueryMark,
    Scheme,
    /// `$http_NAME`.
    Header(HeaderName),
    /// `$cookie_NAME`.
    Cookie(String),
    /// `$arg_NAME`.
    Argument(String),
}

/// What [`HashBy::parse`] understands.
pub(crate) const EXPECTED: &str = "text with variables of these: $request_uri, $uri, $args, $is_args, $arg_NAME, \
    $host, $content_type, $content_length, $remote_addr, $binary_remote_addr, $the_real_ip, $request_method, $scheme, $http_NAME, $cookie_NAME";

impl HashBy {
    /// Reads text with `$variables`, also in braces; `None` if one is not known.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut pieces = text.split('$');
        let mut parts = vec![Part::Literal(pieces.next()?.to_owned())];
        for piece in pieces {
            let (name, rest) = match piece.strip_prefix('{') {
                Some(braced) => braced.split_once('}')?,
                None => {
                    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                    piece.split_at_checked(piece.find(|letter| !is_name(letter)).unwrap_or(piece.len()))?
                }
            };
            parts.push(variable(name)?);
            parts.push(Part::Literal(rest.to_owned()));
        }
        parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
        let is_clean = |part: &Part| !matches!(part, Part::Literal(text) if !holds_only(text, ",?&=%+| "));
        (!parts.is_empty() && parts.iter().all(is_clean)).then_some(Self { parts, subset: None })
    }

    /// The same, choosing at random among `size` endpoints that belong to the text.
    #[must_use]
    pub fn within(self, size: Option<usize>) -> Self {
        Self { subset: size.and_then(NonZeroUsize::new), ..self }
    }

    pub(crate) fn subset(&self) -> Option<usize> {
        self.subset.map(NonZeroUsize::get)
    }

    /// The number of the text in `head`, on every ring.
    #[must_use]
    pub fn key(&self, head: &RequestHead) -> u32 {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Client => {
                    // A String takes all text.
                    let _: std::fmt::Result = write!(text, "{}", head.client.to_canonical());
                }
                Part::Host => text.push_str(head.host.as_str()),
                Part::Method => text.push_str(head.method.as_str()),
                Part::RequestUri => text.push_str(&head.target),
                Part::Uri => text.push_str(&head.path),
                Part::Query => text.push_str(head.query().unwrap_or_default()),
                Part::QueryMark => {
                    if head.query().is_some_and(|query| !query.is_empty()) {
                        text.push('?');
                    }
                }
                Part::Scheme => text.push_str(if head.is_tls { "https" } else { "http" }),
                Part::Header(name) => {
                    let value = head.headers.get(name).and_then(|value| value.to_str().ok());
                    text.push_str(value.unwrap_or_default());
                }
                Part::Cookie(name) => text.push_str(cookie(head, name).unwrap_or_default()),
                Part::Argument(name) => text.push_str(argument(head, name).unwrap_or_default()),
            }
        }
        key_of(text.as_bytes())
    }
}

fn variable(name: &str) -> Option<Part> {
    Some(match name {
        "remote_addr" | "binary_remote_addr" | "the_real_ip" => Part::Client,
        "host" | "http_host" | "best_http_host" | "server_name" => Part::Host,
        "request_method" => Part::Method,
        "request_uri" | "escaped_request_uri" => Part::RequestUri,
        "uri" | "document_uri" => Part::Uri,
        "args" | "query_string" => Part::Query,
        "is_args" => Part::QueryMark,
        "content_type" => Part::Header(header::CONTENT_TYPE),
        "content_length" => Part::Header(header::CONTENT_LENGTH),
        "scheme" | "pass_access_scheme" => Part::Scheme,
        _ => {
            let named = |prefix| name.strip_prefix(prefix).filter(|name: &&str| !name.is_empty());
            if let Some(header) = named("http_") {
                Part::Header(HeaderName::try_from(header.replace('_', "-")).ok()?)
            } else if let Some(cookie) = named("cookie_") {
                Part::Cookie(cookie.to_owned())
            } else {
                Part::Argument(named("arg_")?.to_owned())
            }
        }
    })
}

/// The value of the first cookie of this name.
pub(crate) fn cookie<'a>(head: &'a RequestHead, name: &str) -> Option<&'a str> {
    let values = head.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

pub(crate) fn argument<'a>(head: &'a RequestHead, name: &str) -> Option<&'a str> {
    let mut pairs = head.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::head;

    fn is_same(text: &str, one: &RequestHead, other: &RequestHead) -> bool {
        let hash = HashBy::parse(text).expect(text);
        hash.key(one) == hash.key(other)
    }

    #[test]
    fn only_what_is_named_decides() {
        let (mut one, mut other) = (head("/a?user=7&x=1"), head("/b?user=7&x=2"));
        assert!(is_same("$arg_user", &one, &other) && !is_same("$request_uri", &one, &other));
        one.headers.insert("x-user", header::HeaderValue::from_static("anna"));
        assert!(!is_same("${http_x_user}-$host", &one, &other));
        other.headers.insert("x-user", header::HeaderValue::from_static("anna"));
        assert!(is_same("${http_x_user}-$host", &one, &other));
        one.headers.insert(header::COOKIE, header::HeaderValue::from_static("a=1; sid=x"));
        other.headers.insert(header::COOKIE, header::HeaderValue::from_static("sid=y"));
        assert!(!is_same("$cookie_sid", &one, &other));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in ["$geoip_country", "$http_", "${host", "a;b", "", "$"] {
            assert_eq!(HashBy::parse(text), None, "{text}");
        }
    }
}
