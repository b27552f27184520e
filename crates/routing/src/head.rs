//! Heads of requests and responses as filters see them, and replies that need no upstream.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::utf8_percent_encode;

use crate::alphabet::LOCATION_SET;
use crate::host::Host;
use crate::tls_policy::TlsPeer;

/// The head of a request: what matching and filters read and edit.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Method.
    pub method: Method,
    /// The host that routing uses: `Host` or `:authority` without port, lower case.
    pub host: Host,
    /// One canonical path for match, auth and rewrite (see [`crate::path::normalize`]).
    pub path: String,
    /// Path and query as the client sent them; what the upstream gets unless a filter rewrites it.
    pub target: String,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The client's address (after PROXY protocol and trusted forwarding headers).
    pub client: IpAddr,
    /// Whether the client came by TLS: to us, or to a believed proxy in front.
    pub is_tls: bool,
    /// What a believed proxy in front says of the request.
    pub forwarded: Option<Box<Forwarded>>,
    /// What came of its handshake, if that was under a policy of its host.
    pub tls: Option<Arc<TlsPeer>>,
    /// Made to the headers that the upstream gets, after Jamul's own.
    pub edits: Vec<HeaderEdit>,
}

impl RequestHead {
    /// The query of [`Self::target`] without `?`, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The host by which the client knows us: the one that a believed proxy names, else [`Self::host`].
    #[must_use]
    pub fn public_host(&self) -> &Host {
        self.forwarded_host().map_or(&self.host, |(host, _)| host)
    }

    /// The host that a believed proxy names, and as it was written.
    #[must_use]
    pub fn forwarded_host(&self) -> Option<&(Host, HeaderValue)> {
        self.forwarded.as_deref().and_then(|forwarded| forwarded.host.as_ref())
    }
}

/// What a believed proxy says of a request; `None` where it says nothing that can be understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Whether the client came by TLS (`X-Forwarded-Proto`).
    pub is_tls: Option<bool>,
    /// The host that the client asked for, and as it was written (`X-Forwarded-Host`, the first).
    pub host: Option<(Host, HeaderValue)>,
    /// The port that the client connected to (`X-Forwarded-Port`).
    pub port: Option<HeaderValue>,
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
}

/// One change of headers, decided before the message that it is about is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// In place of all that are there.
    Set(HeaderName, HeaderValue),
    /// Beside those that are there.
    Add(HeaderName, HeaderValue),
    /// Beside those that are there, if the response is no error (nginx's `add_header` without `always`).
    AddUnlessError(HeaderName, HeaderValue),
    /// None is left.
    Remove(HeaderName),
}

impl HeaderEdit {
    /// Does it to the headers of a message; that of a request has no `status`, and 200 stands for it.
    pub fn apply(self, headers: &mut HeaderMap, status: StatusCode) {
        match self {
            Self::Set(name, value) => {
                headers.insert(name, value);
            }
            Self::Add(name, value) => {
                headers.append(name, value);
            }
            Self::AddUnlessError(name, value) => {
                if matches!(status.as_u16(), 200 | 201 | 204 | 206 | 301..=304 | 307 | 308) {
                    headers.append(name, value);
                }
            }
            Self::Remove(name) => {
                headers.remove(name);
            }
        }
    }
}

/// An answer made by Jamul itself: a constant body, no upstream.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// A plain text reply that says its status, such as `404 Not Found`.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        let body = format!("{} {}\n", status.as_u16(), status.canonical_reason().unwrap_or("Unknown"));
        Self::text(status, body)
    }

    /// A plain text reply.
    #[must_use]
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
        Self { status, headers, body: body.into() }
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(status: StatusCode, location: header::HeaderValue) -> Self {
        let mut reply = Self::status(status);
        reply.headers.insert(header::LOCATION, location);
        reply
    }
    /// A redirect to a URL in text; characters that no URL may hold are percent-encoded.
    #[must_use]
    pub fn redirect_to(status: StatusCode, location: &str) -> Self {
        let encoded = utf8_percent_encode(location, LOCATION_SET).to_string();
        match header::HeaderValue::try_from(encoded) {
            Ok(location) => Self::redirect(status, location),
            // Cannot be after encoding; and if it could, no reply but this would be safe.
            Err(_) => Self::status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}
