//! Renewal information (RFC 9773): when an ACME server is asked for it, what its answer leaves in the status, and the
//! instant of the renewal that follows.

use jamul_acme::wire::RenewalInfo;
use jamul_api::Object;
use jamul_api::certificate::{Certificate, CertificateAcmeStatus, RenewalInfoStatus, SuggestedWindow};
use jamul_api::core::Time;
use jiff::{SignedDuration, Timestamp};

use crate::fnv;

/// How long until the next question where the server does not say.
const USUAL: SignedDuration = SignedDuration::from_hours(6);
/// Bounds of what the server may say (section 4.3.2: under a minute is one minute, over a day is one day).
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The server gives no such information.
    Unsupported,
    /// It answered.
    Answer {
        /// What it said.
        info: RenewalInfo,
        /// How long it wants to be left alone.
        retry_after: Option<SignedDuration>,
        /// When that was.
        at: Timestamp,
    },
    /// It did not.
    Failure {
        /// Why, for people.
        reason: String,
        /// When that was.
        at: Timestamp,
    },
}

/// The part of a status about renewal information, if the server gave any.
#[must_use]
pub fn status(certificate: &Certificate) -> Option<&RenewalInfoStatus> {
    certificate.status.as_ref()?.acme.as_ref()?.ari.as_ref()
}

/// When the server is to be asked about a certificate that began at `not_before`: at once if it never was.
#[must_use]
pub fn next_check(certificate: &Certificate, not_before: Timestamp, now: Timestamp) -> Timestamp {
    let Some(status) = status(certificate) else { return now };
    // What was learned of an older certificate says nothing of this one.
    let is_of_another = status.last_checked.as_ref().is_some_and(|checked| checked.0 < not_before);
    match &status.next_check {
        Some(next) if !is_of_another => next.0,
        Some(_) | None => now,
    }
}

/// The status after `news`; what was suggested before stands until there is another answer.
#[must_use]
pub fn learned(certificate: &Certificate, news: &News) -> Option<CertificateAcmeStatus> {
    let mut status = status(certificate).cloned().unwrap_or_default();
    match news {
        News::Unsupported => return None,
        News::Answer { info, retry_after, at } => {
            let (start, end) = (info.suggested_window.start, info.suggested_window.end);
            // Section 4.2: a window that ends before it starts is no answer.
            if end <= start {
                status.last_error =
                    format!("the suggested window ends at {end}, before it starts at {start}");
            } else {
                status.suggested_window = Some(SuggestedWindow { start: seconds(start), end: seconds(end) });
                status.explanation_url = info.explanation_url.clone().unwrap_or_default();
                status.last_error = String::new();
            }
            status.last_checked = Some(seconds(*at));
            status.next_check = Some(seconds(after(certificate, *at, retry_after.unwrap_or(USUAL))));
        }
        News::Failure { reason, at } => {
            status.last_error.clone_from(reason);
            status.next_check = Some(seconds(after(certificate, *at, USUAL)));
        }
    }
    Some(CertificateAcmeStatus { ari: Some(status) })
}

/// `wait` within its bounds and up to a tenth more: Certificates that were issued together do not ask together.
fn after(certificate: &Certificate, at: Timestamp, wait: SignedDuration) -> Timestamp {
    let wait = wait.clamp(SHORTEST, LONGEST);
    let spread = fnv::fraction(&format!("{} ari {}", certificate.key(), at.as_second()));
    at.checked_add(wait + wait.mul_f64(spread / 10.0)).unwrap_or(at)
}

/// When a certificate that began at `not_before` is renewed as the server suggests: a moment of the window that differs
/// from Certificate to Certificate and is always the same for one (section 4.2). `None` without a usable window.
#[must_use]
pub fn instant(
    certificate: &Certificate,
    acme: Option<&CertificateAcmeStatus>,
    not_before: Timestamp,
) -> Option<Timestamp> {
    let window = acme?.ari.as_ref()?.suggested_window.as_ref()?;
    let (start, end) = (window.start.0, window.end.0);
    if end <= start || end <= not_before {
        return None;
    }
    let part = fnv::fraction(&format!("{} {}", certificate.key(), start.as_second()));
    let instant = start.checked_add(end.duration_since(start).mul_f64(part)).ok()?;
    Timestamp::from_second(instant.as_second()).ok()
}

fn seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use jamul_api::certificate::CertificateStatus;

    use super::*;
    use crate::testing::{at, certificate};

    fn answer(start: &str, end: &str, retry_after: i64) -> News {
        let window = format!(r#"{{"suggestedWindow":{{"start":"{start}","end":"{end}"}}}}"#);
        News::Answer {
            info: serde_json::from_str(&window).unwrap(),
            retry_after: Some(SignedDuration::from_secs(retry_after)),
            at: at("2026-01-01T00:00:00Z"),
        }
    }

    fn with(mut certificate: Certificate, news: &News) -> Certificate {
        let acme = learned(&certificate, news);
        certificate.status = Some(CertificateStatus { acme, ..CertificateStatus::default() });
        certificate
    }

    #[test]
    fn certificates_are_renewed_all_over_the_window_and_each_always_at_the_same_moment() {
        let news = answer("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", 21600);
        let instants: std::collections::BTreeSet<_> = (0..100)
            .map(|n| {
                let mut one = certificate(&["web.example"]);
                one.metadata.name = Some(format!("web-{n}"));
                let one = with(one, &news);
                let acme = one.status.as_ref().unwrap().acme.as_ref();
                let found = instant(&one, acme, at("2026-01-01T00:00:00Z")).unwrap();
                assert_eq!(Some(found), instant(&one, acme, at("2026-01-01T00:00:00Z")));
                found
            })
            .collect();
        assert!(instants.len() > 90, "{instants:?}");
        let (first, last) = (*instants.first().unwrap(), *instants.last().unwrap());
        assert!(first >= at("2026-03-01T00:00:00Z") && last < at("2026-03-03T00:00:00Z"));
        assert!(last.duration_since(first) > SignedDuration::from_hours(40), "{first} {last}");
    }

    #[test]
    fn the_server_says_when_it_is_asked_again_within_a_minute_and_a_day() {
        for (seconds, least) in [(1, 60), (21600, 21600), (10_000_000, 86400)] {
            let asked = with(
                certificate(&["web.example"]),
                &answer("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", seconds),
            );
            let next = next_check(&asked, at("2025-12-31T23:00:00Z"), at("2026-01-01T00:00:01Z"));
            let wait = next.duration_since(at("2026-01-01T00:00:00Z")).as_secs();
            assert!((least..=least * 11 / 10).contains(&wait), "{seconds}: {wait}");
        }
        let never = certificate(&["web.example"]);
        let now = at("2026-01-01T00:00:00Z");
        assert_eq!(next_check(&never, now, now), now);
    }

    #[test]
    fn a_failure_keeps_the_window_and_a_window_of_another_certificate_counts_no_more() {
        let asked =
            with(certificate(&["web.example"]), &answer("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", 60));
        let failed = News::Failure { reason: "no route".to_owned(), at: at("2026-01-02T00:00:00Z") };
        let failed = with(asked.clone(), &failed);
        let ari = status(&failed).unwrap();
        assert!(ari.suggested_window.is_some() && ari.last_error == "no route", "{ari:?}");
        let acme = failed.status.as_ref().unwrap().acme.as_ref();
        assert_eq!(instant(&failed, acme, at("2026-03-04T00:00:00Z")), None);
        let now = at("2026-03-04T00:00:00Z");
        assert_eq!(next_check(&failed, at("2026-03-03T23:00:00Z"), now), now, "it is a new certificate");
        assert_eq!(learned(&asked, &News::Unsupported), None);
    }

    #[test]
    fn a_window_that_ends_before_it_starts_is_reported_and_changes_nothing() {
        let odd =
            with(certificate(&["web.example"]), &answer("2026-03-03T00:00:00Z", "2026-03-01T00:00:00Z", 60));
        let ari = status(&odd).unwrap();
        assert!(ari.suggested_window.is_none() && ari.last_error.contains("before it starts"), "{ari:?}");
    }
}
