//! HTTP/2 clients that open streams and then no window: each such stream is ended.
//!
//! hyper asks a response body for more only when the stream has room, and waits for room for ever; the client answers
//! pings meanwhile. So the task of each stream, which is hyper's, is run under a watch.

use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Instant, Sleep};

use crate::conn_info::ConnInfo;
use crate::delivery::Delivery;

/// What a client must take of what it was given, on top of its `send` timeout: bytes each second.
const SLOWEST: u64 = 256;

/// Runs hyper's streams of one connection on the worker's own thread.
#[derive(Clone, Debug)]
pub(crate) struct AttentiveExecutor(pub(crate) Rc<ConnInfo>);

impl<F> Executor<F> for AttentiveExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, stream: F) {
        let connection = Rc::clone(&self.0);
        tokio::task::spawn_local(attend(connection, stream));
    }
}

/// Runs `stream` to its end, or drops it, which resets it, when its client takes nothing for too long.
async fn attend<F: Future>(connection: Rc<ConnInfo>, stream: F) {
    let mut stream = pin!(stream);
    let mut own = Delivery::default();
    let mut timer = pin!(None::<Sleep>);
    std::future::poll_fn(|cx| {
        let before = own;
        connection.delivery.set(own);
        let polled = stream.as_mut().poll(cx);
        own = connection.delivery.take();
        if polled.is_ready() {
            return Poll::Ready(());
        }
        let Some(bytes) = own.owed else { return Poll::Pending };
        if own != before || timer.is_none() {
            let wait = connection.edge.waits.send + Duration::from_secs(bytes / SLOWEST);
            timer.set(Some(tokio::time::sleep_until(Instant::now() + wait)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| tracing::debug!("the client reads nothing: stream reset")),
            None => Poll::Pending,
        }
    })
    .await;
}
