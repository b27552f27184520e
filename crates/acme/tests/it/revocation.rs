//! Revocation by whoever may.

use jamul_acme::jose::AccountKey;
use jamul_acme::problem::ProblemType;
use jamul_acme::wire::RevocationReason;
use jiff::SignedDuration;

use crate::fixture::World;
use crate::wrong::{Forger, problem};

#[tokio::test]
async fn the_account_the_key_and_whoever_proved_the_names_may_revoke() {
    let world = World::new();
    let owner = world.session().await;
    let stranger = world.session().await;

    let (leaf, _) = world.certificate(&owner, &["a.localhost"]).await;
    assert_eq!(problem(stranger.revoke(leaf.der(), None).await).kind, ProblemType::Unauthorized);
    owner.revoke(leaf.der(), Some(RevocationReason::Superseded)).await.unwrap();

    let (leaf, key) = world.certificate(&owner, &["a.localhost"]).await;
    let key = AccountKey::new(key).unwrap();
    let client = world.client().await;
    client.revoke_with_certificate_key(&key, leaf.der(), None).await.unwrap();

    let (leaf, _) = world.certificate(&owner, &["a.localhost"]).await;
    world.ready_order(&stranger, &["a.localhost"]).await;
    stranger.revoke(leaf.der(), None).await.unwrap();
}

#[tokio::test]
async fn a_revocation_lasts_and_a_second_one_says_so() {
    let world = World::new();
    let session = world.session().await;
    let (leaf, _) = world.certificate(&session, &["a.localhost"]).await;
    session.revoke(leaf.der(), None).await.unwrap();
    world.restart();
    session.revoke(leaf.der(), None).await.unwrap();
    let refused = world.last_answer(|answer| String::from_utf8_lossy(answer.body()).into_owned());
    assert!(refused.contains("acme:error:alreadyRevoked"), "{refused}");
}

#[tokio::test]
async fn the_list_that_a_certificate_names_tells_of_its_revocation_and_why() {
    let world = World::new();
    let session = world.session().await;
    let (leaf, _) = world.certificate(&session, &["a.localhost"]).await;
    let before = world.list_of(&leaf);
    assert_eq!(before.reason(leaf.serial()), None);
    session.revoke(leaf.der(), Some(RevocationReason::KeyCompromise)).await.unwrap();
    world.wait(SignedDuration::from_secs(1));
    world.restart();
    let after = world.list_of(&leaf);
    assert_eq!(after.reason(leaf.serial()), Some(1));
    assert!(after.number() > before.number() && after.next_update() > Some(world.now()));
}

#[tokio::test]
async fn unknown_certificates_and_odd_reasons_are_refused() {
    let world = World::new();
    let session = world.session().await;
    let (leaf, _) = world.certificate(&session, &["a.localhost"]).await;
    assert_eq!(problem(session.revoke(b"no certificate", None).await).status().as_u16(), 404);
    let forger = Forger::new(&world, &session);
    let certificate = forger.base64(leaf.der());
    for reason in [2, 6, 7, 8, 9, 10, 255] {
        let payload = format!(r#"{{"certificate":"{certificate}","reason":{reason}}}"#);
        let refused = forger.refusal("/acme/revoke-cert", &payload);
        assert_eq!(refused.kind, ProblemType::BadRevocationReason, "{reason}");
    }
    session.revoke(leaf.der(), None).await.unwrap();
}
