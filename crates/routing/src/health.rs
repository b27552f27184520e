//! Whether an endpoint should be asked: what exchanges met with there (passive), and what probes did (active).
//!
//! Five strikes in a row put an endpoint aside for a second, and for twice as long each time it happens again
//! within a minute, up to a minute. A connection that was refused is five strikes at once: nobody is there.
//! After that time the next request is the test. Who chooses among endpoints never lets more than half of them
//! be aside ([`crate::balance`]): if most seem to be down, it is likelier that the fault is elsewhere.

/// What one endpoint has been like. Times are milliseconds on any clock that only goes forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    strikes: u8,
    /// How often it was put aside in a row.
    ejections: u8,
    /// Active checks fail.
    is_failing: bool,
    /// Until when it is aside; 40 bits.
    until: u64,
}

/// What happened at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// It answered.
    Answered,
    /// It did not accept a connection.
    Unreachable,
    /// It broke the connection, kept silent for too long, or answered with a status that counts as a failure.
    Failed,
    /// It passed enough active checks in a row, or is no longer checked.
    ProbePassed,
    /// It failed enough active checks in a row.
    ProbeFailed,
}

const STRIKES: u8 = 5;
const FIRST_EJECTION: u64 = 1_000;
const LONGEST_EJECTION: u64 = 60_000;
/// After this time without trouble the next ejection is a first one again.
const FORGIVEN: u64 = 60_000;
const UNTIL_BITS: u32 = 40;

impl Health {
    /// The state after `seen` at `now`. One that checks put aside comes back by a check only.
    #[must_use]
    pub fn observe(self, seen: Observation, now: u64) -> Self {
        match seen {
            Observation::Answered if now >= self.until.saturating_add(FORGIVEN) => {
                Self { strikes: 0, ejections: 0, until: 0, ..self }
            }
            Observation::Answered => Self { strikes: 0, ..self },
            Observation::Unreachable => self.strike(STRIKES, now),
            Observation::Failed => self.strike(1, now),
            Observation::ProbePassed => Self { is_failing: false, ..self },
            Observation::ProbeFailed => Self { is_failing: true, ..self },
        }
    }

    /// Whether it should be asked at `now`.
    #[must_use]
    pub fn is_up(self, now: u64) -> bool {
        !self.is_failing && now >= self.until
    }

    /// One word, so that threads can share it without a lock.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        let until = self.until.min((1 << UNTIL_BITS) - 1);
        until
            | u64::from(self.strikes) << 40
            | u64::from(self.ejections) << 48
            | u64::from(self.is_failing) << 56
    }

    /// [`Self::to_bits`] undone.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let [_, _, _, _, _, strikes, ejections, failing] = bits.to_le_bytes();
        Self { strikes, ejections, is_failing: failing != 0, until: bits & ((1 << UNTIL_BITS) - 1) }
    }

    fn strike(self, count: u8, now: u64) -> Self {
        // Exchanges that were under way when it was put aside are no news.
        if now < self.until {
            return self;
        }
        let strikes = self.strikes.saturating_add(count);
        // Back from being aside, it is on trial: one strike is enough.
        let on_trial = self.ejections > 0 && now < self.until + FORGIVEN;
        if strikes < STRIKES && !(on_trial && self.strikes == 0) {
            return Self { strikes, ..self };
        }
        let ejections = if on_trial { self.ejections.saturating_add(1) } else { 1 };
        let factor = 1 << u32::from(ejections - 1).min(16);
        let until = now + (FIRST_EJECTION * factor).min(LONGEST_EJECTION);
        Self { strikes: 0, ejections, until, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(health: Health, seen: &[Observation], now: u64) -> Health {
        seen.iter().fold(health, |health, seen| health.observe(*seen, now))
    }

    #[test]
    fn five_failures_in_a_row_put_aside_and_an_answer_between_them_forgives() {
        use Observation::{Answered, Failed};
        let health = after(Health::default(), &[Failed, Failed, Failed, Failed, Answered, Failed], 10);
        assert!(health.is_up(10));
        let health = after(health, &[Failed, Failed, Failed, Failed], 10);
        assert!(!health.is_up(1_009) && health.is_up(1_010));
    }

    #[test]
    fn each_time_it_stays_aside_longer_up_to_a_minute_until_it_behaves() {
        let mut health = Health::default();
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..8 {
            health = health.observe(Observation::Unreachable, now);
            waits.push(health.until - now);
            now = health.until;
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        let later = now + FORGIVEN;
        assert_eq!(health.observe(Observation::Unreachable, later).until - later, 1_000);
    }

    #[test]
    fn exchanges_that_were_under_way_do_not_lengthen_the_time() {
        let health = Health::default().observe(Observation::Unreachable, 0);
        assert_eq!(after(health, &[Observation::Failed; 9], 500), health);
    }

    #[test]
    fn a_failed_probe_keeps_it_aside_until_one_passes() {
        let health = Health::default().observe(Observation::ProbeFailed, 0);
        assert!(!health.is_up(1_000_000));
        assert!(health.observe(Observation::ProbePassed, 1_000_000).is_up(1_000_000));
    }

    #[test]
    fn one_word_holds_it_all() {
        let health = after(Health::default(), &[Observation::Unreachable, Observation::ProbeFailed], 123_456);
        let health = health.observe(Observation::Failed, 200_000);
        assert_eq!(Health::from_bits(health.to_bits()), health);
    }
}
