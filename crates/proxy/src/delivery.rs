//! Who is to act next while a response is on its way: the upstream or the client.

use std::cell::Cell;

/// Where the response of the stream that is being polled stands; lives in its connection for the time of one poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Bytes that were last given and that the client has not made room for; `None` = the upstream is to act.
    pub(crate) owed: Option<u64>,
    /// How often the body was asked for more.
    pub(crate) asked: u64,
}

impl Delivery {
    /// The body was asked, and gives this; `None` = nothing yet.
    pub(crate) fn give(cell: &Cell<Self>, bytes: Option<u64>) {
        cell.set(Self { owed: bytes, asked: cell.get().asked.wrapping_add(1) });
    }
}
