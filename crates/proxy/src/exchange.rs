//! One exchange: a request from its head to the last byte of its response.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use jamul_routing::route::Target;
use jamul_routing::{
    Endpoint, Filter, Protocol, Reply, RequestHead, ResponseHead, Route, Scope, Snapshot, Upstream, Verdict,
};

use crate::body::{ExchangeBody, Relay, Source};
use crate::conn_info::ConnInfo;
use crate::failure::Failure;
use crate::forward;
use crate::open_record::OpenRecord;
use crate::question;
use crate::record::{ExchangeRecord, UpstreamRecord};
use crate::request_body::RequestBody;
use crate::upgrade;
use crate::upstream::{Lease, Reuse};
use crate::worker::Worker;

/// Endpoints that one exchange tries to connect to (nginx's `proxy_next_upstream_tries 3`).
const TRIES: usize = 3;
/// ingress-nginx's defaults: `hsts`, `hsts-max-age`, `hsts-include-subdomains`.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// What the client gets.
struct Outcome {
    head: ResponseHead,
    source: Source,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        let Reply { status, headers, body } = reply;
        Self { head: ResponseHead { status, headers }, source: Source::Fixed(body) }
    }
}

/// Serves one request. Whatever happens, there is a response and a record; a panic ends this exchange only.
pub(crate) async fn run(
    worker: Rc<Worker>,
    connection: Rc<ConnInfo>,
    request: Request<Incoming>,
) -> Response<ExchangeBody> {
    let (parts, incoming) = request.into_parts();
    let version = parts.version;
    let record = ExchangeRecord::begin(connection.client, &parts);
    let mut open = OpenRecord::new(record, &worker.metrics, &worker.log);
    let serving = serve(&worker, &connection, parts, incoming, &mut open.record);
    let outcome = AssertUnwindSafe(serving).catch_unwind().await.unwrap_or(Err(Failure::Panic));
    let mut outcome = outcome.unwrap_or_else(|failure| failed(failure, &mut open.record));
    if connection.is_tls {
        outcome.head.headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if version < Version::HTTP_2 && open.record.failure.is_some_and(Failure::closes) {
        outcome.head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    open.record.status = outcome.head.status;
    let mut response = Response::new(ExchangeBody::new(outcome.source, open));
    *response.status_mut() = outcome.head.status;
    *response.headers_mut() = outcome.head.headers;
    response
}

/// The story: begin, match, filters in, upstream, filters out.
async fn serve(
    worker: &Worker,
    connection: &ConnInfo,
    mut parts: http::request::Parts,
    incoming: Incoming,
    record: &mut ExchangeRecord,
) -> Result<Outcome, Failure> {
    let snapshot = worker.snapshots.load_full();
    let upgrade = forward::take_upgrade(&mut parts);
    let mut head = forward::head(parts, connection)?;
    if let Some(answer) = snapshot.challenges.find(&head.host, &head.path) {
        return Ok(Reply::text(StatusCode::OK, answer.to_owned()).into());
    }
    let Some(found) = snapshot.router.find(&head) else { return unrouted(&head) };
    let route = found.route;
    record.route = Some(Arc::clone(&route));
    let mut scope = Scope { route: &route, https_port: worker.settings.https_port_in_redirects };

    let (passed, reply) = filters_in(&mut head, &mut scope).await;
    let mut outcome = match reply {
        Some(reply) => reply.into(),
        None => {
            match ask_upstream(worker, connection, &snapshot, &route, head, incoming, upgrade, record).await {
                Ok(outcome) => outcome,
                Err(failure) => failed(failure, record),
            }
        }
    };
    for filter in passed.iter().rev() {
        filter.on_response(&mut outcome.head, &mut scope);
    }
    Ok(outcome)
}

/// Without a route of its own, `/healthz` is answered for load balancers; the rest is 404.
fn unrouted(head: &RequestHead) -> Result<Outcome, Failure> {
    if head.path == "/healthz" {
        Ok(Reply::text(StatusCode::OK, "ok\n").into())
    } else {
        Err(Failure::NoRoute)
    }
}

fn failed(failure: Failure, record: &mut ExchangeRecord) -> Outcome {
    record.failure = Some(failure);
    let (status, side) = failure.reply();
    tracing::debug!(?failure, ?side, target = record.target, "exchange failed");
    Reply::status(status).into()
}

/// Asks the filters in order. Gives back those that ran and the reply of the one that made one.
async fn filters_in<'a>(
    head: &mut RequestHead,
    scope: &mut Scope<'a>,
) -> (&'a [Arc<dyn Filter>], Option<Reply>) {
    let filters = &scope.route.filters;
    for (index, filter) in filters.iter().enumerate() {
        let mut verdict = filter.on_request(head, scope);
        if let Verdict::Ask(question) = verdict {
            let answer = question::ask(question).await;
            verdict = filter.on_answer(&answer, head, scope);
        }
        let reply = match verdict {
            Verdict::Continue => continue,
            Verdict::Reply(reply) => reply,
            // One question per filter: another one would be a loop. It fails closed.
            Verdict::Ask(_) => Reply::status(StatusCode::INTERNAL_SERVER_ERROR),
        };
        return (filters.get(..=index).unwrap_or(filters), Some(reply));
    }
    (filters, None)
}

type Upgrade = Option<(OnUpgrade, HeaderValue)>;

#[expect(clippy::too_many_arguments, reason = "the exchange's parts, each used once, are not worth a type")]
async fn ask_upstream(
    worker: &Worker,
    connection: &ConnInfo,
    snapshot: &Snapshot,
    route: &Route,
    head: RequestHead,
    incoming: Incoming,
    upgrade: Upgrade,
    record: &mut ExchangeRecord,
) -> Result<Outcome, Failure> {
    let upstream = choose(snapshot, route)?;
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
            Ok(response) => return Ok(answered(worker, response, lease, route, client, record)),
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

/// The upstream of `route`, if it can be asked.
fn choose<'a>(snapshot: &'a Snapshot, route: &Route) -> Result<&'a Upstream, Failure> {
    let id = match &route.target {
        Target::Upstream(id) => id,
        Target::NotFound => return Err(Failure::NoRoute),
        Target::Closed => return Err(Failure::RouteClosed),
    };
    let upstream = snapshot.upstreams.get(id).ok_or(Failure::NoEndpoint)?;
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

fn asked(record: &mut ExchangeRecord, endpoint: &Endpoint) {
    let asked = record.upstream.as_ref().map_or_else(std::time::Instant::now, |earlier| earlier.asked);
    record.upstream = Some(UpstreamRecord { endpoint: endpoint.clone(), status: None, asked });
}

fn answered(
    worker: &Worker,
    response: Response<Incoming>,
    lease: Lease,
    route: &Route,
    client: Option<OnUpgrade>,
    record: &mut ExchangeRecord,
) -> Outcome {
    if let Some(upstream) = &mut record.upstream {
        upstream.status = Some(response.status());
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return match client {
            Some(client) => switched(worker, response, client, route),
            // Nobody asked for it (RFC 9110 section 15.2.2).
            None => failed(Failure::Upstream, record),
        };
    }
    let (mut parts, incoming) = response.into_parts();
    forward::clean_response(&mut parts.headers);
    let relay = Relay::new(incoming, lease, route.timeouts.read);
    let head = ResponseHead { status: parts.status, headers: parts.headers };
    Outcome { head, source: Source::Upstream(relay) }
}

/// From here on the connections belong to another protocol (WebSocket): bytes pass unseen.
fn switched(worker: &Worker, mut response: Response<Incoming>, client: OnUpgrade, route: &Route) -> Outcome {
    let upstream = hyper::upgrade::on(&mut response);
    upgrade::tunnel(worker, client, upstream, route.timeouts);
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
