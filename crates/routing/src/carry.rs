//! What outlives a Snapshot on the side of filters: how often each client has come. One state for all workers, as
//! nginx shares a zone, in shards whose locks are held for a few instructions.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::identity::identity;

/// The counters of clients. Clones are the same counters.
#[derive(Clone, Debug)]
pub struct Carry(Arc<[Mutex<Shard>]>);

#[derive(Debug, Default)]
struct Shard {
    buckets: HashMap<Place, Bucket, foldhash::fast::RandomState>,
    under_way: HashMap<Place, u32, foldhash::fast::RandomState>,
}

/// What is counted: the name of a limit, hashed, and the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place(u64, IpAddr);

/// nginx's leaky bucket: requests that came too early, in thousandths, and when that was computed.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    excess: u64,
    at: u64,
}

/// How many requests may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests per 1000 seconds.
    pub per_1000_seconds: u64,
    /// How many may come too early.
    pub burst: u64,
}

/// A request of a client that is under way, until this is dropped.
#[derive(Debug)]
pub struct Guard {
    carry: Carry,
    place: Place,
}

const SHARDS: usize = 64;
/// Buckets of a shard; beyond it those that were not touched for a minute are forgotten, and if none of them was,
/// all: for a moment limits are higher then, but memory never is.
const MOST_BUCKETS: usize = 4096;
const STALE: u64 = 60_000;

impl Default for Carry {
    fn default() -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(SHARDS).collect())
    }
}

impl Carry {
    /// Counts a request of `client` against all `rates` of the limit `name` at `now` (milliseconds), or yields
    /// false: it comes too early for one of them and is counted against none.
    #[must_use]
    pub fn admit(&self, name: &str, client: IpAddr, rates: &[Rate], now: u64) -> bool {
        let place = |index: usize| Place(identity(name.as_bytes()).wrapping_add(index as u64), client);
        let mut next = [Bucket { excess: 0, at: now }; MOST_RATES];
        let Some(mut shard) = self.shard(client) else { return true };
        for (index, (rate, next)) in rates.iter().zip(&mut next).enumerate() {
            if let Some(bucket) = shard.buckets.get(&place(index)) {
                let elapsed = now.saturating_sub(bucket.at);
                // Per millisecond a thousandth of the requests per second, in thousandths of a request.
                let left = elapsed.saturating_mul(rate.per_1000_seconds) / 1000;
                next.excess = (bucket.excess + 1000).saturating_sub(left);
            }
            if next.excess > rate.burst.saturating_mul(1000) {
                return false;
            }
        }
        if shard.buckets.len() >= MOST_BUCKETS {
            shard.buckets.retain(|_, bucket| now.saturating_sub(bucket.at) < STALE);
            if shard.buckets.len() >= MOST_BUCKETS {
                shard.buckets.clear();
            }
        }
        for (index, (_, next)) in rates.iter().zip(next).enumerate() {
            shard.buckets.insert(place(index), next);
        }
        true
    }

    /// Counts a request of `client` that begins; `None` if `most` of the limit `name` are under way.
    #[must_use]
    pub fn begin(&self, name: &str, client: IpAddr, most: u32) -> Option<Guard> {
        let place = Place(identity(name.as_bytes()), client);
        let mut shard = self.shard(client)?;
        let count = shard.under_way.entry(place).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Guard { carry: self.clone(), place })
    }

    fn shard(&self, client: IpAddr) -> Option<std::sync::MutexGuard<'_, Shard>> {
        let hash = match client {
            IpAddr::V4(address) => identity(&address.octets()),
            IpAddr::V6(address) => identity(&address.octets()),
        };
        let [lowest, ..] = hash.to_le_bytes();
        let shard = self.0.get(usize::from(lowest) % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Rates that one limit has at most.
const MOST_RATES: usize = 2;

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(mut shard) = self.carry.shard(self.place.1) else { return };
        let Some(count) = shard.under_way.get_mut(&self.place) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            shard.under_way.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ANNA: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const BERT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn rate(per_second: u64, burst: u64) -> Rate {
        Rate { per_1000_seconds: per_second * 1000, burst }
    }

    #[test]
    fn the_burst_and_one_more_come_at_once_and_then_as_many_as_the_rate() {
        let carry = Carry::default();
        let come =
            |count: usize, now| (0..count).filter(|_| carry.admit("a", ANNA, &[rate(2, 10)], now)).count();
        assert_eq!(come(50, 0), 11);
        assert_eq!(come(50, 1_000), 2);
        assert_eq!(come(50, 1_499), 0);
        assert_eq!(come(50, 1_500), 1);
        assert_eq!(come(50, 100_000), 11);
    }

    #[test]
    fn clients_and_limits_are_counted_apart_and_clones_together() {
        let carry = Carry::default();
        let once = [rate(1, 0)];
        assert!(carry.admit("a", ANNA, &once, 0) && !carry.clone().admit("a", ANNA, &once, 0));
        assert!(carry.admit("a", BERT, &once, 0) && carry.admit("b", ANNA, &once, 0));
    }

    #[test]
    fn a_request_that_one_rate_refuses_counts_for_none() {
        let carry = Carry::default();
        let both = [rate(1000, 1000), Rate { per_1000_seconds: 1, burst: 0 }];
        assert!(carry.admit("a", ANNA, &both, 0));
        for _ in 0..2_000 {
            assert!(!carry.admit("a", ANNA, &both, 0));
        }
        assert!(carry.admit("a", ANNA, &both, 1_000_000));
    }

    #[test]
    fn requests_under_way_are_counted_until_they_end() {
        let carry = Carry::default();
        let first = carry.begin("a", ANNA, 1);
        assert!(
            first.is_some() && carry.begin("a", ANNA, 1).is_none() && carry.begin("a", BERT, 1).is_some()
        );
        drop(first);
        assert!(carry.begin("a", ANNA, 1).is_some());
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let carry = Carry::default();
        for address in 0..(SHARDS * MOST_BUCKETS * 2) as u32 {
            let _: bool = carry.admit("a", IpAddr::V4(address.into()), &[rate(1, 0)], 0);
        }
        let held: usize =
            carry.0.iter().map(|shard| shard.lock().map_or(0, |shard| shard.buckets.len())).sum();
        assert!(held <= SHARDS * MOST_BUCKETS, "{held}");
    }
}
