//! A connection of HTTP/1.1 to an endpoint, which serves one exchange at a time and is worked by it.
//!
//! hyper gives a connection in two halves: one takes requests, the other reads and writes. The usual place of the
//! second is a task of its own, which each request and each response then has to wake. Here whoever waits for
//! something of the connection polls that half.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::rt::{Read, Write};
use tokio::task::coop::unconstrained;

use crate::request_body::RequestBody;
use crate::signal::Signalled;

/// Largest response head of an upstream.
pub(crate) const MAX_HEAD: u32 = 64 * 1024;
/// Buffer per connection.
const BUFFER: usize = 128 * 1024;

/// A connection to an endpoint.
pub(crate) struct Http1 {
    sender: SendRequest<RequestBody>,
    /// What reads and writes, until the connection ends.
    work: Option<Signalled<Work>>,
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
        let work: Work = Box::pin(connection.with_upgrades());
        Ok(Self { sender, work: Some(Signalled::new(work)) })
    }

    /// Sends `request` and waits for the head of the response.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        let Self { sender, work } = self;
        let sent = match work {
            Some(work) => work.prompt(|| sender.try_send_request(request)),
            None => sender.try_send_request(request),
        };
        // Only the work answers, so there is nothing to be woken for but what the work waits for.
        let mut sent = pin!(unconstrained(sent));
        std::future::poll_fn(|cx| {
            poll_work(work, cx);
            sent.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    /// The next part of the response's body, `incoming`, which comes by this connection.
    pub(crate) fn poll_body(
        &mut self,
        incoming: &mut Incoming,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        poll_work(&mut self.work, cx);
        Pin::new(incoming).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    /// Whether it would take a request at once: it is open and the last exchange is over.
    pub(crate) fn is_ready(&mut self) -> bool {
        poll_work(&mut self.work, &Context::from_waker(Waker::noop()));
        self.work.is_some() && self.sender.is_ready()
    }

    /// Ready when it takes requests, or never will again.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        poll_work(&mut self.work, cx);
        self.sender.poll_ready(cx)
    }

    /// Works on without an exchange, until the connection ends or is given to another protocol.
    pub(crate) fn detach(self) {
        let mut work = self.work;
        tokio::task::spawn_local(std::future::poll_fn(move |cx| {
            poll_work(&mut work, cx);
            if work.is_none() { Poll::Ready(()) } else { Poll::Pending }
        }));
    }
}

fn poll_work(work: &mut Option<Signalled<Work>>, cx: &Context<'_>) {
    // Whoever waits for a response hears of an error; an idle connection that ends is no news.
    if work.as_mut().is_some_and(|work| work.poll(cx).is_ready()) {
        *work = None;
    }
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("is_open", &self.work.is_some()).finish_non_exhaustive()
    }
}
