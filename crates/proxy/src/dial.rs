//! New connections to endpoints: TCP, TLS, the HTTP version.

use std::io;
use std::net::SocketAddr;

use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioIo, TokioTimer};
use jamul_routing::Endpoint;
use tokio::net::TcpStream;

use crate::local::LocalExecutor;
use crate::pool::PoolKey;
use crate::request_body::RequestBody;
use crate::tls::UpstreamTls;
use crate::wire::{Version, Wire};

/// Largest response head of an upstream.
const MAX_HEAD: u32 = 64 * 1024;
/// Buffer per HTTP/1.1 connection.
const BUFFER: usize = 128 * 1024;
/// What an upstream may send ahead on one HTTP/2 stream.
const STREAM_WINDOW: u32 = 128 * 1024;
/// The same for all streams of a connection: enough for [`crate::pool::MAX_STREAMS`] that nobody reads, so that
/// a slow client does not stop the others.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// The sending half of a new connection.
#[derive(Debug)]
pub(crate) enum Dialled {
    /// One exchange at a time.
    Http1(http1::SendRequest<RequestBody>),
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
            let peer = (&key.endpoint, address.ip());
            let stream = tls.connect(key.tls.as_ref(), peer, version, stream).await?;
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
        Version::Http1 => handshake_http1(io).await.map(Dialled::Http1),
        Version::Http2 => handshake_http2(io).await.map(Dialled::Http2),
    }
}

async fn handshake_http1<T>(io: T) -> io::Result<http1::SendRequest<RequestBody>>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_header_size(MAX_HEAD as usize).max_buf_size(BUFFER);
    let (sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        // Whoever waits for a response hears of the error; an idle connection that ends is no news.
        let _: Result<(), hyper::Error> = connection.with_upgrades().await;
    });
    Ok(sender)
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
