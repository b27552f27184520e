//! Asking an upstream: which endpoint, a lease on a connection to it, send, await the head; again elsewhere
//! if that may help.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use jamul_routing::route::Target;
use jamul_routing::{Endpoint, Protocol, RequestHead, ResponseHead, Route, Snapshot, Upstream};

use crate::body::{Relay, Source};
use crate::conn_info::ConnInfo;
use crate::failure::Failure;
use crate::forward;
use crate::outcome::Outcome;
use crate::record::{ExchangeRecord, UpstreamRecord};
use crate::request_body::RequestBody;
use crate::upgrade;
use crate::upstream::{Lease, Reuse};
use crate::worker::Worker;

/// Endpoints that one exchange tries to connect to (nginx's `proxy_next_upstream_tries 3`).
const TRIES: usize = 3;

/// The way to the client for another protocol, and its name.
type Upgrade = Option<(OnUpgrade, HeaderValue)>;

/// An exchange whose filters have let it pass.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) connection: &'a ConnInfo,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) route: &'a Route,
}

impl Asking<'_> {
    /// Sends the request to an endpoint of the route's upstream.
    ///
    /// # Errors
    /// The last attempt's [`Failure`].
    pub(crate) async fn ask(
        &self,
        head: RequestHead,
        incoming: Incoming,
        upgrade: Upgrade,
        record: &mut ExchangeRecord,
    ) -> Result<Outcome, Failure> {
        let Self { worker, connection, route, .. } = *self;
        let upstream = self.upstream()?;
        let (body, meter) = RequestBody::new(incoming, route.body_limit, worker.settings.waits.body)?;
        record.meter = Some(Rc::clone(&meter));
        let (client, protocol) = upgrade.unzip();
        let mut request = forward::request(head, body, connection, record.request_id.clone(), protocol)?;
        let mut last = Failure::NoEndpoint;
        let mut reuse = Reuse::Allowed;
        let mut endpoints = worker.rounds.order(upstream).take(TRIES);
        let mut next = endpoints.next();
        while let Some(endpoint) = next {
            asked(record, endpoint);
            let (pool, tls, connect) = (&worker.pool, &worker.upstream_tls, route.timeouts.connect);
            let mut lease = match Lease::take(pool, tls, endpoint, upstream.protocol, reuse, connect).await {
                Ok(lease) => lease,
                Err(failure) => {
                    last = failure;
                    next = endpoints.next();
                    continue;
                }
            };
            let spare = if lease.is_reused { forward::copy(&request) } else { None };
            let broken = match lease.send(request, &route.timeouts, &meter).await {
                Ok(response) => return self.answered(response, lease, client, record),
                Err(broken) => broken,
            };
            // The endpoint closed an idle connection just when we used it: once more, on a new one.
            match broken.unsent.or(spare) {
                Some(again) if lease.is_reused && broken.failure == Failure::Upstream => request = again,
                Some(_) | None => return Err(broken.failure),
            }
            reuse = Reuse::Never;
        }
        Err(last)
    }

    /// The route's upstream, if it can be asked.
    fn upstream(&self) -> Result<&Upstream, Failure> {
        let id = match &self.route.target {
            Target::Upstream(id) => id,
            Target::NotFound => return Err(Failure::NoRoute),
            Target::Closed => return Err(Failure::RouteClosed),
        };
        let upstream = self.snapshot.upstreams.get(id).ok_or(Failure::NoEndpoint)?;
        if upstream.endpoints.is_empty() {
            return Err(Failure::NoEndpoint);
        }
        match upstream.protocol {
            Protocol::Http | Protocol::Https => Ok(upstream),
            Protocol::Grpc | Protocol::Grpcs => {
                tracing::error!(upstream = %id.0, "backend-protocol GRPC and GRPCS are not served yet");
                Err(Failure::Protocol)
            }
        }
    }

    fn answered(
        &self,
        response: Response<Incoming>,
        lease: Lease,
        client: Option<OnUpgrade>,
        record: &mut ExchangeRecord,
    ) -> Result<Outcome, Failure> {
        if let Some(upstream) = &mut record.upstream {
            upstream.status = Some(response.status());
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for it (RFC 9110 section 15.2.2).
            let client = client.ok_or(Failure::Upstream)?;
            return Ok(self.switched(response, client));
        }
        let (mut parts, incoming) = response.into_parts();
        forward::clean_response(&mut parts.headers);
        let relay = Relay::new(incoming, lease, self.route.timeouts.read);
        let head = ResponseHead { status: parts.status, headers: parts.headers };
        Ok(Outcome { head, source: Source::Upstream(relay) })
    }

    /// From here on the connections belong to another protocol (WebSocket): bytes pass unseen.
    fn switched(&self, mut response: Response<Incoming>, client: OnUpgrade) -> Outcome {
        let upstream = hyper::upgrade::on(&mut response);
        upgrade::tunnel(self.worker, client, upstream, self.route.timeouts);
        let mut headers: HeaderMap = std::mem::take(response.headers_mut());
        let protocol = headers.get(header::UPGRADE).cloned();
        forward::clean_response(&mut headers);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(header::UPGRADE, protocol);
        }
        let head = ResponseHead { status: StatusCode::SWITCHING_PROTOCOLS, headers };
        Outcome { head, source: Source::Fixed(Bytes::new()) }
    }
}

fn asked(record: &mut ExchangeRecord, endpoint: &Endpoint) {
    let asked = record.upstream.as_ref().map_or_else(std::time::Instant::now, |earlier| earlier.asked);
    record.upstream = Some(UpstreamRecord { endpoint: endpoint.clone(), status: None, asked });
}
