//! Clients that begin with HTTP/2 where nothing was agreed on (RFC 9113 section 3.3, "prior knowledge").

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::writes_through::writes_through;

/// What every HTTP/2 connection begins with (section 3.4); no request of HTTP/1.1 does.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes have been looked at.
#[derive(Debug)]
pub(crate) struct Seen<T> {
    io: T,
    first: Vec<u8>,
}

impl<T> Seen<T> {
    /// Nothing was looked at.
    pub(crate) const fn nothing(io: T) -> Self {
        Self { io, first: Vec::new() }
    }

    /// Whether the connection begins with HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.first == PREFACE
    }
}

impl<T: AsyncRead + Unpin> Seen<T> {
    /// Looks at as many bytes as it takes to know. The caller sets a limit to the wait.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) async fn look(mut io: T) -> io::Result<Self> {
        let mut first = Vec::with_capacity(PREFACE.len());
        while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
            let mut rest = (&mut io).take((PREFACE.len() - first.len()) as u64);
            if rest.read_buf(&mut first).await? == 0 {
                break;
            }
        }
        Ok(Self { io, first })
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Seen<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buffer);
        }
        let count = this.first.len().min(buffer.remaining());
        buffer.put_slice(&this.first.drain(..count).collect::<Vec<u8>>());
        if this.first.is_empty() {
            this.first = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

writes_through!(Seen);
