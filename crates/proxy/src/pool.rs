//! Connections to endpoints: per worker, so nobody waits for anybody.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use jamul_routing::{Endpoint, Keepalive, Route, UpstreamTls};
use tokio::time::Instant;

use crate::multiplex::{Multiplex, Stream};
use crate::request_body::RequestBody;
use crate::wire::Wire;

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
    /// As of the Snapshot that the worker saw last.
    keepalive: Cell<Keepalive>,
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
    owned: Owned,
    since: Instant,
}

/// A connection of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) sender: http1::SendRequest<RequestBody>,
    born: Instant,
    /// Exchanges that began on it.
    uses: u64,
}

impl Owned {
    /// A new connection that is taken for its first exchange.
    pub(crate) fn new(sender: http1::SendRequest<RequestBody>) -> Self {
        Self { sender, born: Instant::now(), uses: 1 }
    }
}

impl Pool {
    /// Connections are kept as `keepalive` says from now on.
    pub(crate) fn keep(&self, keepalive: Keepalive) {
        self.keepalive.set(keepalive);
    }

    /// The HTTP/1.1 connection that was used last, if one is still good.
    pub(crate) fn take(&self, key: &PoolKey) -> Option<Owned> {
        let mut idle = self.idle.borrow_mut();
        let idle = &mut *idle;
        let parked = idle.by_key.get_mut(key)?;
        while let Some(Parked { owned, since }) = parked.pop() {
            idle.count -= 1;
            if owned.sender.is_ready() && since.elapsed() < self.keepalive.get().idle {
                return Some(Owned { uses: owned.uses + 1, ..owned });
            }
        }
        None
    }

    /// Keeps a connection whose exchange came to a clean end.
    pub(crate) fn put(self: &Rc<Self>, key: PoolKey, mut owned: Owned) {
        let keepalive = self.keepalive.get();
        let is_spent = owned.uses >= keepalive.requests || owned.born.elapsed() >= keepalive.age;
        if is_spent || owned.sender.is_closed() {
            return;
        }
        if owned.sender.is_ready() {
            return self.park(key, owned);
        }
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            if let Ok(Ok(())) = tokio::time::timeout(READY_TIME, owned.sender.ready()).await {
                pool.park(key, owned);
            }
        });
    }

    /// A stream of a shared HTTP/2 connection that has room.
    pub(crate) fn stream(&self, key: &PoolKey) -> Option<Stream> {
        self.shared.borrow_mut().get_mut(key)?.take(&self.keepalive.get())
    }

    /// Shares a new HTTP/2 connection; yields its first stream.
    pub(crate) fn share(&self, key: &PoolKey, sender: http2::SendRequest<RequestBody>) -> Stream {
        self.shared.borrow_mut().entry(key.clone()).or_default().add(sender)
    }

    /// Closes connections that were idle for too long.
    pub(crate) fn close_old(&self) {
        let longest = self.keepalive.get().idle;
        let mut idle = self.idle.borrow_mut();
        idle.by_key.retain(|_, parked| {
            parked.retain(|parked| !parked.owned.sender.is_closed() && parked.since.elapsed() < longest);
            !parked.is_empty()
        });
        idle.recount();
        self.shared.borrow_mut().retain(|_, shared| shared.sweep(longest));
    }

    /// Closes the connections to endpoints that are not wanted any more.
    pub(crate) fn retain(&self, is_wanted: impl Fn(&Endpoint) -> bool) {
        let mut idle = self.idle.borrow_mut();
        idle.by_key.retain(|key, _| is_wanted(&key.endpoint));
        idle.recount();
        self.shared.borrow_mut().retain(|key, _| is_wanted(&key.endpoint));
    }

    fn park(&self, key: PoolKey, owned: Owned) {
        let mut idle = self.idle.borrow_mut();
        if idle.count >= self.keepalive.get().connections {
            return;
        }
        idle.count += 1;
        idle.by_key.entry(key).or_default().push(Parked { owned, since: Instant::now() });
    }
}

impl Idle {
    fn recount(&mut self) {
        self.count = self.by_key.values().map(Vec::len).sum();
    }
}
