//! The client's body on its way to an upstream: limit, idle timeout, and what both bodies can end with.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::failure::Failure;
use crate::idle::IdleTimer;
use crate::meter::{Meter, Phase};

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client's part of the exchange failed.
    #[error("the request body ended early: {0:?}")]
    Request(Failure),
    /// The upstream sent nothing for too long.
    #[error("the upstream stopped sending its response body")]
    Idle,
    /// The connection broke.
    #[error("the connection broke within the response body")]
    Broken(#[source] hyper::Error),
}

/// A request body towards an upstream.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None: such a request may be sent again.
    Empty,
    /// Streamed from the client.
    Client(ClientBody),
}

/// The client's body with its limit and timeout.
#[derive(Debug)]
pub(crate) struct ClientBody {
    incoming: Incoming,
    meter: Rc<Meter>,
    limit: Option<u64>,
    idle: IdleTimer,
}

impl RequestBody {
    /// Takes the client's body.
    ///
    /// # Errors
    /// [`Failure::BodyTooLarge`] if its announced length is over `limit`.
    pub(crate) fn new(
        incoming: Incoming,
        limit: Option<u64>,
        wait: Duration,
    ) -> Result<(Self, Rc<Meter>), Failure> {
        if incoming.is_end_stream() {
            return Ok((Self::Empty, Meter::new(Phase::Done)));
        }
        if limit.is_some_and(|limit| incoming.size_hint().lower() > limit) {
            return Err(Failure::BodyTooLarge);
        }
        let meter = Meter::new(Phase::Upstream);
        let body = ClientBody { incoming, meter: Rc::clone(&meter), limit, idle: IdleTimer::new(wait) };
        Ok((Self::Client(body), meter))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Client(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.incoming.size_hint(),
        }
    }
}

impl ClientBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            self.meter.advance(Phase::Client);
            ready!(self.idle.poll(cx));
            return Poll::Ready(Some(Err(BodyError::Request(self.meter.fail(Failure::BodyTimeout)))));
        };
        self.idle.rest();
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the client ended its body early");
                return Poll::Ready(Some(Err(BodyError::Request(self.meter.fail(Failure::ClientGone)))));
            }
            None => {
                self.meter.advance(Phase::Done);
                return Poll::Ready(None);
            }
        };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let received = self.meter.received.get() + length;
        self.meter.received.set(received);
        if self.limit.is_some_and(|limit| received > limit) {
            return Poll::Ready(Some(Err(BodyError::Request(self.meter.fail(Failure::BodyTooLarge)))));
        }
        let is_last = self.incoming.is_end_stream();
        self.meter.advance(if is_last { Phase::Done } else { Phase::Upstream });
        Poll::Ready(Some(Ok(frame)))
    }
}
