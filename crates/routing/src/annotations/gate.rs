//! The settings `annotations-risk-level` and `annotation-value-word-blocklist`: annotations that the controller does not
//! take at all. Whoever carries one is closed, as ingress-nginx does not serve such an Ingress.

use crate::alphabet::items;
use crate::annotation::{Invalid, Key, Lookup, OnInvalid, Risk, Values};

pub(crate) const RISK_LEVEL: &str = "annotations-risk-level";
const WORDS: &str = "annotation-value-word-blocklist";

/// The annotations of `keys` among `values` that are not taken; they count as known.
pub(super) fn refuse(
    keys: impl Iterator<Item = &'static Key>,
    values: &mut Values<'_>,
    lookup: &dyn Lookup,
) -> Vec<(Invalid, OnInvalid)> {
    let level = lookup.setting(RISK_LEVEL).and_then(|word| parse_risk(&word)).unwrap_or(Risk::High);
    let words = lookup.setting(WORDS).unwrap_or_default();
    let mut refused = Vec::new();
    for key in keys {
        let Some(value) = values.find(key.name) else { continue };
        if let Some(expected) = objection(key, value, level, &words) {
            let first = value.lines().next().unwrap_or_default();
            refused.push((Invalid::new(key.name, first, expected), OnInvalid::Close));
            // Nobody else reads it.
            values.take(key.name);
        }
    }
    refused
}

fn objection(key: &Key, value: &str, level: Risk, words: &str) -> Option<String> {
    if key.risk > level {
        let rated = format!("{:?}", key.risk).to_ascii_lowercase();
        return Some(format!("no value: its risk is {rated}, more than the setting {RISK_LEVEL} allows"));
    }
    let word = items(words).find(|word| value.contains(word))?;
    Some(format!("a value without {word:?}, which the setting {WORDS} forbids"))
}

/// A level, in any case of letters.
pub(crate) fn parse_risk(word: &str) -> Option<Risk> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "low" => Risk::Low,
        "medium" => Risk::Medium,
        "high" => Risk::High,
        "critical" => Risk::Critical,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Objects, annotations};

    static KEYS: [Key; 4] = [
        Key::route("server-snippet", "", Risk::Critical, "", ""),
        Key::route("auth-url", "", Risk::High, "", ""),
        Key::route("rewrite-target", "", Risk::Medium, "", ""),
        Key::route("ssl-redirect", "", Risk::Low, "", ""),
    ];

    fn refused(settings: &[(&str, &str)], pairs: &[(&str, &str)]) -> Vec<&'static str> {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let annotations = annotations(pairs);
        let mut values = Values::new("p", &annotations);
        let found = refuse(KEYS.iter(), &mut values, &Objects { settings, ..Objects::default() });
        assert!(found.iter().all(|(_, outcome)| *outcome == OnInvalid::Close));
        found.into_iter().map(|(invalid, _)| invalid.key).collect()
    }

    #[test]
    fn what_is_riskier_than_the_level_is_not_taken() {
        let pairs = [
            ("server-snippet", "x"),
            ("auth-url", "http://x/"),
            ("rewrite-target", "/"),
            ("ssl-redirect", "true"),
        ];
        assert_eq!(refused(&[], &pairs), ["server-snippet"]);
        assert_eq!(refused(&[(RISK_LEVEL, "Critical")], &pairs), [""; 0]);
        assert_eq!(refused(&[(RISK_LEVEL, "low")], &pairs), ["server-snippet", "auth-url", "rewrite-target"]);
        assert_eq!(refused(&[(RISK_LEVEL, "none")], &pairs), ["server-snippet"]);
    }

    #[test]
    fn values_with_a_forbidden_word_are_not_taken() {
        let words = [(WORDS, "load_module, lua_package ,_by_lua")];
        assert_eq!(
            refused(&words, &[("auth-url", "/x_by_lua"), ("ssl-redirect", "a.example")]),
            ["auth-url"]
        );
    }
}
