//! Waits that begin anew with each sign of life.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Runs only while somebody waits: what never waits never touches the runtime's timers.
#[derive(Debug)]
pub(crate) struct IdleTimer {
    wait: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl IdleTimer {
    /// Ends after `wait` without [`Self::rest`].
    pub(crate) const fn new(wait: Duration) -> Self {
        Self { wait, sleep: None, is_running: false }
    }

    /// Something came: the next wait begins anew.
    pub(crate) const fn rest(&mut self) {
        self.is_running = false;
    }

    /// Ready when the wait is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_running {
            let until = Instant::now() + self.wait;
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(until),
                None => self.sleep = Some(Box::pin(tokio::time::sleep_until(until))),
            }
            self.is_running = true;
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

/// A connection whose peer must go on reading what it is sent (nginx's `send_timeout`).
#[derive(Debug)]
pub(crate) struct SendTimeout<T> {
    io: T,
    idle: IdleTimer,
}

impl<T> SendTimeout<T> {
    /// Writes to `io` fail if the peer takes nothing for `wait`.
    pub(crate) const fn new(io: T, wait: Duration) -> Self {
        Self { io, idle: IdleTimer::new(wait) }
    }

    fn limited<O>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<O>>) -> Poll<io::Result<O>> {
        if written.is_ready() {
            self.idle.rest();
            return written;
        }
        ready!(self.idle.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for SendTimeout<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for SendTimeout<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.limited(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.limited(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.limited(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.io).poll_shutdown(cx);
        this.limited(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_peer_that_reads_nothing_ends_the_write() {
        let (ours, _theirs) = tokio::io::duplex(4);
        let mut guarded = SendTimeout::new(ours, Duration::from_millis(10));
        let error = guarded.write_all(b"more than four").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
