//! Asking an upstream: which endpoint, a lease on a connection to it, send, await the head; again elsewhere
//! if that may help.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use jamul_routing::globals::ServerHeader;
use jamul_routing::route::Target;
use jamul_routing::{Condition, Endpoint, Observation, RequestHead, ResponseHead, Route, Snapshot, Upstream};

use crate::attempts::Attempts;
use crate::balance::{InFlight, Pick};
use crate::body::{Relay, Source};
use crate::conn_info::ConnInfo;
use crate::error_page;
use crate::failure::Failure;
use crate::forward;
use crate::meter::Meter;
use crate::mirror;
use crate::outcome::Outcome;
use crate::pool::PoolKey;
use crate::record::{ExchangeRecord, Timing, UpstreamRecord};
use crate::request_body::{Replay, RequestBody};
use crate::upgrade::{self, Form, Upgrade};
use crate::upstream::{Broken, Lease, Reuse};
use crate::wire::Wire;
use crate::wish::Wish;
use crate::worker::Worker;

/// Why an attempt gave no response, and the request if it may be sent elsewhere.
#[derive(Debug)]
struct Unanswered {
    failure: Failure,
    condition: Condition,
    again: Option<Request<RequestBody>>,
}

/// What an attempt gave.
#[derive(Debug)]
struct Answered {
    response: Response<Incoming>,
    lease: Lease,
    /// The request's head, for another attempt.
    spare: Option<Request<()>>,
    timing: Timing,
}

/// An exchange whose filters have let it pass.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) connection: &'a ConnInfo,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) route: &'a Route,
    pub(crate) wish: Wish<'a>,
    /// Where a copy of the request goes.
    pub(crate) copy_to: Option<String>,
}

impl Asking<'_> {
    /// Sends the request to an endpoint of the upstream, and to others as long as that may help.
    ///
    /// # Errors
    /// The last attempt's [`Failure`].
    pub(crate) async fn ask(
        &self,
        mut head: RequestHead,
        incoming: Incoming,
        upgrade: Option<Upgrade>,
        record: &mut ExchangeRecord,
    ) -> Result<Outcome, Failure> {
        let Self { worker, connection, route, .. } = self;
        let upstream = match self.upstream() {
            Err(Failure::NoEndpoint) => {
                let stand_in = self.stand_in().ok_or(Failure::NoEndpoint)?;
                error_page::mark(&mut head.headers, route, StatusCode::SERVICE_UNAVAILABLE, &record.target);
                record.stood_in = true;
                stand_in
            }
            found => found?,
        };
        let group = worker.balancer.group(upstream);
        let mut attempts = Attempts::new(route.retry, &head.method, group.len());
        let (limit, wait) = (route.body_limit, connection.edge.waits.body);
        let (body, meter, replay) = RequestBody::new(incoming, limit, wait, attempts.keep())?;
        record.meter = Some(Rc::clone(&meter));
        let protocol = upgrade.as_ref().map(|upgrade| upgrade.protocol.clone());
        let wire = Wire::new(upstream.protocol, connection.is_tls);
        let id = record.request_id.clone();
        let mut request =
            forward::request(head, body, connection, &self.snapshot.globals.edge.trust, id, protocol, wire)?;
        if let (Some(mirror), Some(url)) = (&route.mirror, &self.copy_to) {
            mirror::begin(worker, mirror, url.clone(), &request);
        }
        let mut pick = group.place(&self.wish, attempts.tried()).await?;
        loop {
            asked(record, &pick.member.endpoint);
            let spare = attempts.spare(&request);
            let sent = self.send(&pick, wire, request, spare, &replay, &meter).await;
            let (end, again) = match sent {
                Ok(Answered { response, lease, spare, timing }) => {
                    match attempts.refuses(response.status(), spare, &replay) {
                        Some(again) => (Failure::Upstream, again),
                        None => {
                            replay.forget();
                            answered_in(record, timing);
                            let mut outcome = self.answered(response, lease, upgrade, record)?;
                            self.begin_session(&pick, &mut outcome);
                            return Ok(outcome);
                        }
                    }
                }
                Err(Unanswered { failure, again, condition }) => match again {
                    Some(again) if attempts.goes_on_after(condition) => (failure, again),
                    Some(_) | None => return Err(failure),
                },
            };
            attempts.next(pick.index);
            request = again;
            // What is held there is let go before room is looked for elsewhere.
            drop(pick);
            pick = group.place(&self.wish, attempts.tried()).await.map_err(|_| end)?;
        }
    }

    /// One attempt: a lease on a connection, the request, the head of the response.
    async fn send(
        &self,
        pick: &Pick,
        wire: Wire,
        mut request: Request<RequestBody>,
        mut spare: Option<Request<()>>,
        replay: &Replay,
        meter: &Meter,
    ) -> Result<Answered, Unanswered> {
        let (worker, timeouts) = (self.worker, &self.route.timeouts);
        let (pool, tls) = (&worker.pool, &worker.upstream_tls);
        let health = pick.member.health();
        let repeats = spare.is_some();
        let mut reuse = Reuse::Allowed;
        loop {
            let (key, busy) = (PoolKey::new(&pick.member.endpoint, wire, self.route), pick.begin());
            let began = Instant::now();
            let lease = Lease::take(pool, tls, key, reuse, timeouts.connect, busy).await;
            let mut lease = match lease {
                Ok(lease) => lease,
                Err(failure) => {
                    health.observe(Observation::Unreachable);
                    let is_late = failure == Failure::ConnectTimeout;
                    let condition = if is_late { Condition::Timeout } else { Condition::Error };
                    return Err(Unanswered { failure, condition, again: Some(request) });
                }
            };
            let begun = Instant::now();
            let Broken { failure, condition, unsent } = match lease.send(request, timeouts, meter).await {
                Ok(response) => {
                    pick.member.answered_after(begun.elapsed());
                    let connect = if lease.is_reused { Duration::ZERO } else { begun.duration_since(began) };
                    let timing = Timing { began, connect, header: began.elapsed() };
                    let is_failure = response.status().is_server_error()
                        && Condition::of_status(response.status())
                            .is_some_and(|condition| self.route.retry.on.contains(condition));
                    health.observe(if is_failure { Observation::Failed } else { Observation::Answered });
                    return Ok(Answered { response, lease, spare, timing });
                }
                Err(broken) => broken,
            };
            let whole = unsent.or_else(|| forward::whole(spare.take()?, replay));
            // The endpoint closed an idle connection just when we used it: once more, on a new one.
            match whole {
                Some(again) if lease.is_reused && failure == Failure::Upstream => {
                    spare = repeats.then(|| forward::copy(&again));
                    request = again;
                }
                again => {
                    if matches!(failure, Failure::Upstream | Failure::UpstreamTimeout) {
                        health.observe(Observation::Failed);
                    }
                    // What the client did wrong is wrong at every endpoint.
                    let again = again.filter(|_| meter.failure().is_none());
                    return Err(Unanswered { failure, condition, again });
                }
            }
            reuse = Reuse::Never;
        }
    }

    /// The upstream to ask: the route's or a canary.
    fn upstream(&self) -> Result<&Arc<Upstream>, Failure> {
        match (self.wish.choice.target, self.wish.choice.canary) {
            (Target::Closed, _) => return Err(Failure::RouteClosed),
            (Target::NotFound, None) => return Err(Failure::NoRoute),
            (Target::Upstream(_), _) | (Target::NotFound, Some(_)) => {}
        }
        let upstream = self.wish.upstream.filter(|upstream| !upstream.endpoints.is_empty());
        upstream.ok_or(Failure::NoEndpoint)
    }

    /// Who answers in place of a Service without endpoints.
    fn stand_in(&self) -> Option<&Arc<Upstream>> {
        let id = self.route.errors.as_ref()?.stand_in.as_ref()?;
        self.snapshot.upstreams.get(id).filter(|upstream| !upstream.endpoints.is_empty())
    }

    /// Gives the client the cookie of a session that began with this choice.
    fn begin_session(&self, pick: &Pick, outcome: &mut Outcome) {
        let cookie = pick.new_key.as_deref().and_then(|key| self.wish.set_cookie(key));
        if let Some(cookie) = cookie {
            outcome.head.headers.append(header::SET_COOKIE, cookie);
        }
    }

    fn answered(
        &self,
        response: Response<Incoming>,
        lease: Lease,
        upgrade: Option<Upgrade>,
        record: &mut ExchangeRecord,
    ) -> Result<Outcome, Failure> {
        if let Some(upstream) = &mut record.upstream {
            upstream.status = Some(response.status());
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for it (RFC 9110 section 15.2.2).
            let upgrade = upgrade.ok_or(Failure::Upstream)?;
            return Ok(self.switched(response, upgrade, lease.in_flight));
        }
        if upgrade.is_some_and(|upgrade| upgrade.form == Form::Connect) && response.status().is_success() {
            // To the client it would mean that it has its tunnel (RFC 8441 section 5).
            return Err(Failure::Upstream);
        }
        let (mut parts, incoming) = response.into_parts();
        let server = match self.snapshot.globals.server {
            ServerHeader::Upstreams => parts.headers.get(header::SERVER).cloned(),
            ServerHeader::Absent | ServerHeader::Ours => None,
        };
        forward::clean_response(&mut parts.headers);
        parts.headers.extend(server.map(|server| (header::SERVER, server)));
        let relay = Relay::new(incoming, lease, self.route.timeouts.read);
        let head = ResponseHead { status: parts.status, headers: parts.headers };
        Ok(Outcome { head, source: Source::Upstream(relay) })
    }

    /// From here on the connections belong to another protocol (WebSocket): bytes pass unseen.
    fn switched(&self, mut response: Response<Incoming>, upgrade: Upgrade, in_flight: InFlight) -> Outcome {
        let upstream = hyper::upgrade::on(&mut response);
        let Upgrade { client, form, .. } = upgrade;
        upgrade::tunnel(self.worker, self.connection, client, upstream, self.route.timeouts, in_flight);
        let mut headers: HeaderMap = std::mem::take(response.headers_mut());
        let protocol = headers.get(header::UPGRADE).cloned();
        forward::clean_response(&mut headers);
        match form {
            Form::Header => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                if let Some(protocol) = protocol {
                    headers.insert(header::UPGRADE, protocol);
                }
            }
            Form::Connect => {
                headers.remove(header::SEC_WEBSOCKET_ACCEPT);
                headers.remove(header::CONTENT_LENGTH);
            }
        }
        let head = ResponseHead { status: form.granted(), headers };
        Outcome { head, source: Source::Fixed(Bytes::new()) }
    }
}

fn asked(record: &mut ExchangeRecord, endpoint: &Endpoint) {
    let asked = record.upstream.as_ref().map_or_else(std::time::Instant::now, |earlier| earlier.asked);
    record.upstream = Some(UpstreamRecord { endpoint: endpoint.clone(), status: None, asked, timing: None });
}

fn answered_in(record: &mut ExchangeRecord, timing: Timing) {
    if let Some(upstream) = &mut record.upstream {
        upstream.timing = Some(timing);
    }
}
