//! The response body on its way to the client, and what happens at its end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use jamul_routing::Pace;
use tokio::time::{Instant, Sleep};

use crate::compress::Encoder;
use crate::conn_info::ConnInfo;
use crate::delivery::Delivery;
use crate::idle::IdleTimer;
use crate::open_record::OpenRecord;
use crate::pulse::Beat;
use crate::request_body::BodyError;
use crate::trailers;
use crate::upstream::Lease;

/// A response body towards the client. Its end, however it comes, is the end of the exchange.
#[derive(Debug)]
pub(crate) struct ExchangeBody {
    source: Source,
    /// Of a response that may not go as fast as it can.
    slow: Option<Box<Slow>>,
    record: OpenRecord,
    connection: Rc<ConnInfo>,
    /// The exchange is in flight.
    _beat: Beat,
}

/// A response that goes slowly.
#[derive(Debug)]
struct Slow {
    pace: Pace,
    begun: Instant,
    /// What is here and may not go yet.
    held: Bytes,
    sleep: Pin<Box<Sleep>>,
}

/// Where a response body comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Made by Jamul.
    Fixed(Bytes),
    /// Streamed from an upstream.
    Upstream(Relay),
    /// The same, compressed on its way.
    Encoded(Box<Encoded>),
}

/// An upstream's body that is compressed on its way.
#[derive(Debug)]
pub(crate) struct Encoded {
    relay: Relay,
    /// `None`: all is said but perhaps the trailers.
    encoder: Option<Encoder>,
    /// Whether the encoder holds back something that came.
    is_waiting: bool,
    trailers: Option<Frame<Bytes>>,
}

impl Encoded {
    /// Compresses `relay`.
    pub(crate) fn new(relay: Relay, encoder: Encoder) -> Box<Self> {
        Box::new(Self { relay, encoder: Some(encoder), is_waiting: false, trailers: None })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Some(encoder) = &mut self.encoder else { return Poll::Ready(self.trailers.take().map(Ok)) };
            let ready = match self.relay.poll(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => {
                        self.is_waiting = true;
                        encoder.push(&piece)
                    }
                    Err(trailers) => {
                        self.trailers = Some(trailers);
                        self.finish()
                    }
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => self.finish(),
                Poll::Pending if self.is_waiting => {
                    self.is_waiting = false;
                    match encoder.flush() {
                        Ok(ready) if ready.is_empty() => return Poll::Pending,
                        flushed => flushed,
                    }
                }
                Poll::Pending => return Poll::Pending,
            };
            match ready {
                Ok(ready) if ready.is_empty() => {}
                Ok(ready) => return Poll::Ready(Some(Ok(Frame::data(ready)))),
                Err(error) => return Poll::Ready(Some(Err(BodyError::Encoding(error)))),
            }
        }
    }

    fn finish(&mut self) -> std::io::Result<Bytes> {
        self.encoder.take().map_or(Ok(Bytes::new()), Encoder::finish)
    }
}

/// The upstream's body with the connection it comes by.
#[derive(Debug)]
pub(crate) struct Relay {
    incoming: Incoming,
    lease: Option<Lease>,
    idle: IdleTimer,
}

impl Relay {
    /// Relays `incoming` and then gives `lease` back; `wait` is the longest silence.
    pub(crate) fn new(incoming: Incoming, lease: Lease, wait: Duration) -> Self {
        let mut relay = Self { incoming, lease: Some(lease), idle: IdleTimer::new(wait) };
        relay.settle();
        relay
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            ready!(self.idle.poll(cx));
            self.lease = None;
            return Poll::Ready(Some(Err(BodyError::Idle)));
        };
        self.idle.rest();
        match frame {
            Some(Ok(frame)) => {
                self.settle();
                Poll::Ready(Some(Ok(trailers::clean(frame))))
            }
            Some(Err(error)) => {
                self.lease = None;
                Poll::Ready(Some(Err(BodyError::Broken(error))))
            }
            None => {
                self.give_back();
                Poll::Ready(None)
            }
        }
    }

    /// How long the body is, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// hyper does not poll a body that says it has ended.
    fn settle(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl ExchangeBody {
    /// The body of the exchange that `record` is about.
    pub(crate) fn new(source: Source, record: OpenRecord, connection: Rc<ConnInfo>, beat: Beat) -> Self {
        Delivery::give(&connection.delivery, Some(0));
        let slow = record.record.route.as_ref().and_then(|route| route.pace).map(|pace| {
            let begun = Instant::now();
            let sleep = Box::pin(tokio::time::sleep_until(begun));
            Box::new(Slow { pace, begun, held: Bytes::new(), sleep })
        });
        Self { source, slow, record, connection, _beat: beat }
    }

    /// The next part, however fast.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match &mut self.source {
            Source::Fixed(bytes) if bytes.is_empty() => None,
            Source::Fixed(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Source::Upstream(relay) => ready!(relay.poll(cx)),
            Source::Encoded(encoded) => ready!(encoded.poll(cx)),
        })
    }

    /// The next part, or as much of it as may go now.
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let is_held = self.slow.as_ref().is_some_and(|slow| !slow.held.is_empty());
            let next = if is_held { None } else { Some(ready!(self.poll_source(cx))) };
            let Some(slow) = &mut self.slow else { return Poll::Ready(next.flatten()) };
            match next.map(|next| next.map(|frame| frame.map(Frame::into_data))) {
                None => {}
                Some(Some(Ok(Ok(data)))) => slow.held = data,
                Some(Some(Ok(Err(trailers)))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Some(None) => return Poll::Ready(None),
            }
            let wanted = slow.held.len() as u64;
            match slow.pace.next(slow.begun.elapsed(), self.record.record.sent, wanted) {
                Ok(bytes) => {
                    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(slow.held.len());
                    return Poll::Ready(Some(Ok(Frame::data(slow.held.split_to(bytes)))));
                }
                Err(wait) => {
                    slow.sleep.as_mut().reset(Instant::now() + wait);
                    ready!(slow.sleep.as_mut().poll(cx));
                }
            }
        }
    }

    /// The upstream is to act, not the client.
    fn nothing_yet<T>(&self) -> Poll<T> {
        Delivery::give(&self.connection.delivery, None);
        Poll::Pending
    }
}

impl Body for ExchangeBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = if this.slow.is_none() { this.poll_source(cx) } else { this.poll_slow(cx) };
        let Poll::Ready(frame) = polled else { return this.nothing_yet() };
        let delivery = &this.connection.delivery;
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                Delivery::give(delivery, Some(length));
                this.record.sent(length);
            }
            Some(Err(error)) => {
                tracing::warn!(error = error as &dyn std::error::Error, "response aborted");
            }
            None => Delivery::give(delivery, None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        if self.slow.as_ref().is_some_and(|slow| !slow.held.is_empty()) {
            return false;
        }
        match &self.source {
            Source::Fixed(bytes) => bytes.is_empty(),
            Source::Upstream(relay) => relay.incoming.is_end_stream(),
            Source::Encoded(encoded) => encoded.encoder.is_none() && encoded.trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Fixed(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream(relay) => match (&self.slow, relay.incoming.size_hint().exact()) {
                (Some(slow), Some(rest)) => SizeHint::with_exact(rest + slow.held.len() as u64),
                (Some(_) | None, _) => relay.incoming.size_hint(),
            },
            Source::Encoded(_) => SizeHint::default(),
        }
    }
}
