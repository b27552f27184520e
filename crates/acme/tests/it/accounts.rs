//! Accounts: found, changed, closed, re-keyed, bound.

use jamul_acme::ca::{Registration, create_external_key};
use jamul_acme::jose::{AccountKey, ExternalBinding};
use jamul_acme::problem::ProblemType;
use jamul_acme::wire::{AccountStatus, OrderStatus};
use jamul_pki::{KeyAlgorithm, PrivateKey};

use crate::fixture::{World, order_for};
use crate::wrong::problem;

#[tokio::test]
async fn one_key_has_one_account_however_often_it_registers() {
    let world = World::new();
    let client = world.client().await;
    let key = AccountKey::generate().unwrap();
    assert!(client.find(&key).await.unwrap().is_none());
    let contact = ["mailto:admin@example.com".to_owned()];
    let first = client.register(&key, &contact, true, None).await.unwrap();
    assert_eq!(world.last_answer(|answer| answer.status()), 201);
    let again = client.register(&key, &[], true, None).await.unwrap();
    assert_eq!(world.last_answer(|answer| answer.status()), 200);
    assert_eq!(first.account_url(), again.account_url());
    assert_eq!(client.find(&key).await.unwrap().unwrap().account_url(), first.account_url());
    let account = client.resume(&key, first.account_url()).account().await.unwrap();
    assert_eq!((account.status, account.contact), (AccountStatus::Valid, contact.to_vec()));
}

#[tokio::test]
async fn every_kind_of_key_can_hold_an_account() {
    let world = World::new();
    let client = world.client().await;
    for algorithm in [
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::EcdsaP521,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa { bits: 2048 },
    ] {
        let key = AccountKey::new(PrivateKey::generate(algorithm).unwrap()).unwrap();
        let session = client.register(&key, &[], true, None).await.unwrap();
        assert_eq!(session.account().await.unwrap().status, AccountStatus::Valid, "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_closed_account_can_do_nothing_and_cannot_come_back() {
    let world = World::new();
    let session = world.session().await;
    assert_eq!(session.deactivate().await.unwrap().status, AccountStatus::Deactivated);
    let refused = problem(session.new_order(&order_for(&["a.localhost"])).await);
    assert_eq!((refused.status().as_u16(), refused.kind), (401, ProblemType::Unauthorized));
    let refused = problem(session.client().register(session.key(), &[], true, None).await);
    assert_eq!(refused.kind, ProblemType::Unauthorized);
}

#[tokio::test]
async fn a_key_change_moves_the_account_and_its_proofs() {
    let world = World::new();
    let old = world.session().await;
    let order = old.new_order(&order_for(&["a.localhost"])).await.unwrap();
    let key = AccountKey::generate().unwrap();
    let new = old.change_key(&key).await.unwrap();
    world.restart();
    assert_eq!(new.account_url(), old.account_url());
    // Challenges are answered with the key the account has when the CA looks (RFC 8555 section 8.1).
    world.present(&new, &order.object.authorizations[0]).await;
    world.work().await;
    assert_eq!(new.order(&order.url).await.unwrap().object.status, OrderStatus::Ready);
    assert_eq!(problem(old.account().await).kind, ProblemType::Malformed, "the old key signs for nobody");
    assert!(old.client().find(old.key()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_key_with_an_account_cannot_be_taken() {
    let world = World::new();
    let (one, other) = (world.session().await, world.session().await);
    let refused = problem(one.change_key(other.key()).await);
    assert_eq!(refused.status().as_u16(), 409);
    let location = world.last_answer(|answer| answer.headers()["location"].to_str().unwrap().to_owned());
    assert_eq!(location, other.account_url());
}

#[tokio::test]
async fn a_bound_ca_takes_only_holders_of_its_keys() {
    let world = World::with(|settings| settings.registration = Registration::Bound);
    let made = create_external_key(&world.path()).unwrap();
    let known = ExternalBinding::parse(&made.key_id, &made.hmac_key).unwrap();
    let client = world.client().await;
    assert!(client.meta().external_account_required);
    let key = AccountKey::generate().unwrap();
    let refused = problem(client.register(&key, &[], true, None).await);
    assert_eq!(refused.kind, ProblemType::ExternalAccountRequired);
    for wrong in ["team-b", "../root.pem", "", &made.key_id] {
        let wrong = ExternalBinding::parse(wrong, "eHg").unwrap();
        let refused = problem(client.register(&key, &[], true, Some(&wrong)).await);
        assert_eq!((refused.status().as_u16(), refused.kind), (401, ProblemType::Unauthorized));
    }
    client.register(&key, &[], true, Some(&known)).await.unwrap();
    client.register(&key, &[], true, Some(&known)).await.unwrap();
    world.restart();
    let refused = problem(client.register(&AccountKey::generate().unwrap(), &[], true, Some(&known)).await);
    assert!(refused.detail.contains("has an account already"), "each key is good for one: {refused}");
}

#[tokio::test]
async fn a_binding_that_nobody_asked_for_has_to_be_right_as_well() {
    let world = World::new();
    let client = world.client().await;
    let wrong = ExternalBinding::parse("team-a", "eHg").unwrap();
    let refused = problem(client.register(&AccountKey::generate().unwrap(), &[], true, Some(&wrong)).await);
    assert_eq!(refused.kind, ProblemType::Unauthorized);
}

#[tokio::test]
async fn orders_are_listed_in_pages_without_invalid_ones() {
    let world = World::new();
    let session = world.session().await;
    let mut placed = Vec::new();
    for index in 0..150 {
        placed.push(session.new_order(&order_for(&[&format!("h{index}.localhost")])).await.unwrap());
    }
    session.deactivate_authorization(&placed[0].object.authorizations[0]).await.unwrap();
    let expected: Vec<_> = placed.iter().skip(1).map(|order| order.url.clone()).collect();
    assert_eq!(session.orders().await.unwrap(), expected);
}

#[tokio::test]
async fn an_account_cannot_see_what_belongs_to_another() {
    let world = World::new();
    let (owner, stranger) = (world.session().await, world.session().await);
    let order = owner.new_order(&order_for(&["a.localhost"])).await.unwrap();
    let refusals = [
        problem(stranger.order(&order.url).await),
        problem(stranger.authorization(&order.object.authorizations[0]).await),
        problem(stranger.finalize(&order.object.finalize, b"").await),
    ];
    for refused in refusals {
        assert_eq!((refused.status().as_u16(), refused.kind), (403, ProblemType::Unauthorized));
    }
}
