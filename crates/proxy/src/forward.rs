//! Heads on their way through: what the client's becomes for the upstream, and the upstream's for the client.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use hyper::upgrade::OnUpgrade;
use jamul_routing::edge::Trust;
use jamul_routing::{Edge, Host, RequestHead, path};

use crate::conn_info::ConnInfo;
use crate::failure::Failure;
use crate::request_body::{Replay, RequestBody};
use crate::upgrade::{Form, Upgrade};
use crate::wire::{Version, Wire};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_SCHEME: HeaderName = HeaderName::from_static("x-forwarded-scheme");
const X_ORIGINAL_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-original-forwarded-for");
const X_ORIGINAL_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-original-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_SCHEME: HeaderName = HeaderName::from_static("x-scheme");
/// How many headers [`request`] may add.
const ADDED: usize = 12;

/// What upstreams are told of a client's certificate (`auth-tls-secret`), by nobody but us.
const OF_CERTIFICATES: [&str; 4] =
    ["ssl-client-cert", "ssl-client-verify", "ssl-client-subject-dn", "ssl-client-issuer-dn"];

/// The head that matching and filters see, of a request for `client`. Headers with unusual names, `Proxy` and what only we
/// say of certificates are gone
/// already: an upstream's CGI could take them for others (nginx's `underscores_in_headers off`; httpoxy).
///
/// # Errors
/// [`Failure::BadHost`], [`Failure::BadRequest`], [`Failure::TargetTooLong`].
pub(crate) fn head(
    parts: http::request::Parts,
    connection: &ConnInfo,
    client: IpAddr,
    edge: &Edge,
) -> Result<RequestHead, Failure> {
    let (host, written) = host(&parts)?;
    let canonical = path::normalize(parts.uri.path()).map_err(|_| Failure::BadRequest)?;
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    if target.len() > edge.limits.line_bytes {
        return Err(Failure::TargetTooLong);
    }
    let target = path::resolve(target).into_owned();
    let mut headers = parts.headers;
    let forwarded = edge.trust.forwarded(&headers, connection.peer);
    headers.insert(header::HOST, written);
    headers.remove("proxy");
    clean(&mut headers, edge)?;
    let is_tls = forwarded.as_ref().and_then(|forwarded| forwarded.is_tls).unwrap_or(connection.is_secure);
    Ok(RequestHead {
        method: parts.method,
        host,
        path: canonical,
        target,
        headers,
        client,
        is_tls,
        forwarded: forwarded.map(Box::new),
        tls: connection.tls.clone(),
        edits: Vec::new(),
    })
}

/// Takes away the headers whose names are not allowed.
fn clean(headers: &mut HeaderMap, edge: &Edge) -> Result<(), Failure> {
    let mut dropped: Vec<HeaderName> = Vec::new();
    for (name, value) in &*headers {
        if name.as_str().len() + value.len() > edge.limits.line_bytes {
            return Err(Failure::BadRequest);
        }
        if !edge.names.allow(name.as_str()) || is_of_certificates(name.as_str()) {
            dropped.push(name.clone());
        }
    }
    for name in &dropped {
        headers.remove(name);
    }
    Ok(())
}

/// With `_` they are the same to a CGI.
fn is_of_certificates(name: &str) -> bool {
    name.starts_with("ssl") && OF_CERTIFICATES.contains(&name.replace('_', "-").as_str())
}

/// The one host of a request, for routing and as the client wrote it.
fn host(parts: &http::request::Parts) -> Result<(Host, HeaderValue), Failure> {
    let mut named = parts.headers.get_all(header::HOST).iter();
    let (first, second) = (named.next(), named.next());
    if second.is_some() {
        return Err(Failure::BadHost);
    }
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let text = match (authority, first.map(HeaderValue::to_str)) {
        // RFC 9113 section 8.3.1: they must not differ. RFC 9112 section 3.2.2: the absolute form wins.
        (Some(authority), Some(Ok(header))) => {
            if parts.version >= http::Version::HTTP_2 && !authority.eq_ignore_ascii_case(header) {
                return Err(Failure::BadHost);
            }
            authority
        }
        (Some(authority), None) => authority,
        (None, Some(Ok(header))) => header,
        (_, Some(Err(_))) | (None, None) => return Err(Failure::BadHost),
    };
    let host = Host::parse(text).ok_or(Failure::BadHost)?;
    let written = HeaderValue::from_str(text).map_err(|_| Failure::BadHost)?;
    Ok((host, written))
}

/// What the client wants its connection to become (WebSocket), and the way to it. An extended CONNECT becomes the request
/// that it stands for, so that routes and filters see what they know.
pub(crate) fn take_upgrade(parts: &mut http::request::Parts) -> Option<Upgrade> {
    if let Some(protocol) = parts.extensions.remove::<hyper::ext::Protocol>() {
        let protocol = HeaderValue::from_str(protocol.as_str()).ok()?;
        let client = parts.extensions.remove::<OnUpgrade>()?;
        parts.method = Method::GET;
        if protocol == "websocket" {
            // RFC 8441 section 5.1: HTTP/2 has none, HTTP/1.1 wants one.
            parts.headers.insert(header::SEC_WEBSOCKET_KEY, websocket_key());
        }
        return Some(Upgrade { client, protocol, form: Form::Connect });
    }
    let wants = parts.headers.get_all(header::CONNECTION).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade")))
    });
    if !wants || parts.version != http::Version::HTTP_11 {
        return None;
    }
    let protocol = parts.headers.get(header::UPGRADE)?.clone();
    // An upgrade to HTTP/2 is between the client and us, and not taken this way (RFC 9113 section 3.1).
    if protocol.as_bytes().to_ascii_lowercase().starts_with(b"h2") {
        return None;
    }
    Some(Upgrade { client: parts.extensions.remove::<OnUpgrade>()?, protocol, form: Form::Header })
}

/// 16 random bytes in base64 (RFC 6455 section 4.1).
fn websocket_key() -> HeaderValue {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let random = fastrand::u128(..);
    // 21 digits of six bits, one of two bits, and what fills the last group.
    let digit = |bits: u128| DIGITS.get((bits & 63) as usize).copied().unwrap_or(b'A');
    let mut key: Vec<u8> = (0..21).map(|index| digit(random >> (6 * index))).collect();
    key.extend([digit((random >> 126) << 4), b'=', b'=']);
    HeaderValue::from_bytes(&key).unwrap_or(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

/// The request as the upstream gets it (ingress-nginx's `proxy_set_header` lines).
///
/// # Errors
/// [`Failure::BadRequest`] if a filter's target is no path.
pub(crate) fn request(
    head: RequestHead,
    body: RequestBody,
    connection: &ConnInfo,
    trust: &Trust,
    request_id: HeaderValue,
    upgrade: Option<HeaderValue>,
    wire: Wire,
) -> Result<Request<RequestBody>, Failure> {
    let RequestHead { method, target, mut headers, client, is_tls, forwarded, edits, .. } = head;
    // The client's own are resolved; these come from a rewrite, and would lead out of where it leads to.
    if path::has_dots(&target) {
        return Err(Failure::BadRequest);
    }
    let host = headers.get(header::HOST).cloned().ok_or(Failure::BadHost)?;
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // It overrides the length, which may be a lie (RFC 9112 section 6.3, request smuggling).
        headers.remove(header::CONTENT_LENGTH);
    }
    let takes_trailers = takes_trailers(&headers);
    remove_hop_by_hop(&mut headers);
    // hyper has answered it, or will when the body is first read.
    headers.remove(header::EXPECT);
    join_cookies(&mut headers);
    let client = if client == connection.peer.address {
        connection.peer_value.clone()
    } else {
        HeaderValue::try_from(client.to_string()).map_err(|_| Failure::BadRequest)?
    };
    let scheme = HeaderValue::from_static(if is_tls { "https" } else { "http" });
    let forwarded = forwarded.map(|forwarded| *forwarded).unwrap_or_default();
    let host = forwarded.host.map_or(host, |(_, written)| written);
    // So that the map grows once, not with some of the names below.
    headers.reserve(ADDED);
    let way = way(&headers, connection, trust, &client);
    keep_original(&mut headers, &trust.address_header, X_ORIGINAL_FORWARDED_FOR);
    keep_original(&mut headers, &X_FORWARDED_HOST, X_ORIGINAL_FORWARDED_HOST);
    headers.insert(X_REQUEST_ID, request_id);
    headers.insert(X_REAL_IP, client);
    headers.insert(X_FORWARDED_FOR, way);
    headers.insert(X_FORWARDED_HOST, host.clone());
    headers.insert(X_FORWARDED_PORT, forwarded.port.unwrap_or_else(|| connection.port_value.clone()));
    headers.insert(X_FORWARDED_PROTO, scheme.clone());
    headers.insert(X_FORWARDED_SCHEME, scheme.clone());
    headers.insert(X_SCHEME, scheme);
    headers.insert(header::HOST, host);
    if wire.version() == Version::Http1
        && let Some(protocol) = upgrade
    {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    for edit in edits {
        edit.apply(&mut headers, StatusCode::OK);
    }
    let uri = match wire.version() {
        Version::Http1 => Uri::try_from(target),
        // The authority says the host (RFC 9113 section 8.3.1); no header belongs to the connection.
        Version::Http2 => {
            let host = headers.remove(header::HOST).ok_or(Failure::BadHost)?;
            headers.remove(header::CONNECTION);
            if takes_trailers {
                headers.insert(header::TE, HeaderValue::from_static("trailers"));
            }
            let authority = host.to_str().map_err(|_| Failure::BadHost)?;
            Uri::try_from(format!("{}://{authority}{target}", wire.scheme()))
        }
    };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri.map_err(|_| Failure::BadRequest)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Whether the client reads fields after the body (RFC 9110 section 10.1.4); gRPC servers ask for it.
fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case("trailers"))
}

/// The head of the request, for another attempt.
pub(crate) fn copy(request: &Request<RequestBody>) -> Request<()> {
    let mut copy = Request::new(());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy
}

/// The request of a copied head, if its body is still there.
pub(crate) fn whole(copy: Request<()>, replay: &Replay) -> Option<Request<RequestBody>> {
    let body = replay.again()?;
    Some(copy.map(|()| body))
}

/// Takes away what is between the upstream and us, and what it says about itself.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.remove(header::SERVER);
}

/// Takes away the headers of one connection only (RFC 9110 section 7.6.1): those that `Connection` names, and
/// those that are known to be.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named =
        named.flat_map(|value| value.split(',')).filter_map(|name| HeaderName::try_from(name.trim()).ok());
    let known = headers.keys().filter(|name| is_hop_by_hop(name)).cloned();
    // Mostly there is none, and then nothing is allocated.
    let found: Vec<HeaderName> = known.chain(named).collect();
    for name in &found {
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "te" | "transfer-encoding" | "upgrade" | "keep-alive" | "proxy-connection"
    )
}

/// `X-Forwarded-For`: the client, or the whole way to it.
fn way(headers: &HeaderMap, connection: &ConnInfo, trust: &Trust, client: &HeaderValue) -> HeaderValue {
    let Some(sent) = trust.chain_of(headers, connection.peer) else { return client.clone() };
    let whole = [sent.as_bytes(), connection.peer_value.as_bytes()].join(b", ".as_slice());
    HeaderValue::from_bytes(&whole).unwrap_or_else(|_| client.clone())
}

/// What the client sent as `name` stays readable as `original`; nobody else sets that.
fn keep_original(headers: &mut HeaderMap, name: &HeaderName, original: HeaderName) {
    match headers.get(name).cloned() {
        Some(value) => {
            headers.insert(original, value);
        }
        None => {
            headers.remove(original);
        }
    }
}

/// HTTP/2 splits `Cookie`; HTTP/1.1 knows one (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(b"; ".as_slice()))
    {
        headers.insert(header::COOKIE, joined);
    }
}
