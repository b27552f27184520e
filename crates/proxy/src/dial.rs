//! New connections to endpoints: TCP, TLS, the HTTP version.

use std::io;
use std::net::SocketAddr;

use hyper::client::conn::http2;
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioIo, TokioTimer};
use jamul_routing::Endpoint;
use tokio::net::TcpStream;

use crate::http1::{Http1, MAX_HEAD};
use crate::local::LocalExecutor;
use crate::pool::PoolKey;
use crate::request_body::RequestBody;
use crate::tls::UpstreamTls;
use crate::wire::{Version, Wire};

/// What an upstream may send ahead on one HTTP/2 stream.
const STREAM_WINDOW: u32 = 128 * 1024;
/// The same for all streams of a connection: enough for [`crate::pool::MAX_STREAMS`] that nobody reads, so that
/// a slow client does not stop the others.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// A new connection.
#[derive(Debug)]
pub(crate) enum Dialled {
    /// One exchange at a time.
    Http1(Http1),
    /// Many at a time.
    Http2(http2::SendRequest<RequestBody>),
}

/// Connects to the endpoint of `key`. The caller sets a limit to the wait.
pub(crate) async fn connect(key: &PoolKey, tls: &UpstreamTls) -> io::Result<Dialled> {
    let (address, stream) = tcp(&key.endpoint).await?;
    stream.set_nodelay(true)?;
    match key.wire {
        Wire::Plain(version) => handshake(version, TokioIo::new(stream)).await,
        Wire::Tls(version) => {
            let stream = tls.connect(address.ip(), version, stream).await?;
            handshake(version, TokioIo::new(stream)).await
        }
    }
}

/// A TCP connection to an endpoint, to the first of its addresses that accepts one.
pub(crate) async fn tcp(endpoint: &Endpoint) -> io::Result<(SocketAddr, TcpStream)> {
    if let Endpoint::Address(address) = endpoint {
        return Ok((*address, TcpStream::connect(address).await?));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses(endpoint).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((address, stream)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Where an endpoint is.
pub(crate) async fn addresses(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    match endpoint {
        Endpoint::Address(address) => Ok(vec![*address]),
        Endpoint::Name(name, port) => Ok(tokio::net::lookup_host((&**name, *port)).await?.collect()),
    }
}

async fn handshake<T>(version: Version, io: T) -> io::Result<Dialled>
where
    T: Read + Write + Unpin + Send + 'static,
{
    match version {
        Version::Http1 => Http1::new(io).await.map(Dialled::Http1).map_err(io::Error::other),
        Version::Http2 => handshake_http2(io).await.map(Dialled::Http2),
    }
}

/// By prior knowledge: after TLS too, as the peer may not speak ALPN at all (as nginx's `grpc_pass`).
async fn handshake_http2<T>(io: T) -> io::Result<http2::SendRequest<RequestBody>>
where
    T: Read + Write + Unpin + 'static,
{
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEAD);
    let (sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        // Its streams hear of the error.
        let _: Result<(), hyper::Error> = connection.await;
    });
    Ok(sender)
}
