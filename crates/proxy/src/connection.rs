//! Connections of clients: accepting, handshake, the HTTP version, and their end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jamul_routing::Edge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::attention::AttentiveExecutor;
use crate::conn_info::ConnInfo;
use crate::exchange;
use crate::idle::SendTimeout;
use crate::passthrough;
use crate::patience::Patience;
use crate::preface::Seen;
use crate::proxy_protocol::{self, Ends};
use crate::recorded::Recorded;
use crate::settings::Passthrough;
use crate::strict::Strict;
use crate::tls::{self, Arrived, Terminator};
use crate::worker::Worker;

/// Pause after an error of `accept`, such as no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Buffer per http/1.1 connection; a head may not be larger anyway.
const MIN_BUFFER: usize = 64 * 1024;
/// HTTP/2 clients are asked no more often whether they are there.
const SHORTEST_PING: Duration = Duration::from_secs(1);
/// Resets that an HTTP/2 client may have us keep in mind ("rapid reset", CVE-2023-44487).
const PENDING_RESETS: usize = 20;
/// Streams that an HTTP/2 client may have us reset for its errors ("made you reset", CVE-2025-8671).
const OWN_RESETS: usize = 64;
/// What waits to be sent on one HTTP/2 stream whose client does not read.
const STREAM_BUFFER: usize = 128 * 1024;

/// Accepts connections until draining begins; those that the kernel has already taken are still served.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listener: std::net::TcpListener,
    tls: Option<Arc<Terminator>>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let open = |stream, peer| {
        let edge = Arc::clone(&worker.snapshots.load().globals.edge);
        if worker.connections.len() >= edge.limits.connections {
            tracing::warn!(%peer, "connection refused: the worker has as many as it may have");
            return;
        }
        worker.connections.spawn_local(serve(Rc::clone(&worker), stream, peer, tls.clone(), edge));
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = worker.drain.begun.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => open(stream, peer),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        open(stream, peer);
    }
    Ok(())
}

async fn serve(
    worker: Rc<Worker>,
    mut stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Terminator>>,
    edge: Arc<Edge>,
) {
    let _active = worker.metrics.connection_opened();
    let ends = match ends(&mut stream, peer, &edge).await {
        Ok(ends) => ends,
        Err(error) => {
            tracing::debug!(%peer, error = &error as &dyn std::error::Error, "no PROXY protocol header");
            return;
        }
    };
    let waits = edge.waits;
    let info = ConnInfo::new(ends, tls.is_some(), edge);
    // Without it only latency suffers.
    let _: io::Result<()> = stream.set_nodelay(true);
    let stream = SendTimeout::new(stream, waits.send);
    let Some(tls) = tls else {
        return serve_plain(worker, Rc::new(info), stream).await;
    };
    let stream = match worker.settings.passthrough {
        Passthrough::On => Recorded::new(stream),
        Passthrough::Off => Recorded::off(stream),
    };
    match tokio::time::timeout(waits.header, tls.accept(stream)).await {
        Ok(Ok(Arrived::Decrypted(stream, peer))) => {
            let info = Rc::new(info.with_handshake(peer));
            if tls::is_h2(&stream) {
                serve_http2(worker, info, TokioIo::new(stream)).await;
            } else {
                serve_http1(worker, info, stream).await;
            }
        }
        Ok(Ok(Arrived::Through(stream, upstream))) => passthrough::pass(&worker, stream, &upstream).await,
        Ok(Err(error)) => {
            tracing::debug!(%peer, error = &error as &dyn std::error::Error, "TLS handshake failed");
        }
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

/// The connection's two ends, or what a load balancer in front says of them.
async fn ends(stream: &mut TcpStream, peer: SocketAddr, edge: &Edge) -> io::Result<Ends> {
    let ends = Ends::of(peer, stream.local_addr()?);
    match edge.proxy_protocol {
        Some(wait) => proxy_protocol::accept(stream, ends, wait, &edge.trust.peers).await,
        None => Ok(ends),
    }
}

/// HTTP/1.1 in the clear, and HTTP/2 for clients that begin with it, if they may.
async fn serve_plain(worker: Rc<Worker>, info: Rc<ConnInfo>, stream: SendTimeout<TcpStream>) {
    if !info.edge.versions.has_h2c {
        return serve_http1(worker, info, Seen::nothing(stream)).await;
    }
    match tokio::time::timeout(info.edge.waits.header, Seen::look(stream)).await {
        Ok(Ok(seen)) if seen.is_http2() => serve_http2(worker, info, TokioIo::new(seen)).await,
        Ok(Ok(seen)) => serve_http1(worker, info, seen).await,
        Ok(Err(error)) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "connection ended before a request");
        }
        Err(_) => tracing::debug!("no request in time"),
    }
}

async fn serve_http1<T>(worker: Rc<Worker>, info: Rc<ConnInfo>, stream: T)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (limits, waits) = (info.edge.limits, info.edge.waits);
    let drain = worker.drain.clone();
    let stream = Strict::new(Patience::new(stream, Arc::clone(&info.pulse), waits));
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(MIN_BUFFER));
    let service = service_fn(move |request| {
        // Now, not when it is first polled: until then the connection would seem to wait for its client.
        let beat = info.begin();
        exchange::run(Rc::clone(&worker), Rc::clone(&info), beat, request).map(Ok::<_, Infallible>)
    });
    let connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let begun = drain.begun.clone();
    finish(
        connection,
        |connection| connection.graceful_shutdown(),
        begun.cancelled(),
        drain.over.cancelled(),
    )
    .await;
}

async fn serve_http2<T>(worker: Rc<Worker>, info: Rc<ConnInfo>, io: T)
where
    T: Read + Write + Unpin + 'static,
{
    let (limits, waits) = (info.edge.limits, info.edge.waits);
    let drain = worker.drain.clone();
    let mut builder = http2::Builder::new(AttentiveExecutor(Rc::clone(&info)));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(OWN_RESETS)
        .max_send_buf_size(STREAM_BUFFER)
        .enable_connect_protocol()
        .keep_alive_interval(waits.keep_alive.max(SHORTEST_PING))
        .keep_alive_timeout(waits.header);
    let connected = Rc::clone(&info);
    let service = service_fn(move |request| {
        // Now, not when it is first polled: until then the connection would seem to wait for its client.
        let beat = info.begin();
        exchange::run(Rc::clone(&worker), Rc::clone(&info), beat, request).map(Ok::<_, Infallible>)
    });
    let connection = pin!(builder.serve_connection(io, service));
    let wound_down = async {
        tokio::select! {
            () = drain.begun.cancelled() => {}
            () = connected.spent.cancelled() => {}
            () = silence(&connected) => {}
        }
    };
    let over = async {
        tokio::select! {
            () = drain.over.cancelled() => {}
            // What a client does not take of its last responses has no exchange any more.
            () = silence(&connected) => {}
        }
    };
    finish(connection, |connection| connection.graceful_shutdown(), wound_down, over).await;
}

/// Waits until a connection has had no exchange in flight for as long as it may (`keep-alive`).
async fn silence(connection: &ConnInfo) {
    let wait = connection.edge.waits.keep_alive.max(SHORTEST_PING);
    let mut begun = connection.pulse.begun();
    loop {
        tokio::time::sleep(wait).await;
        let now = connection.pulse.begun();
        if now == begun && !connection.pulse.is_busy() {
            return;
        }
        begun = now;
    }
}

/// Serves `connection` to its end, which `wind_down` brings about after `wound_down`, and which does not wait any longer
/// than `over`.
async fn finish<C>(
    mut connection: Pin<&mut C>,
    wind_down: impl FnOnce(Pin<&mut C>),
    wound_down: impl Future<Output = ()>,
    over: impl Future<Output = ()>,
) where
    C: Future<Output = Result<(), hyper::Error>>,
{
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = wound_down => {
            wind_down(connection.as_mut());
            tokio::select! {
                served = connection => served,
                () = over => Ok(()),
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(error = &error as &dyn std::error::Error, "connection ended early");
    }
}
