//! Pages that another service writes in place of errors (`custom-http-errors`, `default-backend`).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jamul_routing::error_pages::Author;
use jamul_routing::{ErrorPages, Reply, RequestHead, ResponseHead, Route, Snapshot, UpstreamId};

use crate::body::{Relay, Source};
use crate::conn_info::ConnInfo;
use crate::failure::Failure;
use crate::forward;
use crate::meter::{Meter, Phase};
use crate::outcome::Outcome;
use crate::pool::PoolKey;
use crate::request_body::RequestBody;
use crate::upstream::{Lease, Reuse};
use crate::wire::Wire;
use crate::wish::Wish;
use crate::worker::Worker;

const X_CODE: HeaderName = HeaderName::from_static("x-code");
const X_FORMAT: HeaderName = HeaderName::from_static("x-format");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_NAMESPACE: HeaderName = HeaderName::from_static("x-namespace");
const X_INGRESS_NAME: HeaderName = HeaderName::from_static("x-ingress-name");
const X_SERVICE_NAME: HeaderName = HeaderName::from_static("x-service-name");
const X_SERVICE_PORT: HeaderName = HeaderName::from_static("x-service-port");

/// What the page's request must not say: it has no body, and asks for no part of what failed.
const OF_THE_REQUEST: [HeaderName; 9] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// An exchange whose errors may be replaced.
#[derive(Debug)]
pub(crate) struct ErrorPage<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) connection: &'a ConnInfo,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) route: &'a Route,
    /// The request as the filters left it.
    pub(crate) head: RequestHead,
    /// Path and query as the client sent them.
    pub(crate) target: &'a str,
    pub(crate) request_id: HeaderValue,
}

/// What of the answer stays when a page takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// Nothing: status and headers are those of the page, as in ingress-nginx.
    Nothing,
    /// A filter refused the request, and that stands whatever the error service answers.
    Verdict,
}

impl ErrorPage<'_> {
    /// `outcome`, or the page in its place if `pages` says so. When the error service fails, the answer stays as
    /// it is.
    pub(crate) async fn replace(
        self,
        pages: &ErrorPages,
        outcome: Outcome,
        author: Author,
        stays: Stays,
    ) -> Outcome {
        let status = outcome.head.status;
        if !pages.replaces(status, author) {
            return outcome;
        }
        let Some(writer) = &pages.writer else { return plain(outcome) };
        let target = self.target;
        match self.ask(writer, status).await {
            Ok(page) => match stays {
                Stays::Nothing => page,
                Stays::Verdict => refused(outcome, page),
            },
            Err(failure) => {
                tracing::warn!(?failure, %status, target, "no page from the error service");
                outcome
            }
        }
    }

    async fn ask(mut self, writer: &UpstreamId, status: StatusCode) -> Result<Outcome, Failure> {
        let Self { worker, connection, snapshot, route, .. } = self;
        let upstream = snapshot.upstreams.get(writer).ok_or(Failure::NoEndpoint)?;
        for name in OF_THE_REQUEST {
            self.head.headers.remove(name);
        }
        mark(&mut self.head.headers, route, status, self.target);
        "/".clone_into(&mut self.head.target);
        let wish = Wish::of(route, snapshot, &self.head);
        let wire = Wire::new(upstream.protocol, connection.is_tls);
        let body = RequestBody::Empty;
        let request = forward::request(
            self.head,
            body,
            connection,
            &self.snapshot.globals.edge.trust,
            self.request_id,
            None,
            wire,
        )?;
        let group = worker.balancer.group(upstream);
        let pick = group.place(&wish, &[]).await?;
        let (timeouts, busy) = (&route.timeouts, pick.begin());
        let (pool, tls) = (&worker.pool, &worker.upstream_tls);
        let key = PoolKey::new(&pick.member.endpoint, wire, route);
        // A new connection: one that turns out to be closed would cost the page.
        let reuse = Reuse::Never;
        let mut lease = Lease::take(pool, tls, key, reuse, timeouts.connect, busy).await?;
        let meter = Meter::new(Phase::Done);
        let response = lease.send(request, timeouts, &meter).await.map_err(|broken| broken.failure)?;
        let (mut parts, incoming) = response.into_parts();
        if parts.status.is_informational() {
            return Err(Failure::Upstream);
        }
        forward::clean_response(&mut parts.headers);
        let relay = Relay::new(incoming, lease, timeouts.read);
        let head = ResponseHead { status: parts.status, headers: parts.headers };
        Ok(Outcome { head, source: Source::Upstream(relay) })
    }
}

/// Says what went wrong on `route`, to a service that answers in place of its own.
pub(crate) fn mark(headers: &mut HeaderMap, route: &Route, status: StatusCode, target: &str) {
    let origin = &route.origin;
    let format = headers.get(header::ACCEPT).cloned();
    let mut set = |name: HeaderName, value: Option<HeaderValue>| {
        headers.remove(&name);
        if let Some(value) = value {
            headers.insert(name, value);
        }
    };
    set(X_CODE, Some(HeaderValue::from(status.as_u16())));
    set(X_FORMAT, format);
    for (name, text) in [
        (X_ORIGINAL_URI, target),
        (X_NAMESPACE, &*origin.namespace),
        (X_INGRESS_NAME, &*origin.ingress),
        (X_SERVICE_NAME, &*origin.service),
        (X_SERVICE_PORT, &*origin.port),
    ] {
        set(name, HeaderValue::from_str(text).ok());
    }
}

/// Without an error service the words of the upstream are still replaced, by our own.
fn plain(outcome: Outcome) -> Outcome {
    match outcome.source {
        Source::Fixed(_) => outcome,
        Source::Upstream(_) | Source::Encoded(_) => Reply::status(outcome.head.status).into(),
    }
}

/// The page's body and its description below the status and the headers of the refusal.
fn refused(verdict: Outcome, page: Outcome) -> Outcome {
    let mut head = verdict.head;
    for name in
        [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE]
    {
        match page.head.headers.get(&name) {
            Some(value) => head.headers.insert(name, value.clone()),
            None => head.headers.remove(name),
        };
    }
    Outcome { head, source: page.source }
}
