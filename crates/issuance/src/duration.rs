//! Go duration strings, as Kubernetes' `metav1.Duration` reads them.

use jiff::SignedDuration;

/// Reads `2160h`, `1h30m`, `90s`, `500ms`; Go knows no days.
///
/// # Errors
/// The value and what was expected.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let refuse = || {
        format!(
            "{text:?} is not a duration; expected hours, minutes and seconds such as \"2160h\" or \"1h30m\""
        )
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refuse());
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refuse)?;
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| refuse())?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        total += number
            * match unit {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return Err(refuse()),
            };
        rest = tail;
    }
    SignedDuration::try_from_secs_f64(total).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        assert_eq!(parse("2160h"), Ok(SignedDuration::from_hours(2160)));
        assert_eq!(parse("1h30m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(parse("1.5h"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(parse("250ms"), Ok(SignedDuration::from_millis(250)));
    }

    #[test]
    fn what_go_refuses_is_refused_with_the_value() {
        for text in ["", "90d", "h", "5", "-1h", "1h x"] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(text) && error.contains("2160h"), "{error}");
        }
    }
}
