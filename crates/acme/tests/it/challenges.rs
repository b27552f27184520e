//! Every way to prove a name.

use jamul_acme::ca::{ProbeError, Prober as _};
use jamul_acme::problem::ProblemType;
use jamul_acme::wire::{AuthorizationStatus, ChallengeType, Identifier, OrderStatus};
use jamul_pki::Certificate;

use crate::fixture::{Site, World, order_for, request_for};

#[tokio::test]
async fn a_name_is_proved_by_any_of_three_challenges() {
    let world = World::new();
    let session = world.session().await;
    for kind in [ChallengeType::Http01, ChallengeType::TlsAlpn01, ChallengeType::Dns01] {
        let host = format!("{kind}.example");
        let order = session.new_order(&order_for(&[&host])).await.unwrap();
        world.prove(&session, &order.object.authorizations[0], Some(kind.clone())).await;
        world.work().await;
        let proved = session.authorization(&order.object.authorizations[0]).await.unwrap().object;
        assert_eq!(proved.status, AuthorizationStatus::Valid, "{:?}", proved.challenges);
        assert!(matches!(proved.challenges.as_slice(), [only] if only.kind == kind));
    }
}

#[tokio::test]
async fn a_wildcard_is_proved_in_the_dns_beside_its_own_name() {
    let world = World::new();
    let session = world.session().await;
    let hosts = ["*.example.com", "example.com"];
    let order = session.new_order(&order_for(&hosts)).await.unwrap();
    let mut seen = Vec::new();
    for url in &order.object.authorizations {
        let authorization = session.authorization(url).await.unwrap().object;
        assert_eq!(authorization.identifier, Identifier::Dns("example.com".to_owned()));
        let kinds: Vec<String> = authorization.challenges.iter().map(|one| one.kind.to_string()).collect();
        seen.push((authorization.wildcard, kinds.join(" ")));
        world.prove(&session, url, Some(ChallengeType::Dns01)).await;
    }
    seen.sort();
    assert_eq!(seen, [(false, "http-01 tls-alpn-01 dns-01".to_owned()), (true, "dns-01".to_owned())]);
    assert_eq!(world.site.txt("_acme-challenge.example.com").await.unwrap().len(), 2, "side by side");
    world.work().await;
    let (_, csr) = request_for(&hosts);
    session.finalize(&order.object.finalize, &csr).await.unwrap();
    world.work().await;
    let order = session.order(&order.url).await.unwrap().object;
    assert_eq!(order.status, OrderStatus::Valid, "{:?}", order.error);
    let chain = session.certificate(&order.certificate.unwrap()).await.unwrap().remove(0);
    let leaf = Certificate::from_pem(&chain).unwrap();
    assert!(leaf.covers("a.example.com") && leaf.covers("example.com") && !leaf.covers("a.b.example.com"));
}

#[tokio::test]
async fn an_address_is_proved_by_what_it_serves() {
    let world = World::new();
    let session = world.session().await;
    let order = session.new_order(&order_for(&["127.0.0.1"])).await.unwrap();
    let found = session.authorization(&order.object.authorizations[0]).await.unwrap().object;
    let kinds: Vec<ChallengeType> = found.challenges.into_iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [ChallengeType::Http01, ChallengeType::TlsAlpn01]);
}

#[tokio::test]
async fn a_missing_record_and_a_wrong_one_are_told_apart() {
    let world = World::new();
    let session = world.session().await;
    for (host, text, kind) in [
        ("missing.example", None, ProblemType::Unauthorized),
        ("wrong.example", Some("nonsense"), ProblemType::IncorrectResponse),
    ] {
        let order = session.new_order(&order_for(&[host])).await.unwrap();
        let url = &order.object.authorizations[0];
        let authorization = session.authorization(url).await.unwrap().object;
        let challenge = authorization.challenges.iter().find(|one| one.kind == ChallengeType::Dns01).unwrap();
        if let Some(text) = text {
            let name = format!("_acme-challenge.{host}");
            world.site.texts.lock().unwrap().insert(name, vec![text.to_owned()]);
        }
        session.accept(&challenge.url).await.unwrap();
        world.work().await;
        let failed = session.order(&order.url).await.unwrap().object;
        let error = failed.error.unwrap();
        assert_eq!((error.kind, error.identifier), (kind, Some(Identifier::from_host(host))));
    }
}

#[tokio::test]
async fn a_proof_that_only_one_view_sees_proves_nothing() {
    let world = World::new();
    let session = world.session().await;
    let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    world.present(&session, &order.object.authorizations[0]).await;
    let elsewhere = Site::default();
    let job = world.ca().take_job().unwrap();
    world.ca().perform(job, &[&*world.site, &elsewhere], &|| world.now()).await.unwrap();
    let failed = session.order(&order.url).await.unwrap().object;
    let detail = failed.error.unwrap().detail;
    assert!(detail.starts_with("seen from another place (2): "), "{detail}");
    assert!(detail.ends_with(&ProbeError::Connect("nobody listens".to_owned()).to_string()), "{detail}");
}
