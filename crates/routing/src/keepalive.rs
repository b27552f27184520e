//! How long connections to endpoints are kept (`upstream-keepalive-*`).

use std::time::Duration;

use crate::annotation::Invalid;

/// How long connections to endpoints are kept; the defaults are ingress-nginx's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Idle ones of HTTP/1.1 that a worker keeps: 320; 0: none.
    pub connections: usize,
    /// Requests that one connection takes: 10000.
    pub requests: u64,
    /// How long one may be idle: 60 s.
    pub idle: Duration,
    /// How long one is used: an hour.
    pub age: Duration,
}

const CONNECTIONS: &str = "upstream-keepalive-connections";
const REQUESTS: &str = "upstream-keepalive-requests";
const TIMEOUT: &str = "upstream-keepalive-timeout";
const TIME: &str = "upstream-keepalive-time";

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            connections: 320,
            requests: 10_000,
            idle: Duration::from_secs(60),
            age: Duration::from_secs(3600),
        }
    }
}

impl Keepalive {
    /// Reads it by `setting`; what is invalid keeps its default and is told.
    pub fn compile(setting: impl Fn(&str) -> Option<String>) -> (Self, Vec<Invalid>) {
        let mut invalid = Vec::new();
        let mut read = |key: &'static str, parse: fn(&str) -> Option<u64>, expected: &str| {
            let text = setting(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())?;
            let value = parse(&text);
            if value.is_none() {
                invalid.push(Invalid::new(key, text, expected));
            }
            value
        };
        let mut keepalive = Self::default();
        if let Some(connections) = read(CONNECTIONS, whole, "a whole number, 0 for none") {
            keepalive.connections = usize::try_from(connections).unwrap_or(usize::MAX);
        }
        if let Some(requests) = read(REQUESTS, positive, "a whole number, 1 or more") {
            keepalive.requests = requests;
        }
        if let Some(seconds) = read(TIMEOUT, whole, "whole seconds, without unit") {
            keepalive.idle = Duration::from_secs(seconds);
        }
        if let Some(seconds) = read(TIME, nginx_time, "a time such as 1h, 30m or 90s") {
            keepalive.age = Duration::from_secs(seconds);
        }
        (keepalive, invalid)
    }
}

fn whole(text: &str) -> Option<u64> {
    text.parse().ok()
}

fn positive(text: &str) -> Option<u64> {
    whole(text).filter(|number| *number > 0)
}

/// nginx's times in seconds: numbers with a unit, one after the other; without a unit they are seconds.
fn nginx_time(text: &str) -> Option<u64> {
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.chars().next().unwrap_or('s');
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = after.get(unit.len_utf8()..).unwrap_or_default().trim_start();
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(pairs: &[(&str, &str)]) -> (Keepalive, Vec<&'static str>) {
        let find =
            |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let (keepalive, invalid) = Keepalive::compile(find);
        (keepalive, invalid.into_iter().map(|invalid| invalid.key).collect())
    }

    #[test]
    fn settings_change_what_they_name() {
        assert_eq!(compile(&[]), (Keepalive::default(), Vec::new()));
        let told = [(CONNECTIONS, "0"), (REQUESTS, "5"), (TIMEOUT, "7"), (TIME, "1h30m")];
        let (idle, age) = (Duration::from_secs(7), Duration::from_secs(5400));
        assert_eq!(compile(&told), (Keepalive { connections: 0, requests: 5, idle, age }, Vec::new()));
    }

    #[test]
    fn what_is_no_number_or_time_keeps_the_default() {
        let wrong = [(CONNECTIONS, "-1"), (REQUESTS, "0"), (TIMEOUT, "7s"), (TIME, "1y")];
        assert_eq!(compile(&wrong), (Keepalive::default(), vec![CONNECTIONS, REQUESTS, TIMEOUT, TIME]));
        assert_eq!(compile(&[(TIME, "h")]).1, [TIME]);
    }
}
