//! Which endpoint an exchange asks: what a worker knows of the endpoints of each upstream, and whose turn it is.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jamul_routing::balance::{self, Endpoints, FULL_WEIGHT, Turn, identity};
use jamul_routing::session::{Mode, OnFailure};
use jamul_routing::{Endpoint, Session, Snapshot, Upstream, UpstreamId};

use crate::endpoint_health::{EndpointHealth, EndpointHealths};
use crate::wish::Wish;

/// After this time a latency counts for a third (ingress-nginx's `DECAY_TIME`).
const DECAY: f64 = 10.0;
/// Keys that are tried for a new session until one leads to an open endpoint, as in ingress-nginx.
const KEYS: usize = 20;

/// What a worker knows of endpoints. Outlives Snapshots: an endpoint keeps its state as long as a route leads to
/// it, and routes to the same endpoint share it.
#[derive(Debug)]
pub(crate) struct Balancer {
    groups: RefCell<HashMap<UpstreamId, Rc<Group>, foldhash::fast::RandomState>>,
    members: RefCell<HashMap<Endpoint, Weak<Member>, foldhash::fast::RandomState>>,
    healths: Arc<EndpointHealths>,
    /// Generation of the Snapshot that [`Self::prune`] saw last.
    pruned: Cell<u64>,
}

/// The endpoints of one upstream, in its order.
#[derive(Debug)]
pub(crate) struct Group {
    upstream: Arc<Upstream>,
    members: Vec<Rc<Member>>,
    turn: RefCell<Turn>,
    healths: Arc<EndpointHealths>,
    /// Keys of persistent sessions to indices.
    by_key: OnceCell<HashMap<String, usize>>,
}

/// One endpoint, as a worker knows it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) endpoint: Endpoint,
    health: Arc<EndpointHealth>,
    identity: u64,
    in_flight: Cell<u32>,
    latency: Cell<Latency>,
}

/// A moving average.
#[derive(Clone, Copy, Debug)]
struct Latency {
    seconds: f64,
    at: Instant,
}

/// A request that is under way at an endpoint, until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Rc<Member>);

/// An endpoint that was chosen.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) index: usize,
    pub(crate) member: Rc<Member>,
    /// The key of a session that begins with this choice.
    pub(crate) new_key: Option<String>,
}

impl Balancer {
    /// Knows of nothing yet; health is shared with other workers.
    pub(crate) fn new(healths: Arc<EndpointHealths>) -> Self {
        Self { groups: RefCell::default(), members: RefCell::default(), healths, pruned: Cell::new(0) }
    }

    /// What is known of the endpoints of `upstream`.
    pub(crate) fn group(&self, upstream: &Arc<Upstream>) -> Rc<Group> {
        let before = self.groups.borrow().get(&upstream.id).cloned();
        match before {
            Some(group) if Arc::ptr_eq(&group.upstream, upstream) => group,
            before => {
                let group = Rc::new(self.gather(upstream, before.as_deref()));
                self.groups.borrow_mut().insert(upstream.id.clone(), Rc::clone(&group));
                group
            }
        }
    }

    /// Whether a route leads to `endpoint`, or a request is under way there, as far as this worker has seen.
    pub(crate) fn knows(&self, endpoint: &Endpoint) -> bool {
        self.members.borrow().get(endpoint).is_some_and(|member| member.strong_count() > 0)
    }

    /// Milliseconds on a clock that all workers share.
    pub(crate) fn now(&self) -> u64 {
        self.healths.now()
    }

    /// Forgets what `snapshot` no longer has; yields whether there was anything to look at.
    pub(crate) fn prune(&self, snapshot: &Snapshot) -> bool {
        if self.pruned.replace(snapshot.generation) == snapshot.generation {
            return false;
        }
        let stale: Vec<UpstreamId> = self
            .groups
            .borrow()
            .iter()
            .filter(|(id, group)| {
                snapshot.upstreams.get(*id).is_none_or(|now| !Arc::ptr_eq(now, &group.upstream))
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in stale {
            match snapshot.upstreams.get(&id) {
                Some(upstream) => drop(self.group(upstream)),
                None => drop(self.groups.borrow_mut().remove(&id)),
            }
        }
        self.members.borrow_mut().retain(|_, member| member.strong_count() > 0);
        true
    }

    fn gather(&self, upstream: &Arc<Upstream>, before: Option<&Group>) -> Group {
        let mut known = self.members.borrow_mut();
        let found: Vec<Option<Rc<Member>>> =
            upstream.endpoints.iter().map(|endpoint| known.get(endpoint).and_then(Weak::upgrade)).collect();
        let now = Instant::now();
        // A new endpoint is thought to be as fast as the others, or all requests would rush to it.
        let measured =
            || found.iter().flatten().map(|member| member.latency(now)).filter(|latency| *latency > 0.0);
        let usual = measured().sum::<f64>() / (measured().count().max(1) as f64);
        let members = upstream.endpoints.iter().zip(found).map(|(endpoint, member)| {
            member.unwrap_or_else(|| {
                let member = Rc::new(Member {
                    endpoint: endpoint.clone(),
                    health: self.healths.of(endpoint),
                    identity: identity(endpoint.to_string().as_bytes()),
                    in_flight: Cell::new(0),
                    latency: Cell::new(Latency { seconds: usual, at: now }),
                });
                known.insert(endpoint.clone(), Rc::downgrade(&member));
                member
            })
        });
        let members: Vec<Rc<Member>> = members.collect();
        let turn = match before {
            Some(before) => std::mem::take(&mut *before.turn.borrow_mut()),
            None => Turn::after(fastrand::usize(..members.len().max(1))),
        };
        let healths = Arc::clone(&self.healths);
        Group { upstream: Arc::clone(upstream), members, turn: turn.into(), healths, by_key: OnceCell::new() }
    }
}

impl Group {
    /// How many endpoints there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The endpoint to ask, for what the request wishes; those in `tried` only if there is no other. `None` if
    /// the upstream has no endpoints.
    pub(crate) fn pick(&self, wish: &Wish<'_>, tried: &[usize]) -> Option<Pick> {
        match &wish.choice.balance.session {
            Some(session) => self.pick_for_session(session, wish, tried),
            None => self.picked(self.pick_open(wish, tried)?, None),
        }
    }

    fn picked(&self, index: usize, new_key: Option<String>) -> Option<Pick> {
        Some(Pick { index, member: Rc::clone(self.members.get(index)?), new_key })
    }

    fn pick_open(&self, wish: &Wish<'_>, tried: &[usize]) -> Option<usize> {
        let mut turn = self.turn.borrow_mut();
        let mut choose = |view: View<'_>| {
            let chance = &mut |below: usize| fastrand::usize(..below.max(1));
            balance::choose(&wish.choice.balance.method, wish.key, &view, &mut turn, chance)
        };
        choose(self.view(tried, self.floor()))
            .or_else(|| choose(self.view(tried, Floor::All)))
            .or_else(|| choose(self.view(&[], Floor::All)))
    }

    fn pick_for_session(&self, session: &Session, wish: &Wish<'_>, tried: &[usize]) -> Option<Pick> {
        let kept = wish.session.as_deref().and_then(|key| self.of_key(session, key));
        let open = self.view(tried, self.floor());
        let stays = |index: &usize| session.cookie.on_failure == OnFailure::Stay || open.is_open(*index);
        if let Some(index) = kept.filter(stays) {
            return self.picked(index, None);
        }
        match session.cookie.mode {
            Mode::Balanced => {
                let keys = std::iter::repeat_with(|| format!("{:032x}", fastrand::u128(..))).take(KEYS);
                let found = keys.filter_map(|key| Some((self.of_key(session, &key)?, key)));
                let mut last = None;
                for (index, key) in found {
                    if open.is_open(index) {
                        return self.picked(index, Some(key));
                    }
                    last = Some((index, key));
                }
                let (index, key) = last?;
                self.picked(index, Some(key))
            }
            Mode::Persistent => {
                let index = self.pick_open(wish, tried)?;
                let key = session.key_of(&self.members.get(index)?.endpoint);
                self.picked(index, Some(key))
            }
        }
    }

    /// The endpoint of a session, whether or not it is well.
    fn of_key(&self, session: &Session, key: &str) -> Option<usize> {
        match session.cookie.mode {
            Mode::Balanced => balance::by_key(identity(key.as_bytes()), &self.view(&[], Floor::All)),
            Mode::Persistent => {
                let names = self.by_key.get_or_init(|| {
                    let members = self.members.iter().enumerate();
                    members.map(|(index, member)| (session.key_of(&member.endpoint), index)).collect()
                });
                names.get(key).copied()
            }
        }
    }

    /// At least half of the endpoints must be well, or health says nothing.
    fn floor(&self) -> Floor {
        if !self.healths.is_any_down() {
            return Floor::All;
        }
        let now = self.healths.now();
        let up = self.members.iter().filter(|member| member.health.is_up(now)).count();
        if up * 2 >= self.members.len() { Floor::Up(now) } else { Floor::All }
    }

    fn view<'a>(&'a self, tried: &'a [usize], floor: Floor) -> View<'a> {
        View { members: &self.members, tried, floor }
    }
}

impl Member {
    /// Counts a request that begins.
    pub(crate) fn begin(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(Rc::clone(self))
    }

    /// What is shared about it.
    pub(crate) fn health(&self) -> &EndpointHealth {
        &self.health
    }

    /// An answer took `time`.
    pub(crate) fn answered_after(&self, time: Duration) {
        let now = Instant::now();
        let Latency { seconds, at } = self.latency.get();
        let weight = (-now.duration_since(at).as_secs_f64() / DECAY).exp();
        let seconds = seconds * weight + time.as_secs_f64() * (1.0 - weight);
        self.latency.set(Latency { seconds, at: now });
    }

    fn latency(&self, now: Instant) -> f64 {
        let Latency { seconds, at } = self.latency.get();
        seconds * (-now.duration_since(at).as_secs_f64() / DECAY).exp()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
    }
}

/// Which endpoints are open.
#[derive(Clone, Copy, Debug)]
enum Floor {
    All,
    /// Those that are up at this time.
    Up(u64),
}

struct View<'a> {
    members: &'a [Rc<Member>],
    tried: &'a [usize],
    floor: Floor,
}

impl View<'_> {
    fn of<T>(&self, index: usize, otherwise: T, value: impl FnOnce(&Member) -> T) -> T {
        self.members.get(index).map_or(otherwise, |member| value(member))
    }
}

impl Endpoints for View<'_> {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn is_open(&self, index: usize) -> bool {
        let is_up = match self.floor {
            Floor::All => true,
            Floor::Up(now) => self.of(index, false, |member| member.health.is_up(now)),
        };
        is_up && !self.tried.contains(&index)
    }

    fn weight(&self, _index: usize) -> u32 {
        FULL_WEIGHT
    }

    fn is_even(&self) -> bool {
        true
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.of(index, 0, |member| member.in_flight.get())
    }

    fn latency(&self, index: usize) -> f64 {
        self.of(index, 0.0, |member| member.latency(Instant::now()))
    }

    fn identity(&self, index: usize) -> u64 {
        self.of(index, 0, |member| member.identity)
    }
}

#[cfg(test)]
mod tests;
