//! What a request wishes of its upstream, read from its head before any filter edits it.

use http::{HeaderValue, header};
use jamul_routing::balance::Method;
use jamul_routing::{Choice, RequestHead, Route, Session};

/// What a request wishes of its upstream.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    /// The route's target or a canary.
    pub(crate) choice: Choice<'a>,
    /// What `upstream-hash-by` says.
    pub(crate) key: Option<u64>,
    /// The key of the session that it belongs to.
    pub(crate) session: Option<Box<str>>,
    /// For the cookie of a new session.
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) is_tls: bool,
}

impl<'a> Wish<'a> {
    /// Reads `head`; chance decides where weights do.
    pub(crate) fn of(route: &'a Route, head: &RequestHead) -> Self {
        let choice = route.choose(head, &mut |below| fastrand::u32(..below.max(1)));
        let key = match &choice.balance.method {
            Method::Hash(hash) => Some(hash.key(head)),
            Method::RoundRobin | Method::Ewma | Method::LeastRequests => None,
        };
        let session = choice.balance.session.as_ref();
        let user_agent = session.and_then(|_| head.headers.get(header::USER_AGENT).cloned());
        let session = session.and_then(|session| session.key(head)).map(Box::from);
        Self { choice, key, session, user_agent, is_tls: head.is_tls }
    }

    /// The `Set-Cookie` of a session that begins.
    pub(crate) fn set_cookie(&self, key: &str) -> Option<HeaderValue> {
        let session: &Session = self.choice.balance.session.as_ref()?;
        let user_agent = self.user_agent.as_ref().and_then(|agent| agent.to_str().ok());
        let receiver = jamul_routing::session::Receiver { is_tls: self.is_tls, user_agent };
        session.set_cookie(key, receiver, jiff::Timestamp::now())
    }
}
