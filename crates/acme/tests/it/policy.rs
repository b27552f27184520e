//! What an operator may decide: profiles, limits, CAA, a constrained root; and authorizations before an order.

use std::time::Duration;

use jamul_acme::ca::{CaaPolicy, CaaRecord, RateLimits};
use jamul_acme::client::ClientError;
use jamul_acme::problem::ProblemType;
use jamul_acme::wire::{AuthorizationStatus, ChallengeType, Identifier, NewOrder, OrderStatus};
use jamul_pki::{Certificate, San};
use jiff::SignedDuration;

use crate::fixture::{World, order_for, request_for};
use crate::wrong::{Forger, problem};

#[tokio::test]
async fn a_profile_decides_how_long_a_certificate_holds() {
    let world = World::new();
    let session = world.session().await;
    let names: Vec<_> = session.client().meta().profiles.keys().cloned().collect();
    assert_eq!(names, ["default", "shortlived"]);
    let short = NewOrder { profile: Some("shortlived".to_owned()), ..order_for(&["a.localhost"]) };
    let order = session.new_order(&short).await.unwrap();
    assert_eq!(order.object.profile.as_deref(), Some("shortlived"));
    world.present(&session, &order.object.authorizations[0]).await;
    world.work().await;
    session.finalize(&order.object.finalize, &request_for(&["a.localhost"]).1).await.unwrap();
    world.work().await;
    let url = session.order(&order.url).await.unwrap().object.certificate.unwrap();
    let leaf = Certificate::from_pem(&session.chain(&url).await.unwrap()).unwrap();
    assert_eq!(leaf.not_after(), world.now() + SignedDuration::from_hours(160));
}

#[tokio::test]
async fn limits_name_what_is_too_much_and_when_there_is_room_again() {
    let world = World::with(|settings| {
        let mut limits = RateLimits::default();
        limits.orders.count = 2;
        limits.failures.count = 1;
        settings.limits = Some(limits);
    });
    let session = world.session().await;
    let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    let url = &order.object.authorizations[0];
    let authorization = session.authorization(url).await.unwrap().object;
    session.accept(&authorization.challenges[0].url).await.unwrap();
    world.work().await;
    let refused = session.new_order(&order_for(&["a.localhost"])).await.unwrap_err();
    assert!(refused.is_rate_limited());
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(3601)));
    let ClientError::Problem { problem: detail, .. } = refused else { panic!("a problem") };
    assert_eq!(detail.identifier, Some(Identifier::from_host("a.localhost")));

    session.new_order(&order_for(&["b.localhost"])).await.unwrap();
    let refused = session.new_order(&order_for(&["c.localhost"])).await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(3 * 3600 + 1)));
    world.wait(SignedDuration::from_secs(3 * 3600 + 1));
    session.new_order(&order_for(&["c.localhost"])).await.unwrap();
}

#[tokio::test]
async fn caa_is_heeded_when_a_name_is_proved_and_again_when_the_certificate_is_made() {
    let world = World::with(|settings| {
        settings.caa = CaaPolicy::Heeded { identities: vec!["ca.test".to_owned()] };
    });
    let session = world.session().await;
    assert_eq!(session.client().meta().caa_identities, ["ca.test"]);
    let set = |domain: &str, value: &str| {
        let record = CaaRecord { is_critical: false, tag: "issue".to_owned(), value: value.to_owned() };
        world.site.caa.lock().unwrap().insert(domain.to_owned(), vec![record]);
    };
    set("forbidden.example", "other.test");
    let order = session.new_order(&order_for(&["www.forbidden.example"])).await.unwrap();
    world.present(&session, &order.object.authorizations[0]).await;
    world.work().await;
    let failed = session.order(&order.url).await.unwrap().object;
    assert_eq!(failed.error.unwrap().kind, ProblemType::Caa);

    set("a.example", "ca.test; validationmethods=http-01");
    let order = world.ready_order(&session, &["a.example"]).await;
    set("a.example", ";");
    session.finalize(&order.object.finalize, &request_for(&["a.example"]).1).await.unwrap();
    world.work().await;
    let failed = session.order(&order.url).await.unwrap().object;
    assert_eq!((failed.status, failed.error.unwrap().kind), (OrderStatus::Invalid, ProblemType::Caa));
}

#[tokio::test]
async fn a_constrained_root_refuses_what_it_cannot_vouch_for() {
    let world = World::with(|settings| settings.permitted = vec![San::Dns("internal".to_owned())]);
    let session = world.session().await;
    session.new_order(&order_for(&["a.internal", "*.b.internal"])).await.unwrap();
    let refused = problem(session.new_order(&order_for(&["a.internal", "example.com"])).await);
    assert_eq!(refused.kind, ProblemType::RejectedIdentifier);
    assert_eq!(world.root().permitted_names().unwrap(), [San::Dns("internal".to_owned())]);
}

#[tokio::test]
async fn a_name_can_be_proved_before_it_is_ordered() {
    let world = World::new();
    let session = world.session().await;
    let placed = session.pre_authorize(&Identifier::from_host("a.localhost")).await.unwrap();
    assert_eq!(placed.object.status, AuthorizationStatus::Pending);
    world.prove(&session, &placed.url, Some(ChallengeType::Http01)).await;
    world.work().await;
    let again = session.pre_authorize(&Identifier::from_host("a.localhost")).await.unwrap();
    assert_eq!((again.url, again.object.status), (placed.url, AuthorizationStatus::Valid));
    let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    assert_eq!(order.object.status, OrderStatus::Ready);
    let wildcard = r#"{"identifier":{"type":"dns","value":"*.a.localhost"}}"#;
    let refused = Forger::new(&world, &session).refusal("/acme/new-authz", wildcard);
    assert_eq!(refused.kind, ProblemType::RejectedIdentifier);
}
