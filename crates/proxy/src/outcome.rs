//! What the client gets.

use jamul_routing::{Reply, ResponseHead};

use crate::body::Source;

/// What the client gets, from an upstream or from us.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) head: ResponseHead,
    pub(crate) source: Source,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        let Reply { status, headers, body } = reply;
        Self { head: ResponseHead { status, headers }, source: Source::Fixed(body) }
    }
}
