//! What of an exchange is written to the access log, and how: `log-format-upstream` and the settings beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use regex::Regex;

use crate::alphabet::items;
use crate::annotation::{Invalid, parse_bool};

/// Settings of the access log.
#[derive(Clone, Debug, Default)]
pub struct AccessLogRules {
    /// `log-format-upstream`; `None`: the default one.
    pub format: Option<LogFormat>,
    /// `disable-access-log`, `disable-http-access-log`
    pub is_off: bool,
    /// `skip-access-log-urls`: requests for these are not written.
    pub skipped: Vec<SkippedUrl>,
}

impl PartialEq for AccessLogRules {
    fn eq(&self, other: &Self) -> bool {
        (&self.format, self.is_off, &self.skipped) == (&other.format, other.is_off, &other.skipped)
    }
}

impl Eq for AccessLogRules {}

/// Path and query of requests that are not written.
#[derive(Clone, Debug)]
pub enum SkippedUrl {
    /// Exactly this, without case, as in nginx's `map`.
    Text(String),
    /// Behind `~` or `~*`.
    Pattern(Regex),
}

impl PartialEq for SkippedUrl {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Pattern(one), Self::Pattern(other)) => one.as_str() == other.as_str(),
            (Self::Text(_), Self::Pattern(_)) | (Self::Pattern(_), Self::Text(_)) => false,
        }
    }
}

/// A line as parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    /// In order.
    pub parts: Vec<LogPart>,
    /// How values are made safe.
    pub escape: Escape,
    /// Headers of the request that [`LogPart::Header`] means.
    pub headers: Vec<HeaderName>,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPart {
    /// As it is.
    Literal(String),
    /// A variable of nginx or ingress-nginx.
    Field(Field),
    /// `$http_NAME`: an index of [`LogFormat::headers`].
    Header(usize),
}

/// How values are made safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// `\xXX`; an empty value is `-`.
    #[default]
    Default,
    /// `log-format-escape-json`: as within a JSON string; an empty value is empty.
    Json,
    /// `log-format-escape-none`
    None,
}

/// A variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `$args`
    Args,
    /// `$body_bytes_sent`, `$bytes_sent`
    BodyBytesSent,
    /// `$host`
    Host,
    /// `$ingress_name`
    IngressName,
    /// `$location_path`
    LocationPath,
    /// `$msec`
    Milliseconds,
    /// `$namespace`
    Namespace,
    /// `$proxy_alternative_upstream_name`: always empty.
    AlternativeUpstreamName,
    /// `$proxy_upstream_name`
    UpstreamName,
    /// `$remote_addr`
    RemoteAddr,
    /// `$remote_user`
    RemoteUser,
    /// `$request`
    Request,
    /// `$request_id`, `$req_id`
    RequestId,
    /// `$request_length`
    RequestLength,
    /// `$request_method`
    RequestMethod,
    /// `$request_time`
    RequestTime,
    /// `$request_uri`
    RequestUri,
    /// `$scheme`
    Scheme,
    /// `$server_protocol`
    ServerProtocol,
    /// `$service_name`
    ServiceName,
    /// `$service_port`
    ServicePort,
    /// `$status`
    Status,
    /// `$time_iso8601`
    TimeIso8601,
    /// `$time_local`
    TimeLocal,
    /// `$upstream_addr`
    UpstreamAddr,
    /// `$upstream_response_length`
    UpstreamResponseLength,
    /// `$upstream_response_time`
    UpstreamResponseTime,
    /// `$upstream_status`
    UpstreamStatus,
    /// `$uri`
    Uri,
}

/// The names of fields.
const FIELDS: &[(&str, Field)] = &[
    ("args", Field::Args),
    ("best_http_host", Field::Host),
    ("body_bytes_sent", Field::BodyBytesSent),
    ("bytes_sent", Field::BodyBytesSent),
    ("host", Field::Host),
    ("http_host", Field::Host),
    ("ingress_name", Field::IngressName),
    ("location_path", Field::LocationPath),
    ("msec", Field::Milliseconds),
    ("namespace", Field::Namespace),
    ("pass_access_scheme", Field::Scheme),
    ("proxy_alternative_upstream_name", Field::AlternativeUpstreamName),
    ("proxy_upstream_name", Field::UpstreamName),
    ("query_string", Field::Args),
    ("realip_remote_addr", Field::RemoteAddr),
    ("remote_addr", Field::RemoteAddr),
    ("remote_user", Field::RemoteUser),
    ("req_id", Field::RequestId),
    ("request", Field::Request),
    ("request_id", Field::RequestId),
    ("request_length", Field::RequestLength),
    ("request_method", Field::RequestMethod),
    ("request_time", Field::RequestTime),
    ("request_uri", Field::RequestUri),
    ("scheme", Field::Scheme),
    ("server_name", Field::Host),
    ("server_protocol", Field::ServerProtocol),
    ("service_name", Field::ServiceName),
    ("service_port", Field::ServicePort),
    ("status", Field::Status),
    ("the_real_ip", Field::RemoteAddr),
    ("time_iso8601", Field::TimeIso8601),
    ("time_local", Field::TimeLocal),
    ("upstream_addr", Field::UpstreamAddr),
    ("upstream_response_length", Field::UpstreamResponseLength),
    ("upstream_response_time", Field::UpstreamResponseTime),
    ("upstream_status", Field::UpstreamStatus),
    ("uri", Field::Uri),
];

const FORMAT: &str = "log-format-upstream";
const SKIPPED: &str = "skip-access-log-urls";

impl AccessLogRules {
    /// Reads the settings; what is invalid keeps its default and is told.
    pub fn compile(setting: &dyn Fn(&str) -> Option<String>, invalid: &mut Vec<Invalid>) -> Self {
        let read = |key: &str| setting(key).filter(|text| !text.trim().is_empty());
        let mut is = |key: &'static str| {
            read(key).is_some_and(|word| {
                parse_bool(key, word.trim()).unwrap_or_else(|error| {
                    invalid.push(error);
                    false
                })
            })
        };
        // In one line, so that each is told if it is wrong.
        let (all, http) = (is("disable-access-log"), is("disable-http-access-log"));
        let (json, none) = (is("log-format-escape-json"), is("log-format-escape-none"));
        let escape = match (json, none) {
            (true, _) => Escape::Json,
            (false, true) => Escape::None,
            (false, false) => Escape::Default,
        };
        let format = read(FORMAT).and_then(|text| {
            LogFormat::parse(&text, escape)
                .map_err(|expected| invalid.push(Invalid::new(FORMAT, &text, expected)))
                .ok()
        });
        let skipped = read(SKIPPED).unwrap_or_default();
        let skipped = items(&skipped).filter_map(|url| {
            let found = SkippedUrl::parse(url);
            if found.is_none() {
                invalid.push(Invalid::new(SKIPPED, url, "paths, or regular expressions behind ~ or ~*"));
            }
            found
        });
        Self { format, is_off: all || http, skipped: skipped.collect() }
    }

    /// Whether everything is written as usual.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        self.format.is_none() && !self.is_off && self.skipped.is_empty()
    }

    /// Whether a request for `target` is written.
    #[must_use]
    pub fn takes(&self, target: &str) -> bool {
        let is_skipped = |url: &SkippedUrl| match url {
            SkippedUrl::Text(text) => text.eq_ignore_ascii_case(target),
            SkippedUrl::Pattern(pattern) => pattern.is_match(target),
        };
        !self.is_off && !self.skipped.iter().any(is_skipped)
    }
}

impl SkippedUrl {
    fn parse(text: &str) -> Option<Self> {
        let (pattern, is_caseless) = match (text.strip_prefix("~*"), text.strip_prefix('~')) {
            (Some(pattern), _) => (pattern, true),
            (None, Some(pattern)) => (pattern, false),
            (None, None) => return Some(Self::Text(text.to_owned())),
        };
        let built =
            regex::RegexBuilder::new(pattern).case_insensitive(is_caseless).size_limit(1 << 20).build();
        built.ok().map(Self::Pattern)
    }
}

impl LogFormat {
    /// Reads text with `$variables`, also in braces.
    ///
    /// # Errors
    /// What is expected, naming the variable that is not known.
    pub fn parse(text: &str, escape: Escape) -> Result<Self, String> {
        let mut format = Self { parts: Vec::new(), escape, headers: Vec::new() };
        let mut pieces = text.split('$');
        format.literal(pieces.next().unwrap_or_default());
        for piece in pieces {
            let (name, rest) = match piece.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or("a \"}\" behind each \"${\"")?,
                None => {
                    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                    piece.split_at(piece.find(|letter| !is_name(letter)).unwrap_or(piece.len()))
                }
            };
            format.variable(name)?;
            format.literal(rest);
        }
        Ok(format)
    }

    fn literal(&mut self, text: &str) {
        // A line break within a line would make two of it.
        let text = text.replace(['\n', '\r'], "");
        if !text.is_empty() {
            self.parts.push(LogPart::Literal(text));
        }
    }

    fn variable(&mut self, name: &str) -> Result<(), String> {
        if let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) {
            self.parts.push(LogPart::Field(*field));
            return Ok(());
        }
        let header =
            name.strip_prefix("http_").and_then(|name| HeaderName::try_from(name.replace('_', "-")).ok());
        let Some(header) = header else {
            let known: Vec<String> = FIELDS.iter().map(|(name, _)| format!("${name}")).collect();
            return Err(format!("no variable ${name}, but $http_NAME, {}", known.join(", ")));
        };
        self.headers.push(header);
        self.parts.push(LogPart::Header(self.headers.len() - 1));
        Ok(())
    }
}

/// The user name of Basic credentials (nginx's `$remote_user`), whether or not a password was asked for.
#[must_use]
pub fn remote_user(headers: &HeaderMap) -> Option<HeaderValue> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let user = decoded
        .split(|byte| *byte == b':')
        .next()
        .filter(|user| !user.is_empty() && user.len() < decoded.len())?;
    HeaderValue::from_bytes(user).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_known_or_named() {
        let format = LogFormat::parse("{\"a\":\"$http_x_a\",\"s\":${status}}", Escape::Json).expect("known");
        let literal = |text: &str| LogPart::Literal(text.to_owned());
        let expected = [
            literal("{\"a\":\""),
            LogPart::Header(0),
            literal("\",\"s\":"),
            LogPart::Field(Field::Status),
            literal("}"),
        ];
        assert_eq!(format.parts, expected);
        assert_eq!(format.headers, ["x-a"]);
        let error = LogFormat::parse("$nothing", Escape::Default).expect_err("unknown");
        assert!(error.contains("$nothing") && error.contains("$status"), "{error}");
    }

    #[test]
    fn skipped_requests_and_wrong_settings() {
        let setting = |key: &str| match key {
            "skip-access-log-urls" => Some("/healthz,~^/x\\d,~(".to_owned()),
            "log-format-upstream" => Some("$nothing".to_owned()),
            "log-format-escape-json" => Some("on".to_owned()),
            _ => None,
        };
        let mut invalid = Vec::new();
        let rules = AccessLogRules::compile(&setting, &mut invalid);
        assert!(
            !rules.takes("/healthz")
                && !rules.takes("/x1")
                && rules.takes("/healthz/a")
                && rules.format.is_none()
        );
        let keys: Vec<_> = invalid.iter().map(|invalid| invalid.key).collect();
        assert_eq!(keys, ["log-format-escape-json", FORMAT, SKIPPED]);
    }

    #[test]
    fn the_user_is_known_by_basic_credentials_only() {
        let of = |value: &'static str| {
            remote_user(&HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]))
        };
        assert_eq!(of("Basic amFuZTp4"), Some(HeaderValue::from_static("jane")));
        assert_eq!(of("Bearer amFuZTp4"), None);
        assert_eq!(of("Basic !"), None);
    }
}
