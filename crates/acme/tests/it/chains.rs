//! Two chains for each certificate (RFC 8555 section 7.4.2), and a change of the intermediate below them.

use jamul_acme::ca::rotate_intermediate;
use jamul_pki::Certificate;

use crate::fixture::World;

fn ends_at(chain: &str, root: &Certificate) -> bool {
    let chain = Certificate::chain_from_pem(chain).unwrap();
    let [leaf, intermediate] = chain.as_slice() else { panic!("a leaf and an intermediate") };
    leaf.is_issued_by(intermediate) && intermediate.is_issued_by(root)
}

#[tokio::test]
async fn the_default_chain_comes_first_and_the_alternate_ends_at_the_other_root() {
    let world = World::new();
    let session = world.session().await;
    world.certificate(&session, &["a.localhost"]).await;
    let order = session.orders().await.unwrap().remove(0);
    let url = session.order(&order).await.unwrap().object.certificate.unwrap();
    let [default, alternate] = session.certificate(&url).await.unwrap().try_into().unwrap();
    assert_eq!(session.chain(&url).await.unwrap(), default);
    let other = Certificate::from_pem(&world.get("/root-alternate.pem")).unwrap();
    assert!(ends_at(&default, &world.root()) && !ends_at(&default, &other));
    assert!(ends_at(&alternate, &other) && !ends_at(&alternate, &world.root()));
    let leaf = |chain: &str| Certificate::from_pem(chain).unwrap();
    assert_eq!(leaf(&default), leaf(&alternate));
}

#[tokio::test]
async fn a_rotated_ca_signs_with_the_new_intermediate_and_still_lists_what_the_old_one_signed() {
    let world = World::new();
    let session = world.session().await;
    let (before, _) = world.certificate(&session, &["a.localhost"]).await;
    let rotated = rotate_intermediate(&world.path(), world.now()).unwrap();
    let (after, _) = world.certificate(&session, &["b.localhost"]).await;
    assert!(after.is_issued_by(&rotated) && !before.is_issued_by(&rotated));
    session.revoke(before.der(), None).await.unwrap();
    assert_eq!(world.list_of(&before).reason(before.serial()), Some(0));
    assert_eq!(world.list_of(&after).reason(before.serial()), None, "each signs its own list");
    assert!(world.list_of(&after).is_issued_by(&rotated));
}
