//! Values of flags: text to meaning, or what was expected.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use jiff::SignedDuration;

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "expected a port, 0 to 65535".to_owned())
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "expected an IP address, for instance 127.0.0.1 or ::1".to_owned())
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected ADDR:PORT, for instance 127.0.0.1:14000 or [::1]:14000".to_owned())
}

/// `:8443` is all addresses of this machine.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    let Some(port) = text.strip_prefix(':') else {
        return text.parse().map_err(|_| "expected :PORT or ADDR:PORT, for instance :8443".to_owned());
    };
    let port = self::port(port)?;
    let has_v6 = std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
    // Of IPv6 it takes both.
    let all = if has_v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    Ok(SocketAddr::new(all, port))
}

pub(super) fn object_key(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(text.to_owned())
        }
        Some(_) | None => Err("expected NAMESPACE/NAME".to_owned()),
    }
}

/// An upper bound of a histogram.
pub(super) fn bound(text: &str) -> Result<f64, String> {
    let bound = text.trim().parse::<f64>().ok().filter(|bound| bound.is_finite() && *bound > 0.0);
    bound.ok_or_else(|| "expected a number above 0, such as 0.25".to_owned())
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

/// A boolean in Go's `ParseBool` spellings, as pflag takes them.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A number of seconds, at most a day.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 86_400);
    seconds.map(Duration::from_secs).ok_or_else(|| "expected a number of seconds, 0 to 86400".to_owned())
}

/// A path of a URL.
pub(super) fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?');
    if is_path { Ok(text.to_owned()) } else { Err("expected a path such as /healthz".to_owned()) }
}

/// A duration as Go writes it, more than nothing.
pub(super) fn go_duration(text: &str) -> Result<SignedDuration, String> {
    let expected = || "expected a duration such as 1h, 90m or 1h30m".to_owned();
    let duration = jamul_issuance::duration::parse(text).map_err(|_| expected())?;
    if duration > SignedDuration::ZERO { Ok(duration) } else { Err(expected()) }
}

/// Between refreshes: a span of at least 100 ms.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let expected = "expected a time such as 500ms, 2s or 1m, from 100ms to 1h";
    let (count, unit) = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        .into_iter()
        .find_map(|(unit, millis)| Some((text.strip_suffix(unit)?, millis)))
        .ok_or(expected)?;
    let millis = count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    let millis = millis.filter(|millis| (100..=3_600_000).contains(millis));
    millis.map(Duration::from_millis).ok_or_else(|| expected.to_owned())
}

/// `404` or `5xx`.
pub(super) fn status(text: &str) -> Result<String, String> {
    let is_class = |rest: &str| rest.eq_ignore_ascii_case("xx");
    let (first, rest) = text.split_at_checked(1).unwrap_or_default();
    let is_digit = matches!(first, "1" | "2" | "3" | "4" | "5");
    let is_status = rest.len() == 2 && rest.bytes().all(|byte| byte.is_ascii_digit());
    if is_digit && (is_status || is_class(rest)) {
        Ok(text.to_owned())
    } else {
        Err("expected a status such as 404, or a class such as 5xx".to_owned())
    }
}

const MAX_SPAN: u64 = 3650 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refreshes_are_neither_too_fast_nor_endless() {
        assert_eq!(interval("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(interval("2s"), Ok(Duration::from_secs(2)));
        for wrong in ["", "2", "0s", "99ms", "2h", "-1s", "9999999999999999999h"] {
            assert!(interval(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_status_is_one_or_a_class() {
        assert!(["200", "404", "5xx", "4XX"].iter().all(|good| status(good).is_ok()));
        assert!(["", "5", "600", "5x", "20", "2000", "é00"].iter().all(|wrong| status(wrong).is_err()));
    }

    #[test]
    fn spans_have_a_unit_and_a_limit() {
        assert_eq!(span("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(span("36h"), Ok(Duration::from_secs(36 * 3600)));
        for wrong in ["", "90", "d", "-1d", "1w", "1s", "4000d", "99999999999999999999d", "9é"] {
            assert!(span(wrong).is_err(), "{wrong:?}");
        }
    }
}
