//! What holds for all exchanges, from the controller's ConfigMap.

use std::sync::Arc;

use http::HeaderValue;

use crate::annotation::Invalid;
use crate::annotations::gate::{RISK_LEVEL, parse_risk};
use crate::compression::Compression;
use crate::edge::Edge;
use crate::keepalive::Keepalive;
use crate::log_format::AccessLogRules;
use crate::setting_reader::SettingReader;
use crate::tls_settings::TlsSettings;

/// What holds for all exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Globals {
    /// `Strict-Transport-Security` of every answer by https (RFC 6797); `None` = none is added.
    pub hsts: Option<HeaderValue>,
    /// How clients are met.
    pub edge: Arc<Edge>,
    /// How TLS is spoken with clients.
    pub tls: TlsSettings,
    /// How long connections to endpoints are kept.
    pub keepalive: Keepalive,
    /// Which responses are compressed.
    pub compression: Arc<Compression>,
    /// What is written to the access log.
    pub access_log: Arc<AccessLogRules>,
    /// Whose `Server` responses carry.
    pub server: ServerHeader,
}

/// Whose `Server` responses carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerHeader {
    /// Nobody's.
    #[default]
    Absent,
    /// `server-tokens`
    Ours,
    /// `allow-backend-server-header`
    Upstreams,
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
        let hsts = Some(HeaderValue::from_static("max-age=31536000; includeSubDomains"));
        Self {
            hsts,
            edge: Arc::default(),
            tls: TlsSettings::default(),
            keepalive: Keepalive::default(),
            compression: Arc::default(),
            access_log: Arc::default(),
            server: ServerHeader::default(),
        }
    }
}

impl Globals {
    /// Reads them by `setting`; what is invalid keeps its default and is told.
    pub fn compile(setting: impl Fn(&str) -> Option<String>) -> (Self, Vec<Invalid>) {
        let (keepalive, invalid) = Keepalive::compile(&setting);
        let mut settings = SettingReader::new(&setting);
        settings.invalid.extend(invalid);
        let hsts = hsts(&mut settings);
        let edge = Arc::new(Edge::read(&mut settings));
        let compression = Arc::new(Compression::compile(&setting, &mut settings.invalid));
        let access_log = Arc::new(AccessLogRules::compile(&setting, &mut settings.invalid));
        let server = server(&mut settings);
        // The annotations are judged by it one Ingress at a time; a word that is none is told once.
        settings.value(RISK_LEVEL, parse_risk, "Low, Medium, High or Critical");
        let mut invalid = settings.invalid;
        let (tls, of_tls) = TlsSettings::compile(&setting);
        invalid.extend(of_tls);
        (Self { hsts, edge, tls, keepalive, compression, access_log, server }, invalid)
    }
}

fn server(settings: &mut SettingReader<'_>) -> ServerHeader {
    let ours = settings.boolean("server-tokens").unwrap_or_default();
    match settings.boolean("allow-backend-server-header") {
        Some(true) => ServerHeader::Upstreams,
        Some(false) | None if ours => ServerHeader::Ours,
        Some(false) | None => ServerHeader::Absent,
    }
}

fn hsts(settings: &mut SettingReader<'_>) -> Option<HeaderValue> {
    let is_on = settings.boolean(HSTS).unwrap_or(true);
    let subdomains = if settings.boolean(SUBDOMAINS).unwrap_or(true) { "; includeSubDomains" } else { "" };
    let preload = if settings.boolean(PRELOAD).unwrap_or_default() { "; preload" } else { "" };
    let age = settings.value(MAX_AGE, |text| text.parse::<u64>().ok(), "seconds, such as 31536000");
    let age = age.unwrap_or(DEFAULT_MAX_AGE);
    HeaderValue::try_from(format!("max-age={age}{subdomains}{preload}")).ok().filter(|_| is_on)
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
