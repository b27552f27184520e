//! `jamul.dev/endpoint-*`, `jamul.dev/slow-start`, `jamul.dev/health-check-*`: what endpoints bear and whether they are
//! well. Jamul's own; ingress-nginx has nothing like them.
//!
//! ```yaml
//! jamul.dev/health-check-path: /healthz
//! jamul.dev/endpoint-max-requests: "50"
//! ```
//! They hold for the Service: of several Ingresses that lead there, the oldest that says something counts.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::alphabet::{URL, holds_only};
use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::host::Host;
use crate::policy::{Cap, Check};

const MAX_REQUESTS: &str = "jamul.dev/endpoint-max-requests";
const QUEUE: &str = "jamul.dev/endpoint-queue";
const QUEUE_TIMEOUT: &str = "jamul.dev/endpoint-queue-timeout";
const SLOW_START: &str = "jamul.dev/slow-start";
const PATH: &str = "jamul.dev/health-check-path";
const HOST: &str = "jamul.dev/health-check-host";
const INTERVAL: &str = "jamul.dev/health-check-interval";
const TIMEOUT: &str = "jamul.dev/health-check-timeout";
const FAILURES: &str = "jamul.dev/health-check-failures";
const PASSES: &str = "jamul.dev/health-check-passes";
const STATUSES: &str = "jamul.dev/health-check-statuses";

const DEFAULT_QUEUE: u32 = 100;
const DEFAULT_QUEUE_TIMEOUT: u32 = 5;
const DEFAULT_INTERVAL: u32 = 10;
const DEFAULT_TIMEOUT: u32 = 2;
const DEFAULT_FAILURES: u32 = 3;
const DEFAULT_PASSES: u32 = 1;
const DEFAULT_STATUSES: RangeInclusive<u16> = 200..=399;
/// A day: no wait here is meant to be longer.
const LONGEST: u32 = 86_400;

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const fn key(
            name: &'static str,
            default: &'static str,
            example: &'static str,
            summary: &'static str,
        ) -> Key {
            Key::route(name, default, Risk::Low, summary, example)
        }
        const KEYS: &[Key] = &[
            key(MAX_REQUESTS, "0", "50", "Requests that one endpoint may have under way; 0: any number."),
            key(
                QUEUE,
                "100",
                "20",
                "Requests that may wait while all endpoints have that many; more get 503.",
            ),
            key(QUEUE_TIMEOUT, "5", "10", "Seconds that a request waits so; then it gets 503."),
            key(
                SLOW_START,
                "0",
                "30",
                "Seconds in which a new endpoint's share grows to that of the others.",
            ),
            key(
                PATH,
                "",
                "/healthz",
                "Every endpoint is asked for this path; those that fail get no requests.",
            ),
            key(HOST, "the endpoint's address", "app.example", "Host header of that question."),
            key(INTERVAL, "10", "5", "Seconds between two such questions."),
            key(TIMEOUT, "2", "1", "Seconds in which the answer must come."),
            key(FAILURES, "3", "2", "Failures in a row after which an endpoint gets no requests."),
            key(PASSES, "1", "2", "Successes in a row after which it gets them again."),
            key(STATUSES, "200-399", "200-299", "Which statuses are a success."),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let mut number = |key: &'static str| (key, values.take(key));
        let cap = [MAX_REQUESTS, QUEUE, QUEUE_TIMEOUT].map(&mut number);
        let slow_start = number(SLOW_START);
        let times = [INTERVAL, TIMEOUT, FAILURES, PASSES].map(&mut number);
        let (path, host, statuses) = (values.take(PATH), values.take(HOST), values.take(STATUSES));
        let policy = &mut draft.route.policy;
        policy.slow_start = whole(slow_start, 0)?.map(|seconds| Duration::from_secs(seconds.into()));
        policy.slow_start = policy.slow_start.filter(|span| !span.is_zero());
        policy.cap = parse_cap(cap)?;
        if let Some(path) = path {
            policy.check = Some(parse_check(path, host, statuses, times)?);
        }
        Ok(())
    }
}

/// A key and its value.
type Written<'a> = (&'static str, Option<&'a str>);

fn parse_cap([requests, queue, wait]: [Written<'_>; 3]) -> Result<Option<Cap>, Invalid> {
    let (requests, queue, wait) = (whole(requests, 0)?, whole(queue, 0)?, whole(wait, 1)?);
    Ok(requests.and_then(NonZeroU32::new).map(|requests| Cap {
        requests,
        queue: queue.unwrap_or(DEFAULT_QUEUE),
        wait: Duration::from_secs(wait.unwrap_or(DEFAULT_QUEUE_TIMEOUT).into()),
    }))
}

fn parse_check(
    path: &str,
    host: Option<&str>,
    statuses: Option<&str>,
    [interval, timeout, failures, passes]: [Written<'_>; 4],
) -> Result<Check, Invalid> {
    if !path.starts_with('/') || !holds_only(path, URL) {
        return Err(Invalid::new(PATH, path, "a path that begins with /"));
    }
    if let Some(host) = host
        && Host::parse(host).is_none()
    {
        return Err(Invalid::new(HOST, host, "a host name with an optional port"));
    }
    let statuses = match statuses {
        Some(text) => parse_statuses(text)
            .ok_or_else(|| Invalid::new(STATUSES, text, "two statuses such as 200-299, or one"))?,
        None => DEFAULT_STATUSES,
    };
    let seconds = |written, default: u32| {
        whole(written, 1).map(|seconds| Duration::from_secs(seconds.unwrap_or(default).into()))
    };
    let count = |written, default: u32| {
        whole(written, 1).map(|count| NonZeroU32::new(count.unwrap_or(default)).unwrap_or(NonZeroU32::MIN))
    };
    Ok(Check {
        path: path.to_owned(),
        host: host.map(str::to_owned),
        interval: seconds(interval, DEFAULT_INTERVAL)?,
        timeout: seconds(timeout, DEFAULT_TIMEOUT)?,
        failures: count(failures, DEFAULT_FAILURES)?,
        passes: count(passes, DEFAULT_PASSES)?,
        statuses,
    })
}

fn parse_statuses(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (100..600).contains(status));
    let (first, last) = (status(first)?, status(last)?);
    (first <= last).then_some(first..=last)
}

/// A whole number from `least` on, below a day.
fn whole((key, value): Written<'_>, least: u32) -> Result<Option<u32>, Invalid> {
    let Some(value) = value else { return Ok(None) };
    let number = value.parse::<u32>().ok().filter(|number| (least..=LONGEST).contains(number));
    let expected = || format!("a whole number from {least} to {LONGEST}, without unit");
    number.map(Some).ok_or_else(|| Invalid::new(key, value, expected()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::compile;
    use crate::policy::Policy;

    fn policy(pairs: &[(&str, &str)]) -> Result<Policy, &'static str> {
        compile(&Family, pairs).map(|draft| draft.route.policy).map_err(|invalid| invalid.key)
    }

    #[test]
    fn nothing_is_capped_slowed_or_checked_unless_told() {
        assert_eq!(policy(&[]), Ok(Policy::default()));
        let nothing = [(MAX_REQUESTS, "0"), (SLOW_START, "0"), (INTERVAL, "1"), (QUEUE, "5")];
        assert_eq!(policy(&nothing), Ok(Policy::default()));
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let found =
            policy(&[(MAX_REQUESTS, "7"), (PATH, "/up?deep=1"), (STATUSES, "204"), (SLOW_START, "30")]);
        let found = found.expect("valid");
        let second = Duration::from_secs(1);
        let cap = found.cap.expect("a cap");
        assert_eq!((cap.requests.get(), cap.queue, cap.wait), (7, 100, 5 * second));
        assert_eq!(found.slow_start, Some(30 * second));
        let check = found.check.expect("a check");
        assert_eq!((check.interval, check.timeout, check.statuses), (10 * second, 2 * second, 204..=204));
    }

    #[test]
    fn other_values_are_refused() {
        for (key, value) in [
            (MAX_REQUESTS, "-1"),
            (QUEUE, "x"),
            (QUEUE_TIMEOUT, "0"),
            (SLOW_START, "30s"),
            (PATH, "healthz"),
            (PATH, "/a b"),
            (HOST, "a b"),
            (INTERVAL, "0"),
            (FAILURES, "0"),
            (STATUSES, "299-200"),
            (STATUSES, "2xx"),
        ] {
            assert_eq!(policy(&[(PATH, "/"), (key, value)]), Err(key), "{value}");
        }
    }
}
