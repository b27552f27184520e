//! How fast a response may go to its client (`limit-rate`, `limit-rate-after`), by nginx's rule: so many bytes at once,
//! and then a second's worth ahead of the clock at most.

use std::num::NonZeroU64;
use std::time::Duration;

/// How fast a response may go to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes per second.
    pub rate: NonZeroU64,
    /// So many bytes are not limited.
    pub after: u64,
}

impl Pace {
    /// How many bytes may go, of a response that began `elapsed` ago and of which so many went; or how long to wait
    /// until `wanted` bytes may.
    ///
    /// # Errors
    /// The wait; never none.
    pub fn next(&self, elapsed: Duration, sent: u64, wanted: u64) -> Result<u64, Duration> {
        let rate = u128::from(self.rate.get());
        let milliseconds = elapsed.as_millis() + 1000;
        let due = u128::from(self.after) + rate * milliseconds / 1000;
        let allowed = due.saturating_sub(u128::from(sent));
        // A tenth of a second's worth, so that a slow response does not go byte by byte.
        let least = u128::from(wanted).min(rate / 10 + 1);
        if allowed >= least && allowed > 0 {
            return Ok(u64::try_from(allowed).unwrap_or(u64::MAX).min(wanted));
        }
        let missing = (u128::from(sent) + least).saturating_sub(due);
        let wait = u64::try_from(missing * 1000 / rate).unwrap_or(u64::MAX);
        Err(Duration::from_millis(wait.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(rate: u64, after: u64) -> Pace {
        Pace { rate: NonZeroU64::new(rate).expect("a rate"), after }
    }

    #[test]
    fn what_comes_first_is_not_limited_and_the_rest_follows_the_clock() {
        let pace = pace(1000, 5000);
        assert_eq!(pace.next(Duration::ZERO, 0, 100_000), Ok(6000));
        assert_eq!(pace.next(Duration::ZERO, 6000, 100_000), Err(Duration::from_millis(102)));
        assert_eq!(pace.next(SECOND / 10 + Duration::from_millis(1), 6000, 100_000), Ok(101));
        assert_eq!(pace.next(10 * SECOND, 6000, 100_000), Ok(10_000));
        assert_eq!(pace.next(10 * SECOND, 6000, 7), Ok(7));
    }

    #[test]
    fn ten_seconds_worth_takes_nine_seconds() {
        let pace = pace(1000, 0);
        let (mut elapsed, mut sent) = (Duration::ZERO, 0);
        while sent < 10_000 {
            match pace.next(elapsed, sent, 10_000 - sent) {
                Ok(bytes) => sent += bytes,
                Err(wait) => elapsed += wait,
            }
        }
        assert!((9 * SECOND..9 * SECOND + SECOND / 5).contains(&elapsed), "{elapsed:?}");
    }
}
