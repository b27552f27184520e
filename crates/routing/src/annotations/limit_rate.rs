//! `limit-rate`, `limit-rate-after`: how fast each response may go to its client, in kilobytes.

use std::num::NonZeroU64;

use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::pace::Pace;

const RATE: &str = "limit-rate";
const AFTER: &str = "limit-rate-after";
const KILOBYTE: u64 = 1024;

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                RATE,
                "0",
                Risk::Low,
                "Kilobytes per second that a response may have; 0: any number.",
                "100",
            ),
            Key::route(AFTER, "0", Risk::Low, "So many kilobytes of each response are not limited.", "1000"),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let (rate, after) = (values.take_or_setting(RATE, lookup), values.take_or_setting(AFTER, lookup));
        let after = bytes(AFTER, after)?.unwrap_or(0);
        let rate = bytes(RATE, rate)?.and_then(NonZeroU64::new);
        draft.route.pace = rate.map(|rate| Pace { rate, after });
        Ok(())
    }
}

fn bytes(key: &'static str, value: Option<String>) -> Result<Option<u64>, Invalid> {
    let Some(value) = value else { return Ok(None) };
    let number = value.parse::<u32>().ok().map(|kilobytes| u64::from(kilobytes) * KILOBYTE);
    number.map(Some).ok_or_else(|| Invalid::new(key, value, "a whole number of kilobytes, without unit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Objects, compile, compile_with};

    #[test]
    fn annotations_are_kilobytes_and_beat_the_settings() {
        let pace = |rate: u64, after| NonZeroU64::new(rate).map(|rate| Pace { rate, after });
        let settings = [(RATE.to_owned(), "7".to_owned()), (AFTER.to_owned(), "1".to_owned())].into();
        let objects = Objects { settings, ..Objects::default() };
        let with = |pairs| compile_with(&Family, pairs, &objects).map(|draft| draft.route.pace);
        assert_eq!(with(&[]), Ok(pace(7 * 1024, 1024)));
        assert_eq!(with(&[(RATE, "2")]), Ok(pace(2048, 1024)));
        assert_eq!(with(&[(RATE, "0")]), Ok(None));
        assert_eq!(compile(&Family, &[(AFTER, "2")]).map(|draft| draft.route.pace), Ok(None));
    }

    #[test]
    fn units_and_words_are_refused() {
        for (key, value) in [(RATE, "100k"), (RATE, "-1"), (AFTER, "1m")] {
            assert_eq!(compile(&Family, &[(key, value)]).expect_err(value).key, key);
        }
    }
}
