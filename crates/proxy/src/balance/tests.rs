#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use jamul_routing::balance::{Balance, Method};
use jamul_routing::route::Target;
use jamul_routing::{Choice, Observation, Policy, Protocol, SessionCookie};

use super::*;

fn upstream(ports: &[u16]) -> Arc<Upstream> {
    let endpoints = ports.iter().map(|port| Endpoint::Address(([127, 0, 0, 1], *port).into())).collect();
    let (id, policy) = (UpstreamId("default/web:80".into()), Policy::default());
    Arc::new(Upstream { id, protocol: Protocol::Http, endpoints, policy })
}

fn balancer() -> Balancer {
    Balancer::new(Arc::default())
}

const TARGET: Target = Target::NotFound;

fn wish(balance: &Balance) -> Wish<'_> {
    let choice = Choice { target: &TARGET, canary: None, balance };
    let sessions = balance.session.as_ref();
    Wish { choice, upstream: None, key: None, sessions, session: None, user_agent: None, is_tls: false }
}

fn port(pick: &Pick) -> u16 {
    match &pick.member.endpoint {
        Endpoint::Address(address) => address.port(),
        Endpoint::Name(_, port) => *port,
    }
}

fn begin(group: &Group, index: usize) -> InFlight {
    group.picked(index, None).unwrap().begin()
}

fn ports(group: &Group, balance: &Balance, count: usize) -> Vec<u16> {
    (0..count).map(|_| port(&group.pick(&wish(balance), &[]).unwrap())).collect()
}

#[test]
fn an_endpoint_that_was_tried_comes_again_only_if_there_is_no_other() {
    let (balancer, balance) = (balancer(), Balance::default());
    let group = balancer.group(&upstream(&[1, 2]));
    let first = group.pick(&wish(&balance), &[]).unwrap().index;
    let second = group.pick(&wish(&balance), &[first]).unwrap().index;
    assert_ne!(first, second);
    assert!(group.pick(&wish(&balance), &[first, second]).is_some());
    assert!(balancer.group(&upstream(&[])).pick(&wish(&balance), &[]).is_none());
}

#[test]
fn what_is_down_is_passed_over_unless_that_were_more_than_half() {
    let (balancer, balance) = (balancer(), Balance::default());
    let group = balancer.group(&upstream(&[1, 2, 3, 4]));
    let down = |index: usize| group.members[index].health().observe(Observation::Unreachable);
    down(0);
    down(1);
    assert_eq!(BTreeSet::from_iter(ports(&group, &balance, 8)), BTreeSet::from([3, 4]));
    down(2);
    assert_eq!(BTreeSet::from_iter(ports(&group, &balance, 8)), BTreeSet::from([1, 2, 3, 4]));
}

#[test]
fn state_outlives_snapshots_and_is_shared_by_upstreams() {
    let balancer = balancer();
    let before = balancer.group(&upstream(&[1, 2]));
    let _busy = begin(&before, 1);
    let after = balancer.group(&upstream(&[2, 3]));
    assert!(Rc::ptr_eq(&before.members[1], &after.members[0]));
    assert_eq!(after.members[0].in_flight.get(), 1);
}

#[test]
fn what_a_snapshot_no_longer_has_is_forgotten_when_its_last_request_ends() {
    let balancer = balancer();
    let (gone, kept) = (upstream(&[1, 2]), upstream(&[2]));
    let busy = begin(&balancer.group(&gone), 0);
    let mut snapshot = Snapshot { generation: 1, ..Snapshot::default() };
    snapshot.upstreams.insert(kept.id.clone(), Arc::clone(&kept));
    assert!(balancer.prune(&snapshot) && !balancer.prune(&snapshot));
    let [one, two] = [1, 2].map(|port| Endpoint::Address(([127, 0, 0, 1], port).into()));
    assert!(balancer.knows(&one) && balancer.knows(&two));
    drop(busy);
    assert!(!balancer.knows(&one) && balancer.knows(&two));
}

fn sessions(mode: Mode, on_failure: OnFailure) -> Balance {
    let cookie = Arc::new(SessionCookie { mode, on_failure, ..SessionCookie::default() });
    let session = Session::new(cookie, "default-web-80".to_owned(), "/");
    Balance { method: Method::RoundRobin, session: Some(session) }
}

#[test]
fn a_session_stays_and_moves_on_failure_only_if_it_may() {
    for mode in [Mode::Balanced, Mode::Persistent] {
        let balancer = balancer();
        let group = balancer.group(&upstream(&[1, 2, 3, 4]));
        let stay = sessions(mode, OnFailure::Stay);
        let first = group.pick(&wish(&stay), &[]).unwrap();
        let key = first.new_key.clone().unwrap();
        let again = Wish { session: Some(key.clone().into()), ..wish(&stay) };
        for tried in [vec![], vec![first.index]] {
            let next = group.pick(&again, &tried).unwrap();
            assert_eq!((next.index, next.new_key), (first.index, None), "{mode:?}");
        }
        let movable = sessions(mode, OnFailure::Move);
        let again = Wish { session: Some(key.into()), ..wish(&movable) };
        assert_eq!(group.pick(&again, &[]).unwrap().index, first.index);
        let moved = group.pick(&again, &[first.index]).unwrap();
        assert!(moved.index != first.index && moved.new_key.is_some(), "{mode:?}");
    }
}

#[test]
fn a_persistent_session_stays_when_endpoints_come_and_moves_when_its_own_goes() {
    let balancer = balancer();
    let balance = sessions(Mode::Persistent, OnFailure::Stay);
    let first = balancer.group(&upstream(&[1, 2])).pick(&wish(&balance), &[]).unwrap();
    let again = Wish { session: Some(first.new_key.clone().unwrap().into()), ..wish(&balance) };
    let more = balancer.group(&upstream(&[1, 2, 3, 4, 5])).pick(&again, &[]).unwrap();
    assert_eq!((port(&more), more.new_key), (port(&first), None));
    let without = balancer.group(&upstream(&[3 - port(&first)])).pick(&again, &[]).unwrap();
    assert!(without.new_key.is_some());
}

fn with_policy(ports: &[u16], policy: Policy) -> Arc<Upstream> {
    Arc::new(Upstream { policy, ..(*upstream(ports)).clone() })
}

#[test]
fn a_new_endpoint_begins_slowly_beside_those_that_were_there() {
    let (balancer, balance) = (balancer(), Balance::default());
    let slow = || Policy { slow_start: Some(Duration::from_secs(3600)), ..Policy::default() };
    let before = balancer.group(&with_policy(&[1, 2], slow()));
    assert_eq!(ports(&before, &balance, 4).iter().filter(|port| **port == 1).count(), 2);
    let after = balancer.group(&with_policy(&[1, 2, 3], slow()));
    let seen = ports(&after, &balance, 200);
    let count = |port| seen.iter().filter(|found| **found == port).count();
    assert!((1..=2).contains(&count(3)) && count(1).abs_diff(count(2)) <= 1, "{seen:?}");
}

#[tokio::test]
async fn endpoints_get_no_more_than_they_bear_and_the_rest_waits_or_is_told() {
    let cap = Cap { requests: 2.try_into().unwrap(), queue: 0, wait: Duration::from_secs(60) };
    let (balancer, balance) = (balancer(), Balance::default());
    let group = balancer.group(&with_policy(&[1, 2], Policy { cap: Some(cap), ..Policy::default() }));
    let mut picks = Vec::new();
    for _ in 0..4 {
        picks.push(group.place(&wish(&balance), &[]).await.unwrap());
    }
    assert_eq!(BTreeSet::from_iter(picks.iter().map(port)).len(), 2);
    assert_eq!(group.place(&wish(&balance), &[]).await.unwrap_err(), Failure::Busy);
    let free = picks.pop().map(|pick| port(&pick)).unwrap();
    assert_eq!(port(&group.place(&wish(&balance), &[]).await.unwrap()), free);
}

#[test]
fn a_route_without_sessions_keeps_those_of_another_and_begins_none() {
    let (balancer, balance) = (balancer(), Balance::default());
    let sticky = sessions(Mode::Balanced, OnFailure::Stay);
    let group = balancer.group(&upstream(&[1, 2, 3, 4]));
    let key: Box<str> = group.pick(&wish(&sticky), &[]).unwrap().new_key.unwrap().into();
    let shared = Wish { sessions: sticky.session.as_ref(), session: Some(key), ..wish(&balance) };
    let seen: BTreeSet<_> = (0..8).map(|_| port(&group.pick(&shared, &[]).unwrap())).collect();
    assert_eq!(seen.len(), 1);
    assert_eq!(shared.set_cookie("any"), None);
}
