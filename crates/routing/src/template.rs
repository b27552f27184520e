//! Values with variables (`$1`, `$host`): a typed subset of nginx's.

use http::header;
use percent_encoding::utf8_percent_encode;

use crate::alphabet::{PATH_SET, QUERY_VALUE_SET, holds_only};
use crate::head::RequestHead;
use crate::host::Host;

/// Text with places that a request fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `$1` to `$9`.
    Capture(usize),
    Variable(Variable),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Args,
    EscapedRequestUri,
    Host,
    HttpHost,
    IsArgs,
    RemoteAddr,
    RequestMethod,
    RequestUri,
    Scheme,
    Uri,
}

/// nginx's names; the first of each variable is the one that messages mention.
const VARIABLES: &[(&str, Variable)] = &[
    ("args", Variable::Args),
    ("query_string", Variable::Args),
    ("escaped_request_uri", Variable::EscapedRequestUri),
    ("host", Variable::Host),
    ("best_http_host", Variable::HttpHost),
    ("http_host", Variable::HttpHost),
    ("is_args", Variable::IsArgs),
    ("remote_addr", Variable::RemoteAddr),
    ("request_method", Variable::RequestMethod),
    ("request_uri", Variable::RequestUri),
    ("scheme", Variable::Scheme),
    ("pass_access_scheme", Variable::Scheme),
    ("uri", Variable::Uri),
];

impl Template {
    /// Reads `text`, whose literal parts hold letters, digits, `/-._~:` and `extra`.
    ///
    /// # Errors
    /// What is expected instead.
    pub(crate) fn parse(text: &str, extra: &str) -> Result<Self, String> {
        let mut pieces = text.split('$');
        let mut parts = vec![Part::Literal(pieces.next().unwrap_or_default().to_owned())];
        for piece in pieces {
            let (part, rest) = read_part(piece).ok_or_else(expected_variables)?;
            parts.push(part);
            parts.push(Part::Literal(rest.to_owned()));
        }
        parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
        let is_clean = |part: &Part| !matches!(part, Part::Literal(text) if !holds_only(text, extra));
        if !parts.iter().all(is_clean) {
            return Err(format!("letters, digits and the characters /-._~:${extra}"));
        }
        Ok(Self { parts })
    }

    /// The text for one request. Captures hold decoded text and are encoded; group 0 is the whole match.
    pub(crate) fn expand(&self, head: &RequestHead, captures: &[String]) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Capture(index) => {
                    let capture = captures.get(*index).map_or("", String::as_str);
                    text.extend(utf8_percent_encode(capture, PATH_SET));
                }
                Part::Variable(variable) => text.push_str(&value(*variable, head)),
            }
        }
        text
    }

    /// Whether a request changes nothing.
    pub(crate) fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }
}

/// The host with its port that a believed proxy in front names, else the `Host` header as the client sent it, if it agrees
/// with the host that routing used.
pub(crate) fn http_host(head: &RequestHead) -> &str {
    if let Some(Ok(named)) = head.forwarded_host().map(|(_, written)| written.to_str()) {
        return named;
    }
    let sent = head.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    match sent {
        Some(sent) if Host::parse(sent).as_ref() == Some(&head.host) => sent,
        Some(_) | None => head.host.as_str(),
    }
}

/// `https` or `http`, as the client came.
pub(crate) fn scheme(head: &RequestHead) -> &'static str {
    if head.is_tls { "https" } else { "http" }
}

fn value(variable: Variable, head: &RequestHead) -> String {
    match variable {
        Variable::Args => head.query().unwrap_or_default().to_owned(),
        Variable::EscapedRequestUri => utf8_percent_encode(&head.target, QUERY_VALUE_SET).to_string(),
        Variable::Host => head.host.as_str().to_owned(),
        Variable::HttpHost => http_host(head).to_owned(),
        Variable::IsArgs => {
            if head.query().is_some_and(|query| !query.is_empty()) { "?" } else { "" }.to_owned()
        }
        Variable::RemoteAddr => head.client.to_canonical().to_string(),
        Variable::RequestMethod => head.method.to_string(),
        Variable::RequestUri => head.target.clone(),
        Variable::Scheme => scheme(head).to_owned(),
        Variable::Uri => utf8_percent_encode(&head.path, PATH_SET).to_string(),
    }
}

fn read_part(piece: &str) -> Option<(Part, &str)> {
    let first = piece.chars().next()?;
    if let Some(digit @ 1..) = first.to_digit(10) {
        return Some((Part::Capture(usize::try_from(digit).ok()?), piece.get(1..)?));
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let end = piece.find(|letter| !is_name(letter)).unwrap_or(piece.len());
    let (name, rest) = piece.split_at_checked(end)?;
    let (_, variable) = VARIABLES.iter().find(|(known, _)| *known == name)?;
    Some((Part::Variable(*variable), rest))
}

fn expected_variables() -> String {
    let names: Vec<String> = VARIABLES.iter().map(|(name, _)| format!("${name}")).collect();
    format!("no variables but $1 to $9, {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::URL;
    use crate::fixtures::head;

    #[test]
    fn variables_and_captures_are_filled() {
        let template = Template::parse("$scheme://$host/x/$1?rd=$escaped_request_uri", URL).expect("valid");
        let text = template.expand(&head("/a?b=1"), &["/a".to_owned(), "\u{e4} ?".to_owned()]);
        assert_eq!(text, "http://example.com/x/%C3%A4%20%3F?rd=%2Fa%3Fb%3D1");
        assert!(!template.is_constant());
    }

    #[test]
    fn unknown_variables_are_refused_by_name_of_the_known_ones() {
        let error = Template::parse("$http_cookie", URL).expect_err("unknown");
        assert!(error.contains("$request_uri"), "{error}");
        assert!(Template::parse("a$", URL).is_err());
        assert!(Template::parse("${host}", URL).is_err());
    }

    #[test]
    fn a_host_header_that_routing_did_not_use_is_not_repeated() {
        let mut head = head("/");
        head.headers.insert(header::HOST, header::HeaderValue::from_static("example.com:8080"));
        assert_eq!(http_host(&head), "example.com:8080");
        head.headers.insert(header::HOST, header::HeaderValue::from_static("evil.example"));
        assert_eq!(http_host(&head), "example.com");
    }
}
