//! Whether a connection has exchanges in flight, and how many it had.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The exchanges of one connection. Only its own worker counts; it is atomic since hyper may hand the bytes of an upgraded
/// connection to other threads.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    in_flight: AtomicU32,
    begun: AtomicU32,
}

/// An exchange in flight.
#[derive(Debug)]
pub(crate) struct Beat {
    pulse: Arc<Pulse>,
    /// Which of its connection it is; the first is 1.
    pub(crate) number: u32,
}

impl Pulse {
    /// An exchange begins; it is over when the [`Beat`] is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Beat {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let number = self.begun.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        Beat { pulse: Arc::clone(self), number }
    }

    /// Whether there are exchanges in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// How many exchanges have begun.
    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.pulse.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
