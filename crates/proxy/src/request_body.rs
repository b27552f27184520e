//! The client's body on its way to an upstream: limit, idle timeout, and what both bodies can end with.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::copy_body::{CopyBody, GivenUp, Tee};
use crate::failure::Failure;
use crate::idle::IdleTimer;
use crate::meter::{Meter, Phase};
use crate::trailers;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client's part of the exchange failed.
    #[error("the request body ended early: {0:?}")]
    Request(Failure),
    /// The upstream sent nothing for too long.
    #[error("the upstream stopped sending its response body")]
    Idle,
    /// The response body could not be compressed.
    #[error("the response body could not be compressed")]
    Encoding(#[source] std::io::Error),
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
    /// A copy of what is streamed from the client.
    Copy(CopyBody),
}

/// The client's body with its limit and timeout, on its way to one endpoint.
#[derive(Debug)]
pub(crate) struct ClientBody {
    source: Rc<RefCell<Source>>,
    /// What is still to be read when this way begins: all of the body.
    hint: SizeHint,
    /// Kept pieces that went this way already.
    replayed: usize,
    /// Which attempt this is the body of.
    attempt: u32,
}

/// Where the client's body comes from, and what of it is kept for another attempt.
#[derive(Debug)]
struct Source {
    incoming: Incoming,
    meter: Rc<Meter>,
    limit: Option<u64>,
    idle: IdleTimer,
    pace: Pace,
    /// Who takes a copy.
    tee: Option<Tee>,
    kept: Kept,
    /// The attempt whose turn it is to read.
    attempt: u32,
}

/// What was read of a body.
#[derive(Debug)]
enum Kept {
    /// All of it, so that another endpoint may get it.
    All { pieces: Vec<Bytes>, length: usize },
    /// Not all: there is no other attempt.
    Not,
}

/// The way to send a body again.
#[derive(Debug)]
pub(crate) struct Replay {
    source: Option<Rc<RefCell<Source>>>,
    hint: SizeHint,
}

/// Whether the beginning of a body is kept while it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Up to [`MOST_KEPT`].
    Yes,
    /// The request will not be repeated.
    No,
}

/// Bytes of a body that are kept for another attempt.
const MOST_KEPT: usize = 64 * 1024;

impl RequestBody {
    /// Takes the client's body.
    ///
    /// # Errors
    /// [`Failure::BodyTooLarge`] if its announced length is over `limit`.
    pub(crate) fn new(
        incoming: Incoming,
        limit: Option<u64>,
        wait: Duration,
        keep: Keep,
    ) -> Result<(Self, Rc<Meter>, Replay), Failure> {
        let hint = incoming.size_hint();
        if incoming.is_end_stream() {
            return Ok((Self::Empty, Meter::new(Phase::Done), Replay { source: None, hint }));
        }
        if limit.is_some_and(|limit| hint.lower() > limit) {
            return Err(Failure::BodyTooLarge);
        }
        let meter = Meter::new(Phase::Upstream);
        let kept = match keep {
            Keep::Yes => Kept::All { pieces: Vec::new(), length: 0 },
            Keep::No => Kept::Not,
        };
        let (idle, pace) = (IdleTimer::new(wait), Pace::new(hint, wait));
        let source =
            Source { incoming, meter: Rc::clone(&meter), limit, idle, pace, tee: None, kept, attempt: 0 };
        let source = Rc::new(RefCell::new(source));
        let replay = Replay { source: Some(Rc::clone(&source)), hint };
        Ok((Self::Client(ClientBody { source, hint, replayed: 0, attempt: 0 }), meter, replay))
    }
}

impl Replay {
    /// The whole body once more; the one before may not read any longer. `None` if it is not kept.
    pub(crate) fn again(&self) -> Option<RequestBody> {
        let Some(shared) = &self.source else { return Some(RequestBody::Empty) };
        let mut source = shared.borrow_mut();
        if matches!(source.kept, Kept::Not) {
            return None;
        }
        source.attempt += 1;
        source.meter.advance(Phase::Upstream);
        let (hint, attempt) = (self.hint, source.attempt);
        Some(RequestBody::Client(ClientBody { source: Rc::clone(shared), hint, replayed: 0, attempt }))
    }

    /// There will be no other attempt: lets go of what is kept.
    pub(crate) fn forget(&self) {
        if let Some(source) = &self.source {
            source.borrow_mut().kept = Kept::Not;
        }
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
            Self::Copy(copy) => copy.poll(cx).map_err(|GivenUp| BodyError::Request(Failure::ClientGone)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.is_end(),
            Self::Copy(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.hint,
            Self::Copy(copy) => copy.hint(),
        }
    }
}

impl ClientBody {
    /// Gives a copy of what is read to `tee`.
    pub(crate) fn tee(&self, tee: Tee) {
        self.source.borrow_mut().tee = Some(tee);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut source = self.source.borrow_mut();
        if source.attempt != self.attempt {
            return Poll::Ready(Some(Err(BodyError::Request(Failure::Upstream))));
        }
        let piece = match &source.kept {
            Kept::All { pieces, .. } => pieces.get(self.replayed).cloned(),
            Kept::Not => None,
        };
        let frame = match piece {
            Some(piece) => {
                let is_last = source.is_through(self.replayed + 1);
                source.meter.advance(if is_last { Phase::Done } else { Phase::Upstream });
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            None => source.poll(cx),
        };
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.replayed += 1;
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            if let Some(rest) = self.hint.exact() {
                self.hint = SizeHint::with_exact(rest.saturating_sub(length));
            }
        }
        frame
    }

    fn is_end(&self) -> bool {
        self.source.borrow().is_through(self.replayed)
    }
}

impl Source {
    /// Whether nothing follows the first `replayed` pieces.
    fn is_through(&self, replayed: usize) -> bool {
        let is_kept_through = match &self.kept {
            Kept::All { pieces, .. } => replayed >= pieces.len(),
            Kept::Not => true,
        };
        is_kept_through && self.incoming.is_end_stream()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            self.meter.advance(Phase::Client);
            self.pace.wait();
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
                self.copied();
                return Poll::Ready(None);
            }
        };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let received = self.meter.received.get() + length;
        self.meter.received.set(received);
        if self.limit.is_some_and(|limit| received > limit) {
            return Poll::Ready(Some(Err(BodyError::Request(self.meter.fail(Failure::BodyTooLarge)))));
        }
        if self.pace.is_too_slow(received) {
            return Poll::Ready(Some(Err(BodyError::Request(self.meter.fail(Failure::BodyTimeout)))));
        }
        self.kept.keep(&frame);
        if let Some(tee) = &mut self.tee {
            tee.push(&frame);
        }
        let is_last = self.incoming.is_end_stream();
        if is_last {
            self.copied();
        }
        self.meter.advance(if is_last { Phase::Done } else { Phase::Upstream });
        Poll::Ready(Some(Ok(trailers::clean(frame))))
    }
}

/// How fast a body of announced length comes. A client that sends a byte within each `client-body-timeout` would hold an
/// exchange for ever; streams, whose length nobody knows, may be as slow as they like.
#[derive(Debug)]
struct Pace {
    /// What the client may have us wait in all, besides its time for bytes; `None` = any.
    grace: Option<Duration>,
    waited: Duration,
    since: Option<Instant>,
}

/// Bytes each second that a body of announced length has to have, after a first `client-body-timeout`.
const SLOWEST: u64 = 128;

impl Pace {
    fn new(hint: SizeHint, wait: Duration) -> Self {
        Self { grace: hint.exact().map(|_| wait), waited: Duration::ZERO, since: None }
    }

    /// It is the client's turn. What an upstream needs to take a body is not the client's time.
    fn wait(&mut self) {
        if self.grace.is_some() && self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    /// A piece came, with which there are `received` bytes.
    fn is_too_slow(&mut self, received: u64) -> bool {
        let (Some(grace), Some(since)) = (self.grace, self.since.take()) else { return false };
        self.waited += since.elapsed();
        self.waited > grace + Duration::from_secs(received / SLOWEST)
    }
}

impl Source {
    /// The copy is complete.
    fn copied(&mut self) {
        if let Some(mut tee) = self.tee.take() {
            tee.end();
        }
    }
}

impl Kept {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Self::All { pieces, length } = self else { return };
        match frame.data_ref() {
            Some(piece) if *length + piece.len() <= MOST_KEPT => {
                *length += piece.len();
                pieces.push(piece.clone());
            }
            // Too much, or trailers.
            Some(_) | None => *self = Self::Not,
        }
    }
}
