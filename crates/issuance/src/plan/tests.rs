#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod features;
mod reasons;
mod suggested;
mod world;

use std::sync::Arc;

use jamul_api::request::CertificateRequestStatus;
use jamul_pki::PrivateKey;
use jiff::SignedDuration;

use super::*;
use crate::secret;
use crate::testing::{certificate, key};
use world::{Issuer, World};

fn lasting(duration: &str) -> Certificate {
    let mut certificate = certificate(&["web.example"]);
    certificate.spec.duration = Some(duration.to_owned());
    certificate
}

#[test]
fn a_first_issuance_ends_ready_with_revision_1_and_no_next_key() {
    let world = World::issued(certificate(&["web.example", "www.web.example"]));
    let status = world.status();
    assert_eq!(status.revision, Some(1));
    assert_eq!((status.next_private_key_secret_name.as_deref(), world.condition("Issuing")), (None, None));
    assert_eq!(world.secrets.keys().collect::<Vec<_>>(), ["web-tls"]);
    assert_eq!(world.secrets["web-tls"].annotation(names::CERTIFICATE_NAME), Some("web"));
    assert_eq!(world.served(), ["web.example", "www.web.example"]);
    assert_eq!(world.requests_made, 1);
    assert_eq!(world.wake, status.renewal_time.map(|time| time.0));
}

/// Steps through four lifetimes; returns how many certificates that took.
fn live_through(duration: &str, hours: i64, step: i64) -> usize {
    let mut world = World::issued(lasting(duration));
    for _ in 0..(4 * hours / step) {
        let old = world.leaf();
        world.wait(step);
        assert!(world.is_ready(), "at {}: {:?}", world.now, world.status());
        assert!(old.not_after() > world.now, "renewed before the old one ended");
        assert!(world.leaf().not_after() > world.now);
    }
    assert_eq!(world.status().revision, i64::try_from(world.requests_made).ok(), "no request in vain");
    assert_eq!(world.requests.len(), 1, "old requests go");
    world.requests_made
}

#[test]
fn certificates_of_6_45_and_90_days_never_lapse() {
    for (duration, days, step) in [("144h", 6, 1), ("1080h", 45, 5), ("2160h", 90, 7)] {
        let made = live_through(duration, days * 24, step);
        assert!((6..=7).contains(&made), "{duration}: renewed at two thirds of each lifetime, {made} made");
    }
}

#[test]
fn whoever_only_looks_when_the_plan_asks_never_misses_a_renewal() {
    let mut world = World::issued(lasting("144h"));
    for revision in 2..6 {
        let (wake, not_after) = (world.wake.unwrap(), world.leaf().not_after());
        assert!(wake > world.now && wake < not_after, "{wake}");
        world.now = wake;
        world.settle();
        assert_eq!(world.status().revision, Some(revision));
        assert!(world.is_ready());
    }
}

#[test]
fn failures_back_off_1_2_and_4_hours_and_then_heal() {
    let mut world = World::new(certificate(&["web.example"]));
    world.issuer = Issuer::Refuses;
    world.settle();
    for (attempt, hours) in [(1, 1), (2, 2), (3, 4)] {
        let status = world.status();
        assert_eq!((status.failed_issuance_attempts, world.requests_made), (Some(attempt as i32), attempt));
        let issuing = world.condition("Issuing").unwrap();
        assert_eq!((issuing.is_true(), issuing.reason.as_str()), (false, "Failed"));
        assert!(issuing.message.contains("the CA says no"), "{issuing:?}");
        let until = world.wake.unwrap();
        let waits = until.duration_since(status.last_failure_time.unwrap().0);
        assert!(waits >= SignedDuration::from_hours(hours), "{waits}");
        assert!(waits <= SignedDuration::from_mins(66 * hours), "{waits}");
        assert_eq!(Backoff::default().next_attempt(&world.certificate), Some(until));
        assert!(issuing.message.contains(&until.to_string()), "{issuing:?}");
        assert!(!world.secrets.contains_key("web-next-key"), "no key waits with the back-off");
        world.now = until.checked_sub(SignedDuration::from_secs(1)).unwrap();
        world.settle();
        assert_eq!(world.requests_made, attempt, "not before its time");
        if hours == 4 {
            world.issuer = Issuer::Signs;
        }
        world.now = until;
        world.settle();
    }
    assert!(world.is_ready());
    let status = world.status();
    assert_eq!(
        (status.revision, status.failed_issuance_attempts, status.last_failure_time),
        (Some(1), None, None)
    );
}

#[test]
fn a_renewal_that_fails_leaves_the_certificate_ready_until_it_ends() {
    let mut world = World::issued(lasting("144h"));
    let old = world.leaf();
    world.issuer = Issuer::Refuses;
    world.wait(102);
    assert_eq!((world.status().failed_issuance_attempts, world.is_ready()), (Some(1), true));
    assert_eq!(world.leaf().der(), old.der());
    world.wait(43);
    assert_eq!(world.condition("Ready").unwrap().reason, "Expired");
}

#[test]
fn a_certificate_that_cannot_be_used_is_asked_for_anew_even_with_a_kept_key() {
    let mut wanted = lasting("144h");
    wanted.spec.private_key.as_mut().unwrap().rotation_policy = "Never".to_owned();
    let mut world = World::issued(wanted);
    world.certificate.spec.dns_names.push("www.web.example".to_owned());
    world.issuer = Issuer::SignsTooLate;
    world.settle();
    let failed = |world: &World| world.status().failed_issuance_attempts;
    assert_eq!((failed(&world), world.requests_made), (Some(1), 2));
    assert_eq!(world.condition("Issuing").unwrap().reason, "InvalidCertificate");
    world.wait(2);
    assert_eq!((failed(&world), world.requests_made), (Some(2), 3));
}

#[test]
fn changed_names_reissue_at_once_even_while_backing_off() {
    let mut world = World::issued(certificate(&["web.example"]));
    world.certificate.spec.dns_names.push("www.web.example".to_owned());
    world.issuer = Issuer::Refuses;
    world.settle();
    assert_eq!(world.condition("Ready").unwrap().reason, "RequestChanged");
    assert_eq!(world.served(), ["web.example"], "the old one is served meanwhile");
    world.issuer = Issuer::Signs;
    world.certificate.spec.dns_names.push("shop.web.example".to_owned());
    world.wait(0);
    assert!(world.is_ready());
    assert_eq!(world.served(), ["web.example", "www.web.example", "shop.web.example"]);
}

#[test]
fn what_means_the_same_does_not_reissue() {
    let mut wanted = certificate(&["a.example", "b.example"]);
    let organizations = vec!["Zoo".to_owned(), "Acme".to_owned()];
    wanted.spec.subject = Some(jamul_api::certificate::X509Subject { organizations, ..Default::default() });
    let mut world = World::issued(wanted);
    let spec = &mut world.certificate.spec;
    spec.dns_names.reverse();
    spec.issuer_ref.kind = "Issuer".to_owned();
    spec.issuer_ref.group = "cert-manager.io".to_owned();
    spec.renew_before = Some("24h".to_owned());
    world.settle();
    assert!(world.is_ready(), "{:?}", world.status());
    assert_eq!(world.requests_made, 1);
}

#[test]
fn a_deleted_secret_and_another_issuer_reissue() {
    let mut world = World::issued(certificate(&["web.example"]));
    world.secrets.clear();
    world.settle();
    assert_eq!((world.status().revision, world.is_ready()), (Some(2), true));
    world.certificate.spec.issuer_ref.name = "other".to_owned();
    world.settle();
    assert_eq!(world.secrets["web-tls"].annotation(names::ISSUER_NAME), Some("other"));
    assert_eq!((world.status().revision, world.is_ready()), (Some(3), true));
}

#[test]
fn a_crash_after_the_next_key_was_stored_resumes_with_it_and_asks_once() {
    let mut world = World::new(certificate(&["web.example"]));
    for step in world.plan().steps {
        let is_key = matches!(step, Step::MakeNextKey(_));
        world.perform(step);
        if is_key {
            break;
        }
    }
    let key = PrivateKey::from_pem(&world.pem("web-next-key", names::TLS_KEY)).unwrap();
    world.settle();
    assert!(world.is_ready());
    assert_eq!(*world.leaf().public_key(), key.public_key());
    assert_eq!(world.requests_made, 1);
}

#[test]
fn a_crash_at_any_step_of_any_plan_costs_no_second_request() {
    for crash in 0..12 {
        let mut world = World::new(certificate(&["web.example"]));
        let mut left = crash;
        'crashed: for _ in 0..10 {
            for step in world.plan().steps {
                if left == 0 {
                    break 'crashed;
                }
                left -= 1;
                world.perform(step);
            }
            world.answer();
        }
        world.settle();
        assert!(world.is_ready(), "{crash}: {:?}", world.status());
        assert_eq!(world.requests_made, 1, "crash before step {crash}");
        assert_eq!(world.secrets.keys().collect::<Vec<_>>(), ["web-tls"], "crash before step {crash}");
    }
}

/// A Secret as cert-manager left it: no request and no status came with it.
fn taken_over(annotations: &[(&str, &str)]) -> World {
    let mut world = World::issued(certificate(&["web.example"]));
    world.requests.clear();
    world.requests_made = 0;
    world.certificate.status = None;
    let annotations = annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    world.secrets.get_mut("web-tls").unwrap().metadata.annotations = Some(annotations.collect());
    world
}

const WRITTEN: [(&str, &str); 8] = [
    (names::CERTIFICATE_NAME, "web"),
    (names::ISSUER_NAME, "ca"),
    (names::ISSUER_KIND, "Issuer"),
    (names::ISSUER_GROUP, "cert-manager.io"),
    (names::COMMON_NAME, ""),
    (names::ALT_NAMES, "web.example"),
    (names::IP_SANS, ""),
    (names::URI_SANS, ""),
];

#[test]
fn a_secret_that_cert_manager_wrote_is_taken_over_as_it_is() {
    let mut world = taken_over(&WRITTEN);
    let before = world.secrets.clone();
    world.settle();
    assert!(world.is_ready(), "{:?}", world.status());
    assert_eq!((world.requests_made, &world.secrets), (0, &before));
    assert_eq!(world.wake, world.status().renewal_time.map(|time| time.0));
}

#[test]
fn a_secret_taken_over_for_other_names_is_reissued() {
    for names in [vec!["web.example", "more.example"], vec!["other.example"]] {
        let mut world = taken_over(&WRITTEN);
        world.certificate.spec.dns_names = names.iter().map(|name| (*name).to_owned()).collect();
        world.settle();
        assert_eq!((world.requests_made, world.served()), (1, world.certificate.spec.dns_names.clone()));
    }
}

#[test]
fn a_secret_of_somebody_else_is_replaced() {
    for annotations in [&[][..], &[(names::ISSUER_NAME, "other")], &[("team", "shop")]] {
        let mut world = taken_over(annotations);
        let before = world.leaf();
        let reason = world.plan().steps.into_iter().find_map(|step| match step {
            Step::SetStatus(status) => {
                condition::find(&status.conditions, "Issuing").map(|c| c.reason.clone())
            }
            Step::MakeNextKey(_)
            | Step::StoreNextKey(_)
            | Step::DeleteSecret(_)
            | Step::CreateRequest(_)
            | Step::DeleteRequest(_)
            | Step::StoreSecret(_)
            | Step::Announce(_) => None,
        });
        assert_eq!(reason.as_deref(), Some("IncorrectIssuer"));
        world.settle();
        assert!(world.is_ready());
        assert_ne!(world.leaf().der(), before.der());
        assert_eq!(world.secrets["web-tls"].annotation(names::ISSUER_NAME), Some("ca"));
    }
}

#[test]
fn who_does_not_own_the_secret_neither_asks_nor_writes() {
    let mut world = World::new(certificate(&["web.example"]));
    world.is_secret_owner = false;
    let issuing = Condition::new("Issuing", true, "ManuallyTriggered", "");
    for conditions in [vec![], vec![issuing]] {
        world.certificate.status = Some(CertificateStatus { conditions, ..CertificateStatus::default() });
        world.settle();
        assert_eq!((world.requests_made, world.secrets.len(), world.is_ready()), (0, 0, false));
    }
}

#[test]
fn a_kept_key_is_reused_and_one_that_does_not_fit_stalls() {
    let mut wanted = certificate(&["web.example"]);
    wanted.spec.private_key.as_mut().unwrap().rotation_policy = "Never".to_owned();
    let mut world = World::issued(wanted);
    let first = world.leaf();
    world.wait(64 * 24);
    assert_eq!(world.status().revision, Some(2));
    assert_eq!(world.leaf().public_key(), first.public_key());
    world.certificate.spec.private_key.as_mut().unwrap().size = Some(384);
    world.settle();
    assert_eq!(world.requests_made, 2);
    assert_eq!(world.condition("Issuing").unwrap().reason, "CannotRegenerateKey");
    world.certificate.spec.private_key.as_mut().unwrap().size = Some(256);
    world.settle();
    assert!(world.is_ready(), "{:?}", world.status());
}

#[test]
fn a_spec_that_cannot_be_satisfied_fails_with_the_field_until_it_is_changed() {
    let mut world = World::new(certificate(&[]));
    world.settle();
    let issuing = world.condition("Issuing").unwrap();
    assert_eq!((issuing.is_true(), issuing.reason.as_str()), (false, "InvalidSpec"));
    assert!(issuing.message.contains("dnsNames"), "{issuing:?}");
    assert!(world.secrets.is_empty() && world.requests.is_empty());
    world.certificate.spec.dns_names.push("web.example".to_owned());
    world.settle();
    assert!(world.is_ready(), "at once: {:?}", world.status());
}

#[test]
fn a_request_that_waits_is_left_alone() {
    let mut world = World::new(certificate(&["web.example"]));
    world.issuer = Issuer::Sleeps;
    world.settle();
    world.wait(500);
    assert_eq!((world.requests_made, world.is_ready()), (1, false));
    world.issuer = Issuer::Signs;
    world.settle();
    assert!(world.is_ready());
    assert_eq!(world.requests_made, 1);
}

#[test]
fn a_next_key_or_a_request_for_another_key_is_replaced() {
    let mut world = World::new(certificate(&["web.example"]));
    world.issuer = Issuer::Sleeps;
    world.settle();
    let other = secret::next_key(&world.certificate, &key()).unwrap();
    world.secrets.insert("web-next-key".to_owned(), other);
    world.issuer = Issuer::Signs;
    world.settle();
    assert!(world.is_ready());
    assert_eq!(world.requests_made, 2);
}

#[test]
fn requests_do_not_inherit_what_tools_that_apply_files_wrote() {
    let mut wanted = certificate(&["web.example"]);
    let annotations =
        ["kubectl.kubernetes.io/last", "argocd.argoproj.io/tracking-id", "fluxcd.io/sync", "team"];
    wanted.metadata.annotations = Some(annotations.map(|name| (name.to_owned(), "x".to_owned())).into());
    let world = World::issued(wanted);
    let found = world.requests["web-1"].metadata.annotations.clone().unwrap();
    let others = found.keys().filter(|name| !name.starts_with("cert-manager.io/"));
    assert_eq!(others.collect::<Vec<_>>(), ["team"]);
}

#[test]
fn a_denied_request_fails_with_its_reason() {
    let mut world = World::new(certificate(&["web.example"]));
    world.issuer = Issuer::Sleeps;
    world.settle();
    let request = world.requests.get_mut("web-1").unwrap();
    let denied = Condition::new("Denied", true, "Policy", "not for you");
    let status = CertificateRequestStatus { conditions: vec![denied], ..CertificateRequestStatus::default() };
    *request = Arc::new(CertificateRequest { status: Some(status), ..(**request).clone() });
    world.settle();
    let issuing = world.condition("Issuing").unwrap();
    assert_eq!(issuing.reason, "Policy");
    assert!(issuing.message.contains("not for you"), "{issuing:?}");
}
