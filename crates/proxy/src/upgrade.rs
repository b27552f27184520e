//! Upgraded connections (RFC 9110 section 7.8): WebSocket and whatever else client and upstream agree on.

use std::io;
use std::pin::pin;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use jamul_routing::Timeouts;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

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
    let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
    let (from_upstream, to_upstream) = tokio::io::split(TokioIo::new(upstream));
    let up = pass(from_client, to_upstream, timeouts.send);
    let down = pass(from_upstream, to_client, timeouts.read);
    let mut ways = (pin!(up), pin!(down));
    // As nginx does, the end of one way is the end of both.
    let ended = futures_util::future::select(ways.0.as_mut(), ways.1.as_mut()).await.factor_first().0;
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "upgraded connection ended early");
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    idle: Duration,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = tokio::time::timeout(idle, from.read(&mut buffer)).await.map_err(io::Error::from)??;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await;
        };
        let written = async {
            to.write_all(bytes).await?;
            to.flush().await
        };
        tokio::time::timeout(idle, written).await.map_err(io::Error::from)??;
    }
}
