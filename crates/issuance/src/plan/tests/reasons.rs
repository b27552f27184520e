//! Why a certificate is issued anew: each answer of the policy chain, with the reason by which users know it.

use super::super::*;
use super::world::World;
use crate::testing::{self, certificate};

/// What the plan announces first, as reason and message; nothing where no issuance begins.
fn begins(world: &World) -> Option<(String, String)> {
    let status = world.plan().steps.into_iter().find_map(|step| match step {
        Step::SetStatus(status) => Some(status),
        _ => None,
    })?;
    let issuing = condition::find(&status.conditions, "Issuing").filter(|issuing| issuing.is_true())?;
    Some((issuing.reason.clone(), issuing.message.clone()))
}

/// A change after which one more certificate is made, for this reason.
fn reissues(change: impl FnOnce(&mut World), reason: &str, part: &str) {
    let mut world = World::issued(certificate(&["web.example"]));
    assert_eq!(begins(&world), None);
    change(&mut world);
    let (found, message) = begins(&world).unwrap_or_default();
    assert!(found == reason && message.contains(part), "{reason}: {found:?} {message:?}");
    world.settle();
    assert_eq!((world.requests_made, world.is_ready()), (2, true), "{reason}: {:?}", world.status());
}

fn data(world: &mut World) -> &mut std::collections::BTreeMap<String, jamul_api::core::ByteString> {
    world.secrets.get_mut("web-tls").unwrap().data.as_mut().unwrap()
}

fn annotate(world: &mut World, name: &str, value: &str) {
    let annotations = world.secrets.get_mut("web-tls").unwrap().metadata.annotations.as_mut().unwrap();
    annotations.insert(name.to_owned(), value.to_owned());
}

fn bytes(text: &str) -> jamul_api::core::ByteString {
    jamul_api::core::ByteString(text.as_bytes().to_vec())
}

#[test]
fn a_secret_that_is_gone_or_lacks_data_or_cannot_be_read_is_written_anew() {
    reissues(|world| _ = world.secrets.remove("web-tls"), "DoesNotExist", "\"web-tls\" does not exist");
    reissues(|world| _ = data(world).remove("tls.key"), "MissingData", "tls.key");
    reissues(|world| _ = data(world).insert("tls.crt".to_owned(), bytes("")), "MissingData", "tls.crt");
    reissues(|world| _ = data(world).insert("tls.key".to_owned(), bytes("x")), "InvalidKeyPair", "tls.key");
    reissues(
        |world| _ = data(world).insert("tls.crt".to_owned(), bytes("x")),
        "InvalidCertificate",
        "tls.crt",
    );
}

#[test]
fn a_key_that_somebody_else_put_there_is_replaced() {
    let other = testing::key().to_pem(jamul_pki::KeyEncoding::Pkcs8).unwrap();
    reissues(
        |world| _ = data(world).insert("tls.key".to_owned(), bytes(&other)),
        "InvalidKeyPair",
        "does not fit",
    );
}

#[test]
fn a_whole_pair_that_somebody_else_put_there_is_replaced() {
    let foreign = World::issued(certificate(&["web.example"])).secrets["web-tls"].data.clone().unwrap();
    reissues(|world| data(world).extend(foreign), "SecretMismatch", "another key than the last");
}

#[test]
fn another_issuer_in_spec_or_secret_is_a_reason_and_a_default_written_out_is_none() {
    reissues(
        |world| world.certificate.spec.issuer_ref.name = "other".to_owned(),
        "IncorrectIssuer",
        "\"other\"",
    );
    reissues(
        |world| world.certificate.spec.issuer_ref.kind = "ClusterIssuer".to_owned(),
        "IncorrectIssuer",
        "ClusterIssuer",
    );
    reissues(|world| annotate(world, names::ISSUER_NAME, "other"), "IncorrectIssuer", "\"other\"");
    let mut world = World::issued(certificate(&["web.example"]));
    world.certificate.spec.issuer_ref.kind = "Issuer".to_owned();
    world.certificate.spec.issuer_ref.group = "cert-manager.io".to_owned();
    world.settle();
    assert_eq!(world.requests_made, 1);
}

#[test]
fn a_secret_of_another_certificate_is_taken_over_by_the_one_that_may_write_it() {
    reissues(|world| annotate(world, names::CERTIFICATE_NAME, "api"), "IncorrectCertificate", "\"api\"");
    let mut world = World::issued(certificate(&["web.example"]));
    annotate(&mut world, names::CERTIFICATE_NAME, "api");
    world.is_secret_owner = false;
    world.settle();
    assert_eq!((world.requests_made, world.is_ready()), (1, false));
    assert_eq!(world.condition("Ready").unwrap().reason, "IncorrectCertificate");
}

#[test]
fn another_kind_of_key_is_a_reason_and_another_encoding_is_none() {
    reissues(
        |world| world.certificate.spec.private_key.as_mut().unwrap().size = Some(384),
        "SecretMismatch",
        "spec.privateKey asks for",
    );
    let mut world = World::issued(certificate(&["web.example"]));
    let options = world.certificate.spec.private_key.as_mut().unwrap();
    options.encoding = "PKCS8".to_owned();
    options.rotation_policy = "Never".to_owned();
    world.certificate.spec.renew_before = Some("24h".to_owned());
    world.certificate.spec.revision_history_limit = Some(3);
    world.settle();
    assert_eq!(world.requests_made, 1);
}

#[test]
fn a_change_of_what_was_asked_for_is_a_reason_that_names_the_field() {
    reissues(
        |world| world.certificate.spec.dns_names.push("b.example".to_owned()),
        "RequestChanged",
        "spec.dnsNames",
    );
    reissues(
        |world| world.certificate.spec.common_name = "web.example".to_owned(),
        "RequestChanged",
        "spec.subject",
    );
    reissues(
        |world| world.certificate.spec.usages = vec!["server auth".to_owned()],
        "RequestChanged",
        "spec.usages",
    );
    reissues(|world| world.certificate.spec.is_ca = true, "RequestChanged", "spec.isCA");
}

#[test]
fn without_its_request_the_certificate_itself_is_compared() {
    let mut world = World::issued(certificate(&["web.example"]));
    world.requests.clear();
    assert_eq!(begins(&world), None, "as after a takeover");
    world.certificate.spec.dns_names.push("b.example".to_owned());
    let (reason, message) = begins(&world).unwrap();
    assert!(reason == "SecretMismatch" && message.contains("b.example"), "{message}");
}

#[test]
fn a_renewal_is_told_with_the_time_it_was_planned_for() {
    let mut world = World::issued(certificate(&["web.example"]));
    world.now = world.status().renewal_time.unwrap().0;
    let (reason, message) = begins(&world).unwrap();
    assert_eq!(reason, policy::RENEWING);
    assert_eq!(message, format!("Renewing certificate as renewal was scheduled at {}", world.now));
}

#[test]
fn a_secret_of_another_type_keeps_it_and_gets_the_certificate() {
    let mut world = World::new(certificate(&["web.example"]));
    let mut opaque = testing::pair("web-tls", "", &testing::key());
    opaque.type_ = Some("Opaque".to_owned());
    opaque.data = Some([("theirs".to_owned(), bytes("x"))].into());
    world.secrets.insert("web-tls".to_owned(), opaque);
    world.settle();
    let secret = &world.secrets["web-tls"];
    assert_eq!((world.is_ready(), secret.type_.as_deref()), (true, Some("Opaque")));
    assert!(secret.data.as_ref().unwrap().contains_key("theirs"), "what is theirs stays");
}
