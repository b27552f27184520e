//! Connections to endpoints: per worker, so nobody waits for anybody.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use jamul_routing::{Endpoint, Route, UpstreamTls};
use tokio::time::Instant;

use crate::multiplex::{Multiplex, Stream};
use crate::request_body::RequestBody;
use crate::wire::Wire;

/// Idle connections that a worker keeps (`upstream-keepalive-connections`).
const MAX_IDLE: usize = 320;
/// How long a connection may be idle (`upstream-keepalive-timeout`).
const IDLE_TIME: Duration = Duration::from_secs(60);
/// How long a connection may take to become ready again after its response has ended.
const READY_TIME: Duration = Duration::from_secs(1);

/// What makes connections interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    pub(crate) endpoint: Endpoint,
    pub(crate) wire: Wire,
    /// How TLS is spoken, where the route says so.
    pub(crate) tls: Option<Arc<UpstreamTls>>,
}

impl PoolKey {
    /// For a connection of `route` to `endpoint`.
    pub(crate) fn new(endpoint: &Endpoint, wire: Wire, route: &Route) -> Self {
        let tls = match wire {
            Wire::Tls(_) => route.upstream_tls.clone(),
            Wire::Plain(_) => None,
        };
        Self { endpoint: endpoint.clone(), wire, tls }
    }
}

/// The connections of a worker: idle ones of HTTP/1.1, shared ones of HTTP/2. Outlives Snapshots.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: RefCell<Idle>,
    shared: RefCell<HashMap<PoolKey, Multiplex, foldhash::fast::RandomState>>,
}

#[derive(Debug, Default)]
struct Idle {
    by_key: HashMap<PoolKey, Vec<Parked>, foldhash::fast::RandomState>,
    count: usize,
}

#[derive(Debug)]
struct Parked {
    sender: http1::SendRequest<RequestBody>,
    since: Instant,
}

impl Pool {
    /// The HTTP/1.1 connection that was used last, if one is still good.
    pub(crate) fn take(&self, key: &PoolKey) -> Option<http1::SendRequest<RequestBody>> {
        let mut idle = self.idle.borrow_mut();
        let idle = &mut *idle;
        let parked = idle.by_key.get_mut(key)?;
        while let Some(Parked { sender, since }) = parked.pop() {
            idle.count -= 1;
            if sender.is_ready() && since.elapsed() < IDLE_TIME {
                return Some(sender);
            }
        }
        None
    }

    /// Keeps a connection whose exchange came to a clean end.
    pub(crate) fn put(self: &Rc<Self>, key: PoolKey, mut sender: http1::SendRequest<RequestBody>) {
        if sender.is_closed() {
            return;
        }
        if sender.is_ready() {
            return self.park(key, sender);
        }
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            if let Ok(Ok(())) = tokio::time::timeout(READY_TIME, sender.ready()).await {
                pool.park(key, sender);
            }
        });
    }

    /// A stream of a shared HTTP/2 connection that has room.
    pub(crate) fn stream(&self, key: &PoolKey) -> Option<Stream> {
        self.shared.borrow_mut().get_mut(key)?.take()
    }

    /// Shares a new HTTP/2 connection; yields its first stream.
    pub(crate) fn share(&self, key: &PoolKey, sender: http2::SendRequest<RequestBody>) -> Stream {
        self.shared.borrow_mut().entry(key.clone()).or_default().add(sender)
    }

    /// Closes connections that were idle for too long.
    pub(crate) fn close_old(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.by_key.retain(|_, parked| {
            parked.retain(|parked| !parked.sender.is_closed() && parked.since.elapsed() < IDLE_TIME);
            !parked.is_empty()
        });
        idle.recount();
        self.shared.borrow_mut().retain(|_, shared| shared.sweep(IDLE_TIME));
    }

    /// Closes the connections to endpoints that are not wanted any more.
    pub(crate) fn retain(&self, is_wanted: impl Fn(&Endpoint) -> bool) {
        let mut idle = self.idle.borrow_mut();
        idle.by_key.retain(|key, _| is_wanted(&key.endpoint));
        idle.recount();
        self.shared.borrow_mut().retain(|key, _| is_wanted(&key.endpoint));
    }

    fn park(&self, key: PoolKey, sender: http1::SendRequest<RequestBody>) {
        let mut idle = self.idle.borrow_mut();
        if idle.count >= MAX_IDLE {
            return;
        }
        idle.count += 1;
        idle.by_key.entry(key).or_default().push(Parked { sender, since: Instant::now() });
    }
}

impl Idle {
    fn recount(&mut self) {
        self.count = self.by_key.values().map(Vec::len).sum();
    }
}
