//! Which endpoint an exchange asks: what a worker knows of the endpoints of each upstream, and whose turn it is.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jamul_routing::balance::{self, Endpoints, FULL_WEIGHT, Turn, identity};
use jamul_routing::ring::{Ring, key_of};
use jamul_routing::session::{Mode, OnFailure};
use jamul_routing::{Cap, Endpoint, Session, Snapshot, Upstream, UpstreamId};

use crate::endpoint_health::{EndpointHealth, EndpointHealths};
use crate::failure::Failure;
use crate::gate::{Gate, Room};
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
    /// For keys that are hashed.
    ring: OnceCell<Ring>,
    /// The queue before the endpoints, if they bear only so much.
    gate: Option<(Cap, Arc<Gate>)>,
}

/// One endpoint, as a worker knows it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) endpoint: Endpoint,
    health: Arc<EndpointHealth>,
    identity: u64,
    in_flight: Cell<u32>,
    latency: Cell<Latency>,
    /// When it came to others that were there already.
    joined: Option<Instant>,
}

/// A moving average.
#[derive(Clone, Copy, Debug)]
struct Latency {
    seconds: f64,
    at: Instant,
}

/// A request that is under way at an endpoint, until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    member: Rc<Member>,
    _room: Option<Rc<Room>>,
}

/// An endpoint that was chosen.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) index: usize,
    pub(crate) member: Rc<Member>,
    /// The key of a session that begins with this choice.
    pub(crate) new_key: Option<String>,
    /// Where endpoints bear only so much.
    room: Option<Rc<Room>>,
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
        let joined = before.is_some_and(|before| !before.members.is_empty()).then_some(now);
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
                    joined,
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
        let gate = upstream.policy.cap.map(|cap| (cap, self.healths.gates.of(&upstream.id)));
        Group {
            upstream: Arc::clone(upstream),
            members,
            turn: turn.into(),
            healths: Arc::clone(&self.healths),
            by_key: OnceCell::new(),
            ring: OnceCell::new(),
            gate,
        }
    }
}

impl Group {
    /// How many endpoints there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The endpoint to ask, for what the request wishes; those in `tried` only if there is no other. Waits for one
    /// that has room where endpoints bear only so much.
    ///
    /// # Errors
    /// [`Failure::NoEndpoint`] if the upstream has none, [`Failure::Busy`].
    pub(crate) async fn place(&self, wish: &Wish<'_>, tried: &[usize]) -> Result<Pick, Failure> {
        match &self.gate {
            Some((cap, gate)) if !self.members.is_empty() => {
                gate.pass(cap, || self.pick(wish, tried)).await.ok_or(Failure::Busy)
            }
            Some(_) | None => self.pick(wish, tried).ok_or(Failure::NoEndpoint),
        }
    }

    /// [`Self::place`] without waiting: `None` if there is no endpoint, or none that has room.
    fn pick(&self, wish: &Wish<'_>, tried: &[usize]) -> Option<Pick> {
        match wish.sessions {
            Some(session) => self.pick_for_session(session, wish, tried),
            None => self.picked(self.pick_open(wish, tried)?, None),
        }
    }

    fn picked(&self, index: usize, new_key: Option<String>) -> Option<Pick> {
        let member = Rc::clone(self.members.get(index)?);
        let room = match &self.gate {
            Some((cap, gate)) => Some(Rc::new(Room::enter(&member.health.inside, gate, cap)?)),
            None => None,
        };
        Some(Pick { index, member, new_key, room })
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
        // An endpoint that has no room is waited for.
        let well = View { cap: None, ..open };
        let stays = |index: &usize| session.cookie.on_failure == OnFailure::Stay || well.is_open(*index);
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
            Mode::Balanced => self.ring().find(key_of(key.as_bytes()), |_| true),
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
        View { group: self, tried, floor, cap: self.gate.as_ref().map(|(cap, _)| cap) }
    }

    fn ring(&self) -> &Ring {
        self.ring.get_or_init(|| Ring::new(self.members.iter().map(|member| member.endpoint.to_string())))
    }
}

impl Pick {
    /// Counts a request that begins.
    pub(crate) fn begin(&self) -> InFlight {
        let (member, room) = (Rc::clone(&self.member), self.room.clone());
        member.in_flight.set(member.in_flight.get() + 1);
        InFlight { member, _room: room }
    }
}

impl Member {
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
        self.member.in_flight.set(self.member.in_flight.get().saturating_sub(1));
    }
}

/// Which endpoints are open.
#[derive(Clone, Copy, Debug)]
enum Floor {
    All,
    /// Those that are up at this time.
    Up(u64),
}

#[derive(Clone, Copy)]
struct View<'a> {
    group: &'a Group,
    tried: &'a [usize],
    floor: Floor,
    cap: Option<&'a Cap>,
}

impl View<'_> {
    fn of<T>(&self, index: usize, otherwise: T, value: impl FnOnce(&Member) -> T) -> T {
        self.group.members.get(index).map_or(otherwise, |member| value(member))
    }

    /// The part of its slow start that an endpoint has behind it; `None` if all of it.
    fn grown(&self, member: &Member) -> Option<f64> {
        let span = self.group.upstream.policy.slow_start?;
        let age = member.joined?.elapsed();
        (age < span).then(|| age.as_secs_f64() / span.as_secs_f64())
    }
}

impl Endpoints for View<'_> {
    fn count(&self) -> usize {
        self.group.members.len()
    }

    fn is_open(&self, index: usize) -> bool {
        let is_up = match self.floor {
            Floor::All => true,
            Floor::Up(now) => self.of(index, false, |member| member.health.is_up(now)),
        };
        let has_room = self
            .cap
            .is_none_or(|cap| self.of(index, false, |member| member.health.inside() < cap.requests.get()));
        is_up && has_room && !self.tried.contains(&index)
    }

    fn weight(&self, index: usize) -> u32 {
        let grown = self.of(index, None, |member| self.grown(member));
        // Rounding is right: a weight is from 1 to 100.
        grown.map_or(FULL_WEIGHT, |part| ((part * f64::from(FULL_WEIGHT)) as u32).clamp(1, FULL_WEIGHT))
    }

    fn is_even(&self) -> bool {
        self.group.upstream.policy.slow_start.is_none()
            || self.group.members.iter().all(|member| self.grown(member).is_none())
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

    fn ring(&self) -> &Ring {
        self.group.ring()
    }
}

#[cfg(test)]
mod tests;
