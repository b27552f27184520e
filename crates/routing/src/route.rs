//! A route: match, filters, upstream.
//!
//! Routes hold filters and filters see their route: both are here; [`crate::filter`] names the filters' side.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::alternative::Alternative;
use crate::balance::Balance;
use crate::carry::{Carry, Guard};
use crate::error_pages::ErrorPages;
use crate::head::{HeaderEdit, Reply, RequestHead, ResponseHead};
use crate::mirror::Mirror;
use crate::pace::Pace;
use crate::path::PathMatch;
use crate::retry::Retry;
use crate::upstream::{Timeouts, UpstreamId};
use crate::upstream_tls::UpstreamTls;

/// Names a route across Snapshots: state that outlives a Snapshot is keyed by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub Arc<str>);

/// Where a route comes from; labels of metrics and words of `jamul explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Host of the rule; empty for any.
    pub host: Arc<str>,
    /// Namespace of the Ingress.
    pub namespace: Arc<str>,
    /// Name of the Ingress.
    pub ingress: Arc<str>,
    /// Name of the Service; empty without one.
    pub service: Arc<str>,
    /// Port of the Service as written: number or name.
    pub port: Arc<str>,
}

/// What happens to requests of one host and path.
#[derive(Debug)]
pub struct Route {
    /// Stable name: host, path and path type.
    pub id: RouteId,
    /// Which paths.
    pub path: PathMatch,
    /// Ingress and Service.
    pub origin: Origin,
    /// In registry order.
    pub filters: Vec<Arc<dyn Filter>>,
    /// Where requests go.
    pub target: Target,
    /// How an endpoint is chosen there.
    pub balance: Balance,
    /// Canaries: other places for some of the requests, in the order in which they are offered them.
    pub alternatives: Vec<Alternative>,
    /// When another endpoint is asked.
    pub retry: Retry,
    /// Waits towards the upstream.
    pub timeouts: Timeouts,
    /// How fast responses go to clients; `None` = as fast as they can.
    pub pace: Option<Pace>,
    /// Where copies of requests go.
    pub mirror: Option<Arc<Mirror>>,
    /// Largest request body in bytes; `None` = unlimited. ingress-nginx: 1 MiB.
    pub body_limit: Option<u64>,
    /// Whose words the client gets in place of errors; `None`: those of whoever made them.
    pub errors: Option<Arc<ErrorPages>>,
    /// How TLS is spoken with endpoints; `None` = with anybody, and without a name.
    pub upstream_tls: Option<Arc<UpstreamTls>>,
}

/// Where a route's requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To an upstream of the Snapshot.
    Upstream(UpstreamId),
    /// Nowhere: 404 (`backend.resource`, or no default backend).
    NotFound,
    /// Closed: a security setting could not be understood; 503 until it is mended.
    Closed,
}

/// One stage of a route's request path. A filter never waits and never does I/O: it decides from what it is
/// given.
pub trait Filter: fmt::Debug + Send + Sync {
    /// Its name in `jamul explain` and the API: the annotation that made it.
    fn name(&self) -> &'static str;

    /// Called with the request head, in registry order, before an endpoint is chosen.
    fn on_request(&self, _head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        Verdict::Continue
    }

    /// Called with the answer to the [`Question`] this filter asked.
    fn on_answer(&self, _answer: &Answer, _head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        Verdict::Continue
    }

    /// Called with the response head, in reverse order; also for replies that Jamul made itself.
    fn on_response(&self, _head: &mut ResponseHead, _scope: &mut Scope<'_>) {}
}

/// What a filter decided.
#[derive(Debug)]
pub enum Verdict {
    /// Go on with the next filter.
    Continue,
    /// Answer the client with this; no upstream is asked.
    Reply(Reply),
    /// Make this subrequest and call [`Filter::on_answer`] with what came back.
    Ask(Question),
    /// Do this where it holds up nobody and call [`Filter::on_answer`] with what came of it.
    Work(Work),
}

/// A computation that takes long, such as checking a password.
pub struct Work(Box<dyn FnOnce() -> Answer + Send>);

impl Work {
    /// To be done by whoever gets it.
    pub fn new(work: impl FnOnce() -> Answer + Send + 'static) -> Self {
        Self(Box::new(work))
    }

    /// Does it.
    #[must_use]
    pub fn run(self) -> Answer {
        (self.0)()
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// What a filter may see besides the head it edits.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The route that matched.
    pub route: &'a Route,
    /// Port of the https listener as clients reach it; redirects name it when it is not 443 and says so.
    pub https_port: u16,
    /// Names the request in logs; empty if nobody gave it a name.
    pub request_id: HeaderValue,
    /// Whether the exchange is written to the access log.
    pub is_logged: bool,
    /// Which of the filters that a filter holds asked the last question.
    pub member: usize,
    /// Made to the response's headers last, whoever answers.
    pub response_edits: Vec<HeaderEdit>,
    /// What outlives Snapshots.
    pub carry: &'a Carry,
    /// Milliseconds on a clock that only goes forward, the same for all that use [`Self::carry`].
    pub now: u64,
    /// Dropped when the exchange ends.
    pub guards: Vec<Guard>,
}

impl<'a> Scope<'a> {
    /// For a request that `route` takes at `now`.
    #[must_use]
    pub fn new(route: &'a Route, https_port: u16, carry: &'a Carry, now: u64) -> Self {
        let (response_edits, guards) = (Vec::new(), Vec::new());
        let request_id = HeaderValue::from_static("");
        Self { route, https_port, request_id, is_logged: true, member: 0, response_edits, carry, now, guards }
    }
}

/// A subrequest that a filter wants made (external authentication).
#[derive(Clone, Debug)]
pub struct Question {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: String,
    /// Headers.
    pub headers: HeaderMap,
}

/// What came back; a failed subrequest is an answer without a status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status, or `None` if no answer could be had.
    pub status: Option<StatusCode>,
    /// Headers.
    pub headers: HeaderMap,
}
