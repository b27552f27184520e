//! Texts with variables, and what fills them.

use http::{HeaderName, header};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use crate::alphabet::QUERY_VALUE_SET;
use crate::hash_by::{argument, cookie};
use crate::head::RequestHead;
use crate::route::Scope;
use crate::template::{http_host, scheme};

/// Text with places that a request fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `$1` to `$9`, of the last regular expression that matched.
    Capture(usize),
    /// Set by the snippet; an index.
    Own(usize),
    Builtin(Builtin),
    /// `$http_NAME`
    Header(HeaderName),
    /// `$cookie_NAME`
    Cookie(String),
    /// `$arg_NAME`
    Argument(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Builtin {
    Args,
    ContentLength,
    ContentType,
    EscapedRequestUri,
    Host,
    HttpHost,
    IngressName,
    IsArgs,
    LocationPath,
    Namespace,
    RemoteAddr,
    RequestId,
    RequestMethod,
    RequestUri,
    Scheme,
    ServiceName,
    ServicePort,
    Uri,
}

/// nginx's and ingress-nginx's names.
const BUILTINS: &[(&str, Builtin)] = &[
    ("args", Builtin::Args),
    ("best_http_host", Builtin::HttpHost),
    ("content_length", Builtin::ContentLength),
    ("content_type", Builtin::ContentType),
    ("document_uri", Builtin::Uri),
    ("escaped_request_uri", Builtin::EscapedRequestUri),
    ("host", Builtin::Host),
    ("http_host", Builtin::HttpHost),
    ("ingress_name", Builtin::IngressName),
    ("is_args", Builtin::IsArgs),
    ("location_path", Builtin::LocationPath),
    ("namespace", Builtin::Namespace),
    ("pass_access_scheme", Builtin::Scheme),
    ("query_string", Builtin::Args),
    ("remote_addr", Builtin::RemoteAddr),
    ("req_id", Builtin::RequestId),
    ("request_id", Builtin::RequestId),
    ("request_method", Builtin::RequestMethod),
    ("request_uri", Builtin::RequestUri),
    ("scheme", Builtin::Scheme),
    ("server_name", Builtin::Host),
    ("service_name", Builtin::ServiceName),
    ("service_port", Builtin::ServicePort),
    ("the_real_ip", Builtin::RemoteAddr),
    ("uri", Builtin::Uri),
];

/// Names of variables that need no `set`, for documentation.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|(name, _)| *name)
}

/// Whether a snippet may give a variable this name.
pub(super) fn is_free(name: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_taken = names().any(|known| known == name)
        || ["http_", "cookie_", "arg_", "upstream_", "sent_", "proxy_", "ssl_", "limit_"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
    !name.is_empty()
        && name.bytes().all(is_name)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !is_taken
}

/// What texts are filled from.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) head: &'a RequestHead,
    pub(crate) scope: &'a Scope<'a>,
    /// Of the last match; group 0 is all of it.
    pub(crate) captures: &'a [String],
    /// Values of the snippet's own variables.
    pub(crate) own: &'a [String],
}

impl Text {
    /// Reads a word; `own` are the names of variables that were set before.
    ///
    /// # Errors
    /// The variable that is not known, or the character that no text may hold.
    pub(crate) fn parse(word: &str, own: &[String]) -> Result<Self, String> {
        if let Some(control) = word.chars().find(|letter| letter.is_control()) {
            return Err(format!("the character {control:?} in a text"));
        }
        let mut pieces = word.split('$');
        let mut parts = vec![Part::Literal(pieces.next().unwrap_or_default().to_owned())];
        for piece in pieces {
            let (name, rest) =
                split_name(piece).ok_or_else(|| format!("a \"$\" without a name in {word:?}"))?;
            parts.push(part(name, own).ok_or_else(|| format!("the variable ${name}"))?);
            parts.push(Part::Literal(rest.to_owned()));
        }
        parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
        Ok(Self { parts })
    }

    /// The text for one request.
    pub(crate) fn expand(&self, scene: &Scene<'_>) -> String {
        self.fill(scene, None)
    }

    /// The same as part of a URL: what comes out of the decoded path is encoded again.
    pub(super) fn expand_url(&self, scene: &Scene<'_>, set: &'static AsciiSet) -> String {
        self.fill(scene, Some(set))
    }

    /// The text if no request changes it.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it begins with `http://`, `https://` or `$scheme`, as nginx tells redirects from rewrites.
    pub(super) fn is_absolute(&self) -> bool {
        match self.parts.first() {
            Some(Part::Literal(text)) => text.starts_with("http://") || text.starts_with("https://"),
            Some(Part::Builtin(Builtin::Scheme)) => true,
            Some(_) | None => false,
        }
    }

    fn fill(&self, scene: &Scene<'_>, set: Option<&'static AsciiSet>) -> String {
        let mut text = String::new();
        let encoded = |value: &str| match set {
            Some(set) => utf8_percent_encode(value, set).to_string(),
            None => value.to_owned(),
        };
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Capture(index) => {
                    text.push_str(&encoded(scene.captures.get(*index).map_or("", String::as_str)));
                }
                Part::Own(index) => text.push_str(scene.own.get(*index).map_or("", String::as_str)),
                Part::Builtin(Builtin::Uri) => text.push_str(&encoded(&scene.head.path)),
                Part::Builtin(builtin) => text.push_str(&builtin.value(scene)),
                Part::Header(name) => text.push_str(&header_text(scene.head, name)),
                Part::Cookie(name) => text.push_str(cookie(scene.head, name).unwrap_or_default()),
                Part::Argument(name) => text.push_str(argument(scene.head, name).unwrap_or_default()),
            }
        }
        text
    }
}

impl Builtin {
    fn value(self, scene: &Scene<'_>) -> String {
        let Scene { head, scope, .. } = scene;
        let origin = &scope.route.origin;
        match self {
            Self::Args => head.query().unwrap_or_default().to_owned(),
            Self::ContentLength => header_text(head, &header::CONTENT_LENGTH),
            Self::ContentType => header_text(head, &header::CONTENT_TYPE),
            Self::EscapedRequestUri => utf8_percent_encode(&head.target, QUERY_VALUE_SET).to_string(),
            Self::Host => head.host.as_str().to_owned(),
            Self::HttpHost => http_host(head).to_owned(),
            Self::IngressName => origin.ingress.to_string(),
            Self::IsArgs => head.query().filter(|query| !query.is_empty()).map_or("", |_| "?").to_owned(),
            Self::LocationPath => scope.route.path.text().to_owned(),
            Self::Namespace => origin.namespace.to_string(),
            Self::RemoteAddr => head.client.to_canonical().to_string(),
            Self::RequestId => scope.request_id.to_str().unwrap_or_default().to_owned(),
            Self::RequestMethod => head.method.to_string(),
            Self::RequestUri => head.target.clone(),
            Self::Scheme => scheme(head).to_owned(),
            Self::ServiceName => origin.service.to_string(),
            Self::ServicePort => origin.port.to_string(),
            Self::Uri => head.path.clone(),
        }
    }
}

fn header_text(head: &RequestHead, name: &HeaderName) -> String {
    head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn part(name: &str, own: &[String]) -> Option<Part> {
    if let Ok(index @ 1..=9) = name.parse::<usize>() {
        return Some(Part::Capture(index));
    }
    if let Some(index) = own.iter().position(|known| known == name) {
        return Some(Part::Own(index));
    }
    if let Some((_, builtin)) = BUILTINS.iter().find(|(known, _)| *known == name) {
        return Some(Part::Builtin(*builtin));
    }
    if let Some(name) = name.strip_prefix("http_") {
        return HeaderName::try_from(name.replace('_', "-")).ok().map(Part::Header);
    }
    if let Some(name) = name.strip_prefix("cookie_").filter(|name| !name.is_empty()) {
        return Some(Part::Cookie(name.to_owned()));
    }
    let name = name.strip_prefix("arg_").filter(|name| !name.is_empty())?;
    Some(Part::Argument(name.to_owned()))
}

/// The name at the beginning of what follows a `$`, and the rest.
fn split_name(piece: &str) -> Option<(&str, &str)> {
    if let Some(braced) = piece.strip_prefix('{') {
        return braced.split_once('}').filter(|(name, _)| !name.is_empty());
    }
    if piece.starts_with(|letter: char| letter.is_ascii_digit()) {
        return piece.split_at_checked(1);
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let end = piece.find(|letter| !is_name(letter)).unwrap_or(piece.len());
    piece.split_at_checked(end).filter(|(name, _)| !name.is_empty())
}
