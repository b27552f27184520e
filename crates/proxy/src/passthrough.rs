//! TLS that is not decrypted (`ssl-passthrough`): octets go to an endpoint and back as they come.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use futures_util::future::try_join;
use jamul_routing::{Endpoint, UpstreamId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::dial;
use crate::recorded::Recorded;
use crate::worker::Worker;

/// For a connection to one endpoint.
const CONNECT: Duration = Duration::from_secs(5);
/// How long both ways may be silent (ingress-nginx's `proxy-stream-timeout`).
const IDLE: Duration = Duration::from_secs(600);
/// Octets on their way, for each direction.
const BUFFER: usize = 16 * 1024;

/// Passes a connection, from the octets that were read already, until both sides have ended it, both are silent for too
/// long, or the worker stops.
pub(crate) async fn pass<T>(worker: &Worker, stream: Recorded<T>, upstream: &UpstreamId)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let passed = tokio::select! {
        passed = carry(worker, stream, upstream) => passed,
        () = worker.drain.over.cancelled() => Ok(()),
    };
    if let Err(error) = passed {
        tracing::debug!(
            ?upstream,
            error = &error as &dyn std::error::Error,
            "TLS passed through ended early"
        );
    }
}

async fn carry<T>(worker: &Worker, stream: Recorded<T>, upstream: &UpstreamId) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let snapshot = worker.snapshots.load_full();
    let endpoints = snapshot.upstreams.get(upstream).map(|upstream| upstream.endpoints.as_slice());
    let mut endpoint = connect(endpoints.unwrap_or_default()).await?;
    let (client, read_already) = stream.into_parts();
    timeout(IDLE, endpoint.write_all(&read_already)).await??;
    let (from_client, to_client) = tokio::io::split(client);
    let (from_endpoint, to_endpoint) = endpoint.split();
    let seen = Cell::new(Instant::now());
    let both = try_join(one_way(from_client, to_endpoint, &seen), one_way(from_endpoint, to_client, &seen));
    both.await.map(|_| ())
}

/// The first of `endpoints`, from one of them on, that takes the connection.
async fn connect(endpoints: &[Endpoint]) -> io::Result<TcpStream> {
    let first = fastrand::usize(..endpoints.len().max(1));
    let mut last = io::Error::new(io::ErrorKind::NotConnected, "there is no ready endpoint");
    for endpoint in endpoints.iter().cycle().skip(first).take(endpoints.len()) {
        match timeout(CONNECT, dial::tcp(endpoint)).await {
            Ok(Ok((_, stream))) => {
                // Without it only latency suffers.
                let _: io::Result<()> = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(late) => last = late.into(),
        }
    }
    Err(last)
}

/// Until `from` ends, which `to` is then told. `seen` is when anything last came, either way.
async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    seen: &Cell<Instant>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match timeout(IDLE, from.read(&mut buffer)).await {
            Ok(read) => read?,
            Err(_) if seen.get().elapsed() < IDLE => continue,
            Err(late) => return Err(late.into()),
        };
        seen.set(Instant::now());
        let Some(octets) = buffer.get(..count).filter(|octets| !octets.is_empty()) else {
            return to.shutdown().await;
        };
        timeout(IDLE, to.write_all(octets)).await??;
        timeout(IDLE, to.flush()).await??;
    }
}
