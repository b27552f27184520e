//! Annotations of ingress-nginx that are refused, each with the way out.

use crate::annotation::{
    Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Support, Values, parse_bool,
};
use crate::draft::Draft;

/// The family.
#[derive(Debug)]
pub struct Family;

const WAF: &str = "\"false\" or no value: there is no ModSecurity in Jamul; put a web application firewall before it or \
                   behind it";
const RAW: &str = "no value: raw nginx configuration is never run; use annotations that say the same";

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            waf(
                "enable-modsecurity",
                Risk::Low,
                "There is no ModSecurity here; the route is served without it.",
            ),
            waf("enable-owasp-core-rules", Risk::Low, "See enable-modsecurity."),
            waf("modsecurity-snippet", Risk::Critical, "See enable-modsecurity."),
            waf("modsecurity-transaction-id", Risk::High, "See enable-modsecurity."),
            raw("auth-snippet", KeyScope::Route),
            raw("stream-snippet", KeyScope::Host),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        _draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        // The one that closes the route is the one to report.
        let mut worst: Option<Invalid> = None;
        for key in self.keys() {
            let Some(value) = values.take(key.name) else { continue };
            if key.risk == Risk::Low && parse_bool(key.name, value) == Ok(false) {
                continue;
            }
            let closes = key.on_invalid == OnInvalid::Close;
            if worst.is_none() || closes {
                worst = Some(Invalid::new(key.name, value, if closes { RAW } else { WAF }));
            }
        }
        worst.map_or(Ok(()), Err)
    }

    fn support(&self) -> Support {
        Support::Refused
    }
}

const fn waf(name: &'static str, risk: Risk, summary: &'static str) -> Key {
    Key::route(name, "false", risk, summary, "false").if_invalid(OnInvalid::LeaveOut)
}

/// A snippet may hold access rules: to leave it out would open what it closes.
const fn raw(name: &'static str, scope: KeyScope) -> Key {
    let summary = "Raw nginx configuration is never run.";
    Key { scope, ..Key::route(name, "", Risk::Critical, summary, "-") }.if_invalid(OnInvalid::Close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::compile;
    use crate::fixtures::{Objects, annotations};

    fn outcome(key: &str, value: &str) -> Option<OnInvalid> {
        let annotations = annotations(&[(key, value)]);
        let mut values = Values::new("p", &annotations);
        let refused = compile(&mut values, &mut Draft::default(), &Objects::default());
        refused.first().map(|(_, outcome)| *outcome)
    }

    #[test]
    fn a_snippet_closes_and_a_missing_firewall_is_only_told() {
        assert_eq!(outcome("stream-snippet", "deny all;"), Some(OnInvalid::Close));
        assert_eq!(outcome("enable-modsecurity", "true"), Some(OnInvalid::LeaveOut));
        assert_eq!(outcome("enable-modsecurity", "false"), None);
        assert_eq!(outcome("modsecurity-snippet", "SecRuleEngine On"), Some(OnInvalid::LeaveOut));
    }
}
