//! Signed requests to one CA: nonces, retries of `badNonce`, and reading answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, CONTENT_TYPE, DATE, LINK, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, Method, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::ClientError;
use crate::jose::{AccountKey, Jws};
use crate::problem::{Problem, ProblemType};
use crate::transport::Transport;
use crate::wire::Directory;

/// One CA: its directory and the nonces it gave us.
#[derive(Debug)]
pub(super) struct Connection {
    transport: Arc<dyn Transport>,
    directory_url: String,
    directory: Directory,
    nonces: Mutex<VecDeque<String>>,
}

/// Who signs a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signer<'a> {
    /// A key without an account: the request carries the public key.
    Key(&'a AccountKey),
    /// An account: the request names it.
    Account { key: &'a AccountKey, url: &'a str },
}

impl Connection {
    pub(super) async fn discover(transport: Arc<dyn Transport>, url: &str) -> Result<Self, ClientError> {
        let answer = exchange(&*transport, Method::GET, url, None).await?.into_success()?;
        let directory = answer.json()?;
        Ok(Self { transport, directory_url: url.to_owned(), directory, nonces: Mutex::default() })
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(super) fn directory_url(&self) -> &str {
        &self.directory_url
    }

    /// Sends `payload` (nothing for POST-as-GET) and returns a 2xx answer.
    ///
    /// A `badNonce` refusal is retried with the nonce it carries (RFC 8555 section 6.5): nonces get old, and
    /// Pebble refuses good ones on purpose.
    pub(super) async fn post(
        &self,
        signer: Signer<'_>,
        url: &str,
        payload: Option<&Value>,
    ) -> Result<Received, ClientError> {
        let mut attempt = 1;
        loop {
            let nonce = self.nonce().await?;
            let (key, account) = match signer {
                Signer::Key(key) => (key, None),
                Signer::Account { key, url } => (key, Some(url)),
            };
            let jws = Jws::sign(key, account, Some(nonce), url, payload)?;
            let received = exchange(&*self.transport, Method::POST, url, Some(&jws)).await?;
            self.keep_nonce(&received);
            match received.into_success() {
                Err(error) if is_bad_nonce(&error) && attempt < MAX_ATTEMPTS => attempt += 1,
                decided => return decided,
            }
        }
    }

    async fn nonce(&self) -> Result<String, ClientError> {
        if let Some(nonce) = self.lock().pop_back() {
            return Ok(nonce);
        }
        let url = &self.directory.new_nonce;
        let received = exchange(&*self.transport, Method::HEAD, url, None).await?.into_success()?;
        let nonce = received.header(&REPLAY_NONCE).map(str::to_owned);
        nonce.ok_or_else(|| received.malformed("there is no Replay-Nonce"))
    }

    fn keep_nonce(&self, received: &Received) {
        let Some(nonce) = received.header(&REPLAY_NONCE) else { return };
        let mut nonces = self.lock();
        // The youngest is the most likely to be still good.
        if nonces.len() == MAX_NONCES {
            nonces.pop_front();
        }
        nonces.push_back(nonce.to_owned());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer together with the URL it came from.
#[derive(Debug)]
pub(super) struct Received {
    url: String,
    response: Response<Vec<u8>>,
}

impl Received {
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The `Location`, which newAccount and newOrder must send.
    pub(super) fn location(&self) -> Result<&str, ClientError> {
        self.header(&LOCATION).ok_or_else(|| self.malformed("there is no Location"))
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(self.response.body()).map_err(|error| self.malformed(&error.to_string()))
    }

    pub(super) fn pem_chain(&self) -> Result<String, ClientError> {
        match str::from_utf8(self.response.body()) {
            Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => Ok(text.to_owned()),
            Ok(_) | Err(_) => Err(self.malformed("there is no certificate in PEM")),
        }
    }

    /// The time to wait: seconds, or a date, taken relative to the answer's own `Date` so that a wrong clock on
    /// either side does not matter.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let value = self.header(&RETRY_AFTER)?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = httpdate::parse_http_date(value).ok()?;
        let answered: SystemTime = httpdate::parse_http_date(self.header(&DATE)?).ok()?;
        Some(until.duration_since(answered).unwrap_or_default())
    }

    /// Targets of `Link` headers with the relation `rel` (RFC 8288), as far as they are absolute URLs.
    pub(super) fn links(&self, rel: &str) -> Vec<String> {
        let values = self.response.headers().get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).filter_map(|link| link_target(link, rel)).collect()
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    fn malformed(&self, what: &str) -> ClientError {
        ClientError::Malformed { url: self.url.clone(), what: what.to_owned() }
    }

    fn into_success(self) -> Result<Self, ClientError> {
        let status = self.response.status();
        if status.is_success() {
            return Ok(self);
        }
        let (retry_after, status) = (self.retry_after(), status.as_u16());
        Err(match serde_json::from_slice::<Problem>(self.response.body()) {
            Ok(problem) => ClientError::Problem { url: self.url, status, problem: Box::new(problem), retry_after },
            Err(_) => {
                let text = String::from_utf8_lossy(self.response.body());
                let excerpt = text.chars().take(MAX_EXCERPT).collect();
                ClientError::Status { url: self.url, status, excerpt, retry_after }
            }
        })
    }
}

async fn exchange(
    transport: &dyn Transport,
    method: Method,
    url: &str,
    jws: Option<&Jws>,
) -> Result<Received, ClientError> {
    let mut request = Request::builder().method(method).uri(url).header(USER_AGENT, AGENT).header(ACCEPT, "*/*");
    if jws.is_some() {
        request = request.header(CONTENT_TYPE, "application/jose+json");
    }
    let body = jws.map(|jws| json!(jws).to_string().into_bytes()).unwrap_or_default();
    let request = request.body(body).map_err(|source| ClientError::Url { url: url.to_owned(), source })?;
    Ok(Received { url: url.to_owned(), response: transport.send(request).await? })
}

fn is_bad_nonce(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| problem.r#type == ProblemType::BadNonce)
}

fn link_target(link: &str, rel: &str) -> Option<String> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let has_relation = parameters.split(';').any(|parameter| {
        let relation = parameter.trim().strip_prefix("rel=").map(|value| value.trim_matches('"'));
        relation.is_some_and(|relations| relations.split(' ').any(|relation| relation == rel))
    });
    (has_relation && target.contains("://")).then(|| target.to_owned())
}

const REPLAY_NONCE: HeaderName = HeaderName::from_static("replay-nonce");
/// RFC 8555 section 6.1 asks for one, and Pebble refuses requests without.
const AGENT: &str = concat!("jamul/", env!("CARGO_PKG_VERSION"));
/// At 5 % refusals, ten in a row are a fault of the CA, not chance.
const MAX_ATTEMPTS: u32 = 10;
/// More would only get old.
const MAX_NONCES: usize = 32;
/// Enough of a proxy's error page to recognize it.
const MAX_EXCERPT: usize = 200;
