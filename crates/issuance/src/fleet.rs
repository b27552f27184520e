//! Simulated years of many Certificates: renewal times and back-off alone, without keys and signatures.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use jamul_api::certificate::{Certificate, CertificateStatus};
use jamul_api::core::Time;
use jiff::Timestamp;

use crate::backoff::Backoff;
use crate::policy::planned_renewal;

const DAY: i64 = 24 * 3600;
const HOUR: i64 = 3600;
/// A failure is followed by the next attempt within this, the spread included.
const SHORTEST_WAIT: i64 = HOUR + HOUR / 10;

/// A CA that is away at times, and gives so many certificates an hour.
struct Ca {
    outages: Vec<(i64, i64)>,
    hourly: usize,
    given: BTreeMap<i64, usize>,
}

impl Ca {
    fn outage(&self, at: i64) -> Option<(i64, i64)> {
        self.outages.iter().copied().find(|(from, to)| (*from..*to).contains(&at))
    }

    fn is_busy(&mut self, at: i64) -> bool {
        let given = self.given.entry(at / HOUR).or_default();
        *given += 1;
        *given > self.hourly
    }
}

struct Fleet {
    certificates: Vec<Certificate>,
    lifetimes: Vec<i64>,
    /// When each is looked at next.
    agenda: BinaryHeap<Reverse<(i64, usize)>>,
    lapsed: Vec<(usize, i64)>,
}

fn time(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

impl Fleet {
    /// All issued in the first minute, as after a disaster.
    fn new(each: usize, lifetimes: &[i64]) -> Self {
        let mut fleet = Self {
            certificates: Vec::new(),
            lifetimes: Vec::new(),
            agenda: BinaryHeap::new(),
            lapsed: Vec::new(),
        };
        for lifetime in lifetimes {
            for _ in 0..each {
                let index = fleet.certificates.len();
                let mut certificate = Certificate::default();
                certificate.metadata.namespace = Some("fleet".to_owned());
                certificate.metadata.name = Some(format!("web-{index}"));
                fleet.certificates.push(certificate);
                fleet.lifetimes.push(*lifetime);
                fleet.issue(index, i64::try_from(index % 60).unwrap());
            }
        }
        fleet
    }

    fn status(&mut self, index: usize) -> &mut CertificateStatus {
        self.certificates[index].status.get_or_insert_default()
    }

    fn issue(&mut self, index: usize, now: i64) {
        let (from, to) = (time(now), time(now + self.lifetimes[index]));
        let renewal = planned_renewal(&self.certificates[index], None, from.0, to.0).unwrap().at;
        *self.status(index) =
            CertificateStatus { not_before: Some(from), not_after: Some(to), ..CertificateStatus::default() };
        self.agenda.push(Reverse((renewal.as_second(), index)));
    }

    fn not_after(&self, index: usize) -> i64 {
        self.certificates[index].status.as_ref().unwrap().not_after.as_ref().unwrap().0.as_second()
    }

    fn attempt(&mut self, index: usize, now: i64, ca: &mut Ca) {
        if self.not_after(index) <= now {
            self.lapsed.push((index, self.not_after(index)));
        }
        if ca.outage(now).is_some() {
            let status = self.status(index);
            status.last_failure_time = Some(time(now));
            *status.failed_issuance_attempts.get_or_insert(0) += 1;
            let next = Backoff::default().next_attempt(&self.certificates[index]).unwrap();
            self.agenda.push(Reverse((next.as_second(), index)));
        } else if ca.is_busy(now) {
            // An order that is told to wait is pending, not failed.
            self.agenda.push(Reverse(((now / HOUR + 1) * HOUR, index)));
        } else {
            self.issue(index, now);
        }
    }

    /// Lives until `end`; time passes as `clock` shows it. How many were issued in each hour.
    fn live(&mut self, end: i64, ca: &mut Ca, clock: impl Fn(i64) -> i64) {
        while let Some(Reverse((at, index))) = self.agenda.pop() {
            let now = clock(at);
            if now > end {
                return;
            }
            self.attempt(index, now, ca);
        }
    }
}

/// Whether the CA was there long enough before the certificate ended.
fn could_have_been_renewed(ca: &Ca, not_after: i64) -> bool {
    ca.outage(not_after - 1).is_none_or(|(from, _)| from > not_after - SHORTEST_WAIT)
        && ca.outages.iter().all(|(_, to)| *to > not_after || not_after - to > SHORTEST_WAIT)
}

#[test]
fn no_certificate_lapses_that_its_ca_could_have_renewed() {
    let mut ca = Ca {
        // Two days, a week, and three hours twice a day for a while.
        outages: [(40 * DAY, 42 * DAY), (100 * DAY, 107 * DAY)]
            .into_iter()
            .chain(
                (200..220)
                    .flat_map(|day| [8, 20].map(|hour| day * DAY + hour * HOUR))
                    .map(|at| (at, at + 3 * HOUR)),
            )
            .collect(),
        hourly: 1000,
        given: BTreeMap::new(),
    };
    let lifetimes = [6, 45, 64, 90].map(|days| days * DAY);
    let mut fleet = Fleet::new(2500, &lifetimes);
    fleet.live(400 * DAY, &mut ca, |at| at);
    let avoidable: Vec<_> =
        fleet.lapsed.iter().filter(|(_, not_after)| could_have_been_renewed(&ca, *not_after)).collect();
    assert!(avoidable.is_empty(), "{} of {}: {:?}", avoidable.len(), fleet.lapsed.len(), avoidable.first());
    // The week is longer than the third of six days: those that ended in it could not be helped, no others.
    assert!(fleet.lapsed.iter().all(|(index, _)| fleet.lifetimes[*index] == 6 * DAY));
    assert!(!fleet.lapsed.is_empty(), "the simulation sees lapses at all");
}

#[test]
fn renewals_of_certificates_that_were_issued_together_are_spread() {
    let mut ca = Ca { outages: Vec::new(), hourly: usize::MAX, given: BTreeMap::new() };
    let mut fleet = Fleet::new(10_000, &[90 * DAY]);
    fleet.live(89 * DAY, &mut ca, |at| at);
    let most = ca.given.values().max().copied().unwrap();
    assert_eq!(ca.given.values().sum::<usize>(), 10_000);
    assert!(most < 300, "{most} of 10,000 in one hour; even would be 139");
}

#[test]
fn a_clock_that_jumps_forward_renews_what_is_due_within_the_limits_of_the_ca() {
    let mut ca = Ca { outages: Vec::new(), hourly: 500, given: BTreeMap::new() };
    let mut fleet = Fleet::new(5000, &[90 * DAY]);
    // Asleep for ten days from the 55th: all renewals of that time are due at once.
    fleet.live(89 * DAY, &mut ca, |at| if at > 55 * DAY && at < 65 * DAY { 65 * DAY } else { at });
    assert_eq!(fleet.lapsed, []);
    assert_eq!(
        fleet
            .certificates
            .iter()
            .filter(|c| c.status.as_ref().unwrap().not_before.as_ref().unwrap().0.as_second() > 60 * DAY)
            .count(),
        5000
    );
}
