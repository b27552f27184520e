use super::*;
use crate::ring::key_of;

/// Endpoints with what a test says of them.
#[derive(Clone, Debug)]
struct Field {
    open: Vec<bool>,
    weights: Vec<u32>,
    in_flight: Vec<u32>,
    latency: Vec<f64>,
    ring: Ring,
}

impl Field {
    fn of(count: usize) -> Self {
        Self {
            open: vec![true; count],
            weights: vec![FULL_WEIGHT; count],
            in_flight: vec![0; count],
            latency: vec![0.1; count],
            ring: Ring::new((0..count).map(name)),
        }
    }
}

impl Endpoints for Field {
    fn count(&self) -> usize {
        self.open.len()
    }
    fn is_open(&self, index: usize) -> bool {
        self.open[index]
    }
    fn weight(&self, index: usize) -> u32 {
        self.weights[index]
    }
    fn is_even(&self) -> bool {
        self.weights.iter().all(|weight| *weight == self.weights[0])
    }
    fn in_flight(&self, index: usize) -> u32 {
        self.in_flight[index]
    }
    fn latency(&self, index: usize) -> f64 {
        self.latency[index]
    }
    fn identity(&self, index: usize) -> u64 {
        identity(name(index).as_bytes())
    }
    fn ring(&self) -> &Ring {
        &self.ring
    }
}

fn name(index: usize) -> String {
    format!("10.0.0.{index}:80")
}

/// How often each endpoint is chosen in `rounds` choices; keys are numbered.
fn spread(method: &Method, field: &Field, rounds: u64) -> Vec<usize> {
    let mut turn = Turn::default();
    let mut random = fastrand::Rng::with_seed(7);
    let mut counts = vec![0; field.count()];
    for round in 0..rounds {
        let key = Some(key_of(&round.to_le_bytes()));
        let found = choose(method, key, field, &mut turn, &mut |below| random.usize(..below));
        counts[found.expect("an open endpoint")] += 1;
    }
    counts
}

fn hash(subset: Option<usize>) -> Method {
    Method::Hash(HashBy::parse("$request_uri").expect("a known variable").within(subset))
}

#[test]
fn round_robin_is_exactly_even_and_passes_over_closed_endpoints() {
    let mut field = Field::of(4);
    assert_eq!(spread(&Method::RoundRobin, &field, 40), [10, 10, 10, 10]);
    field.open[2] = false;
    assert_eq!(spread(&Method::RoundRobin, &field, 30), [10, 10, 0, 10]);
}

#[test]
fn weights_are_kept_exactly_and_smoothly() {
    let field = Field { weights: vec![5, 1, 1], ..Field::of(3) };
    let mut turn = Turn::default();
    let order: Vec<_> = (0..7)
        .map(|_| choose(&Method::RoundRobin, None, &field, &mut turn, &mut |_| 0).expect("open"))
        .collect();
    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn the_least_busy_endpoint_is_chosen_and_ties_take_turns() {
    let mut field = Field::of(3);
    assert_eq!(spread(&Method::LeastRequests, &field, 30), [10, 10, 10]);
    field.in_flight = vec![3, 1, 2];
    assert_eq!(spread(&Method::LeastRequests, &field, 5), [0, 5, 0]);
    field.weights = vec![100, 10, 100];
    assert_eq!(spread(&Method::LeastRequests, &field, 5), [0, 0, 5]);
}

#[test]
fn ewma_sends_less_to_the_slow_and_nothing_to_the_closed() {
    let mut field = Field::of(4);
    field.latency[0] = 2.0;
    field.open[3] = false;
    let counts = spread(&Method::Ewma, &field, 3_000);
    assert!(counts[0] < counts[1] / 4 && counts[3] == 0, "{counts:?}");
    assert_eq!(spread(&Method::Ewma, &Field::of(1), 3), [3]);
}

#[test]
fn a_hash_is_even_within_a_quarter_and_the_same_every_time() {
    let field = Field::of(10);
    let counts = spread(&hash(None), &field, 20_000);
    assert!(counts.iter().all(|count| (1_500..2_500).contains(count)), "{counts:?}");
    assert_eq!(counts, spread(&hash(None), &field, 20_000));
}

#[test]
fn when_an_endpoint_goes_only_its_keys_move() {
    let (before, mut after) = (Field::of(10), Field::of(10));
    after.open[3] = false;
    for key in (0..5_000u64).map(|key| key_of(&key.to_le_bytes())) {
        let (was, is) = (by_key(key, &before), by_key(key, &after));
        assert!(was == is || was == Some(3), "{was:?} {is:?}");
        assert_ne!(is, Some(3));
    }
}

#[test]
fn a_subset_holds_as_many_endpoints_as_asked_and_they_share_the_key() {
    let field = Field::of(10);
    let mut turn = Turn::default();
    let mut random = fastrand::Rng::with_seed(7);
    let mut counts = vec![0; 10];
    for _ in 0..900 {
        let found = choose(&hash(Some(3)), Some(42), &field, &mut turn, &mut |below| random.usize(..below));
        counts[found.expect("open")] += 1;
    }
    counts.sort_unstable();
    assert!(counts[..7] == [0; 7] && counts[7] > 200, "{counts:?}");
}

#[test]
fn nothing_open_is_nothing_chosen() {
    let mut field = Field::of(2);
    field.open = vec![false, false];
    for method in [Method::RoundRobin, Method::Ewma, Method::LeastRequests, hash(None), hash(Some(2))] {
        let mut turn = Turn::default();
        assert_eq!(choose(&method, Some(1), &field, &mut turn, &mut |_| 0), None, "{method:?}");
        assert_eq!(choose(&method, Some(1), &Field::of(0), &mut turn, &mut |_| 0), None, "{method:?}");
    }
}
