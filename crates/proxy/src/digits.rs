//! Numbers, times and addresses as text without the formatting machinery: an access log line is made for every
//! exchange, and that machinery was a sixth of what an exchange cost.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;

/// Digits of the largest `u64`.
const MOST_DIGITS: usize = 20;

/// Appends `number`.
pub(crate) fn push_number(out: &mut String, mut number: u64) {
    let mut digits = [b'0'; MOST_DIGITS];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        let [lowest, ..] = (number % 10).to_le_bytes();
        *digit = b'0' + lowest;
        used += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let text = digits.get(MOST_DIGITS - used..).and_then(|digits| std::str::from_utf8(digits).ok());
    out.push_str(text.unwrap_or_default());
}

/// Appends seconds with three decimals, rounded.
pub(crate) fn push_seconds(out: &mut String, duration: Duration) {
    let milliseconds = (duration.as_nanos() + 500_000) / 1_000_000;
    let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
    push_number(out, milliseconds / 1000);
    out.push('.');
    let decimals = milliseconds % 1000;
    out.push_str(match decimals {
        0..10 => "00",
        10..100 => "0",
        _ => "",
    });
    push_number(out, decimals);
}

/// Appends an address as its `Display` writes it.
pub(crate) fn push_ip(out: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push('.');
                }
                push_number(out, octet.into());
            }
        }
        // Writing to a String cannot fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// Appends address and port as their `Display` writes them.
pub(crate) fn push_socket(out: &mut String, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => {
            push_ip(out, (*address.ip()).into());
            out.push(':');
            push_number(out, address.port().into());
        }
        // Writing to a String cannot fail.
        SocketAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// The current second as nginx's `$time_local` (UTC), made once a second.
#[derive(Debug, Default)]
pub(crate) struct LocalTime {
    second: i64,
    text: String,
}

impl LocalTime {
    /// `24/Nov/2026:19:28:01 +0000`.
    pub(crate) fn at(&mut self, now: Timestamp) -> &str {
        if self.text.is_empty() || self.second != now.as_second() {
            self.second = now.as_second();
            self.text = now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn text(push: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        push(&mut out);
        out
    }

    #[test]
    fn numbers_are_as_display_writes_them() {
        for number in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            assert_eq!(text(|out| push_number(out, number)), number.to_string());
        }
    }

    #[test]
    fn seconds_have_three_decimals_and_are_rounded() {
        for (microseconds, expected) in [
            (0, "0.000"),
            (499, "0.000"),
            (500, "0.001"),
            (12_345, "0.012"),
            (999_500, "1.000"),
            (61_234_567, "61.235"),
        ] {
            assert_eq!(text(|out| push_seconds(out, Duration::from_micros(microseconds))), expected);
        }
    }

    #[test]
    fn addresses_are_as_display_writes_them() {
        for address in ["192.0.2.7:80", "0.0.0.0:65535", "[2001:db8::1]:443"] {
            let socket: SocketAddr = address.parse().unwrap();
            assert_eq!(text(|out| push_socket(out, socket)), address);
            assert_eq!(text(|out| push_ip(out, socket.ip())), socket.ip().to_string());
        }
    }

    #[test]
    fn the_time_follows_the_clock() {
        let mut time = LocalTime::default();
        let second = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(time.at(second(0)), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(time.at(second(0)), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(time.at(second(61)), "01/Jan/1970:00:01:01 +0000");
    }
}
