//! A small server for ports of Jamul's own: admin, ACME. Whole requests in, whole responses out.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::tls::ServerTls;

/// Answers a request. It must not take long: connections wait for it.
pub type Handler = Arc<dyn Fn(Request<Vec<u8>>) -> BoxFuture<'static, Response<Vec<u8>>> + Send + Sync>;

/// The same, with bodies that may come bit by bit; one that never ends has to end itself at shutdown.
pub type StreamHandler<B> = Arc<dyn Fn(Request<Vec<u8>>) -> BoxFuture<'static, Response<B>> + Send + Sync>;

/// Who asks; an extension of each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// For a handshake, the head and the body of a request, each.
const WAIT: Duration = Duration::from_secs(30);
/// Largest request body, unless a port needs more.
const MAX_BODY: usize = 1024 * 1024;
/// Largest request head.
const MAX_HEAD: usize = 32 * 1024;
/// Connections at a time; more wait in the kernel.
const MAX_CONNECTIONS: usize = 1024;
/// How long responses may take to finish at shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after an error of `accept`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes an address for one of these; of IPv6 it takes IPv6 only, so that `0.0.0.0` and `[::]` can be named side by side.
///
/// # Errors
/// The address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::from_std(crate::listener::open(address)?)
}

/// Serves http/1.1 on `listener`, with TLS if `tls` is given, until `shutdown`; then finishes what is in
/// flight.
pub async fn serve(
    listener: TcpListener,
    tls: Option<ServerTls>,
    handler: Handler,
    shutdown: CancellationToken,
) {
    serve_bodies(listener, tls, handler, MAX_BODY, shutdown).await;
}

/// [`serve`] for requests whose bodies may have up to `max_body` bytes.
pub async fn serve_bodies(
    listener: TcpListener,
    tls: Option<ServerTls>,
    handler: Handler,
    max_body: usize,
    shutdown: CancellationToken,
) {
    let whole: StreamHandler<Full<Bytes>> = Arc::new(move |request| {
        let answer = handler(request);
        Box::pin(async move { answer.await.map(|body| Full::new(Bytes::from(body))) })
    });
    accept(listener, tls, Port { handler: whole, max_body }, shutdown).await;
}

/// [`serve`] with a handler whose bodies may come bit by bit.
pub async fn serve_streams<B>(
    listener: TcpListener,
    tls: Option<ServerTls>,
    handler: StreamHandler<B>,
    shutdown: CancellationToken,
) where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    accept(listener, tls, Port { handler, max_body: MAX_BODY }, shutdown).await;
}

/// What answers on a port, and how much it reads.
struct Port<B> {
    handler: StreamHandler<B>,
    max_body: usize,
}

impl<B> Clone for Port<B> {
    fn clone(&self) -> Self {
        Self { handler: Arc::clone(&self.handler), max_body: self.max_body }
    }
}

async fn accept<B>(listener: TcpListener, tls: Option<ServerTls>, port: Port<B>, shutdown: CancellationToken)
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (port, shutdown) = (port.clone(), shutdown.clone());
                connections.spawn(connection(stream, Peer(peer), tls.clone(), port, shutdown));
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection<B>(
    stream: TcpStream,
    peer: Peer,
    tls: Option<ServerTls>,
    port: Port<B>,
    shutdown: CancellationToken,
) where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    // Without it only latency suffers.
    let _: io::Result<()> = stream.set_nodelay(true);
    let Some(tls) = tls else { return http(TokioIo::new(stream), peer, port, shutdown).await };
    match tokio::time::timeout(WAIT, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(TokioIo::new(stream), peer, port, shutdown).await,
        Ok(Err(error)) => tracing::debug!(error = &error as &dyn std::error::Error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn http<T, B>(io: T, peer: Peer, port: Port<B>, shutdown: CancellationToken)
where
    T: Read + Write + Unpin + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        answer(request, port.clone())
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(WAIT).max_header_size(MAX_HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error = &error as &dyn std::error::Error, "connection ended early");
    }
}

/// What [`serve`] itself refuses, or what a handler answered.
type Answer<B> = Response<Either<Full<Bytes>, B>>;

async fn answer<B>(request: Request<Incoming>, port: Port<B>) -> Result<Answer<B>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(WAIT, Limited::new(body, port.max_body).collect()).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE));
        }
        Ok(Err(_)) => return Ok(refusal(StatusCode::BAD_REQUEST)),
        Err(_) => return Ok(refusal(StatusCode::REQUEST_TIMEOUT)),
    };
    Ok((port.handler)(Request::from_parts(parts, body)).await.map(Either::Right))
}

fn refusal<B>(status: StatusCode) -> Answer<B> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(format!("{status}\n")))));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}
