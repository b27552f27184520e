//! How long an HTTP/1.1 client is waited for between exchanges (nginx's `client_header_timeout`, `keepalive_timeout`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jamul_routing::edge::Waits;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::pulse::Pulse;
use crate::writes_through::writes_through;

/// A connection that ends when its client takes too long to send a head, or to begin one. While an exchange is in flight
/// nothing is waited for here: bodies have timeouts of their own.
#[derive(Debug)]
pub(crate) struct Patience<T> {
    io: T,
    pulse: Arc<Pulse>,
    waits: Waits,
    awaited: Awaited,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// What the client is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// Nothing: an exchange is in flight.
    Nothing,
    /// The beginning of the next head, until then.
    Head(Instant),
    /// The rest of a head, until then.
    RestOfHead(Instant),
}

/// Between two looks at whether an exchange is over.
const SHORTEST_LOOK: Duration = Duration::from_millis(100);

impl<T> Patience<T> {
    /// Waits for the first head on `io` from now on.
    pub(crate) fn new(io: T, pulse: Arc<Pulse>, waits: Waits) -> Self {
        // nginx too gives a new connection no more time for its head than it gives a head.
        let awaited = Awaited::RestOfHead(Instant::now() + waits.header);
        Self { io, pulse, waits, awaited, sleep: None }
    }

    /// Bytes came.
    fn received(&mut self) {
        self.awaited = match self.awaited {
            Awaited::Nothing if self.pulse.is_busy() => Awaited::Nothing,
            Awaited::Nothing | Awaited::Head(_) => Awaited::RestOfHead(Instant::now() + self.waits.header),
            Awaited::RestOfHead(until) => Awaited::RestOfHead(until),
        };
    }

    /// Ready when the client took too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.pulse.is_busy() {
            self.awaited = Awaited::Nothing;
            // The exchange may end without another read here, so it is looked at from time to time.
            let look = Instant::now() + self.waits.keep_alive.max(SHORTEST_LOOK);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(look)));
            if sleep.deadline() > look {
                sleep.as_mut().reset(look);
            }
            while sleep.as_mut().poll(cx).is_ready() {
                sleep.as_mut().reset(look);
            }
            return Poll::Pending;
        }
        let until = match self.awaited {
            Awaited::Nothing => {
                let until = Instant::now() + self.waits.keep_alive;
                self.awaited = Awaited::Head(until);
                until
            }
            Awaited::Head(until) | Awaited::RestOfHead(until) => until,
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patience<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, buffer) {
            this.received();
            return Poll::Ready(read);
        }
        // As if the client had ended the connection.
        this.wait(cx).map(Ok)
    }
}

writes_through!(Patience);
