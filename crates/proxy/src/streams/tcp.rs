//! Connections of a TCP service.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jamul_routing::streams::{Preamble, StreamPort, StreamService};
use jamul_routing::{Edge, Endpoint};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::dial;
use crate::proxy_protocol::{self, Ends};
use crate::relay::{self, Ending, Passed};
use crate::worker::Worker;

/// Pause after an error of `accept`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// For a connection to an endpoint.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// For a PROXY protocol header, where http and https have none.
const HEADER_WAIT: Duration = Duration::from_secs(5);

/// Accepts connections to `port` until it is `closed` or draining begins.
pub(super) async fn accept(
    worker: Rc<Worker>,
    listener: std::net::TcpListener,
    port: StreamPort,
    closed: CancellationToken,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "{port} cannot be served");
            return;
        }
    };
    let turn = Rc::new(Cell::new(0));
    loop {
        let accepted = tokio::select! {
            biased;
            () = worker.drain.begun.cancelled() => return,
            () = closed.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => open(&worker, stream, peer, port, &turn),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn open(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, port: StreamPort, turn: &Rc<Cell<usize>>) {
    let snapshot = worker.snapshots.load();
    let edge = Arc::clone(&snapshot.globals.edge);
    let Some(service) = snapshot.streams.get(&port).map(Arc::clone) else { return };
    if worker.connections.len() >= edge.limits.connections {
        tracing::warn!(%peer, "connection refused: the worker has as many as it may have");
        return;
    }
    let over = worker.drain.over.clone();
    let (turn, opened) = (Rc::clone(turn), worker.metrics.connection_opened());
    worker.connections.spawn_local(async move {
        let _active = opened;
        let served = tokio::select! {
            served = serve(stream, peer, &service, &edge, &turn) => served,
            () = over.cancelled() => Ok(Passed::default()),
        };
        match served {
            Ok(passed) => tracing::debug!(%peer, ?passed, "connection to {} is over", service.backend),
            Err(error) => {
                tracing::debug!(%peer, error = &error as &dyn std::error::Error, "connection to {} ended", service.backend);
            }
        }
    });
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    service: &StreamService,
    edge: &Edge,
    turn: &Cell<usize>,
) -> io::Result<Passed> {
    // Without it only latency suffers.
    let _: io::Result<()> = stream.set_nodelay(true);
    let mut ends = Ends::of(peer, stream.local_addr()?);
    if service.receives == Preamble::ProxyProtocol {
        let wait = edge.proxy_protocol.unwrap_or(HEADER_WAIT);
        ends = proxy_protocol::accept(&mut stream, ends, wait, &edge.trust.peers).await?;
    }
    let mut upstream = connect(service, edge, turn).await?;
    if service.sends == Preamble::ProxyProtocol {
        upstream.write_all(proxy_protocol::header(ends).as_bytes()).await?;
    }
    let mut passed = Passed::default();
    relay::both_ways(stream, upstream, edge.relaying.idle, Ending::Both, &mut passed).await?;
    Ok(passed)
}

/// A connection to the endpoint whose turn it is, or to the next that accepts one.
async fn connect(service: &StreamService, edge: &Edge, turn: &Cell<usize>) -> io::Result<TcpStream> {
    let count = service.endpoints.len();
    let first = turn.get();
    turn.set(first.wrapping_add(1));
    let tries = match edge.relaying.tries {
        0 => count,
        tries => count.min(tries as usize),
    };
    let until = edge.relaying.tries_within.map(|within| Instant::now() + within);
    let mut last = io::Error::new(io::ErrorKind::NotConnected, "the service has no endpoint");
    for attempt in 0..tries {
        let Some(endpoint) = service.endpoints.get(first.wrapping_add(attempt) % count) else { break };
        if attempt > 0 && until.is_some_and(|until| until <= Instant::now()) {
            break;
        }
        match tokio::time::timeout(CONNECT_WAIT, connect_to(endpoint)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(late) => last = late.into(),
        }
        tracing::warn!(?endpoint, error = &last as &dyn std::error::Error, "cannot connect to endpoint");
    }
    Err(last)
}

async fn connect_to(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let (_, stream) = dial::tcp(endpoint).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
