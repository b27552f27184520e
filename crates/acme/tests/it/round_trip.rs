//! From an account to a certificate.

use std::time::Duration;

use jamul_acme::ca::{Finalization, Prober};
use jamul_acme::wire::{AuthorizationStatus, ChallengeStatus, NewOrder, OrderStatus};
use jamul_pki::{Certificate, Usage};
use jiff::SignedDuration;

use crate::fixture::{World, order_for, request_for};

#[tokio::test]
async fn a_certificate_is_issued_for_names_and_addresses() {
    let world = World::new();
    let session = world.session().await;
    let hosts = ["hello.localhost", "127.0.0.1", "www.hello.localhost"];

    let placed = session.new_order(&order_for(&hosts)).await.unwrap();
    assert_eq!((placed.object.status, placed.object.authorizations.len()), (OrderStatus::Pending, 3));
    let order = world.ready_order(&session, &hosts).await;
    assert_eq!(order.url, placed.url, "an open order for the same names is found again");

    let (key, csr) = request_for(&hosts);
    let processing = session.finalize(&order.object.finalize, &csr).await.unwrap();
    assert_eq!(processing.object.status, OrderStatus::Processing);
    assert_eq!(processing.retry_after, Some(Duration::from_secs(1)));
    assert_eq!(processing.url, order.url);
    world.work().await;

    let valid = session.order(&order.url).await.unwrap().object;
    assert_eq!((valid.status, valid.error), (OrderStatus::Valid, None));
    let chains = session.certificate(&valid.certificate.unwrap()).await.unwrap();
    let chain = Certificate::chain_from_pem(&chains[0]).unwrap();
    let [leaf, intermediate] = chain.as_slice() else { panic!("a leaf and an intermediate") };
    assert!(hosts.iter().all(|host| leaf.covers(host)) && !leaf.is_ca());
    assert!(leaf.is_issued_by(intermediate) && intermediate.is_issued_by(&world.root()));
    assert_eq!(*leaf.public_key(), key.public_key());
    assert!(leaf.usages().contains(&Usage::ServerAuth));
    assert_eq!(leaf.not_after(), world.now() + SignedDuration::from_hours(90 * 24));
    assert!(leaf.not_before() < world.now());
}

#[tokio::test]
async fn a_challenge_tells_how_it_went() {
    let world = World::new();
    let session = world.session().await;
    let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    let url = &order.object.authorizations[0];
    world.present(&session, url).await;
    let looking = session.authorization(url).await.unwrap();
    assert_eq!(looking.object.challenges[0].status, ChallengeStatus::Processing);
    assert_eq!(looking.retry_after, Some(Duration::from_secs(1)));
    world.work().await;
    let seen = session.authorization(url).await.unwrap();
    assert_eq!((seen.object.status, seen.retry_after), (AuthorizationStatus::Valid, None));
    assert_eq!(seen.object.challenges[0].validated, Some(world.now()));
    let challenge = session.challenge(&seen.object.challenges[0].url).await.unwrap();
    assert_eq!(challenge.object, seen.object.challenges[0]);
    world.last_answer(|answer| {
        let links: Vec<_> =
            answer.headers().get_all("link").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(links[0], format!("<{url}>;rel=\"up\""), "certbot wants it");
    });
}

#[tokio::test]
async fn a_wrong_proof_fails_the_order_and_says_what_was_found() {
    let world = World::new();
    let session = world.session().await;
    let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    let authorization = session.authorization(&order.object.authorizations[0]).await.unwrap().object;
    let challenge = &authorization.challenges[0];
    let token = challenge.token.as_ref().unwrap();
    world.site.put(&authorization.identifier, token, "something else");
    session.accept(&challenge.url).await.unwrap();
    world.work().await;
    let failed = session.order(&order.url).await.unwrap().object;
    assert_eq!(failed.status, OrderStatus::Invalid);
    let expected = format!(
        "incorrectResponse: fetching http://a.localhost:5002/.well-known/acme-challenge/{token}: the file \
         should be {:?} and is \"something else\"",
        session.key().key_authorization(token)
    );
    assert_eq!(failed.error.unwrap().to_string(), expected);
    let again = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    assert_ne!(again.url, order.url, "a failed order is not reused");
}

#[tokio::test]
async fn a_proved_name_stays_proved_for_a_week() {
    let world = World::new();
    let session = world.session().await;
    world.certificate(&session, &["a.localhost"]).await;
    let again = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    assert_eq!(again.object.status, OrderStatus::Ready);
    let other = world.session().await.new_order(&order_for(&["a.localhost"])).await.unwrap();
    assert_eq!(other.object.status, OrderStatus::Pending, "another account has to prove it");
    world.wait(SignedDuration::from_hours(7 * 24));
    let later = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    assert_eq!(later.object.status, OrderStatus::Pending);
}

#[tokio::test]
async fn validity_is_what_was_asked_for_within_what_is_allowed() {
    let world = World::new();
    let session = world.session().await;
    world.certificate(&session, &["a.localhost"]).await;
    for (asked, given) in [(6, 6), (200, 90)] {
        let not_after = Some(world.now() + SignedDuration::from_hours(asked * 24));
        let order = NewOrder { not_after, ..order_for(&["a.localhost"]) };
        let order = session.new_order(&order).await.unwrap();
        session.finalize(&order.object.finalize, &request_for(&["a.localhost"]).1).await.unwrap();
        world.work().await;
        let url = session.order(&order.url).await.unwrap().object.certificate.unwrap();
        let leaf = Certificate::from_pem(&session.certificate(&url).await.unwrap()[0]).unwrap();
        assert_eq!(leaf.not_after(), world.now() + SignedDuration::from_hours(given * 24));
    }
}

#[tokio::test]
async fn a_synchronous_ca_answers_finalize_with_a_valid_order() {
    let world = World::with(|settings| settings.finalization = Finalization::Synchronous);
    let session = world.session().await;
    let order = world.ready_order(&session, &["a.localhost"]).await;
    let valid = session.finalize(&order.object.finalize, &request_for(&["a.localhost"]).1).await.unwrap();
    assert_eq!(valid.object.status, OrderStatus::Valid);
    assert!(session.certificate(&valid.object.certificate.unwrap()).await.is_ok());
}

#[tokio::test]
async fn work_goes_on_by_itself_while_requests_come() {
    let world = World::new();
    let ca = world.ca();
    let clock = || world.now();
    let story = async {
        let session = world.session().await;
        let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
        world.present(&session, &order.object.authorizations[0]).await;
        loop {
            let order = session.order(&order.url).await.unwrap().object;
            match order.certificate {
                Some(url) => break session.certificate(&url).await.unwrap(),
                None if order.status == OrderStatus::Ready => {
                    session.finalize(&order.finalize, &request_for(&["a.localhost"]).1).await.unwrap();
                }
                None => tokio::task::yield_now().await,
            }
        }
    };
    let views: [&dyn Prober; 1] = [&*world.site];
    tokio::select! {
        chains = story => assert_eq!(chains.len(), 2),
        never = ca.work(&views, &clock) => match never {},
    }
}
