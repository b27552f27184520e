//! A connection whose first octets can be had again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::writes_through::writes_through;

/// A connection that keeps what is read from it until it is told to forget. Who reads sets the limit: of a ClientHello
/// rustls reads 64 KiB at most.
#[derive(Debug)]
pub(crate) struct Recorded<T> {
    io: T,
    kept: Option<Vec<u8>>,
}

impl<T> Recorded<T> {
    /// Keeps what is read.
    pub(crate) const fn new(io: T) -> Self {
        Self { io, kept: Some(Vec::new()) }
    }

    /// Keeps nothing, and costs nothing.
    pub(crate) const fn off(io: T) -> Self {
        Self { io, kept: None }
    }

    /// Whether anything is kept.
    pub(crate) const fn is_recording(&self) -> bool {
        self.kept.is_some()
    }

    /// Keeps nothing from now on.
    pub(crate) fn forget(&mut self) {
        self.kept = None;
    }

    /// The connection, and what was read from it.
    pub(crate) fn into_parts(self) -> (T, Vec<u8>) {
        (self.io, self.kept.unwrap_or_default())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Recorded<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
        if let Some(kept) = &mut this.kept {
            kept.extend_from_slice(buffer.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

writes_through!(Recorded);
