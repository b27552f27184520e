//! Cron expressions of five fields, as cert-manager's library (robfig/cron, standard parser) reads them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// When something begins, to the minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
}

/// Numbers as bits, and whether a star stood for them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set {
    bits: u64,
    is_any: bool,
}

/// What one field may hold.
struct Range {
    name: &'static str,
    first: u32,
    last: u32,
    /// Names of the numbers from `first` on.
    words: &'static [&'static str],
}

const MINUTE: Range = Range { name: "minute", first: 0, last: 59, words: &[] };
const HOUR: Range = Range { name: "hour", first: 0, last: 23, words: &[] };
const DAY: Range = Range { name: "day of month", first: 1, last: 31, words: &[] };
const MONTH: Range = Range {
    name: "month",
    first: 1,
    last: 12,
    words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Range = Range {
    name: "day of week",
    first: 0,
    last: 6,
    words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// What a word stands for.
const SHORTHANDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl Cron {
    /// Reads `minute hour day-of-month month day-of-week`, or a shorthand such as `@daily`.
    ///
    /// # Errors
    /// What was expected, without the expression.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let spelled = SHORTHANDS.iter().find(|(word, _)| *word == text).map_or(text, |(_, spelled)| spelled);
        let fields: Vec<&str> = spelled.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!(
                "expected exactly 5 fields (minute, hour, day of month, month, day of week), found {}",
                fields.len()
            ));
        };
        Ok(Self {
            minutes: Set::parse(minute, &MINUTE)?,
            hours: Set::parse(hour, &HOUR)?,
            days: Set::parse(day, &DAY)?,
            months: Set::parse(month, &MONTH)?,
            weekdays: Set::parse(weekday, &WEEKDAY)?,
        })
    }

    /// The first moment after `after` and before `end`, by the clock of `zone`.
    pub(crate) fn next_after(&self, after: Timestamp, zone: &TimeZone, end: Timestamp) -> Option<Timestamp> {
        let mut date = zone.to_datetime(after).date();
        // A day may begin before `end` by the clock of the zone, wherever that is.
        let last = zone.to_datetime(end.checked_add(SignedDuration::from_hours(24)).unwrap_or(end)).date();
        while date <= last {
            if self.is_on(date)
                && let Some(found) = self.moments(date, zone).find(|moment| *moment > after)
            {
                return (found < end).then_some(found);
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    /// A day of month and a day of week that are both given are alternatives, as in every cron.
    fn is_on(&self, date: Date) -> bool {
        let number = |value: i8| u32::try_from(value).unwrap_or(0);
        let day = self.days.has(number(date.day()));
        let weekday = self.weekdays.has(number(date.weekday().to_sunday_zero_offset()));
        let is_day = if self.days.is_any || self.weekdays.is_any { day && weekday } else { day || weekday };
        is_day && self.months.has(number(date.month()))
    }

    /// The moments of one day in order. A time that a clock change leaves out is taken an hour later.
    fn moments<'a>(&'a self, date: Date, zone: &'a TimeZone) -> impl Iterator<Item = Timestamp> + 'a {
        let times = (0..24_i8).flat_map(|hour| (0..60_i8).map(move |minute| (hour, minute)));
        let is_set = |set: &Set, value: i8| u32::try_from(value).is_ok_and(|value| set.has(value));
        times
            .filter(move |(hour, minute)| is_set(&self.hours, *hour) && is_set(&self.minutes, *minute))
            .filter_map(move |(hour, minute)| {
                let ambiguous = zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0));
                ambiguous.compatible().ok()
            })
    }
}

impl Set {
    fn has(self, value: u32) -> bool {
        value < 64 && self.bits & (1 << value) != 0
    }

    fn parse(text: &str, range: &Range) -> Result<Self, String> {
        let mut set = Self { bits: 0, is_any: false };
        for part in text.split(',') {
            let (span, step) = match part.split_once('/') {
                Some((span, step)) => (span, Some(step)),
                None => (part, None),
            };
            let (first, last) = match span.split_once('-') {
                Some((first, last)) => (range.number(first)?, range.number(last)?),
                None if matches!(span, "*" | "?") => {
                    set.is_any |= step.is_none();
                    (range.first, range.last)
                }
                // `5/10` is from 5 to the end.
                None if step.is_some() => (range.number(span)?, range.last),
                None => (range.number(span)?, range.number(span)?),
            };
            let step = match step.map(str::parse) {
                None => 1,
                Some(Ok(step)) if step > 0 => step,
                Some(_) => return Err(range.refuse(part, "a step of 1 or more")),
            };
            if first > last {
                return Err(range.refuse(part, "a range that begins before its end"));
            }
            for value in (first..=last).step_by(step) {
                set.bits |= 1 << value;
            }
        }
        Ok(set)
    }
}

impl Range {
    fn number(&self, text: &str) -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        let word = self.words.iter().position(|word| *word == lower);
        let value = match word {
            Some(index) => u32::try_from(index).ok().map(|index| index + self.first),
            None => text.parse().ok(),
        };
        let is_inside = |value: &u32| (self.first..=self.last).contains(value);
        value
            .filter(is_inside)
            .ok_or_else(|| self.refuse(text, &format!("a number from {} to {}", self.first, self.last)))
    }

    fn refuse(&self, part: &str, expected: &str) -> String {
        format!("{part:?} in the field {}: expected {expected}", self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::testing::at;

    fn next(cron: &str, after: &str) -> String {
        let end = at("2030-01-01T00:00:00Z");
        let next = Cron::parse(cron).unwrap().next_after(at(after), &TimeZone::UTC, end);
        next.map(|next| next.to_string()).unwrap_or_default()
    }

    #[test]
    fn each_form_of_a_field_is_read() {
        let saturday = "2026-08-08T12:00:00Z";
        for (cron, expected) in [
            ("* * * * *", "2026-08-08T12:01:00Z"),
            ("0 12 * * *", "2026-08-09T12:00:00Z"),
            ("*/20 13 * * *", "2026-08-08T13:00:00Z"),
            ("5/20 12 * * *", "2026-08-08T12:05:00Z"),
            ("0 0,6-8 ? * MON-fri", "2026-08-10T00:00:00Z"),
            ("30 4 29 feb *", "2028-02-29T04:30:00Z"),
            ("@monthly", "2026-09-01T00:00:00Z"),
        ] {
            assert_eq!(next(cron, saturday), expected, "{cron}");
        }
    }

    #[test]
    fn a_day_of_month_and_a_day_of_week_are_alternatives() {
        assert_eq!(next("0 0 13 * 5", "2026-08-08T00:00:00Z"), "2026-08-13T00:00:00Z");
        assert_eq!(next("0 0 13 * 5", "2026-08-13T00:00:00Z"), "2026-08-14T00:00:00Z");
        assert_eq!(next("0 0 * * 5", "2026-08-08T00:00:00Z"), "2026-08-14T00:00:00Z");
    }

    #[test]
    fn a_day_that_never_comes_is_no_endless_search() {
        assert_eq!(next("0 0 31 2 *", "2026-08-08T00:00:00Z"), "");
    }

    #[test]
    fn what_is_wrong_is_quoted_with_its_field() {
        for (cron, part) in [
            ("* * * *", "found 4"),
            ("60 * * * *", "\"60\" in the field minute"),
            ("* * 0 * *", "day of month"),
            ("* * * sept *", "\"sept\""),
            ("* * * * 7", "from 0 to 6"),
            ("*/0 * * * *", "a step"),
            ("9-5 * * * *", "a range"),
        ] {
            let error = Cron::parse(cron).unwrap_err();
            assert!(error.contains(part), "{cron}: {error}");
        }
    }
}
