//! One response of the server, and how its headers are read.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::de::DeserializeOwned;

use super::error::ClientError;
use crate::problem::{Problem, ProblemType};

/// An object of the server, where it lives, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched<T> {
    /// The object's URL.
    pub url: String,
    /// The object as it was then.
    pub object: T,
    /// How long the server asks to wait before the next look.
    pub retry_after: Option<Duration>,
}

/// A response with the URL it came from.
#[derive(Debug)]
pub(super) struct Answer {
    url: String,
    response: http::Response<Vec<u8>>,
}

impl Answer {
    pub(super) fn new(url: &str, response: http::Response<Vec<u8>>) -> Self {
        Self { url: url.to_owned(), response }
    }

    /// The answer itself when its status is 2xx, its problem otherwise.
    pub(super) fn success(self) -> Result<Self, ClientError> {
        let status = self.response.status();
        if status.is_success() {
            return Ok(self);
        }
        let problem = serde_json::from_slice(self.response.body()).unwrap_or_else(|_| self.foreign_problem());
        let retry_after = self.retry_after();
        Err(ClientError::Problem { status, problem: Box::new(problem), retry_after, url: self.url })
    }

    /// An error answer that is no problem document: a proxy's page, most often. Its beginning helps to find whose.
    fn foreign_problem(&self) -> Problem {
        let start: String = String::from_utf8_lossy(self.response.body()).chars().take(200).collect();
        let detail = match start.trim() {
            "" => "the answer has no body".to_owned(),
            text => format!("the answer is not a problem document: {text:?}"),
        };
        Problem::new(ProblemType::default(), detail).with_status(self.response.status())
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(self.response.body()).map_err(|source| ClientError::Malformed {
            url: self.url.clone(),
            reason: format!("not the expected object: {source}"),
        })
    }

    /// The object in the body, at the URL of `Location` when there is one, else at the URL asked.
    pub(super) fn fetched<T: DeserializeOwned>(&self) -> Result<Fetched<T>, ClientError> {
        let url = self.header("location").unwrap_or(&self.url).to_owned();
        Ok(Fetched { url, object: self.json()?, retry_after: self.retry_after() })
    }

    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn text(&self) -> Result<String, ClientError> {
        String::from_utf8(self.response.body().clone())
            .map_err(|_| ClientError::malformed(&self.url, "the body is not text"))
    }

    pub(super) fn location(&self) -> Result<String, ClientError> {
        match self.header("location") {
            Some(url) => Ok(url.to_owned()),
            None => Err(ClientError::malformed(&self.url, "no Location header")),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The targets of `Link` headers with this relation (RFC 8288).
    pub(super) fn links(&self, relation: &str) -> Vec<String> {
        let values = self.response.headers().get_all("link").iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(split_links)
            .filter(|(_, parameters)| has_relation(parameters, relation))
            .filter_map(|(target, _)| self.resolve(target))
            .collect()
    }

    fn resolve(&self, target: &str) -> Option<String> {
        url::Url::parse(&self.url).ok()?.join(target).ok().map(String::from)
    }

    /// `Retry-After` in either form (RFC 9110 section 10.2.3). A date is measured from the server's own `Date`, so a
    /// wrong clock here does no harm.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = http_date(text)?.duration_since(http_date(self.header("date")?)?);
        Some(Duration::try_from(until).unwrap_or(Duration::ZERO))
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

/// `<a>;rel="x", <b>;rel="y"` as pairs of target and parameters. Commas inside `<>` do not separate.
fn split_links(value: &str) -> Vec<(&str, &str)> {
    let mut links = Vec::new();
    let mut rest = value;
    while let Some((_, opened)) = rest.split_once('<') {
        let Some((target, after)) = opened.split_once('>') else { break };
        let end = after.find(",").unwrap_or(after.len());
        let (parameters, remaining) = after.split_at(end);
        links.push((target, parameters));
        rest = remaining;
    }
    links
}

fn has_relation(parameters: &str, relation: &str) -> bool {
    parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("rel")
            && value.trim().trim_matches('"').split(' ').any(|one| one == relation)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Answer {
        let mut response = http::Response::new(Vec::new());
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().expect("a header name");
            response.headers_mut().append(name, value.parse().expect("a header value"));
        }
        Answer::new("https://ca.example/acme/cert/1", response)
    }

    #[test]
    fn retry_after_reads_seconds_and_dates_by_the_servers_clock() {
        let seconds = answer(&[("retry-after", "120")]);
        assert_eq!(seconds.retry_after(), Some(Duration::from_secs(120)));
        let date = answer(&[
            ("date", "Tue, 24 Nov 2026 10:00:00 GMT"),
            ("retry-after", "Tue, 24 Nov 2026 10:01:30 GMT"),
        ]);
        assert_eq!(date.retry_after(), Some(Duration::from_secs(90)));
        assert_eq!(answer(&[("retry-after", "soon")]).retry_after(), None);
    }

    #[test]
    fn alternate_links_are_found_in_one_header_or_in_several() {
        let answer = answer(&[
            ("link", r#"<https://ca.example/directory>;rel="index", <1/a>; rel="alternate""#),
            ("link", r#"<https://ca.example/b>;title="x";rel=alternate"#),
        ]);
        assert_eq!(answer.links("alternate"), ["https://ca.example/acme/cert/1/a", "https://ca.example/b"]);
    }
}
