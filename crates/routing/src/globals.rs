//! What holds for all exchanges, from the controller's ConfigMap.

use http::HeaderValue;

use crate::annotation::{Invalid, parse_bool};

/// What holds for all exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Globals {
    /// `Strict-Transport-Security` of every answer by https (RFC 6797); `None` = none is added.
    pub hsts: Option<HeaderValue>,
}

const HSTS: &str = "hsts";
const MAX_AGE: &str = "hsts-max-age";
const SUBDOMAINS: &str = "hsts-include-subdomains";
const PRELOAD: &str = "hsts-preload";
/// A year, in seconds.
const DEFAULT_MAX_AGE: u64 = 31_536_000;

impl Default for Globals {
    /// ingress-nginx's.
    fn default() -> Self {
        Self { hsts: Some(HeaderValue::from_static("max-age=31536000; includeSubDomains")) }
    }
}

impl Globals {
    /// Reads them by `setting`; what is invalid keeps its default and is told.
    pub fn compile(setting: impl Fn(&str) -> Option<String>) -> (Self, Vec<Invalid>) {
        let mut invalid = Vec::new();
        let read =
            |key: &str| setting(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut boolean =
            |key: &'static str, default: bool| match read(key).map(|text| parse_bool(key, &text)) {
                Some(Ok(value)) => value,
                Some(Err(error)) => {
                    invalid.push(error);
                    default
                }
                None => default,
            };
        let (is_on, subdomains, preload) =
            (boolean(HSTS, true), boolean(SUBDOMAINS, true), boolean(PRELOAD, false));
        let age = read(MAX_AGE).map(|text| text.parse::<u64>().map_err(|_| text));
        let age = match age {
            Some(Ok(age)) => age,
            Some(Err(text)) => {
                invalid.push(Invalid::new(MAX_AGE, text, "seconds, such as 31536000"));
                DEFAULT_MAX_AGE
            }
            None => DEFAULT_MAX_AGE,
        };
        let subdomains = if subdomains { "; includeSubDomains" } else { "" };
        let preload = if preload { "; preload" } else { "" };
        let value = HeaderValue::try_from(format!("max-age={age}{subdomains}{preload}")).ok();
        (Self { hsts: value.filter(|_| is_on) }, invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hsts(pairs: &[(&str, &str)]) -> (Option<String>, usize) {
        let find =
            |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let (globals, invalid) = Globals::compile(find);
        (globals.hsts.and_then(|value| Some(value.to_str().ok()?.to_owned())), invalid.len())
    }

    #[test]
    fn strict_transport_security_is_written_as_the_settings_say() {
        assert_eq!(Globals::compile(|_| None), (Globals::default(), Vec::new()));
        assert_eq!(hsts(&[(HSTS, "false")]), (None, 0));
        let all = [(MAX_AGE, "60"), (SUBDOMAINS, "false"), (PRELOAD, "true")];
        assert_eq!(hsts(&all), (Some("max-age=60; preload".to_owned()), 0));
        let wrong = [(HSTS, "no"), (MAX_AGE, "1y")];
        assert_eq!(hsts(&wrong), (Some("max-age=31536000; includeSubDomains".to_owned()), 2));
    }
}
