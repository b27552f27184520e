//! Which endpoint of an upstream is asked. Pure: what is known of the endpoints, whose turn it is and chance
//! are arguments.

use crate::hash_by::HashBy;
pub use crate::identity::identity;
use crate::identity::mix;
use crate::ring::Ring;
use crate::session::Session;

/// How a route chooses among the endpoints of its upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// For requests without a session.
    pub method: Method,
    /// Sessions that stay at their endpoint.
    pub session: Option<Session>,
}

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// One after the other, by weight (smooth weighted round robin, nginx's).
    #[default]
    RoundRobin,
    /// The one that answers sooner, of two taken at random: latency (decaying over ten seconds) times requests
    /// under way.
    Ewma,
    /// The one with the fewest requests under way for its weight.
    LeastRequests,
    /// Always the same for the same text of the request.
    Hash(HashBy),
}

/// What is known of an upstream's endpoints; they are numbered from 0.
pub trait Endpoints {
    /// How many.
    fn count(&self) -> usize;
    /// Whether the endpoint may be chosen.
    fn is_open(&self, index: usize) -> bool;
    /// Its share, from 1 to [`FULL_WEIGHT`].
    fn weight(&self, index: usize) -> u32;
    /// Whether all weights are the same: then nobody asks for them.
    fn is_even(&self) -> bool;
    /// Requests under way.
    fn in_flight(&self, index: usize) -> u32;
    /// Seconds that answers have lately taken.
    fn latency(&self, index: usize) -> f64;
    /// A number that is the endpoint's own at all times, in all processes ([`identity`]).
    fn identity(&self, index: usize) -> u64;
    /// The ring of all of them.
    fn ring(&self) -> &Ring;
}

/// The weight of an endpoint that is fully there.
pub const FULL_WEIGHT: u32 = 100;

/// Whose turn it is at an upstream.
#[derive(Debug, Default)]
pub struct Turn {
    last: usize,
    /// Smooth weighted round robin: how much each endpoint is owed.
    owed: Vec<i64>,
}

impl Turn {
    /// Begins after the endpoint `last`: a random one, so that workers do not all begin at the first.
    #[must_use]
    pub fn after(last: usize) -> Self {
        Self { last, owed: Vec::new() }
    }
}

/// Chooses an open endpoint; `None` if there is none. `key` is what [`Method::Hash`] hashes, `chance(n)` gives a
/// number below `n`.
pub fn choose(
    method: &Method,
    key: Option<u32>,
    endpoints: &impl Endpoints,
    turn: &mut Turn,
    chance: &mut dyn FnMut(usize) -> usize,
) -> Option<usize> {
    match method {
        Method::RoundRobin if endpoints.is_even() => next(endpoints, turn),
        Method::RoundRobin => most_owed(endpoints, turn),
        Method::Ewma => faster_of_two(endpoints, chance),
        Method::LeastRequests => least_busy(endpoints, turn),
        Method::Hash(hash) => match (key, hash.subset()) {
            (Some(key), None) => by_key(key, endpoints),
            (Some(key), Some(size)) => within_subset(key, size, endpoints, chance),
            (None, _) => next(endpoints, turn),
        },
    }
}

/// The open endpoint that `key` belongs to by consistent hashing. When endpoints come or go, only the keys of those
/// move.
pub fn by_key(key: u32, endpoints: &impl Endpoints) -> Option<usize> {
    endpoints.ring().find(key, |index| endpoints.is_open(index))
}

/// All indices, beginning after the last one that had its turn.
fn round(count: usize, turn: &Turn) -> impl Iterator<Item = usize> + use<> {
    let first = if turn.last + 1 < count { turn.last + 1 } else { 0 };
    (first..count).chain(0..first)
}

fn next(endpoints: &impl Endpoints, turn: &mut Turn) -> Option<usize> {
    let found = round(endpoints.count(), turn).find(|index| endpoints.is_open(*index))?;
    turn.last = found;
    Some(found)
}

fn most_owed(endpoints: &impl Endpoints, turn: &mut Turn) -> Option<usize> {
    turn.owed.resize(endpoints.count(), 0);
    let mut total = 0;
    let mut best: Option<(usize, i64)> = None;
    for (index, owed) in turn.owed.iter_mut().enumerate() {
        if !endpoints.is_open(index) {
            *owed = 0;
            continue;
        }
        let weight = i64::from(endpoints.weight(index));
        total += weight;
        *owed += weight;
        if best.is_none_or(|(_, most)| *owed > most) {
            best = Some((index, *owed));
        }
    }
    let (index, _) = best?;
    if let Some(owed) = turn.owed.get_mut(index) {
        *owed -= total;
    }
    turn.last = index;
    Some(index)
}

fn least_busy(endpoints: &impl Endpoints, turn: &mut Turn) -> Option<usize> {
    let load = |index: usize| f64::from(endpoints.in_flight(index)) / share(endpoints, index);
    let open = round(endpoints.count(), turn).filter(|index| endpoints.is_open(*index));
    let found = open.min_by(|one, other| load(*one).total_cmp(&load(*other)))?;
    turn.last = found;
    Some(found)
}

fn faster_of_two(endpoints: &impl Endpoints, chance: &mut dyn FnMut(usize) -> usize) -> Option<usize> {
    let count = endpoints.count();
    if count == 0 {
        return None;
    }
    let mut random_but = |but: Option<usize>| {
        let start = chance(count);
        let mut open = (start..count).chain(0..start).filter(|index| endpoints.is_open(*index));
        open.find(|index| Some(*index) != but)
    };
    let one = random_but(None)?;
    let Some(other) = random_but(Some(one)) else { return Some(one) };
    let cost = |index: usize| {
        endpoints.latency(index) * (f64::from(endpoints.in_flight(index)) + 1.0) / share(endpoints, index)
    };
    Some(if cost(other) < cost(one) { other } else { one })
}

fn share(endpoints: &impl Endpoints, index: usize) -> f64 {
    if endpoints.is_even() { 1.0 } else { f64::from(endpoints.weight(index).max(1)) }
}

/// By rendezvous: those whose identities hash highest together with the key. When an endpoint comes or goes, each
/// subset differs by one at most (ingress-nginx deals endpoints to subsets anew).
fn within_subset(
    key: u32,
    size: usize,
    endpoints: &impl Endpoints,
    chance: &mut dyn FnMut(usize) -> usize,
) -> Option<usize> {
    let mut ranked: Vec<(u64, usize)> = (0..endpoints.count())
        .filter(|index| endpoints.is_open(*index))
        .map(|index| (mix(u64::from(key) ^ endpoints.identity(index)), index))
        .collect();
    if ranked.len() > size && size > 0 {
        ranked.select_nth_unstable_by(size - 1, |one, other| other.cmp(one));
        ranked.truncate(size);
    }
    if ranked.is_empty() {
        return None;
    }
    ranked.get(chance(ranked.len())).map(|(_, index)| *index)
}

#[cfg(test)]
mod tests;
