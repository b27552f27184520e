//! Bytes both ways between two connections that nobody looks into.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::idle::IdleTimer;

/// What is read at once. It lies on the stack: a connection that is silent costs no buffer.
const PIECE: usize = 16 * 1024;

/// What follows when one side has said all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The other may go on, as TCP allows.
    Both,
    /// The other is cut off, as nginx does after an upgrade.
    Either,
}

/// Bytes that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// From the client.
    pub(crate) up: u64,
    /// To the client.
    pub(crate) down: u64,
}

/// Passes bytes between `client` and `upstream` until the `ending`, or until neither has sent anything for `idle`. What
/// passed is in `passed`, also if this is dropped.
///
/// # Errors
/// Those of the connections, and `TimedOut`.
pub(crate) async fn both_ways<A, B>(
    client: A,
    upstream: B,
    idle: Duration,
    ending: Ending,
    passed: &mut Passed,
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut client, mut upstream) = (client, upstream);
    let (mut up, mut down) = (Way::default(), Way::default());
    let mut silence = IdleTimer::new(idle);
    std::future::poll_fn(|cx| {
        let before = *passed;
        let up = up.poll(cx, &mut client, &mut upstream, &mut passed.up)?;
        let down = down.poll(cx, &mut upstream, &mut client, &mut passed.down)?;
        let is_over = match ending {
            Ending::Both => up.is_ready() && down.is_ready(),
            Ending::Either => up.is_ready() || down.is_ready(),
        };
        if is_over {
            return Poll::Ready(Ok(()));
        }
        if *passed != before {
            silence.rest();
        }
        ready!(silence.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    })
    .await
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// Read and not yet written; mostly nothing.
    held: Vec<u8>,
    written: usize,
    needs_flush: bool,
    part: Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Passing,
    Closing,
    Closed,
}

impl Way {
    /// Ready when `from` has said all and `to` knows it.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        passed: &mut u64,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.write_held(cx, to, passed))?;
            match self.part {
                Part::Passing => ready!(self.pass(cx, from, to, passed))?,
                Part::Closing => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.part = Part::Closed;
                }
                Part::Closed => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads a piece and writes of it what can be written at once.
    fn pass(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        passed: &mut u64,
    ) -> Poll<io::Result<()>> {
        let mut space = [const { MaybeUninit::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut space);
        let Poll::Ready(read) = Pin::new(from).poll_read(cx, &mut piece) else {
            if self.needs_flush && Pin::new(to).poll_flush(cx)?.is_ready() {
                self.needs_flush = false;
            }
            return Poll::Pending;
        };
        read?;
        let bytes = piece.filled();
        if bytes.is_empty() {
            self.part = Part::Closing;
            return Poll::Ready(Ok(()));
        }
        let count = match Pin::new(to).poll_write(cx, bytes)? {
            Poll::Ready(count) => count,
            Poll::Pending => 0,
        };
        *passed += count as u64;
        self.needs_flush = true;
        self.held.extend_from_slice(bytes.get(count..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    fn write_held(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
        passed: &mut u64,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            let count = ready!(Pin::new(&mut *to).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            *passed += count as u64;
        }
        if self.written > 0 {
            (self.held, self.written) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn much_passes_both_ways_however_little_each_side_takes_at_once() {
        let ((mut client, ours), (theirs, mut upstream)) = (duplex(7), duplex(1000));
        let mut passed = Passed::default();
        let relaying = both_ways(ours, theirs, LONG, Ending::Both, &mut passed);
        let asking = async {
            let question = vec![b'q'; 100_000];
            let (mut from, mut to) = tokio::io::split(&mut client);
            let mut answer = Vec::new();
            let sending = async {
                to.write_all(&question).await.unwrap();
                to.shutdown().await.unwrap();
            };
            tokio::join!(sending, async { from.read_to_end(&mut answer).await.unwrap() });
            answer
        };
        let answering = async {
            let mut question = Vec::new();
            // The client has said all, and is still there for the answer.
            upstream.read_to_end(&mut question).await.unwrap();
            upstream.write_all(&vec![b'a'; question.len() * 2]).await.unwrap();
            upstream.shutdown().await.unwrap();
        };
        let (relayed, answer, ()) = tokio::join!(relaying, asking, answering);
        relayed.unwrap();
        assert_eq!(answer.len(), 200_000);
        assert_eq!(passed, Passed { up: 100_000, down: 200_000 });
    }

    #[tokio::test]
    async fn silence_on_both_sides_ends_both() {
        let ((_client, ours), (theirs, mut upstream)) = (duplex(64), duplex(64));
        let mut passed = Passed::default();
        upstream.write_all(b"tick").await.unwrap();
        let relayed = both_ways(ours, theirs, Duration::from_millis(20), Ending::Either, &mut passed).await;
        assert_eq!(relayed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(passed.down, 4);
    }
}
