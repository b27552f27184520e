//! Endpoints that bear only so many requests at a time, and the queue before them (`jamul.dev/endpoint-max-requests`).
//! Counted over all workers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jamul_routing::{Cap, UpstreamId};
use tokio::sync::Notify;

/// The queues of all upstreams, shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<HashMap<UpstreamId, Weak<Gate>>>);

/// The queue before the endpoints of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    waiting: AtomicU32,
    freed: Notify,
}

/// The right to one request at an endpoint, until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    inside: Arc<AtomicU32>,
    gate: Arc<Gate>,
}

/// A place in the queue.
struct Place<'a>(&'a AtomicU32);

impl Gates {
    /// The queue of an upstream, kept as long as somebody holds it.
    pub(crate) fn of(&self, upstream: &UpstreamId) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(upstream).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::default();
        gates.insert(upstream.clone(), Arc::downgrade(&gate));
        gate
    }
}

impl Gate {
    /// What `enter` yields as soon as it yields something; `None` if the queue is full or the wait too long. Who came
    /// first enters first.
    pub(crate) async fn pass<T>(&self, cap: &Cap, mut enter: impl FnMut() -> Option<T>) -> Option<T> {
        if self.waiting.load(Ordering::Acquire) == 0
            && let Some(entered) = enter()
        {
            return Some(entered);
        }
        let ahead = self.waiting.fetch_add(1, Ordering::AcqRel);
        let place = Place(&self.waiting);
        if ahead >= cap.queue {
            return None;
        }
        let entering = async {
            loop {
                let freed = self.freed.notified();
                if let Some(entered) = enter() {
                    return entered;
                }
                freed.await;
            }
        };
        let entered = tokio::time::timeout(cap.wait, entering).await.ok();
        drop(place);
        // Two rooms that became free at once may have woken only us.
        if entered.is_some() && self.waiting.load(Ordering::Acquire) > 0 {
            self.freed.notify_one();
        }
        entered
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Room {
    /// Enters if fewer than `cap` says are `inside`.
    pub(crate) fn enter(inside: &Arc<AtomicU32>, gate: &Arc<Gate>, cap: &Cap) -> Option<Self> {
        let most = cap.requests.get();
        let one_more = |count: u32| (count < most).then_some(count + 1);
        inside.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Self { inside: Arc::clone(inside), gate: Arc::clone(gate) })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.inside.fetch_sub(1, Ordering::AcqRel);
        self.gate.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    fn cap(requests: u32, queue: u32, wait: u64) -> Cap {
        Cap { requests: NonZeroU32::new(requests).unwrap(), queue, wait: Duration::from_millis(wait) }
    }

    #[tokio::test]
    async fn who_finds_no_room_waits_until_somebody_leaves() {
        let inside = Arc::new(AtomicU32::new(0));
        let (gate, cap) = (Arc::new(Gate::default()), cap(1, 10, 60_000));
        let enter = || Room::enter(&inside, &gate, &cap);
        let first = gate.pass(&cap, enter).await.unwrap();
        let mut second = std::pin::pin!(gate.pass(&cap, enter));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(inside.load(Ordering::Relaxed), 1);
        drop(second);
        assert_eq!(inside.load(Ordering::Relaxed), 0);
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_full_queue_and_a_wait_that_is_over_let_nobody_in() {
        let inside = Arc::new(AtomicU32::new(0));
        let gate = Arc::new(Gate::default());
        let (none, short) = (cap(1, 0, 60_000), cap(1, 1, 5));
        let _inside = Room::enter(&inside, &gate, &none).unwrap();
        assert!(gate.pass(&none, || Room::enter(&inside, &gate, &none)).await.is_none());
        assert!(gate.pass(&short, || Room::enter(&inside, &gate, &short)).await.is_none());
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }
}
