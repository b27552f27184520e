//! One exchange: a request from its head to the last byte of its response.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use jamul_routing::compression::Accepted;
use jamul_routing::error_pages::Author;
use jamul_routing::globals::ServerHeader;
use jamul_routing::{Filter, Reply, RequestHead, Route, Scope, Snapshot, Verdict};

use crate::asking::Asking;
use crate::body::{Encoded, ExchangeBody, Source};
use crate::compress::Encoder;
use crate::conn_info::ConnInfo;
use crate::error_page::{ErrorPage, Stays};
use crate::failure::Failure;
use crate::forward;
use crate::grpc;
use crate::open_record::OpenRecord;
use crate::outcome::Outcome;
use crate::pulse::Beat;
use crate::question;
use crate::record::ExchangeRecord;
use crate::wish::Wish;
use crate::worker::Worker;
use crate::working::Turns;

/// Questions that one filter may ask about one request.
const QUESTIONS: usize = 4;
/// What load balancers ask for.
const HEALTH: &str = "/healthz";

/// Serves one request. Whatever happens, there is a response and a record; a panic ends this exchange only.
pub(crate) async fn run(
    worker: Rc<Worker>,
    connection: Rc<ConnInfo>,
    beat: Beat,
    request: Request<Incoming>,
) -> Response<ExchangeBody> {
    let (parts, incoming) = request.into_parts();
    let version = parts.version;
    let is_grpc = grpc::is_call(version, &parts.headers);
    let snapshot = worker.snapshots.load_full();
    let client = snapshot.globals.edge.trust.client(&parts.headers, connection.peer);
    let mut record = ExchangeRecord::begin(client, &parts);
    record.is_tls = connection.is_tls;
    record.log_as(&snapshot.globals.access_log, &parts.headers);
    let mut open = OpenRecord::new(record, &worker.metrics, &worker.log, &worker.tap);
    let serving = serve(&worker, &connection, &snapshot, parts, incoming, &mut open.record);
    let outcome = AssertUnwindSafe(serving).catch_unwind().await.unwrap_or(Err(Failure::Panic));
    let mut outcome = outcome.unwrap_or_else(|failure| failed(failure, &mut open.record));
    if connection.is_tls
        && let Some(hsts) = &snapshot.globals.hsts
    {
        outcome.head.headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    if snapshot.globals.server == ServerHeader::Ours {
        outcome.head.headers.insert(header::SERVER, HeaderValue::from_static("jamul"));
    }
    let is_last = connection.spent.is_cancelled() && outcome.head.status != StatusCode::SWITCHING_PROTOCOLS;
    if version < Version::HTTP_2 && (is_last || open.record.failure.is_some_and(Failure::closes)) {
        outcome.head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if is_grpc && matches!(outcome.source, Source::Fixed(_)) && grpc::trailers_only(&mut outcome.head) {
        outcome.source = Source::Fixed(Bytes::new());
    }
    open.record.answered(outcome.head.status, &outcome.head.headers);
    let mut response = Response::new(ExchangeBody::new(outcome.source, open, connection, beat));
    *response.status_mut() = outcome.head.status;
    *response.headers_mut() = outcome.head.headers;
    response
}

/// The story: begin, match, filters in, upstream, filters out.
async fn serve(
    worker: &Worker,
    connection: &ConnInfo,
    snapshot: &Snapshot,
    mut parts: http::request::Parts,
    incoming: Incoming,
    record: &mut ExchangeRecord,
) -> Result<Outcome, Failure> {
    let accepted = snapshot.globals.compression.accepted(&parts.method, parts.version, &parts.headers);
    let upgrade = forward::take_upgrade(&mut parts);
    let mut head = forward::head(parts, connection, record.client, &snapshot.globals.edge)?;
    if let Some(answer) = snapshot.challenges.find(&head.host, &head.path) {
        return Ok(Reply::text(StatusCode::OK, answer.to_owned()).into());
    }
    let Some(route) = route(snapshot, &head) else { return unrouted(&head) };
    record.route = Some(Arc::clone(&route));
    let wish = Wish::of(&route, snapshot, &head);
    record.canary = wish.choice.canary.map(|canary| Arc::clone(&canary.name));
    // Of the request as it came: filters may edit it.
    let copy_to = route.mirror.as_ref().map(|mirror| mirror.url(&head));
    let https_port = worker.settings.https_port_in_redirects;
    let mut scope = Scope::new(&route, https_port, &worker.carry, worker.balancer.now());

    scope.request_id.clone_from(&record.request_id);
    let (passed, reply) = filters_in(&worker.turns, &mut head, &mut scope).await;
    record.is_logged = scope.is_logged;
    record.guards.append(&mut scope.guards);
    let failing = route.errors.as_ref().map(|pages| (pages, head.clone()));
    let (mut outcome, author, stays) = match reply {
        Some(reply) => {
            record.answered_by = passed.last().map(|filter| filter.name());
            (reply.into(), Author::Own, Stays::Verdict)
        }
        None => {
            let asking = Asking { worker, connection, snapshot, route: &route, wish, copy_to };
            match asking.ask(head, incoming, upgrade, record).await {
                Ok(outcome) => (outcome, Author::Upstream, Stays::Nothing),
                Err(failure) => (failed(failure, record), Author::Own, Stays::Nothing),
            }
        }
    };
    if let Some((pages, head)) = failing.filter(|_| !record.stood_in) {
        let (target, request_id) = (record.target.as_str(), record.request_id.clone());
        let route = &route;
        let page = ErrorPage { worker, connection, snapshot, route, head, target, request_id };
        outcome = page.replace(pages, outcome, author, stays).await;
    }
    for filter in passed.iter().rev() {
        filter.on_response(&mut outcome.head, &mut scope);
    }
    let status = outcome.head.status;
    for edit in scope.response_edits {
        edit.apply(&mut outcome.head.headers, status);
    }
    Ok(compressed(outcome, snapshot, accepted))
}

/// The route of a request: that of its host and path, else the one for what nobody else takes. `/healthz` is nobody's
/// unless a rule says so.
fn route(snapshot: &Snapshot, head: &RequestHead) -> Option<Arc<Route>> {
    let found = snapshot.router.find(head).map(|found| found.route);
    found.or_else(|| snapshot.default_route.clone().filter(|_| head.path != HEALTH))
}

/// Without a route of its own, `/healthz` is answered for load balancers; the rest is 404.
fn unrouted(head: &RequestHead) -> Result<Outcome, Failure> {
    if head.path == HEALTH { Ok(Reply::text(StatusCode::OK, "ok\n").into()) } else { Err(Failure::NoRoute) }
}

/// What an upstream says, compressed if the settings and the client want it.
fn compressed(mut outcome: Outcome, snapshot: &Snapshot, accepted: Accepted) -> Outcome {
    outcome.source = match outcome.source {
        Source::Upstream(relay) => {
            match snapshot.globals.compression.encode(accepted, &mut outcome.head, relay.length()) {
                Some((encoding, level)) => {
                    Source::Encoded(Encoded::new(relay, Encoder::new(encoding, level)))
                }
                None => Source::Upstream(relay),
            }
        }
        source @ (Source::Fixed(_) | Source::Encoded(_)) => source,
    };
    outcome
}

fn failed(failure: Failure, record: &mut ExchangeRecord) -> Outcome {
    record.failure = Some(failure);
    let (status, side) = failure.reply();
    tracing::debug!(?failure, ?side, target = record.target, "exchange failed");
    Reply::status(status).into()
}

/// Asks the filters in order. Gives back those that ran and the reply of the one that made one.
async fn filters_in<'a>(
    turns: &Turns,
    head: &mut RequestHead,
    scope: &mut Scope<'a>,
) -> (&'a [Arc<dyn Filter>], Option<Reply>) {
    let filters = &scope.route.filters;
    for (index, filter) in filters.iter().enumerate() {
        let mut verdict = filter.on_request(head, scope);
        for _ in 0..QUESTIONS {
            let answer = match verdict {
                Verdict::Ask(question) => question::ask(question).await,
                Verdict::Work(work) => turns.run(work).await,
                Verdict::Continue | Verdict::Reply(_) => break,
            };
            verdict = filter.on_answer(&answer, head, scope);
        }
        let reply = match verdict {
            Verdict::Continue => continue,
            Verdict::Reply(reply) => reply,
            // So many questions are a loop. It fails closed.
            Verdict::Ask(_) | Verdict::Work(_) => Reply::status(StatusCode::INTERNAL_SERVER_ERROR),
        };
        return (filters.get(..=index).unwrap_or(filters), Some(reply));
    }
    (filters, None)
}
