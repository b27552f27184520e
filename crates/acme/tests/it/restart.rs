//! A CA that is killed at any step goes on where it was.

use std::fs;

use jamul_acme::ca::{Ca, CaError, CaSettings};
use jamul_acme::wire::{AuthorizationStatus, Identifier, OrderStatus};
use jamul_pki::Certificate;
use jiff::SignedDuration;

use crate::fixture::{BASE, World, order_for, request_for};

#[tokio::test]
async fn a_ca_killed_after_every_step_issues_one_certificate() {
    let world = World::new();
    let root = world.ca().root_pem();
    let session = world.session().await;
    world.restart();
    let order = session.new_order(&order_for(&["a.localhost", "b.localhost"])).await.unwrap();
    world.restart();
    world.present(&session, &order.object.authorizations[0]).await;
    world.restart();
    world.present(&session, &order.object.authorizations[1]).await;
    world.restart();
    assert_eq!(world.work().await, 2, "both validations are taken up again");
    world.restart();
    assert_eq!(session.order(&order.url).await.unwrap().object.status, OrderStatus::Ready);
    let (key, csr) = request_for(&["a.localhost", "b.localhost"]);
    session.finalize(&order.object.finalize, &csr).await.unwrap();
    world.restart();
    assert_eq!(session.order(&order.url).await.unwrap().object.status, OrderStatus::Processing);
    assert_eq!(world.work().await, 1, "issuing is taken up again");
    world.restart();
    assert_eq!(world.work().await, 0, "and done once");
    let url = session.order(&order.url).await.unwrap().object.certificate.unwrap();
    let first = session.certificate(&url).await.unwrap();
    world.restart();
    assert_eq!(session.certificate(&url).await.unwrap(), first);
    assert_eq!(*Certificate::from_pem(&first[0]).unwrap().public_key(), key.public_key());
    assert_eq!(world.ca().root_pem(), root);
}

#[tokio::test]
async fn a_ca_killed_at_any_write_loses_nothing_it_answered_and_doubles_nothing() {
    let hosts = ["a.localhost", "b.localhost"];
    let world = World::new();
    let session = world.session().await;
    let (leaf, _) = world.certificate(&session, &hosts).await;
    session.revoke(leaf.der(), None).await.unwrap();
    let journal = fs::read(world.path().join("journal.jsonl")).unwrap();

    let mut steps = 0;
    let mut begin = 0;
    for line in journal.split_inclusive(|byte| *byte == b'\n') {
        // Killed in the middle of this write, and right after it.
        for end in [begin + line.len() / 2, begin + line.len()] {
            let world = world.killed_at(&journal[..end]);
            let client = world.client().await;
            let session = client.register(session.key(), &[], true, None).await.unwrap();
            world.work().await;
            let mut valid = Vec::new();
            for url in session.orders().await.unwrap() {
                valid.extend(session.order(&url).await.unwrap().object.certificate);
            }
            let leaf = match valid.as_slice() {
                [] => world.certificate(&session, &hosts).await.0,
                [url] => Certificate::from_pem(&session.chain(url).await.unwrap()).unwrap(),
                several => panic!("{} certificates", several.len()),
            };
            assert!(hosts.iter().all(|host| leaf.covers(host)));
            session.revoke(leaf.der(), None).await.unwrap();
            assert_eq!(session.orders().await.unwrap().len(), 1, "killed at {end}");
            assert!(world.list_of(&leaf).reason(leaf.serial()).is_some());
            steps += 1;
        }
        begin += line.len();
    }
    assert!(
        steps >= 2 * 9,
        "a header, an account, an order, two times two for the names, and so on: {steps}"
    );
}

#[tokio::test]
async fn whatever_the_journal_lost_at_its_end_was_not_answered_yet() {
    let world = World::new();
    let session = world.session().await;
    let order = world.ready_order(&session, &["a.localhost"]).await;
    let journal = world.path().join("journal.jsonl");
    let before = fs::metadata(&journal).unwrap().len();
    session.finalize(&order.object.finalize, &request_for(&["a.localhost"]).1).await.unwrap();
    let after = fs::metadata(&journal).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&journal).unwrap();
    file.set_len(after - (after - before) / 2).unwrap();
    world.restart();
    assert_eq!(session.order(&order.url).await.unwrap().object.status, OrderStatus::Ready);
    session.finalize(&order.object.finalize, &request_for(&["a.localhost"]).1).await.unwrap();
    assert_eq!(world.work().await, 1);
}

#[tokio::test]
async fn a_validation_answered_twice_is_recorded_once() {
    let world = World::new();
    let session = world.session().await;
    let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    world.present(&session, &order.object.authorizations[0]).await;
    let challenge =
        session.authorization(&order.object.authorizations[0]).await.unwrap().object.challenges.remove(0);
    session.accept(&challenge.url).await.unwrap();
    assert_eq!(world.work().await, 1);
    let authorization = session.authorization(&order.object.authorizations[0]).await.unwrap().object;
    assert_eq!(authorization.status, AuthorizationStatus::Valid);
}

#[tokio::test]
async fn history_is_dropped_and_what_lives_is_kept() {
    let world = World::new();
    let session = world.session().await;
    let (leaf, _) = world.certificate(&session, &["a.localhost"]).await;
    for _ in 0..600 {
        session.update_contact(&["mailto:a@example.com".to_owned()]).await.unwrap();
        session.update_contact(&["mailto:b@example.com".to_owned()]).await.unwrap();
    }
    let journal = world.path().join("journal.jsonl");
    let long = fs::metadata(&journal).unwrap().len();
    world.restart();
    assert!(fs::metadata(&journal).unwrap().len() < long / 10);
    assert_eq!(session.account().await.unwrap().contact, ["mailto:b@example.com"]);
    session.revoke(leaf.der(), None).await.unwrap();
}

#[test]
fn one_folder_has_one_ca() {
    let world = World::new();
    let second = Ca::open(&world.path(), CaSettings::new(BASE), world.now());
    assert!(matches!(second, Err(CaError::InUse { .. })));
    let message = second.unwrap_err().to_string();
    assert_eq!(
        message,
        format!(
            "another process uses the CA in {}; stop it, or choose another folder",
            world.path().display()
        )
    );
}

#[test]
fn settings_that_make_no_sense_are_refused_before_the_folder_is_touched() {
    let world = World::new();
    let folder = world.path().join("other");
    for base in ["ca.test", "ftp://ca.test", "https://ca.test/?x"] {
        let opened = Ca::open(&folder, CaSettings::new(base), world.now());
        assert!(matches!(opened, Err(CaError::BaseUrl { .. })), "{base}");
    }
    let mut settings = CaSettings::new(BASE);
    for validity in [SignedDuration::ZERO, SignedDuration::from_secs(-1), SignedDuration::MAX] {
        settings.validity = validity;
        assert!(matches!(Ca::open(&folder, settings.clone(), world.now()), Err(CaError::Validity { .. })));
    }
    assert!(!folder.exists());
}

#[tokio::test]
async fn an_order_that_nobody_finalized_expires() {
    let world = World::new();
    let session = world.session().await;
    let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    world.wait(SignedDuration::from_hours(1));
    let expired = session.order(&order.url).await.unwrap().object;
    assert_eq!(expired.status, OrderStatus::Invalid);
    let error = expired.error.unwrap();
    assert_eq!(error.identifier, Some(Identifier::Dns("a.localhost".to_owned())));
    assert_eq!(error.detail, "the authorization expired at 2027-01-15T09:00:00Z");
}
