//! What a request wishes of its upstream, read from its head before any filter edits it.

use std::sync::Arc;

use http::{HeaderValue, header};
use jamul_routing::balance::Method;
use jamul_routing::route::Target;
use jamul_routing::{Choice, RequestHead, Route, Session, Snapshot, Upstream};

/// What a request wishes of its upstream.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    /// The route's target or a canary.
    pub(crate) choice: Choice<'a>,
    /// Where it goes; `None` if the choice leads to no upstream.
    pub(crate) upstream: Option<&'a Arc<Upstream>>,
    /// What `upstream-hash-by` says.
    pub(crate) key: Option<u32>,
    /// Sessions that are kept: the route's, else those that another route to the upstream begins.
    pub(crate) sessions: Option<&'a Session>,
    /// The key of the session that it belongs to.
    pub(crate) session: Option<Box<str>>,
    /// For the cookie of a new session.
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) is_tls: bool,
}

impl<'a> Wish<'a> {
    /// Reads `head`; chance decides where weights do.
    pub(crate) fn of(route: &'a Route, snapshot: &'a Snapshot, head: &RequestHead) -> Self {
        let choice = route.choose(head, &mut |below| fastrand::u32(..below.max(1)));
        let id = match (choice.target, choice.canary) {
            (Target::Closed | Target::NotFound, None) | (Target::Closed, Some(_)) => None,
            (Target::Upstream(_) | Target::NotFound, Some(canary)) => Some(&canary.upstream),
            (Target::Upstream(id), None) => Some(id),
        };
        let upstream = id.and_then(|id| snapshot.upstreams.get(id));
        let key = match &choice.balance.method {
            Method::Hash(hash) => Some(hash.key(head)),
            Method::RoundRobin | Method::Ewma | Method::LeastRequests => None,
        };
        let shared = || upstream.and_then(|upstream| upstream.policy.session.as_ref());
        let sessions = choice.balance.session.as_ref().or_else(shared);
        let user_agent = sessions.and_then(|_| head.headers.get(header::USER_AGENT).cloned());
        let session = sessions.and_then(|sessions| sessions.key(head)).map(Box::from);
        Self { choice, upstream, key, sessions, session, user_agent, is_tls: head.is_tls }
    }

    /// The `Set-Cookie` of a session that begins, if the route begins sessions.
    pub(crate) fn set_cookie(&self, key: &str) -> Option<HeaderValue> {
        let session: &Session = self.choice.balance.session.as_ref()?;
        let user_agent = self.user_agent.as_ref().and_then(|agent| agent.to_str().ok());
        let receiver = jamul_routing::session::Receiver { is_tls: self.is_tls, user_agent };
        session.set_cookie(key, receiver, jiff::Timestamp::now())
    }
}
