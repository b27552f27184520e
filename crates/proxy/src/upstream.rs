//! A connection to an endpoint, for one exchange.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use jamul_routing::{Condition, Endpoint, Protocol, Timeouts};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::balance::InFlight;
use crate::failure::Failure;
use crate::meter::Meter;
use crate::pool::{Pool, PoolKey};
use crate::request_body::RequestBody;
use crate::tls::UpstreamTls;

/// Largest response head of an upstream.
const MAX_HEAD: usize = 64 * 1024;
/// Buffer per connection.
const BUFFER: usize = 128 * 1024;

/// Whether an idle connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Yes.
    Allowed,
    /// The last idle one turned out to be closed: connect anew.
    Never,
}

/// The right to use a connection for one exchange.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: http1::SendRequest<RequestBody>,
    key: PoolKey,
    pool: Rc<Pool>,
    /// Whether another exchange used the connection before: it may be stale.
    pub(crate) is_reused: bool,
    _in_flight: InFlight,
}

/// Why no response head came, and the request if nothing of it was sent.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) failure: Failure,
    /// What of it `proxy-next-upstream` goes by.
    pub(crate) condition: Condition,
    pub(crate) unsent: Option<Request<RequestBody>>,
}

impl Lease {
    /// A connection to `endpoint`: an idle one or a new one, within `wait`.
    ///
    /// # Errors
    /// [`Failure::Connect`], [`Failure::ConnectTimeout`], [`Failure::Protocol`].
    pub(crate) async fn take(
        pool: &Rc<Pool>,
        tls: &UpstreamTls,
        endpoint: &Endpoint,
        protocol: Protocol,
        reuse: Reuse,
        wait: Duration,
        in_flight: InFlight,
    ) -> Result<Self, Failure> {
        let key = PoolKey { endpoint: endpoint.clone(), protocol };
        if reuse == Reuse::Allowed
            && let Some(sender) = pool.take(&key)
        {
            return Ok(Self { sender, key, pool: Rc::clone(pool), is_reused: true, _in_flight: in_flight });
        }
        let sender = match tokio::time::timeout(wait, connect(&key, tls)).await {
            Ok(Ok(sender)) => sender,
            Ok(Err(error)) => {
                tracing::warn!(
                    ?endpoint,
                    error = &error as &dyn std::error::Error,
                    "cannot connect to endpoint"
                );
                return Err(Failure::Connect);
            }
            Err(_) => {
                tracing::warn!(?endpoint, ?wait, "no connection to endpoint in time");
                return Err(Failure::ConnectTimeout);
            }
        };
        Ok(Self { sender, key, pool: Rc::clone(pool), is_reused: false, _in_flight: in_flight })
    }

    /// Sends `request` and waits for the response head. The waits of `timeouts` run between two signs
    /// of life.
    ///
    /// # Errors
    /// [`Broken`]: the upstream's failure, or the client's if its body ended the exchange.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
        timeouts: &Timeouts,
        meter: &Meter,
    ) -> Result<Response<Incoming>, Broken> {
        meter.begin();
        let mut sending = std::pin::pin!(self.sender.try_send_request(request));
        let mut deadline = meter.deadline(timeouts);
        let sent = loop {
            tokio::select! {
                biased;
                sent = &mut sending => break sent,
                () = tokio::time::sleep_until(deadline) => {}
            }
            deadline = meter.deadline(timeouts);
            if deadline <= Instant::now() {
                let (failure, condition) = (Failure::UpstreamTimeout, Condition::Timeout);
                return Err(Broken { failure, condition, unsent: None });
            }
        };
        sent.map_err(|mut error| {
            let failure = meter.failure().unwrap_or_else(|| {
                tracing::debug!(error = error.error() as &dyn std::error::Error, "no response from endpoint");
                Failure::Upstream
            });
            let is_malformed = error.error().is_parse();
            let condition = if is_malformed { Condition::InvalidHeader } else { Condition::Error };
            Broken { failure, condition, unsent: error.take_message() }
        })
    }

    /// Gives the connection back after a clean end; dropping a lease closes the connection.
    pub(crate) fn give_back(self) {
        self.pool.put(self.key, self.sender);
    }
}

async fn connect(key: &PoolKey, tls: &UpstreamTls) -> io::Result<http1::SendRequest<RequestBody>> {
    let (address, stream) = match &key.endpoint {
        Endpoint::Address(address) => (*address, TcpStream::connect(address).await?),
        Endpoint::Name(name, port) => connect_to_name(name, *port).await?,
    };
    stream.set_nodelay(true)?;
    match key.protocol {
        Protocol::Http => handshake(TokioIo::new(stream)).await,
        Protocol::Https => handshake(TokioIo::new(tls.connect(address.ip(), stream).await?)).await,
        Protocol::Grpc | Protocol::Grpcs => Err(io::Error::from(io::ErrorKind::Unsupported)),
    }
}

async fn connect_to_name(name: &str, port: u16) -> io::Result<(SocketAddr, TcpStream)> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((name, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((address, stream)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn handshake<T>(io: T) -> io::Result<http1::SendRequest<RequestBody>>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_header_size(MAX_HEAD).max_buf_size(BUFFER);
    let (sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        // Whoever waits for a response hears of the error; an idle connection that ends is no news.
        let _: Result<(), hyper::Error> = connection.with_upgrades().await;
    });
    Ok(sender)
}
