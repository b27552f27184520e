//! `proxy-connect-timeout`, `proxy-send-timeout`, `proxy-read-timeout`.

use std::time::Duration;

use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;

const CONNECT: &str = "proxy-connect-timeout";
const SEND: &str = "proxy-send-timeout";
const READ: &str = "proxy-read-timeout";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const fn key(name: &'static str, default: &'static str, summary: &'static str) -> Key {
            let (risk, scope, on_invalid) = (Risk::Low, KeyScope::Route, OnInvalid::UseDefault);
            Key { name, default, risk, scope, summary, example: "30", on_invalid }
        }
        const KEYS: &[Key] = &[
            key(CONNECT, "5", "Seconds until an endpoint must have accepted the connection."),
            key(SEND, "60", "Seconds that may pass between two writes to an endpoint."),
            key(READ, "60", "Seconds that may pass between two reads from an endpoint, else 504."),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let timeouts = &mut draft.route.timeouts;
        let fields =
            [(CONNECT, &mut timeouts.connect), (SEND, &mut timeouts.send), (READ, &mut timeouts.read)];
        let mut result = Ok(());
        for (key, field) in fields {
            let Some(value) = values.take_or_setting(key, lookup) else { continue };
            match parse_seconds(&value) {
                Some(seconds) => *field = seconds,
                None => {
                    let expected = "whole seconds without unit, 1 or more, such as 30";
                    result = result.and(Err(Invalid::new(key, value, expected)));
                }
            }
        }
        result
    }
}

fn parse_seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse::<u32>().ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Objects, annotations, compile};

    #[test]
    fn seconds_are_taken() {
        let draft = compile(&Family, &[(CONNECT, "1"), (SEND, "2"), (READ, "3600")]).expect("valid");
        let timeouts = draft.route.timeouts;
        let seconds = [timeouts.connect, timeouts.send, timeouts.read].map(|timeout| timeout.as_secs());
        assert_eq!(seconds, [1, 2, 3600]);
    }

    #[test]
    fn units_signs_and_zero_are_refused_and_the_other_keys_still_count() {
        for value in ["30s", "-1", "0", "1.5", "99999999999"] {
            let annotations = annotations(&[(CONNECT, value), (READ, "7")]);
            let mut draft = Draft::default();
            let mut values = Values::new("p", &annotations);
            let invalid = Family.compile(&mut values, &mut draft, &Objects::default()).expect_err(value);
            assert_eq!(invalid.key, CONNECT);
            let timeouts = draft.route.timeouts;
            assert_eq!((timeouts.connect.as_secs(), timeouts.read.as_secs()), (5, 7));
        }
    }
}
