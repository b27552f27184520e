//! Answers, and what every one of them carries.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::problem::{self, Problem, ProblemType};

/// Why a request is refused. Boxed: problems are large and errors rare.
pub(super) type Refusal = Box<Problem>;

/// The result of handling a request.
pub(super) type Handled = Result<Reply, Refusal>;

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    /// An answer without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// An answer with a JSON object.
    pub(super) fn json(status: StatusCode, object: &impl Serialize) -> Self {
        Self::empty(status).with_body("application/json", to_json(object))
    }

    /// An answer with octets of a media type.
    pub(super) fn binary(content_type: &'static str, octets: Vec<u8>) -> Self {
        Self::empty(StatusCode::OK).with_body(content_type, octets)
    }

    /// An answer with text of a media type.
    pub(super) fn text(content_type: &'static str, text: &str) -> Self {
        Self::empty(StatusCode::OK).with_body(content_type, text.as_bytes().to_vec())
    }

    /// A refusal.
    pub(super) fn problem(problem: &Problem) -> Self {
        let reply = Self::empty(problem.status()).with_body(problem::CONTENT_TYPE, to_json(problem));
        if let Some(wait) = problem.retry_after {
            return reply.with(header::RETRY_AFTER, &wait.as_secs().max(1).to_string());
        }
        match problem.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::INTERNAL_SERVER_ERROR => {
                reply.with(header::RETRY_AFTER, LATER)
            }
            _ => reply,
        }
    }

    fn with_body(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.body = body;
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self
    }

    /// Adds `Location`.
    pub(super) fn at(self, url: &str) -> Self {
        self.with(header::LOCATION, url)
    }

    /// Adds a `Link` (RFC 8288).
    pub(super) fn linked(self, url: &str, relation: &str) -> Self {
        self.with(header::LINK, &format!("<{url}>;rel=\"{relation}\""))
    }

    /// Asks the client to look again in a moment: the CA is at work (RFC 8555 sections 7.4 and 7.5.1).
    pub(super) fn retry_soon(self) -> Self {
        self.with(header::RETRY_AFTER, SOON)
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        // Values are our own URLs, numbers and nonces.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    pub(super) fn into_response(self) -> Response<Vec<u8>> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Refuses with the usual status of `kind`.
pub(super) fn refuse<T>(kind: ProblemType, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Box::new(Problem::new(kind, detail)))
}

/// Refuses with another status.
pub(super) fn refuse_with<T>(
    status: StatusCode,
    kind: ProblemType,
    detail: impl Into<String>,
) -> Result<T, Refusal> {
    Err(Box::new(Problem::new(kind, detail).with_status(status)))
}

/// The CA failed. The client is told so and no more; the reason is for the operator.
pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Refusal {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    tracing::error!(%reason, "the CA failed");
    Box::new(Problem::new(ProblemType::ServerInternal, "the CA failed; its log says why"))
}

fn to_json(object: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(object).expect("objects are strings, numbers and lists, which always serialize")
}

/// Seconds. Work takes milliseconds, but the header has no smaller unit.
const SOON: &str = "1";

/// Seconds, after a refusal that passes by itself.
const LATER: &str = "60";
