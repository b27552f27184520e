//! A connection of HTTP/1.1 to an endpoint, which serves one exchange at a time and is worked by it.
//!
//! hyper gives a connection in two halves: one takes requests, the other reads and writes. The usual place of the
//! second is a task of its own, which each request and each response then has to wake. Here whoever waits for
//! something of the connection polls that half; an idle connection is not polled at all.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::rt::{Read, Write};
use tokio::task::coop::unconstrained;

use crate::request_body::RequestBody;

/// Largest response head of an upstream.
pub(crate) const MAX_HEAD: u32 = 64 * 1024;
/// Buffer per connection.
const BUFFER: usize = 128 * 1024;

/// A connection to an endpoint.
pub(crate) struct Http1 {
    sender: SendRequest<RequestBody>,
    /// What reads and writes, until the connection ends.
    work: Option<Work>,
}

type Work = Pin<Box<dyn Future<Output = Result<(), hyper::Error>>>>;

impl Http1 {
    /// Speaks HTTP/1.1 over `io`.
    pub(crate) async fn new<T>(io: T) -> Result<Self, hyper::Error>
    where
        T: Read + Write + Unpin + Send + 'static,
    {
        let mut builder = Builder::new();
        builder.max_header_size(MAX_HEAD as usize).max_buf_size(BUFFER);
        let (sender, connection) = builder.handshake(io).await?;
        Ok(Self { sender, work: Some(Box::pin(connection.with_upgrades())) })
    }

    /// Sends `request` and waits for the head of the response.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        let Self { sender, work } = self;
        // Only our own work answers, so there is nothing to be woken for but what the work waits for.
        let mut sent = pin!(unconstrained(sender.try_send_request(request)));
        std::future::poll_fn(|cx| {
            poll_work(work, cx);
            sent.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    /// Reads and writes what can be.
    pub(crate) fn poll_work(&mut self, cx: &mut Context<'_>) {
        poll_work(&mut self.work, cx);
    }

    /// Whether it would take a request at once: it is open and the last exchange is over.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.poll_work(&mut Context::from_waker(Waker::noop()));
        self.work.is_some() && self.sender.is_ready()
    }

    /// Ready when it takes requests, or never will again.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.poll_work(cx);
        self.sender.poll_ready(cx)
    }

    /// Works on without an exchange, until the connection ends or is given to another protocol.
    pub(crate) fn detach(self) {
        if let Some(work) = self.work {
            tokio::task::spawn_local(async move {
                // Whoever waits for the other protocol hears of the error.
                let _: Result<(), hyper::Error> = work.await;
            });
        }
    }
}

fn poll_work(work: &mut Option<Work>, cx: &mut Context<'_>) {
    let Some(running) = work else { return };
    // Whoever waits for a response hears of the error; an idle connection that ends is no news.
    if running.as_mut().poll(cx).is_ready() {
        *work = None;
    }
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("is_open", &self.work.is_some()).finish_non_exhaustive()
    }
}
