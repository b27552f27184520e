//! What a Certificate may want beside a certificate: templates, forms, keystores, other issuers, a bridge.

use jamul_api::SecretKeySelector;
use jamul_api::certificate::{AdditionalOutputFormat, CertificateRenewal, JksKeystore, SecretTemplate};
use jiff::SignedDuration;

use super::super::*;
use super::world::{Issuer, World};
use crate::outputs;
use crate::testing::{at, ca_secret, certificate};

fn labels(world: &World) -> Vec<(String, String)> {
    let labels = world.secrets["web-tls"].metadata.labels.clone().unwrap_or_default();
    labels.into_iter().filter(|(name, _)| name != names::FAO_LABEL).collect()
}

fn template(label: &str) -> Option<SecretTemplate> {
    let labels = [(label.to_owned(), "x".to_owned())].into();
    Some(SecretTemplate { labels, ..SecretTemplate::default() })
}

#[test]
fn a_template_is_applied_and_taken_back_without_a_new_certificate() {
    let mut world = World::issued(certificate(&["web.example"]));
    let foreign = world.secrets.get_mut("web-tls").unwrap().metadata.labels.get_or_insert_default();
    foreign.insert("theirs".to_owned(), "y".to_owned());
    for (wanted, expected) in [(template("a"), vec!["a", "theirs"]), (template("b"), vec!["b", "theirs"])] {
        world.certificate.spec.secret_template = wanted;
        world.settle();
        let names: Vec<_> = labels(&world).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, expected);
    }
    world.certificate.spec.secret_template = None;
    world.settle();
    assert_eq!(labels(&world), [("theirs".to_owned(), "y".to_owned())]);
    assert_eq!(world.secrets["web-tls"].annotation(names::MANAGED), None);
    assert_eq!((world.requests_made, world.is_ready()), (1, true));
}

#[test]
fn what_cert_manager_managed_is_taken_back_too() {
    let mut world = World::issued(certificate(&["web.example"]));
    let secret = world.secrets.get_mut("web-tls").unwrap();
    let fields = serde_json::json!({ "f:metadata": { "f:labels": { "f:old": {} } } });
    secret.metadata.labels.get_or_insert_default().insert("old".to_owned(), "x".to_owned());
    secret.metadata.managed_fields = serde_json::from_value(serde_json::json!([
        { "manager": "cert-manager-certificates-issuing", "operation": "Apply", "fieldsV1": fields },
    ]))
    .unwrap();
    world.settle();
    assert_eq!(labels(&world), []);
    assert_eq!(world.requests_made, 1);
}

#[test]
fn what_somebody_edits_in_the_secret_comes_back() {
    let mut world = World::issued(certificate(&["web.example"]));
    let before = world.secrets["web-tls"].clone();
    let annotations = world.secrets.get_mut("web-tls").unwrap().metadata.annotations.as_mut().unwrap();
    annotations.insert(names::ALT_NAMES.to_owned(), "other.example".to_owned());
    world.secrets.get_mut("web-tls").unwrap().metadata.labels = None;
    world.settle();
    assert_eq!((&world.secrets["web-tls"], world.requests_made), (&before, 1));
}

#[test]
fn further_forms_come_and_go_with_the_spec() {
    let mut world = World::issued(certificate(&["web.example"]));
    let formats = ["DER", "CombinedPEM"].map(|name| AdditionalOutputFormat { type_: name.to_owned() });
    world.certificate.spec.additional_output_formats = formats.to_vec();
    world.settle();
    let combined = world.pem("web-tls", "tls-combined.pem");
    let (key, chain) = (world.pem("web-tls", names::TLS_KEY), world.pem("web-tls", names::TLS_CRT));
    assert_eq!(combined, format!("{key}\n{chain}"));
    assert!(world.secrets["web-tls"].data.as_ref().unwrap().contains_key("key.der"));
    world.certificate.spec.additional_output_formats.clear();
    world.settle();
    let data = world.secrets["web-tls"].data.clone().unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["ca.crt", "tls.crt", "tls.key"]);
    assert_eq!(world.requests_made, 1);
}

#[test]
fn a_keystore_waits_for_its_password_and_follows_it() {
    let mut wanted = certificate(&["web.example"]);
    let secret = SecretKeySelector { name: "store".to_owned(), key: String::new() };
    let jks = JksKeystore { create: true, password_secret_ref: Some(secret), ..JksKeystore::default() };
    wanted.spec.keystores.get_or_insert_default().jks = Some(jks);
    let mut world = World::new(wanted);
    // Without a password the same is announced again with each look: a plan is never empty.
    for _ in 0..6 {
        for step in world.plan().steps {
            world.perform(step);
        }
        world.answer();
    }
    assert!(!world.secrets.contains_key("web-tls"));
    assert!(world.plan().wake.is_some_and(|wake| wake <= world.now + SignedDuration::from_mins(1)));
    let mut stores = Vec::new();
    for password in ["first", "second"] {
        world.passwords = outputs::passwords(&world.certificate.spec, |_| Some(password.to_owned()));
        world.settle();
        let data = world.secrets["web-tls"].data.clone().unwrap();
        assert!(data.contains_key("truststore.jks"));
        stores.push(data["keystore.jks"].clone());
    }
    assert!(stores[0] != stores[1]);
    assert_eq!((world.requests_made, world.is_ready()), (1, true));
    world.certificate.spec.keystores = None;
    world.settle();
    assert!(!world.secrets["web-tls"].data.as_ref().unwrap().contains_key("keystore.jks"));
}

#[test]
fn the_secret_goes_with_its_certificate_only_if_that_is_wanted() {
    let mut world = World::issued(certificate(&["web.example"]));
    assert_eq!(world.secrets["web-tls"].metadata.owner_references, None);
    for (owner, count) in [(SecretOwner::Certificate, 1), (SecretOwner::Nobody, 0)] {
        world.owner = owner;
        world.settle();
        let owners = world.secrets["web-tls"].metadata.owner_references.clone().unwrap_or_default();
        assert_eq!(owners.len(), count);
    }
    assert_eq!(world.requests_made, 1);
}

fn with_fallback() -> Certificate {
    let mut wanted = certificate(&["web.example"]);
    wanted.metadata.annotations = Some([(names::FALLBACK_ISSUERS.to_owned(), "b".to_owned())].into());
    wanted
}

#[test]
fn another_issuer_is_asked_at_once_when_the_first_refuses() {
    let mut world = World::new(with_fallback());
    world.issuer = Issuer::Only("b");
    world.settle();
    assert!(world.is_ready(), "{:?}", world.status());
    assert_eq!(world.secrets["web-tls"].annotation(names::ISSUER_NAME), Some("b"));
    assert_eq!((world.requests_made, world.status().failed_issuance_attempts), (2, None));
    world.wait(24);
    assert_eq!(world.requests_made, 2, "what the other issued satisfies the Certificate");
}

#[test]
fn another_issuer_is_asked_when_the_first_does_not_answer() {
    let mut world = World::new(with_fallback());
    world.issuer = Issuer::Sleeps;
    world.settle();
    let wake = world.wake.unwrap();
    assert!(wake.duration_since(world.now) <= fallback::PATIENCE);
    world.now = wake;
    world.settle();
    let asked = world.requests["web-1"].spec.issuer_ref.name.clone();
    world.issuer = Issuer::Only("b");
    world.settle();
    assert!(world.is_ready(), "{asked}: {:?}", world.status());
    assert_eq!(world.secrets["web-tls"].annotation(names::ISSUER_NAME), Some("b"));
}

#[test]
fn when_all_issuers_refused_the_wait_begins() {
    let mut world = World::new(with_fallback());
    world.issuer = Issuer::Refuses;
    world.settle();
    assert_eq!((world.requests_made, world.status().failed_issuance_attempts), (2, Some(2)));
    let until = world.wake.unwrap();
    assert!(until.duration_since(world.now) >= SignedDuration::from_mins(59), "{until}");
}

#[test]
fn a_temporary_certificate_serves_until_the_issuer_answers() {
    let mut wanted = certificate(&["web.example"]);
    let annotation = (names::TEMPORARY_CERTIFICATE.to_owned(), "true".to_owned());
    wanted.metadata.annotations = Some([annotation].into());
    let mut world = World::new(wanted);
    world.issuer = Issuer::Sleeps;
    world.settle();
    let bridge = world.leaf();
    assert_eq!(world.served(), ["web.example"]);
    assert_eq!(bridge.issuer_common_name(), Some("cert-manager.local"));
    assert_eq!((world.is_ready(), world.requests_made), (false, 1));
    world.issuer = Issuer::Signs;
    world.settle();
    assert!(world.is_ready());
    assert_eq!(world.leaf().public_key(), bridge.public_key());
    world.wait(64 * 24);
    assert_eq!(world.status().revision, Some(2), "a renewal needs no bridge");
}

#[test]
fn a_rotated_ca_signs_from_the_next_renewal_on() {
    let mut world = World::issued(certificate(&["web.example"]));
    let first = world.pem("web-tls", names::CA_CRT);
    world.ca = ca_secret(at("2026-01-02T00:00:00Z"), at("2036-01-01T00:00:00Z"));
    world.wait(24);
    assert_eq!((world.requests_made, world.is_ready()), (1, true), "what is valid stays");
    world.wait(64 * 24);
    assert_eq!(world.status().revision, Some(2));
    assert_ne!(world.pem("web-tls", names::CA_CRT), first);
}

#[test]
fn a_renewal_by_hand_beats_the_back_off_and_a_disabled_renewal() {
    let mut wanted = certificate(&["web.example"]);
    wanted.spec.renewal = Some(CertificateRenewal { policy: "Disabled".to_owned(), ..Default::default() });
    let mut world = World::issued(wanted);
    assert_eq!(world.status().renewal_time, None);
    world.wait(80 * 24);
    assert_eq!(world.requests_made, 1, "time alone does not renew it");
    world.issuer = Issuer::Refuses;
    let renew = |world: &mut World| {
        let issuing = Condition::new("Issuing", true, "ManuallyTriggered", "");
        let now = Time(world.now);
        condition::set(&mut world.certificate.status.get_or_insert_default().conditions, issuing, &now);
        world.settle();
    };
    renew(&mut world);
    assert_eq!(world.status().failed_issuance_attempts, Some(1));
    world.issuer = Issuer::Signs;
    world.now += SignedDuration::from_secs(5);
    renew(&mut world);
    assert_eq!((world.status().revision, world.is_ready()), (Some(2), true));
}
