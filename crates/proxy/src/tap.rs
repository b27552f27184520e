//! Exchanges as they end, for whoever watches. While nobody does, an exchange costs one load of an atomic.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{StatusCode, Version};
use jamul_routing::Endpoint;
use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::record::ExchangeRecord;

/// How many exchanges wait for a slow watcher; then the oldest are lost to it, and it is told how many.
const QUEUE: usize = 1024;

/// The place where exchanges can be watched. Clones are the same place.
#[derive(Clone, Debug)]
pub struct Tap(broadcast::Sender<Arc<Tapped>>);

/// One exchange that has ended, and the decision that was taken.
#[derive(Clone, Debug)]
pub struct Tapped {
    /// When it ended.
    pub at: Timestamp,
    /// Who asked.
    pub client: IpAddr,
    /// Method.
    pub method: String,
    /// Host as asked for, if it was.
    pub host: Option<String>,
    /// Path without query: what stands in queries is often secret.
    pub path: String,
    /// Whether there was a query.
    pub has_query: bool,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub protocol: &'static str,
    /// What the client got.
    pub status: u16,
    /// Bytes of the response's body.
    pub sent: u64,
    /// From the head of the request to the end of the response.
    pub duration: Duration,
    /// Name of the route: host, type and path of its rule.
    pub route: Option<String>,
    /// `namespace/name` of its Ingress.
    pub ingress: Option<String>,
    /// `namespace/name:port` of its Service.
    pub service: Option<String>,
    /// Who was asked, the last one if several were.
    pub endpoint: Option<String>,
    /// What that one said.
    pub upstream_status: Option<u16>,
    /// The filter that answered in its place.
    pub answered_by: Option<&'static str>,
    /// What went wrong.
    pub failure: Option<String>,
}

impl Default for Tap {
    fn default() -> Self {
        Self(broadcast::Sender::new(QUEUE))
    }
}

impl Tap {
    /// All exchanges that end from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Arc<Tapped>> {
        self.0.subscribe()
    }

    /// Shows `record`, which ended `now`, to those who watch.
    pub(crate) fn exchange_finished(&self, record: &ExchangeRecord, now: Instant) {
        if self.0.receiver_count() == 0 {
            return;
        }
        // An error means that the last watcher has just gone.
        let _: Result<usize, _> = self.0.send(Arc::new(Tapped::of(record, now)));
    }
}

impl Tapped {
    fn of(record: &ExchangeRecord, now: Instant) -> Self {
        let (path, query) = match record.target.split_once('?') {
            Some((path, _)) => (path, true),
            None => (record.target.as_str(), false),
        };
        let origin = record.route.as_ref().map(|route| &route.origin);
        let service = origin.filter(|origin| !origin.service.is_empty());
        let ingress = origin.filter(|origin| !origin.ingress.is_empty());
        Self {
            at: Timestamp::now(),
            client: record.client,
            method: record.method.to_string(),
            host: record.host.as_ref().map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned()),
            path: path.to_owned(),
            has_query: query,
            protocol: protocol(record.version),
            status: record.status.as_u16(),
            sent: record.sent,
            duration: now.saturating_duration_since(record.started),
            route: record.route.as_ref().map(|route| route.id.0.to_string()),
            ingress: ingress.map(|origin| format!("{}/{}", origin.namespace, origin.ingress)),
            service: service.map(|origin| format!("{}/{}:{}", origin.namespace, origin.service, origin.port)),
            endpoint: record.upstream.as_ref().map(|upstream| match &upstream.endpoint {
                Endpoint::Address(address) => address.to_string(),
                Endpoint::Name(name, port) => format!("{name}:{port}"),
            }),
            upstream_status: record
                .upstream
                .as_ref()
                .and_then(|upstream| upstream.status)
                .map(|status: StatusCode| status.as_u16()),
            answered_by: record.answered_by,
            failure: record.failure.map(|failure| format!("{failure:?}")),
        }
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_3 => "HTTP/3.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn record(target: &str) -> ExchangeRecord {
        let request = http::Request::get(target).header("host", "web.example").body(()).unwrap();
        ExchangeRecord::begin("192.0.2.7".parse().unwrap(), &request.into_parts().0)
    }

    #[test]
    fn a_watcher_sees_exchanges_but_not_their_queries() {
        let tap = Tap::default();
        tap.exchange_finished(&record("/before"), Instant::now());
        let mut watch = tap.watch();
        tap.exchange_finished(&record("/a?token=secret"), Instant::now());
        let seen = watch.try_recv().unwrap();
        assert_eq!(
            (seen.path.as_str(), seen.has_query, seen.host.as_deref()),
            ("/a", true, Some("web.example"))
        );
        assert!(!format!("{seen:?}").contains("secret"));
        assert!(watch.try_recv().is_err());
    }

    #[test]
    fn a_slow_watcher_is_told_how_many_it_missed() {
        let tap = Tap::default();
        let mut watch = tap.watch();
        for _ in 0..QUEUE + 3 {
            tap.exchange_finished(&record("/"), Instant::now());
        }
        assert!(matches!(watch.try_recv(), Err(broadcast::error::TryRecvError::Lagged(3))));
    }
}
