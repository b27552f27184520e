//! Values of the controller's ConfigMap, read key by key; what is wrong keeps its default and is told.

use std::time::Duration;

use crate::annotation::{Invalid, parse_bool};
use crate::sizes::parse_size;

/// Reads settings and gathers what is wrong with them.
pub(crate) struct SettingReader<'a> {
    find: &'a dyn Fn(&str) -> Option<String>,
    /// What was wrong so far.
    pub(crate) invalid: Vec<Invalid>,
}

impl<'a> SettingReader<'a> {
    /// Reads by `find`.
    pub(crate) fn new(find: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { find, invalid: Vec::new() }
    }

    /// The trimmed text of `key`; `None` if it is not set or empty.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        (self.find)(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The value that `parse` makes of the text of `key`; `None` if it is not set, or wrong, which is told: `expected`
    /// ends the sentence "expected ...".
    pub(crate) fn value<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        let text = self.text(key)?;
        let value = parse(&text);
        if value.is_none() {
            self.invalid.push(Invalid::new(key, text, expected));
        }
        value
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        match parse_bool(key, &self.text(key)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.invalid.push(error);
                None
            }
        }
    }

    /// A span of time of a second or more.
    pub(crate) fn span(&mut self, key: &'static str) -> Option<Duration> {
        let long = |text: &str| parse_span(text).filter(|span| *span >= Duration::from_secs(1));
        self.value(key, long, "seconds, 1 or more, or a span such as 90s or 2m")
    }

    /// A whole number of at least `least`.
    pub(crate) fn number(&mut self, key: &'static str, least: u32) -> Option<u32> {
        let parse = |text: &str| text.parse().ok().filter(|number| *number >= least);
        self.value(key, parse, &format!("a whole number, {least} or more"))
    }
}

/// nginx's spans: whole numbers with `ms`, `s`, `m`, `h` or `d`, the largest first; seconds without a unit.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut span = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let number: u32 = number.parse().ok()?;
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "" | "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(60 * 60),
            "d" => Duration::from_secs(24 * 60 * 60),
            _ => return None,
        };
        span = span.checked_add(unit.checked_mul(number)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(span)
}

/// `number size`, as `4 8k`: how many buffers, and bytes of each.
pub(crate) fn parse_buffers(text: &str) -> Option<(u32, usize)> {
    let (number, size) = text.split_once(char::is_whitespace)?;
    let number = number.parse().ok().filter(|number| (1..=1024).contains(number))?;
    let size = usize::try_from(parse_size(size.trim())?).ok().filter(|size| (1..=1 << 20).contains(size))?;
    Some((number, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_buffers_are_read_as_nginx_reads_them() {
        for (text, seconds) in [("60", 60), ("90s", 90), ("1m30s", 90), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(parse_span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_span("500ms"), Some(Duration::from_millis(500)));
        for text in ["", "s", "1x", "-1", "1.5s", "99999999999"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
        assert_eq!(parse_buffers("4 8k"), Some((4, 8192)));
        for text in ["4", "8k", "0 8k", "4 0", "4 8kb", "9999 8k"] {
            assert_eq!(parse_buffers(text), None, "{text}");
        }
    }
}
