//! HTTP/2 connections to endpoints, each shared by many exchanges.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http2::SendRequest;
use jamul_routing::Keepalive;
use tokio::time::Instant;

use crate::request_body::RequestBody;

/// Exchanges that share one connection; the next one opens another. Many servers allow no more than 100
/// (RFC 9113 section 6.5.2 recommends at least that many).
pub(crate) const MAX_STREAMS: usize = 100;

/// The right to use one stream of a shared connection.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) sender: SendRequest<RequestBody>,
    shared: Rc<Shared>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.streams.set(self.shared.streams.get().saturating_sub(1));
        self.shared.used.set(Instant::now());
    }
}

impl Stream {
    /// The connection did not answer in time: nobody else shall wait for it. What is on it may still end well.
    pub(crate) fn retire(&self) {
        self.shared.is_retired.set(true);
    }
}

/// The shared connections to one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Multiplex {
    connections: Vec<(SendRequest<RequestBody>, Rc<Shared>)>,
}

#[derive(Debug)]
struct Shared {
    streams: Cell<usize>,
    /// Streams that began on it.
    taken: Cell<u64>,
    born: Instant,
    used: Cell<Instant>,
    is_retired: Cell<bool>,
}

impl Multiplex {
    /// A stream of a connection that has room; one that has served long enough is let go, and ends with its streams.
    pub(crate) fn take(&mut self, keepalive: &Keepalive) -> Option<Stream> {
        self.connections.retain(|(sender, shared)| {
            let is_spent = shared.taken.get() >= keepalive.requests || shared.born.elapsed() >= keepalive.age;
            !sender.is_closed() && !shared.is_retired.get() && !is_spent
        });
        let (sender, shared) =
            self.connections.iter().find(|(_, shared)| shared.streams.get() < MAX_STREAMS)?;
        Some(stream(sender, shared))
    }

    /// Shares a new connection; yields its first stream.
    pub(crate) fn add(&mut self, sender: SendRequest<RequestBody>) -> Stream {
        let shared = Rc::new(Shared {
            streams: Cell::new(0),
            taken: Cell::new(0),
            born: Instant::now(),
            used: Cell::new(Instant::now()),
            is_retired: Cell::new(false),
        });
        let first = stream(&sender, &shared);
        self.connections.push((sender, shared));
        first
    }

    /// Closes what ended, and what nobody has used for `idle`; yields whether any is left.
    pub(crate) fn sweep(&mut self, idle: Duration) -> bool {
        self.connections.retain(|(sender, shared)| {
            let is_used = shared.streams.get() > 0 || shared.used.get().elapsed() < idle;
            !sender.is_closed() && !shared.is_retired.get() && is_used
        });
        !self.connections.is_empty()
    }
}

fn stream(sender: &SendRequest<RequestBody>, shared: &Rc<Shared>) -> Stream {
    shared.streams.set(shared.streams.get() + 1);
    shared.taken.set(shared.taken.get() + 1);
    shared.used.set(Instant::now());
    Stream { sender: sender.clone(), shared: Rc::clone(shared) }
}
