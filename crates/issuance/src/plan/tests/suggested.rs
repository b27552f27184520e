//! When a renewal begins: what an ACME server suggests, and the windows that a user allows.

use jamul_api::certificate::{CertificateRenewal, RenewalWindow};
use jiff::SignedDuration;

use super::super::*;
use super::world::{Issuer, World};
use crate::testing::{at, certificate};

fn suggest(world: &mut World, start: Timestamp, end: Timestamp) {
    let window = format!(r#"{{"suggestedWindow":{{"start":"{start}","end":"{end}"}}}}"#);
    world.renewal_info = Some(News::Answer {
        info: serde_json::from_str(&window).unwrap(),
        retry_after: Some(SignedDuration::from_hours(6)),
        at: world.now,
    });
    world.settle();
}

fn renewal(world: &World) -> Timestamp {
    world.status().renewal_time.unwrap().0
}

/// In the whole certificate of 90 days, from its begin.
fn day(world: &World, day: i64) -> Timestamp {
    world.leaf().not_before() + SignedDuration::from_hours(24 * day)
}

#[test]
fn a_suggested_window_moves_the_renewal_into_it_and_is_forgotten_with_the_certificate() {
    let mut world = World::issued(certificate(&["web.example"]));
    let own = renewal(&world);
    let (start, end) = (day(&world, 10), day(&world, 12));
    suggest(&mut world, start, end);
    let planned = renewal(&world);
    assert!(start <= planned && planned < end && planned < own, "{start} {planned} {end}");
    let ari = world.status().acme.unwrap().ari.unwrap();
    assert!(ari.next_check.is_some() && ari.last_error.is_empty(), "{ari:?}");
    assert_eq!((world.wake, world.requests_made), (Some(planned), 1));
    world.now = planned - SignedDuration::from_secs(1);
    world.settle();
    assert_eq!(world.requests_made, 1, "not before its time");
    world.now = planned;
    world.settle();
    assert_eq!((world.requests_made, world.is_ready()), (2, true));
    assert_eq!(world.status().acme, None, "it was about the old one");
    assert!(renewal(&world) > day(&world, 59));
}

#[test]
fn a_window_in_the_past_renews_at_once_but_never_a_certificate_that_has_just_begun() {
    let mut world = World::issued(certificate(&["web.example"]));
    let (start, end) =
        (day(&world, 0) - SignedDuration::from_hours(48), day(&world, 0) + SignedDuration::from_hours(1));
    suggest(&mut world, start, end);
    assert_eq!((world.requests_made, renewal(&world)), (1, day(&world, 0) + SignedDuration::from_hours(6)));
    world.wait(7);
    assert_eq!(world.requests_made, 2, "as a revoked one");
}

#[test]
fn a_time_that_the_user_wrote_is_the_latest() {
    let mut wanted = certificate(&["web.example"]);
    wanted.spec.renew_before = Some("720h".to_owned());
    let mut world = World::issued(wanted);
    let (start, end) = (day(&world, 80), day(&world, 82));
    suggest(&mut world, start, end);
    assert_eq!(renewal(&world), day(&world, 60));
    let (start, end) = (day(&world, 20), day(&world, 22));
    suggest(&mut world, start, end);
    assert!(renewal(&world) < end);
}

#[test]
fn a_server_that_does_not_answer_is_told_once_and_changes_no_plan() {
    let mut world = World::issued(certificate(&["web.example"]));
    let own = renewal(&world);
    for told in [1, 0] {
        world.renewal_info = Some(News::Failure { reason: "no route".to_owned(), at: world.now });
        let steps = world.plan().steps;
        let events =
            steps.iter().filter(|step| matches!(step, Step::Announce(note) if note.reason == "ARIError"));
        assert_eq!(events.count(), told);
        world.settle();
    }
    assert_eq!(renewal(&world), own);
    assert_eq!(world.status().acme.unwrap().ari.unwrap().last_error, "no route");
}

#[test]
fn a_renewal_waits_for_the_next_of_its_windows() {
    let mut wanted = certificate(&["web.example"]);
    let window = RenewalWindow {
        cron: "0 22 * * 6".to_owned(),
        window_duration: "4h".to_owned(),
        timezone: String::new(),
    };
    wanted.spec.renewal = Some(CertificateRenewal { windows: vec![window], ..CertificateRenewal::default() });
    let mut world = World::issued(wanted);
    // Two thirds of 90 days after Thursday, January 1, and a little: Monday, March 2; the Saturday after.
    assert_eq!(renewal(&world), at("2026-03-07T22:00:00Z"));
    world.now = renewal(&world) - SignedDuration::from_secs(1);
    world.settle();
    assert_eq!(world.requests_made, 1);
    world.wait(1);
    assert_eq!((world.requests_made, world.is_ready()), (2, true));
}

#[test]
fn windows_that_never_open_in_time_are_reported_and_the_renewal_is_not_lost() {
    let mut wanted = certificate(&["web.example"]);
    let window = RenewalWindow {
        cron: "0 0 24 12 *".to_owned(),
        window_duration: "1h".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
    };
    wanted.spec.renewal = Some(CertificateRenewal { windows: vec![window], ..CertificateRenewal::default() });
    let mut world = World::new(wanted);
    world.settle();
    let ready = world.condition("Ready").unwrap();
    assert_eq!((ready.is_true(), ready.reason.as_str()), (false, "WindowError"));
    assert!(ready.message.contains("no window of spec.renewal.windows opens"), "{ready:?}");
    world.now = renewal(&world);
    world.settle();
    assert_eq!(world.requests_made, 2);
}

#[test]
fn while_the_issuer_sleeps_the_suggestion_stands() {
    let mut world = World::issued(certificate(&["web.example"]));
    let (start, end) = (day(&world, 10), day(&world, 12));
    suggest(&mut world, start, end);
    world.issuer = Issuer::Sleeps;
    world.now = end;
    world.settle();
    assert!(world.condition("Issuing").is_some_and(|issuing| issuing.is_true()));
    assert!(world.status().acme.is_some() && world.is_ready());
}
