//! Answers that go on as long as somebody reads: the dashboard's pulse and the tap.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::{HeaderValue, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use jamul_proxy::Tapped;
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::pulse::Pulse;

/// The body of any answer of the admin port.
pub(super) type AdminBody = UnsyncBoxBody<Bytes, Infallible>;

/// How many may be open at a time.
pub(super) const MOST: usize = 64;

/// Server-sent events (HTML standard, section 9.2), one for each beat. `place` is one of [`MOST`], held as long
/// as the answer goes on.
pub(super) fn pulses(
    beats: watch::Receiver<Pulse>,
    place: OwnedSemaphorePermit,
    shutdown: CancellationToken,
) -> Response<AdminBody> {
    let events = stream::unfold((beats, place, shutdown), async |(mut beats, place, shutdown)| {
        tokio::select! {
            () = shutdown.cancelled() => return None,
            changed = beats.changed() => changed.ok()?,
        }
        let pulse = beats.borrow_and_update().clone();
        let text = format!("data: {}\n\n", json!(pulse));
        Some((Bytes::from(text), (beats, place, shutdown)))
    });
    answer("text/event-stream", events)
}

/// A line of JSON for each exchange that `wanted` takes.
pub(super) fn exchanges(
    tap: Receiver<Arc<Tapped>>,
    wanted: Wanted,
    place: OwnedSemaphorePermit,
    shutdown: CancellationToken,
) -> Response<AdminBody> {
    let lines = stream::unfold((tap, wanted, place, shutdown), async |(mut tap, wanted, place, shutdown)| {
        loop {
            let received = tokio::select! {
                () = shutdown.cancelled() => return None,
                received = tap.recv() => received,
            };
            let line = match received {
                Ok(tapped) if wanted.takes(&tapped) => view(&tapped),
                Ok(_) => continue,
                Err(RecvError::Lagged(lost)) => json!({ "lost": lost }),
                Err(RecvError::Closed) => return None,
            };
            return Some((Bytes::from(format!("{line}\n")), (tap, wanted, place, shutdown)));
        }
    });
    answer("application/x-ndjson", lines)
}

/// Which exchanges are to be seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    host: Option<String>,
    ingress: Option<String>,
    method: Option<String>,
    /// `404` or `5xx`.
    status: Option<String>,
}

impl Wanted {
    /// From `host=`, `ingress=`, `method=` and `status=` of a query; anything else is for others.
    pub(super) fn parse(query: &str) -> Self {
        let mut wanted = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "host" => &mut wanted.host,
                "ingress" => &mut wanted.ingress,
                "method" => &mut wanted.method,
                "status" => &mut wanted.status,
                _ => continue,
            };
            *field = Some(value.into_owned()).filter(|value| !value.is_empty());
        }
        wanted
    }

    fn takes(&self, tapped: &Tapped) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
        };
        let host = tapped.host.as_deref().map(|host| host.rsplit_once(':').map_or(host, |(host, _)| host));
        let status = tapped.status.to_string();
        let class = format!("{}xx", status.get(..1).unwrap_or_default());
        is(&self.host, host)
            && is(&self.ingress, tapped.ingress.as_deref())
            && is(&self.method, Some(&tapped.method))
            && (is(&self.status, Some(&status)) || is(&self.status, Some(&class)))
    }
}

fn view(tapped: &Tapped) -> serde_json::Value {
    json!({
        "at": tapped.at.to_string(),
        "client": tapped.client.to_string(),
        "method": tapped.method,
        "host": tapped.host,
        "path": tapped.path,
        "hasQuery": tapped.has_query,
        "protocol": tapped.protocol,
        "status": tapped.status,
        "sent": tapped.sent,
        "milliseconds": (tapped.duration.as_secs_f64() * 1e6).round() / 1e3,
        "route": tapped.route,
        "ingress": tapped.ingress,
        "service": tapped.service,
        "endpoint": tapped.endpoint,
        "upstreamStatus": tapped.upstream_status,
        "answeredBy": tapped.answered_by,
        "failure": tapped.failure,
    })
}

fn answer(
    content_type: &'static str,
    parts: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<AdminBody> {
    let frames = futures_util::StreamExt::map(parts, |part| Ok(Frame::data(part)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn tapped() -> Tapped {
        Tapped {
            at: jiff::Timestamp::UNIX_EPOCH,
            client: "192.0.2.1".parse().unwrap(),
            method: "GET".to_owned(),
            host: Some("web.example:8443".to_owned()),
            path: "/a".to_owned(),
            has_query: true,
            protocol: "HTTP/2.0",
            status: 503,
            sent: 12,
            duration: std::time::Duration::from_micros(1500),
            route: Some("web.example Prefix /".to_owned()),
            ingress: Some("default/web".to_owned()),
            service: None,
            endpoint: None,
            upstream_status: None,
            answered_by: None,
            failure: Some("NoEndpoint".to_owned()),
        }
    }

    #[test]
    fn a_watcher_sees_what_it_asked_for() {
        let takes = |query: &str| Wanted::parse(query).takes(&tapped());
        for query in
            ["", "host=WEB.example", "status=5xx", "status=503&method=get", "ingress=default/web", "x=y"]
        {
            assert!(takes(query), "{query}");
        }
        for query in ["host=web", "status=4xx", "status=50", "method=POST", "ingress=default/other"] {
            assert!(!takes(query), "{query}");
        }
    }

    #[test]
    fn every_field_of_an_exchange_is_there() {
        let view = view(&tapped());
        assert_eq!(view.get("milliseconds"), Some(&json!(1.5)));
        assert_eq!(view.get("service"), Some(&serde_json::Value::Null));
        assert_eq!(view.get("failure"), Some(&json!("NoEndpoint")));
    }
}
