//! Values of flags: text to meaning, or what was expected.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "expected a port, 0 to 65535".to_owned())
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "expected an IP address, for instance 127.0.0.1 or ::1".to_owned())
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected ADDR:PORT, for instance 127.0.0.1:14000 or [::1]:14000".to_owned())
}

pub(super) fn object_key(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(text.to_owned())
        }
        Some(_) | None => Err("expected NAMESPACE/NAME".to_owned()),
    }
}

pub(super) fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        Ok(_) | Err(_) => Err("expected a number from 1 to 1024".to_owned()),
    }
}

pub(super) fn host(text: &str) -> Result<String, String> {
    let is_address = text.parse::<IpAddr>().is_ok();
    let is_name =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if is_address || is_name {
        Ok(text.to_owned())
    } else {
        Err("expected a host name or an address".to_owned())
    }
}

/// As Go writes durations, for instance `1m30s`; at least a second.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = jamul_issuance::duration::parse(text).ok().and_then(|span| Duration::try_from(span).ok());
    parsed
        .filter(|span| (1..=86_400).contains(&span.as_secs()))
        .ok_or_else(|| "expected a duration from 1s to 24h, for instance 30s or 1m30s".to_owned())
}

/// A number of days, hours, minutes or seconds.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number with d, h, m or s, for instance 90d".to_owned();
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds: u64 = match unit {
        'd' => 24 * 60 * 60,
        'h' => 60 * 60,
        'm' => 60,
        's' => 1,
        _ => return Err(expected()),
    };
    let count: u64 = text.strip_suffix(unit).and_then(|count| count.parse().ok()).ok_or_else(expected)?;
    let total = count.checked_mul(seconds).filter(|total| (60..=MAX_SPAN).contains(total));
    total.map(Duration::from_secs).ok_or_else(|| "expected between 1m and 3650d".to_owned())
}

const MAX_SPAN: u64 = 3650 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit_and_a_limit() {
        assert_eq!(span("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(span("36h"), Ok(Duration::from_secs(36 * 3600)));
        for wrong in ["", "90", "d", "-1d", "1w", "1s", "4000d", "99999999999999999999d", "9é"] {
            assert!(span(wrong).is_err(), "{wrong:?}");
        }
    }
}
