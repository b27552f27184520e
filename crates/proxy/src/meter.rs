//! What the exchange sees of a request body on its way.

use std::cell::Cell;
use std::rc::Rc;

use jamul_routing::Timeouts;
use tokio::time::Instant;

use crate::failure::Failure;

/// What the exchange sees of a request body that hyper is sending.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) received: Cell<u64>,
    pub(crate) progress: Cell<Instant>,
    pub(crate) phase: Cell<Phase>,
    pub(crate) failure: Cell<Option<Failure>>,
}

/// Who is to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The client is to send.
    Client,
    /// The upstream is to read.
    Upstream,
    /// The body is through; the upstream is to answer.
    Done,
}

impl Meter {
    pub(crate) fn new(phase: Phase) -> Rc<Self> {
        Rc::new(Self {
            received: Cell::new(0),
            progress: Cell::new(Instant::now()),
            phase: Cell::new(phase),
            failure: Cell::new(None),
        })
    }

    /// The request is being sent from now on.
    pub(crate) fn begin(&self) {
        self.progress.set(Instant::now());
    }

    /// Bytes of the body so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// What the client did wrong.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.get()
    }

    /// When the upstream will have been silent for too long.
    pub(crate) fn deadline(&self, timeouts: &Timeouts) -> Instant {
        match self.phase.get() {
            // The client's own timeout runs; the upstream's begins when it has something to do.
            Phase::Client => Instant::now() + timeouts.send,
            Phase::Upstream => self.progress.get() + timeouts.send,
            Phase::Done => self.progress.get() + timeouts.read,
        }
    }

    pub(crate) fn advance(&self, phase: Phase) {
        self.progress.set(Instant::now());
        self.phase.set(phase);
    }

    pub(crate) fn fail(&self, failure: Failure) -> Failure {
        self.failure.set(Some(failure));
        failure
    }
}
