//! A connection to an endpoint, for one exchange.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::Either;
use http::{Request, Response};
use hyper::body::Incoming;
use jamul_routing::{Condition, Timeouts};
use tokio::time::Instant;

use crate::balance::InFlight;
use crate::dial::{self, Dialled};
use crate::failure::Failure;
use crate::meter::Meter;
use crate::multiplex::Stream;
use crate::pool::{Owned, Pool, PoolKey};
use crate::request_body::RequestBody;
use crate::tls::UpstreamTls;
use crate::wire::Version;

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
    sender: Sender,
    key: PoolKey,
    pool: Rc<Pool>,
    /// Whether another exchange used the connection before: it may be stale.
    pub(crate) is_reused: bool,
    pub(crate) in_flight: InFlight,
}

#[derive(Debug)]
enum Sender {
    /// The connection is ours until we give it back.
    Http1(Owned),
    /// The connection is shared.
    Http2(Stream),
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
    /// A connection of `key`: one that is there or a new one, within `wait`.
    ///
    /// # Errors
    /// [`Failure::Connect`], [`Failure::ConnectTimeout`].
    pub(crate) async fn take(
        pool: &Rc<Pool>,
        tls: &UpstreamTls,
        key: PoolKey,
        reuse: Reuse,
        wait: Duration,
        in_flight: InFlight,
    ) -> Result<Self, Failure> {
        if reuse == Reuse::Allowed
            && let Some(sender) = Sender::reused(pool, &key)
        {
            return Ok(Self { sender, key, pool: Rc::clone(pool), is_reused: true, in_flight });
        }
        let sender = match tokio::time::timeout(wait, dial::connect(&key, tls)).await {
            Ok(Ok(Dialled::Http1(sender))) => Sender::Http1(Owned::new(sender)),
            Ok(Ok(Dialled::Http2(sender))) => Sender::Http2(pool.share(&key, sender)),
            Ok(Err(error)) => {
                tracing::warn!(
                    endpoint = ?key.endpoint,
                    error = &error as &dyn std::error::Error,
                    "cannot connect to endpoint"
                );
                return Err(Failure::Connect);
            }
            Err(_) => {
                tracing::warn!(endpoint = ?key.endpoint, ?wait, "no connection to endpoint in time");
                return Err(Failure::ConnectTimeout);
            }
        };
        Ok(Self { sender, key, pool: Rc::clone(pool), is_reused: false, in_flight })
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
        let mut sending = std::pin::pin!(match &mut self.sender {
            Sender::Http1(owned) => Either::Left(owned.sender.try_send_request(request)),
            Sender::Http2(stream) => Either::Right(stream.sender.try_send_request(request)),
        });
        let sent = loop {
            // Another wait may begin while this one runs, and end sooner.
            let sooner = Instant::now() + timeouts.read;
            tokio::select! {
                biased;
                sent = &mut sending => break sent,
                () = tokio::time::sleep_until(meter.deadline(timeouts).min(sooner)) => {}
            }
            if meter.deadline(timeouts) <= Instant::now() {
                self.sender.retire();
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

    /// Gives the connection back after a clean end; dropping a lease of HTTP/1.1 closes the connection, of
    /// HTTP/2 the stream.
    pub(crate) fn give_back(self) {
        match self.sender {
            Sender::Http1(owned) => self.pool.put(self.key, owned),
            Sender::Http2(_) => {}
        }
    }
}

impl Sender {
    fn reused(pool: &Pool, key: &PoolKey) -> Option<Self> {
        match key.wire.version() {
            Version::Http1 => pool.take(key).map(Self::Http1),
            Version::Http2 => pool.stream(key).map(Self::Http2),
        }
    }

    fn retire(&self) {
        match self {
            // Dropped with the lease.
            Self::Http1(_) => {}
            Self::Http2(stream) => stream.retire(),
        }
    }
}
