//! Requests to the HTTP APIs of providers.

use std::sync::Arc;

use http::{Method, Request, header};
use jamul_acme::Transport;
use serde::de::DeserializeOwned;

use super::provider::Dns01Error;

/// One API with its credentials in headers.
#[derive(Clone)]
pub(super) struct Api {
    provider: &'static str,
    http: Arc<dyn Transport>,
    /// Sent with each request.
    headers: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    provider: &'static str,
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Api {
    pub(super) fn new(provider: &'static str, http: &Arc<dyn Transport>) -> Self {
        Self { provider, http: Arc::clone(http), headers: Vec::new() }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sends a request, with a JSON body if there is one.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Reply, Dns01Error> {
        let mut request = Request::builder().method(method).uri(url).header(header::USER_AGENT, USER_AGENT);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.send_request(request.body(body).map_err(|error| self.unreadable(error.to_string()))?).await
    }

    /// Sends what is complete already.
    pub(super) async fn send_request(&self, request: Request<Vec<u8>>) -> Result<Reply, Dns01Error> {
        let response = self.http.send(request).await?;
        let status = response.status().as_u16();
        Ok(Reply { provider: self.provider, status, body: response.into_body() })
    }

    pub(super) fn unreadable(&self, reason: String) -> Dns01Error {
        Dns01Error::Unreadable { provider: self.provider, reason }
    }

    /// For a record whose zone nobody knows.
    pub(super) fn no_zone(&self, name: &str) -> Dns01Error {
        Dns01Error::NoZone { provider: self.provider, name: name.to_owned() }
    }
}

impl Reply {
    /// The reply itself when it is a success, or of a status that is as good as one.
    pub(super) fn success(self, also: &[u16]) -> Result<Self, Dns01Error> {
        if (200..300).contains(&self.status) || also.contains(&self.status) {
            return Ok(self);
        }
        let reason: String = String::from_utf8_lossy(&self.body).chars().take(LONGEST_REASON).collect();
        Err(Dns01Error::Refused { provider: self.provider, status: self.status, reason })
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Dns01Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Dns01Error::Unreadable { provider: self.provider, reason: error.to_string() })
    }
}

/// A text as a part of a URL's path or query.
pub(super) fn encoded(text: &str) -> String {
    let octets = text.bytes().map(|octet| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    });
    octets.collect()
}

/// The block of a solver as its type.
pub(super) fn config<T: DeserializeOwned>(
    provider: &'static str,
    value: &serde_json::Value,
) -> Result<T, Dns01Error> {
    serde_json::from_value(value.clone())
        .map_err(|error| Dns01Error::Config { provider, reason: error.to_string() })
}

const USER_AGENT: &str = concat!("jamul/", env!("CARGO_PKG_VERSION"), " (DNS-01)");
const LONGEST_REASON: usize = 300;
