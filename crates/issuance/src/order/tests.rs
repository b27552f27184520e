use jamul_api::acme::{ChallengeStatus, OrderStatus};
use jamul_api::issuer::SolverSelector;
use serde_json::json;

use super::*;
use crate::testing::metadata;

fn authorization(name: &str, types: &[&str]) -> AcmeAuthorization {
    let challenge = |type_: &&str| AcmeChallenge {
        url: format!("https://ca.example/{name}/{type_}"),
        token: "token".to_owned(),
        type_: (*type_).to_owned(),
    };
    AcmeAuthorization {
        url: format!("https://ca.example/{name}"),
        identifier: name.to_owned(),
        initial_state: Some(State::Pending),
        challenges: types.iter().map(challenge).collect(),
        ..AcmeAuthorization::default()
    }
}

fn order(authorizations: Vec<AcmeAuthorization>) -> Order {
    let url = "https://ca.example/order".to_owned();
    let status = OrderStatus { url, authorizations, state: Some(State::Pending), ..OrderStatus::default() };
    Order { metadata: metadata("web-1-7"), status: Some(status), ..Order::default() }
}

/// A solver that `id` tells from others.
fn solver(id: &str, selector: Option<SolverSelector>) -> Solver {
    Solver { selector, http01: Some(json!({ "ingress": { "class": id } })), ..Solver::default() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn challenges(order: &Order, states: &[Option<State>]) -> Vec<Arc<Challenge>> {
    let authorizations = order.status.clone().unwrap_or_default().authorizations;
    let one = |(authorization, state): (&AcmeAuthorization, &Option<State>)| {
        let solver = solver("x", None);
        let mut challenge =
            challenge_for(order, authorization, &authorization.challenges[0], &solver, "key".to_owned());
        challenge.status = ChallengeStatus { state: *state, ..ChallengeStatus::default() };
        Arc::new(challenge)
    };
    authorizations.iter().zip(states).map(one).collect()
}

#[test]
fn an_order_is_created_fetched_proved_refreshed_finalized_and_downloaded() {
    let solvers = [solver("nginx", None)];
    assert_eq!(next(&Order::default(), &[], &solvers), OrderAction::Create);

    let unread = AcmeAuthorization { url: "https://ca.example/a".to_owned(), ..AcmeAuthorization::default() };
    assert_eq!(next(&order(vec![unread]), &[], &solvers), OrderAction::FetchAuthorizations);

    let mut order =
        order(vec![authorization("a.example", &["http-01"]), authorization("b.example", &["http-01"])]);
    let OrderAction::CreateChallenges(missing) = next(&order, &[], &solvers) else {
        panic!("challenges are missing")
    };
    assert_eq!(
        missing.iter().map(|(a, ..)| a.identifier.as_str()).collect::<Vec<_>>(),
        ["a.example", "b.example"]
    );
    let first = challenges(&order, &[None]);
    let OrderAction::CreateChallenges(missing) = next(&order, &first, &solvers) else {
        panic!("one is missing")
    };
    assert_eq!(missing.len(), 1);

    for (states, expected) in [
        ([None, None], OrderAction::Wait),
        ([Some(State::Valid), Some(State::Pending)], OrderAction::Wait),
        ([Some(State::Valid), Some(State::Valid)], OrderAction::Refresh),
        ([Some(State::Invalid), None], OrderAction::Refresh),
    ] {
        assert_eq!(next(&order, &challenges(&order, &states), &solvers), expected, "{states:?}");
    }
    for (state, expected) in [
        (State::Ready, OrderAction::Finalize),
        (State::Processing, OrderAction::Download),
        (State::Valid, OrderAction::Rest),
        (State::Invalid, OrderAction::Rest),
        (State::Expired, OrderAction::Rest),
        (State::Errored, OrderAction::Rest),
    ] {
        if let Some(status) = &mut order.status {
            status.state = Some(state);
        }
        assert_eq!(next(&order, &[], &solvers), expected, "{state:?}");
    }
}

#[test]
fn names_that_are_still_proved_need_no_challenge() {
    let mut proved = authorization("a.example", &["http-01"]);
    proved.initial_state = Some(State::Valid);
    assert_eq!(next(&order(vec![proved]), &[], &[]), OrderAction::Refresh);
}

#[test]
fn a_name_that_no_solver_can_prove_fails_the_order_with_what_is_missing() {
    let elsewhere = SolverSelector { dns_names: names(&["other.example"]), ..SolverSelector::default() };
    let mut wildcard = authorization("a.example", &["http-01", "dns-01"]);
    wildcard.wildcard = true;
    let dns = Solver { dns01: Some(json!({})), ..Solver::default() };
    for (authorization, solvers) in [
        (authorization("a.example", &["http-01"]), vec![]),
        (authorization("a.example", &["http-01"]), vec![solver("x", Some(elsewhere))]),
        (authorization("a.example", &["dns-01", "tls-alpn-01"]), vec![solver("x", None)]),
        (authorization("a.example", &["http-01"]), vec![dns]),
        (wildcard, vec![solver("x", None)]),
    ] {
        let action = next(&order(vec![authorization]), &[], &solvers);
        let OrderAction::Fail(message) = &action else { panic!("{action:?}") };
        assert!(message.contains("a.example") && message.contains("spec.acme.solvers"), "{message}");
    }
}

#[test]
fn dns_names_win_over_the_longest_zone_over_labels_over_list_order() {
    let chosen = |solvers: &[Solver]| {
        let mut order = order(vec![authorization("www.a.example", &["http-01"])]);
        order.metadata.labels = Some([("team".to_owned(), "shop".to_owned())].into());
        match next(&order, &[], solvers) {
            OrderAction::CreateChallenges(missing) => missing[0].2.clone(),
            action => panic!("{action:?}"),
        }
    };
    let name = SolverSelector { dns_names: names(&["www.a.example"]), ..SolverSelector::default() };
    let long =
        SolverSelector { dns_zones: names(&["a.example", "other.example"]), ..SolverSelector::default() };
    let short = SolverSelector { dns_zones: names(&["example"]), ..SolverSelector::default() };
    let beside = SolverSelector { dns_zones: names(&["ww.a.example"]), ..SolverSelector::default() };
    let team = |team: &str| SolverSelector {
        match_labels: [("team".to_owned(), team.to_owned())].into(),
        ..SolverSelector::default()
    };
    let all = [
        solver("any", None),
        solver("again", None),
        solver("label", Some(team("shop"))),
        solver("short", Some(short)),
        solver("long", Some(long)),
        solver("name", Some(name)),
        solver("other team", Some(team("other"))),
        solver("beside", Some(beside)),
    ];
    assert_eq!(chosen(&all), all[5]);
    assert_eq!(chosen(&all[..5]), all[4]);
    assert_eq!(chosen(&all[..4]), all[3]);
    assert_eq!(chosen(&all[..3]), all[2]);
    assert_eq!(chosen(&all[..2]), all[0]);
    assert_eq!(chosen(&[all[6].clone(), all[7].clone(), all[0].clone()]), all[0]);
}

#[test]
fn a_challenge_is_named_by_its_order_and_authorization_and_controlled_by_the_order() {
    let order =
        order(vec![authorization("a.example", &["http-01"]), authorization("b.example", &["http-01"])]);
    let made = challenges(&order, &[None, None]);
    assert_eq!(made[0].metadata.name, challenges(&order, &[None])[0].metadata.name);
    assert_ne!(made[0].metadata.name, made[1].metadata.name);
    assert!(made[0].is_controlled_by(&order));
    assert_eq!((made[0].spec.dns_name.as_str(), made[0].spec.key.as_str()), ("a.example", "key"));
}
