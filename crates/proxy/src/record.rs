//! What is known about an exchange when it is over; the access log and the metrics are made from it.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use jamul_routing::carry::Guard;
use jamul_routing::log_format::{AccessLogRules, remote_user};
use jamul_routing::{Endpoint, Route};

use crate::failure::Failure;
use crate::meter::Meter;

/// One exchange.
#[derive(Debug)]
pub(crate) struct ExchangeRecord {
    pub(crate) client: IpAddr,
    pub(crate) method: Method,
    /// As the client wrote it.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) referer: Option<HeaderValue>,
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) request_id: HeaderValue,
    /// Of Basic credentials.
    pub(crate) remote_user: Option<HeaderValue>,
    /// Headers that `log-format-upstream` names.
    pub(crate) logged_headers: Vec<Option<HeaderValue>>,
    pub(crate) is_tls: bool,
    /// How the exchange is written, if not as usual.
    pub(crate) log_rules: Option<Arc<AccessLogRules>>,
    /// Bytes of the request head, about as they were on the wire.
    pub(crate) head_length: u64,
    /// The request body, if an upstream gets one.
    pub(crate) meter: Option<Rc<Meter>>,
    pub(crate) route: Option<Arc<Route>>,
    /// The name of what was asked instead of the route's target.
    pub(crate) canary: Option<Arc<str>>,
    /// The upstream's part, if one was asked.
    pub(crate) upstream: Option<UpstreamRecord>,
    pub(crate) status: StatusCode,
    /// Bytes of the response head, about as they were on the wire of HTTP/1.1.
    pub(crate) head_sent: u64,
    /// Bytes of the response body.
    pub(crate) sent: u64,
    pub(crate) failure: Option<Failure>,
    /// Whether it is written to the access log (`enable-access-log`).
    pub(crate) is_logged: bool,
    /// What filters hold until the exchange is over.
    pub(crate) guards: Vec<Guard>,
    /// Whether another service answered in place of one without endpoints (`default-backend`).
    pub(crate) stood_in: bool,
    /// The filter that answered, if one did.
    pub(crate) answered_by: Option<&'static str>,
    pub(crate) started: Instant,
}

/// What the upstream did.
#[derive(Debug)]
pub(crate) struct UpstreamRecord {
    pub(crate) endpoint: Endpoint,
    pub(crate) status: Option<StatusCode>,
    /// When it was first asked.
    pub(crate) asked: Instant,
    /// Of the attempt that was answered.
    pub(crate) timing: Option<Timing>,
}

/// How long one attempt took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) began: Instant,
    /// Until connected; nothing for a connection that was there.
    pub(crate) connect: Duration,
    /// Until the head of the response was there.
    pub(crate) header: Duration,
}

impl ExchangeRecord {
    /// Begins with the head of a request.
    pub(crate) fn begin(client: IpAddr, parts: &http::request::Parts) -> Self {
        let target = parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string);
        Self {
            client,
            method: parts.method.clone(),
            host: host(parts),
            head_length: head_length(&parts.method, &target, &parts.headers),
            target,
            remote_user: remote_user(&parts.headers),
            logged_headers: Vec::new(),
            is_tls: false,
            log_rules: None,
            version: parts.version,
            referer: parts.headers.get(header::REFERER).cloned(),
            user_agent: parts.headers.get(header::USER_AGENT).cloned(),
            request_id: request_id(&parts.headers),
            meter: None,
            route: None,
            canary: None,
            upstream: None,
            // Stands if the client goes away before there is a response (nginx's 499).
            status: StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            head_sent: 0,
            sent: 0,
            failure: None,
            is_logged: true,
            guards: Vec::new(),
            stood_in: false,
            answered_by: None,
            started: Instant::now(),
        }
    }

    /// Takes what the settings want written.
    pub(crate) fn log_as(&mut self, rules: &Arc<AccessLogRules>, headers: &HeaderMap) {
        if rules.is_usual() {
            return;
        }
        if let Some(format) = &rules.format {
            self.logged_headers = format.headers.iter().map(|name| headers.get(name).cloned()).collect();
        }
        self.log_rules = Some(Arc::clone(rules));
    }

    /// The head of the response that the client gets.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = status;
        self.head_sent = ("HTTP/1.1 200 OK\r\n".len() + fields_length(headers)) as u64;
    }

    /// Head and body of the request in bytes.
    pub(crate) fn request_length(&self) -> u64 {
        self.head_length + self.meter.as_ref().map_or(0, |meter| meter.received())
    }
}

/// `:authority`, else `Host`.
fn host(parts: &http::request::Parts) -> Option<HeaderValue> {
    match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => parts.headers.get(header::HOST).cloned(),
    }
}

/// The client's `X-Request-ID`, or 32 random hexadecimal digits (ingress-nginx's `$req_id`).
fn request_id(headers: &HeaderMap) -> HeaderValue {
    if let Some(id) = headers.get("x-request-id").filter(|id| !id.is_empty()) {
        return id.clone();
    }
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(fastrand::u128(..).to_be_bytes()) {
        pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 0xf)]);
    }
    HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("-"))
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

fn head_length(method: &Method, target: &str, headers: &HeaderMap) -> u64 {
    let line = method.as_str().len() + target.len() + " HTTP/1.1\r\n".len() + 1;
    (line + fields_length(headers)) as u64
}

/// With the empty line.
fn fields_length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + 2
}
