//! Upgraded connections (RFC 9110 section 7.8): WebSocket and whatever else client and upstream agree on.

use http::{HeaderValue, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use jamul_routing::Timeouts;

use crate::balance::InFlight;
use crate::conn_info::ConnInfo;
use crate::relay::{self, Ending, Passed};
use crate::worker::Worker;

/// What a client asks its connection, or one stream of it, to become.
#[derive(Debug)]
pub(crate) struct Upgrade {
    /// The way to the client.
    pub(crate) client: OnUpgrade,
    /// The protocol that it wants.
    pub(crate) protocol: HeaderValue,
    /// How it asked.
    pub(crate) form: Form,
}

/// How an upgrade is asked for, and how it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By `Upgrade`; by 101 (RFC 9110 section 7.8).
    Header,
    /// By extended CONNECT on HTTP/2; by 200 (RFC 8441).
    Connect,
}

impl Form {
    /// The status that grants it.
    pub(crate) const fn granted(self) -> StatusCode {
        match self {
            Self::Header => StatusCode::SWITCHING_PROTOCOLS,
            Self::Connect => StatusCode::OK,
        }
    }
}

/// Passes bytes both ways between two upgraded connections until one ends or both are silent for too long.
pub(crate) fn tunnel(
    worker: &Worker,
    connection: &ConnInfo,
    client: OnUpgrade,
    upstream: OnUpgrade,
    timeouts: Timeouts,
    in_flight: InFlight,
) {
    let over = worker.drain.over.clone();
    // No next request is waited for.
    let beat = connection.pulse.begin();
    worker.connections.spawn_local(async move {
        let _beat = beat;
        tokio::select! {
            () = carry(client, upstream, timeouts) => {}
            () = over.cancelled() => {}
        }
        drop(in_flight);
    });
}

async fn carry(client: OnUpgrade, upstream: OnUpgrade, timeouts: Timeouts) {
    let upgraded =
        tokio::time::timeout(timeouts.read, futures_util::future::try_join(client, upstream)).await;
    let Ok(Ok((client, upstream))) = upgraded else {
        tracing::debug!("upgrade not completed");
        return;
    };
    let (client, upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    let mut passed = Passed::default();
    // As nginx does, the end of one way is the end of both.
    if let Err(error) = relay::both_ways(client, upstream, timeouts.read, Ending::Either, &mut passed).await {
        tracing::debug!(?passed, error = &error as &dyn std::error::Error, "upgraded connection ended early");
    }
}
