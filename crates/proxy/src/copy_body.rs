//! A request body on its way to a second reader, which may not hold up the first.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces of a body that wait for a copy to take them.
const PIECES: usize = 64;
/// And how many bytes they may have.
const HELD: usize = 512 * 1024;
/// Takes a copy of a body as it passes.
#[derive(Debug)]
pub(crate) struct Tee {
    to: Option<Sender<Piece>>,
    held: Rc<Cell<usize>>,
}

/// The copy of a body.
#[derive(Debug)]
pub(crate) struct CopyBody {
    from: Receiver<Piece>,
    held: Rc<Cell<usize>>,
    hint: SizeHint,
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    End,
}

/// The copy could not keep up, or the body came to no end.
#[derive(Debug)]
pub(crate) struct GivenUp;

/// What takes the pieces of a body of this size, and what gives them to the second reader.
pub(crate) fn split(hint: SizeHint) -> (Tee, CopyBody) {
    let (to, from) = channel(PIECES);
    let held = Rc::new(Cell::new(0));
    (Tee { to: Some(to), held: Rc::clone(&held) }, CopyBody { from, held, hint })
}

impl Tee {
    /// A piece of the body passes.
    pub(crate) fn push(&mut self, frame: &Frame<Bytes>) {
        let Some(data) = frame.data_ref() else { return };
        let held = self.held.get() + data.len();
        let is_taken =
            held <= HELD && self.to.as_ref().is_some_and(|to| to.try_send(Piece::Data(data.clone())).is_ok());
        if is_taken {
            self.held.set(held);
        } else {
            // Its end without [`Piece::End`] says that it was given up.
            self.to = None;
        }
    }

    /// The body is complete.
    pub(crate) fn end(&mut self) {
        if let Some(to) = self.to.take() {
            // Full: the copy is given up.
            let _: Result<(), _> = to.try_send(Piece::End);
        }
    }
}

impl CopyBody {
    /// The next piece, in order.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        Poll::Ready(match ready!(self.from.poll_recv(cx)) {
            Some(Piece::Data(data)) => {
                self.held.set(self.held.get().saturating_sub(data.len()));
                Some(Ok(Frame::data(data)))
            }
            Some(Piece::End) => None,
            None => Some(Err(GivenUp)),
        })
    }

    /// As the request says.
    pub(crate) fn hint(&self) -> SizeHint {
        self.hint
    }
}
