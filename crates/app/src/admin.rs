//! The port for health, metrics and the read-only API. No key material on any of it.

pub(crate) mod api;
mod page;
mod state;

pub(crate) use state::{AdminState, Phase};

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jamul_proxy::Metrics;
use jamul_proxy::plain::{self, Handler};
use jamul_routing::Snapshot;
use prometheus::{Encoder as _, TextEncoder};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::explain::{self, Known};

async fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.with_context(|| format!("cannot listen on {address} (--healthz-port)"))?);
    }
    Ok(listeners)
}

/// Answers on all `addresses` until `shutdown`.
///
/// # Errors
/// An address that cannot be had.
pub(crate) async fn serve(
    addresses: &[SocketAddr],
    state: AdminState,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listeners = bind(addresses).await?;
    let state = Arc::new(state);
    let handler: Handler = Arc::new(move |request| {
        let state = Arc::clone(&state);
        Box::pin(async move { answer(&request, &state) })
    });
    let mut servers = JoinSet::new();
    for listener in listeners {
        servers.spawn(plain::serve(listener, None, Arc::clone(&handler), shutdown.clone()));
    }
    while let Some(ended) = servers.join_next().await {
        ended.context("the admin server panicked")?;
    }
    Ok(())
}

fn answer(request: &Request<Vec<u8>>, state: &AdminState) -> Response<Vec<u8>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let snapshot = state.live.snapshot.load();
    match request.uri().path() {
        "/livez" | "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => readiness(*state.phase.borrow()),
        "/metrics" => metrics(&state.metrics),
        "/" => body(StatusCode::OK, "text/html; charset=utf-8", page::render(&snapshot, state).into_bytes()),
        "/api/routes" => json(&api::routes(&snapshot, &state.healths)),
        "/api/certificates" => json(&api::certificates(&state.store)),
        "/api/diagnostics" => json(&api::diagnostics(&state.live.diagnostics(), &state.store.diagnostics())),
        "/api/explain" => explained(request.uri().query().unwrap_or_default(), &snapshot, state),
        "/api/events" => json(&api::events(&state.store.events())),
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// `?url=`: who would answer it.
fn explained(query: &str, snapshot: &Snapshot, state: &AdminState) -> Response<Vec<u8>> {
    let url = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "url");
    let Some((_, url)) = url else { return text(StatusCode::BAD_REQUEST, "expected ?url=URL\n") };
    let known = Known {
        snapshot,
        store: &state.store,
        diagnostics: &state.live.diagnostics(),
        annotations_prefix: &state.annotations_prefix,
    };
    match explain::explain(&url, &known) {
        Ok(explanation) => json(&serde_json::json!(explanation)),
        Err(error) => {
            body(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", format!("{error:#}\n").into_bytes())
        }
    }
}

fn readiness(phase: Phase) -> Response<Vec<u8>> {
    match phase {
        Phase::Serving => text(StatusCode::OK, "ok\n"),
        Phase::Starting => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Draining => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        Phase::Stopped => text(StatusCode::SERVICE_UNAVAILABLE, "stopped\n"),
    }
}

fn metrics(metrics: &Metrics) -> Response<Vec<u8>> {
    let mut encoded = Vec::new();
    match TextEncoder::new().encode(&metrics.gather(), &mut encoded) {
        Ok(()) => body(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", encoded),
        Err(error) => {
            tracing::error!(%error, "cannot encode the metrics");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be encoded\n")
        }
    }
}

fn json(value: &Value) -> Response<Vec<u8>> {
    body(StatusCode::OK, "application/json", format!("{value}\n").into_bytes())
}

fn text(status: StatusCode, words: &'static str) -> Response<Vec<u8>> {
    body(status, "text/plain; charset=utf-8", words.as_bytes().to_vec())
}

fn body(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    response
}

/// The page loads nothing and is framed by nobody.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_serving_process_is_ready() {
        let phases = [Phase::Starting, Phase::Serving, Phase::Draining, Phase::Stopped];
        let ready = phases.map(|phase| readiness(phase).status() == StatusCode::OK);
        assert_eq!(ready, [false, true, false, false]);
    }
}
