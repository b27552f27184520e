//! Upgraded connections (RFC 9110 section 7.8): WebSocket and whatever else client and upstream agree on.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use jamul_routing::Timeouts;

use crate::relay::{self, Ending, Passed};
use crate::worker::Worker;

/// Passes bytes both ways between two upgraded connections until one ends or both are silent for too long.
pub(crate) fn tunnel(worker: &Worker, client: OnUpgrade, upstream: OnUpgrade, timeouts: Timeouts) {
    let over = worker.drain.over.clone();
    worker.connections.spawn_local(async move {
        tokio::select! {
            () = carry(client, upstream, timeouts) => {}
            () = over.cancelled() => {}
        }
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
