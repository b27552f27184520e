//! How long an issuance that failed waits before it is tried again.

use jamul_api::Object;
use jamul_api::certificate::Certificate;
use jiff::{SignedDuration, Timestamp};

use crate::{fallback, fnv};

/// How long to wait after failures: `min`, doubled with each further one, at most `max`; and up to a tenth more,
/// so that Certificates that failed together do not come back together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// `--certificate-request-minimum-backoff-duration`, 1 h.
    pub min: SignedDuration,
    /// `--certificate-request-maximum-backoff-duration`, 32 h.
    pub max: SignedDuration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: SignedDuration::from_hours(1), max: SignedDuration::from_hours(32) }
    }
}

impl Backoff {
    /// The wait after `attempts` failures in a row, without the part that differs from name to name.
    #[must_use]
    pub fn after(&self, attempts: i32) -> SignedDuration {
        let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 30)).unwrap_or(0);
        let factor = 2_i32.checked_pow(doublings).unwrap_or(i32::MAX);
        self.min.checked_mul(factor).unwrap_or(self.max).min(self.max).max(self.min)
    }

    /// When a Certificate whose last issuance failed may be tried again; `None` if none failed, or a time that
    /// cannot be.
    ///
    /// While there are issuers that were not asked in this round, that is at once.
    ///
    /// The same Certificate always gets the same answer: what it adds to the wait follows from its name and the
    /// number of attempts.
    #[must_use]
    pub fn next_attempt(&self, certificate: &Certificate) -> Option<Timestamp> {
        let status = certificate.status.as_ref()?;
        let failed = status.last_failure_time.as_ref()?.0;
        self.until(certificate, failed, status.failed_issuance_attempts.unwrap_or(1))
    }

    /// While a certificate is still good, no more than a quarter of what is left of it is waited, so that one of few
    /// days is not lost to a wait of 32 h after its CA came back; `min` all the same.
    fn urgent(&self, certificate: &Certificate, failed: Timestamp, wait: SignedDuration) -> SignedDuration {
        let ends = certificate.status.as_ref().and_then(|status| status.not_after.as_ref());
        let left = ends.map(|ends| ends.0.duration_since(failed)).filter(SignedDuration::is_positive);
        left.map_or(wait, |left| wait.min((left / 4).max(self.min)))
    }

    /// The same for a failure that is not in the status yet.
    pub(crate) fn until(
        &self,
        certificate: &Certificate,
        failed: Timestamp,
        attempts: i32,
    ) -> Option<Timestamp> {
        let Some(rounds) = fallback::rounds(certificate, attempts) else { return Some(failed) };
        let wait = self.urgent(certificate, failed, self.after(rounds));
        let spread = fnv::fraction(&format!("{} {attempts}", certificate.key()));
        let until = failed.checked_add(wait + wait.mul_f64(spread / 10.0)).ok()?;
        Timestamp::from_second(until.as_second()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_is_within_its_bounds_whatever_the_settings() {
        let hours = |attempts| Backoff::default().after(attempts).as_hours();
        assert_eq!([-1, 0, 1, 2, 3, 4, 5, 6, 7, i32::MAX].map(hours), [1, 1, 1, 2, 4, 8, 16, 32, 32, 32]);
        let odd = Backoff { min: SignedDuration::from_hours(2), max: SignedDuration::from_hours(1) };
        assert_eq!(odd.after(3), SignedDuration::from_hours(2));
    }

    #[test]
    fn certificates_that_failed_together_do_not_come_back_together() {
        let failed = Timestamp::UNIX_EPOCH;
        let until = |name: &str| {
            let mut certificate = Certificate::default();
            certificate.metadata.name = Some(name.to_owned());
            Backoff::default().until(&certificate, failed, 1).map(Timestamp::as_second)
        };
        let times: std::collections::BTreeSet<_> = (0..100).map(|n| until(&format!("web-{n}"))).collect();
        assert!(times.len() > 50, "{times:?}");
        assert!(times.iter().all(|time| (3600..=3960).contains(&time.unwrap_or(0))), "{times:?}");
        assert_eq!(until("web-1"), until("web-1"));
    }
}
