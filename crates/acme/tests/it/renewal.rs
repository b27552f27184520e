//! Renewal information (RFC 9773).

use jamul_acme::problem::ProblemType;
use jamul_acme::wire::{NewOrder, renewal_identifier};
use jiff::SignedDuration;

use crate::fixture::{World, order_for};
use crate::wrong::problem;

#[tokio::test]
async fn the_window_is_around_two_thirds_of_life_and_past_once_the_certificate_is_revoked() {
    let world = World::new();
    let session = world.session().await;
    let (leaf, _) = world.certificate(&session, &["a.localhost"]).await;
    let id = renewal_identifier(&leaf).unwrap();
    let info = session.client().renewal_info(&id).await.unwrap();
    assert!(info.retry_after.is_some_and(|wait| wait.as_secs() >= 3600), "{info:?}");
    let window = info.object.suggested_window;
    let days = |days: i64| world.now() + SignedDuration::from_hours(24 * days);
    assert!(days(58) < window.start && window.start < days(60), "{window:?}");
    assert!(days(60) < window.end && window.end < days(62), "{window:?}");
    session.revoke(leaf.der(), None).await.unwrap();
    let window = session.client().renewal_info(&id).await.unwrap().object.suggested_window;
    assert!(window.start < window.end && window.end < world.now());
    assert!(world.get("/acme/renewal-info/AA.AA").contains("there is no such certificate"));
}

#[tokio::test]
async fn a_certificate_is_replaced_once_by_its_own_account_for_a_name_of_its() {
    let world = World::new();
    let session = world.session().await;
    let (leaf, _) = world.certificate(&session, &["a.localhost"]).await;
    let replacing = |hosts: &[&str]| NewOrder { replaces: renewal_identifier(&leaf), ..order_for(hosts) };
    let stranger = world.session().await;
    let foreign = problem(stranger.new_order(&replacing(&["a.localhost"])).await);
    assert_eq!(foreign.kind, ProblemType::Unauthorized);
    assert_eq!(problem(session.new_order(&replacing(&["b.localhost"])).await).kind, ProblemType::Malformed);
    let first = session.new_order(&replacing(&["a.localhost"])).await.unwrap();
    assert_eq!(first.object.replaces, renewal_identifier(&leaf));
    let again = session.new_order(&replacing(&["a.localhost"])).await.unwrap();
    assert_eq!(again.url, first.url, "the same order asked for twice is one");
    world.restart();
    let second = problem(session.new_order(&replacing(&["a.localhost", "b.localhost"])).await);
    assert_eq!((second.status().as_u16(), second.kind), (409, ProblemType::AlreadyReplaced));
}
