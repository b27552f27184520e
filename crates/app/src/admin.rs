//! The port for health, metrics, the read-only API and the dashboard. No key material on any of it.

pub(crate) mod api;
mod metrics;
mod openmetrics;
mod pulse;
mod state;
mod streams;
pub(crate) mod traffic;

pub(crate) use metrics::Speaker;
pub(crate) use state::{AdminState, Phase};

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use jamul_proxy::plain::{self, Peer, StreamHandler};
use jamul_routing::Snapshot;
use jiff::Timestamp;
use prometheus::{Encoder as _, TextEncoder};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::explain::{self, Known};
use pulse::Pulse;
use streams::{AdminBody, Wanted};

fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let listen = |address: &SocketAddr| {
        plain::listen(*address).with_context(|| format!("cannot listen on {address} (--healthz-port)"))
    };
    addresses.iter().map(listen).collect()
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
    let listeners = bind(addresses)?;
    let admin = Arc::new(Admin {
        state,
        pulses: watch::Sender::new(Pulse::default()),
        places: Arc::new(Semaphore::new(streams::MOST)),
        shutdown: shutdown.clone(),
    });
    let answering = Arc::clone(&admin);
    let handler: StreamHandler<AdminBody> = Arc::new(move |request| {
        let admin = Arc::clone(&answering);
        Box::pin(async move { admin.answer(&request) })
    });
    let mut servers = JoinSet::new();
    for listener in listeners {
        servers.spawn(plain::serve_streams(listener, None, Arc::clone(&handler), shutdown.clone()));
    }
    let (published, noted) = (admin.state.live.published.subscribe(), shutdown.clone());
    let reloads = Arc::clone(&admin.state.reloads);
    servers.spawn(async move { reloads.follow(published, noted).await });
    servers.spawn(async move { pulse::beat(&admin.state, &admin.pulses, shutdown).await });
    while let Some(ended) = servers.join_next().await {
        ended.context("the admin server panicked")?;
    }
    Ok(())
}

/// What requests are answered from.
struct Admin {
    state: AdminState,
    pulses: watch::Sender<Pulse>,
    /// For answers that go on.
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Admin {
    fn answer(&self, request: &Request<Vec<u8>>) -> Response<AdminBody> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response.map(whole);
        }
        let state = &self.state;
        let snapshot = state.live.snapshot.load();
        let query = request.uri().query().unwrap_or_default();
        let response = match request.uri().path() {
            "/api/stream" => return self.stream(),
            "/api/tap" => return self.tap(query, request.extensions().get::<Peer>()),
            "/livez" | "/healthz" => text(StatusCode::OK, "ok\n"),
            path if path == state.health_path => text(StatusCode::OK, "ok\n"),
            "/readyz" => readiness(*state.phase.borrow()),
            "/metrics" if state.has_metrics => metrics_text(state, request.headers().get(header::ACCEPT)),
            "/" => page("text/html; charset=utf-8", include_str!("dashboard/index.html")),
            "/dashboard/style.css" => page("text/css; charset=utf-8", include_str!("dashboard/style.css")),
            "/dashboard/app.js" => page("text/javascript; charset=utf-8", include_str!("dashboard/app.js")),
            "/api/routes" => json_text(&api::routes(&snapshot, &state.healths)),
            "/api/certificates" => json_text(&api::certificates(&state.store)),
            "/api/diagnostics" => {
                json_text(&api::diagnostics(&state.diagnostics(), &state.store.diagnostics()))
            }
            "/api/explain" => explained(query, &snapshot, state),
            "/api/traffic" => json_text(&json!(traffic::traffic(&state.metrics.gather()))),
            "/api/pulse" => json_text(&json!(pulse::take(state))),
            "/api/events" => json_text(&api::events(&state.store.events())),
            _ => text(StatusCode::NOT_FOUND, "not found\n"),
        };
        response.map(whole)
    }

    fn stream(&self) -> Response<AdminBody> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let mut beats = self.pulses.subscribe();
                // Whoever opens the page should not wait for the next beat.
                self.pulses.send_replace(pulse::take(&self.state));
                beats.mark_changed();
                streams::pulses(beats, place, self.shutdown.clone())
            }
            Err(_) => full().map(whole),
        }
    }

    /// Requests are their users' business: only this machine (or a port that is forwarded to it) may watch them.
    fn tap(&self, query: &str, peer: Option<&Peer>) -> Response<AdminBody> {
        if !peer.is_some_and(|Peer(peer)| peer.ip().to_canonical().is_loopback()) {
            let why = "requests are shown to this machine only; ask by 127.0.0.1, or by a forwarded port\n";
            return text(StatusCode::FORBIDDEN, why).map(whole);
        }
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let (tap, wanted) = (self.state.tap.watch(), Wanted::parse(query));
                streams::exchanges(tap, wanted, place, self.shutdown.clone())
            }
            Err(_) => full().map(whole),
        }
    }
}

fn full() -> Response<Vec<u8>> {
    text(StatusCode::SERVICE_UNAVAILABLE, "too many are watching; close a dashboard or a tap\n")
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
        healths: &state.healths,
    };
    match explain::explain(&url, &known) {
        Ok(explanation) => json_text(&json!(explanation)),
        Err(error) => {
            let text = format!("{error:#}\n").into_bytes();
            body(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", text)
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

/// Of the proxy and the process, then of cert-manager's controllers.
fn metrics_text(state: &AdminState, accept: Option<&HeaderValue>) -> Response<Vec<u8>> {
    let mut families = metrics::gather(state);
    match state.controllers.gather(&state.store, Timestamp::now()) {
        Ok(of_controllers) => families.extend(of_controllers),
        Err(error) => tracing::error!(%error, "the metrics of the controllers cannot be told"),
    }
    let accept = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if openmetrics::is_asked_for(accept) {
        return body(StatusCode::OK, openmetrics::CONTENT_TYPE, openmetrics::encode(&families).into_bytes());
    }
    let mut encoded = Vec::new();
    match TextEncoder::new().encode(&families, &mut encoded) {
        Ok(()) => body(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", encoded),
        Err(error) => {
            tracing::error!(%error, "cannot encode the metrics");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be encoded\n")
        }
    }
}

fn json_text(value: &Value) -> Response<Vec<u8>> {
    body(StatusCode::OK, "application/json", format!("{value}\n").into_bytes())
}

fn text(status: StatusCode, words: &'static str) -> Response<Vec<u8>> {
    body(status, "text/plain; charset=utf-8", words.as_bytes().to_vec())
}

fn page(content_type: &'static str, text: &'static str) -> Response<Vec<u8>> {
    body(StatusCode::OK, content_type, text.as_bytes().to_vec())
}

fn body(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    response
}

fn whole(body: Vec<u8>) -> AdminBody {
    Full::new(Bytes::from(body)).boxed_unsync()
}

/// The page loads its own two files, asks its own port, and is framed by nobody.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_serving_process_is_ready() {
        let phases = [Phase::Starting, Phase::Serving, Phase::Draining, Phase::Stopped];
        let ready = phases.map(|phase| readiness(phase).status() == StatusCode::OK);
        assert_eq!(ready, [false, true, false, false]);
    }

    #[test]
    fn the_page_keeps_to_its_own_policy() {
        let page = include_str!("dashboard/index.html");
        for forbidden in ["<style", " style=", " onclick", "javascript:", "=\"http"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        let script = include_str!("dashboard/app.js");
        for forbidden in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write", ".style."]
        {
            assert!(!script.contains(forbidden), "{forbidden}");
        }
    }
}
