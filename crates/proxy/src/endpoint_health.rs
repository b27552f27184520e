//! The health of endpoints, shared by all workers: written when something is wrong, read without a lock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use jamul_routing::{Endpoint, Health, Observation};

use crate::gate::Gates;

/// The health of every endpoint that a worker has met. Keyed by endpoint: ten routes to it share one state.
#[derive(Debug)]
pub struct EndpointHealths {
    table: Mutex<HashMap<Endpoint, Weak<EndpointHealth>>>,
    /// Endpoints that are not known to be all right; while there are none, nobody looks at any.
    suspects: Arc<AtomicUsize>,
    /// For upstreams whose endpoints bear only so much.
    pub(crate) gates: Gates,
    started: Instant,
}

/// The health of one endpoint.
#[derive(Debug)]
pub(crate) struct EndpointHealth {
    bits: AtomicU64,
    /// Requests under way of upstreams that cap them, over all workers.
    pub(crate) inside: Arc<AtomicU32>,
    suspects: Arc<AtomicUsize>,
    started: Instant,
}

impl Default for EndpointHealths {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            suspects: Arc::default(),
            gates: Gates::default(),
            started: Instant::now(),
        }
    }
}

impl EndpointHealths {
    /// Whether `endpoint` is asked as any other; one that nobody has met is.
    #[must_use]
    pub fn is_healthy(&self, endpoint: &Endpoint) -> bool {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.get(endpoint).and_then(Weak::upgrade).is_none_or(|health| health.is_up(self.now()))
    }

    /// The state of `endpoint`, kept as long as somebody holds it.
    pub(crate) fn of(&self, endpoint: &Endpoint) -> Arc<EndpointHealth> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(health) = table.get(endpoint).and_then(Weak::upgrade) {
            return health;
        }
        if table.len() == table.capacity() {
            table.retain(|_, health| health.strong_count() > 0);
        }
        let (suspects, started) = (Arc::clone(&self.suspects), self.started);
        let (bits, inside) = (AtomicU64::new(0), Arc::default());
        let health = Arc::new(EndpointHealth { bits, inside, suspects, started });
        table.insert(endpoint.clone(), Arc::downgrade(&health));
        health
    }

    /// Whether any endpoint may be down.
    pub(crate) fn is_any_down(&self) -> bool {
        self.suspects.load(Ordering::Relaxed) > 0
    }

    /// The time that [`EndpointHealth::is_up`] goes by.
    pub(crate) fn now(&self) -> u64 {
        milliseconds(self.started)
    }
}

impl EndpointHealth {
    /// Whether it should be asked at `now`.
    pub(crate) fn is_up(&self, now: u64) -> bool {
        let bits = self.bits.load(Ordering::Relaxed);
        bits == 0 || Health::from_bits(bits).is_up(now)
    }

    /// Requests under way, over all workers, of upstreams that cap them.
    pub(crate) fn inside(&self) -> u32 {
        self.inside.load(Ordering::Acquire)
    }

    /// Takes note; an answer of an endpoint that is all right costs one read.
    pub(crate) fn observe(&self, seen: Observation) {
        if seen == Observation::Answered && self.bits.load(Ordering::Relaxed) == 0 {
            return;
        }
        let now = milliseconds(self.started);
        let next = |bits| Health::from_bits(bits).observe(seen, now).to_bits();
        let update = |bits| Some(next(bits));
        let before = self.bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        let before = before.unwrap_or_else(|same| same);
        let after = next(before);
        let was_up = before == 0 || Health::from_bits(before).is_up(now);
        if was_up && !Health::from_bits(after).is_up(now) {
            tracing::debug!(?seen, "an endpoint is put aside");
        }
        if before == 0 && after != 0 {
            self.suspects.fetch_add(1, Ordering::Relaxed);
        }
        if before != 0 && after == 0 {
            self.suspects.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for EndpointHealth {
    fn drop(&mut self) {
        if *self.bits.get_mut() != 0 {
            self.suspects.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
