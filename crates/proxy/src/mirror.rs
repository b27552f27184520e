//! Copies of requests to somewhere else (`mirror-target`). Nobody waits for them: a copy that cannot keep up with its
//! request, or comes when too many are under way, is given up.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use jamul_routing::mirror::MirrorBody;
use jamul_routing::{Endpoint, Mirror};

use crate::copy_body;
use crate::dial::{self, Dialled};
use crate::forward;
use crate::pool::{Owned, PoolKey};
use crate::request_body::RequestBody;
use crate::wire::{Version, Wire};
use crate::worker::Worker;

/// For all of a copy, its answer included.
const WAIT: Duration = Duration::from_secs(60);

/// Begins a copy of `request` to `url`, whose body is still to come.
pub(crate) fn begin(worker: &Worker, mirror: &Arc<Mirror>, url: String, request: &Request<RequestBody>) {
    let Some(place) = worker.copies.enter() else {
        tracing::debug!(url, "too many copies are under way");
        return;
    };
    let head = forward::copy(request);
    let body = match (mirror.body, request.body()) {
        (MirrorBody::Copied, RequestBody::Client(body)) => {
            let (tee, copy) = copy_body::split(request.body().size_hint());
            body.tee(tee);
            RequestBody::Copy(copy)
        }
        (MirrorBody::Copied | MirrorBody::Left, _) => RequestBody::Empty,
    };
    let (pool, tls, host) = (Rc::clone(&worker.pool), Rc::clone(&worker.upstream_tls), mirror.host.clone());
    tokio::task::spawn_local(async move {
        let _place = place;
        let sending = async {
            let (key, request) = address(&url, head, body, host)?;
            let mut owned = match pool.take(&key) {
                Some(owned) => owned,
                None => match dial::connect(&key, &tls).await? {
                    Dialled::Http1(sender) => Owned::new(sender),
                    Dialled::Http2(_) => return Err(io::Error::other("asked for HTTP/1.1")),
                },
            };
            let response = owned.sender.send_request(request).await;
            drain(response.map_err(io::Error::other)?).await?;
            pool.put(key, owned);
            Ok(())
        };
        match tokio::time::timeout(WAIT, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(url, error = &error as &dyn std::error::Error, "copy failed"),
            Err(_) => tracing::debug!(url, "copy took too long"),
        }
    });
}

/// The request that the copy is.
fn address(
    url: &str,
    head: Request<()>,
    body: RequestBody,
    host: Option<HeaderValue>,
) -> io::Result<(PoolKey, Request<RequestBody>)> {
    let url: Uri = url.parse().map_err(io::Error::other)?;
    let authority = url.authority().ok_or_else(|| io::Error::other("the URL has no host"))?;
    let is_tls = url.scheme_str() == Some("https");
    let wire = if is_tls { Wire::Tls(Version::Http1) } else { Wire::Plain(Version::Http1) };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let endpoint = Endpoint::Name(name.into(), authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }));
    let mut request = head.map(|()| body);
    let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = path.parse().map_err(io::Error::other)?;
    let host = match host {
        Some(host) => host,
        None => HeaderValue::from_str(authority.host()).map_err(io::Error::other)?,
    };
    let has_body = !request.body().is_end_stream();
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    headers.remove(header::CONNECTION);
    headers.remove(header::UPGRADE);
    if !has_body {
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok((PoolKey { endpoint, wire, tls: None }, request))
}

/// Throws the answer away.
async fn drain(response: Response<Incoming>) -> io::Result<()> {
    let mut incoming = response.into_body();
    while let Some(frame) = incoming.frame().await {
        frame.map_err(io::Error::other)?;
    }
    Ok(())
}
