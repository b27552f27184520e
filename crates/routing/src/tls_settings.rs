//! How TLS is spoken with all clients, from the controller's ConfigMap.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::annotation::{Invalid, parse_bool};
use crate::ciphers::{self, Cipher};
use crate::tls_policy::TlsVersions;

/// How TLS is spoken with all clients; a [`crate::TlsPolicy`] may say otherwise for its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// `ssl-protocols`
    pub versions: TlsVersions,
    /// `ssl-ciphers`; `None` = all.
    pub ciphers: Option<Vec<Cipher>>,
    /// Who may resume sessions.
    pub sessions: Sessions,
    /// What clients get that ask for a name without a certificate.
    pub unknown_names: UnknownNames,
}

/// How sessions are resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Kept by clients.
    pub tickets: Tickets,
    /// How many are kept by us (`ssl-session-cache`, `ssl-session-cache-size`), for each policy; 0 = none.
    pub kept: usize,
    /// How long (`ssl-session-timeout`).
    pub lifetime: Duration,
}

/// Sessions that clients keep, encrypted (RFC 8446 section 4.6.1, RFC 5077).
#[derive(Clone, PartialEq, Eq)]
pub enum Tickets {
    /// `ssl-session-tickets: "false"`
    Off,
    /// With keys of this process, made anew every few hours. Not said otherwise, this is it: nginx's reason against
    /// tickets is a key that lives as long as the process.
    Rotating,
    /// With a key that replicas share (`ssl-session-ticket-key`): 48 or 80 octets.
    Shared(Vec<u8>),
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::Rotating => "Rotating",
            Self::Shared(_) => "Shared",
        })
    }
}

/// What clients get that ask for a name without a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownNames {
    /// The default certificate.
    #[default]
    Default,
    /// No handshake (`ssl-reject-handshake`).
    Rejected,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            versions: TlsVersions::Both,
            ciphers: None,
            sessions: Sessions {
                tickets: Tickets::Rotating,
                kept: 10 * SESSIONS_PER_MEGABYTE,
                lifetime: Duration::from_secs(600),
            },
            unknown_names: UnknownNames::Default,
        }
    }
}

const PROTOCOLS: &str = "ssl-protocols";
const CIPHERS: &str = "ssl-ciphers";
const TICKETS: &str = "ssl-session-tickets";
const TICKET_KEY: &str = "ssl-session-ticket-key";
const CACHE: &str = "ssl-session-cache";
const CACHE_SIZE: &str = "ssl-session-cache-size";
const TIMEOUT: &str = "ssl-session-timeout";
const REJECT: &str = "ssl-reject-handshake";
/// As nginx's documentation has it.
const SESSIONS_PER_MEGABYTE: usize = 4000;
/// More than a gigabyte of them is a mistake.
const MOST_SESSIONS: usize = 1024 * SESSIONS_PER_MEGABYTE;
/// A day, the longest lifetime of a ticket but one week (RFC 8446 section 4.6.1).
const MOST_SECONDS: u64 = 7 * 24 * 3600;

impl TlsSettings {
    /// Reads them by `setting`; what is invalid keeps its default and is told.
    pub fn compile(setting: impl Fn(&str) -> Option<String>) -> (Self, Vec<Invalid>) {
        let mut reader = Reader { setting: &setting, invalid: Vec::new() };
        let mut settings = Self::default();
        if let Some(versions) = reader.read(PROTOCOLS, "TLSv1.2, TLSv1.3 or both", TlsVersions::parse) {
            settings.versions = versions;
        }
        let suites = "a list with at least one of the suites ECDHE-{ECDSA,RSA}-{AES128-GCM-SHA256,\
                      AES256-GCM-SHA384,CHACHA20-POLY1305}";
        settings.ciphers = reader.read(CIPHERS, suites, ciphers::parse);
        let key = reader.read(TICKET_KEY, "48 or 80 random octets in base64", parse_key);
        settings.sessions.tickets = match (reader.boolean(TICKETS), key) {
            (Some(false), _) => Tickets::Off,
            (Some(true) | None, Some(key)) => Tickets::Shared(key),
            (Some(true) | None, None) => Tickets::Rotating,
        };
        if let Some(kept) = reader.read(CACHE_SIZE, "megabytes, such as 10m", parse_size) {
            settings.sessions.kept = kept;
        }
        if reader.boolean(CACHE) == Some(false) {
            settings.sessions.kept = 0;
        }
        if let Some(lifetime) = reader.read(TIMEOUT, "a time up to a week, such as 10m", parse_time) {
            settings.sessions.lifetime = lifetime;
        }
        if reader.boolean(REJECT) == Some(true) {
            settings.unknown_names = UnknownNames::Rejected;
        }
        (settings, reader.invalid)
    }
}

/// Reads settings and keeps what is wrong with them.
struct Reader<'a> {
    setting: &'a dyn Fn(&str) -> Option<String>,
    invalid: Vec<Invalid>,
}

impl Reader<'_> {
    fn read<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = (self.setting)(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())?;
        let value = parse(&text);
        if value.is_none() {
            let shown = if key == TICKET_KEY { "(a key)".to_owned() } else { text };
            self.invalid.push(Invalid::new(key, shown, expected));
        }
        value
    }

    fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, "\"true\" or \"false\"", |text| parse_bool(key, text).ok())
    }
}

/// nginx's file of a ticket key, in base64.
fn parse_key(text: &str) -> Option<Vec<u8>> {
    let joined: String = text.split_whitespace().collect();
    STANDARD.decode(joined).ok().filter(|key| matches!(key.len(), 48 | 80))
}

fn parse_size(text: &str) -> Option<usize> {
    let megabytes = text.strip_suffix(['m', 'M'])?.parse::<usize>().ok()?;
    megabytes.checked_mul(SESSIONS_PER_MEGABYTE).filter(|sessions| *sessions <= MOST_SESSIONS)
}

/// nginx's times with one unit.
fn parse_time(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (digits, text.get(digits.len()..)?),
        None => (text, "s"),
    };
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => 1,
    };
    let seconds = digits.parse::<u64>().ok()?.checked_mul(seconds)?;
    (1..=MOST_SECONDS).contains(&seconds).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(pairs: &[(&str, &str)]) -> (TlsSettings, Vec<&'static str>) {
        let find =
            |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let (settings, invalid) = TlsSettings::compile(find);
        (settings, invalid.iter().map(|invalid| invalid.key).collect())
    }

    #[test]
    fn settings_are_read_in_nginxs_words() {
        assert_eq!(compile(&[]), (TlsSettings::default(), Vec::new()));
        let (settings, invalid) = compile(&[
            (PROTOCOLS, "TLSv1.3"),
            (CIPHERS, "ECDHE-RSA-AES128-GCM-SHA256"),
            (CACHE_SIZE, "1m"),
            (TIMEOUT, "1h"),
            (REJECT, "true"),
            (TICKET_KEY, &STANDARD.encode([7; 80])),
        ]);
        assert_eq!(invalid, [""; 0]);
        assert_eq!(
            (settings.versions, settings.ciphers),
            (TlsVersions::Only13, Some(vec![Cipher::RsaAes128]))
        );
        let sessions = settings.sessions;
        assert_eq!((sessions.kept, sessions.lifetime.as_secs()), (4000, 3600));
        assert_eq!(sessions.tickets, Tickets::Shared(vec![7; 80]));
        assert_eq!(settings.unknown_names, UnknownNames::Rejected);
        assert_eq!(compile(&[(TICKETS, "false")]).0.sessions.tickets, Tickets::Off);
        assert_eq!(compile(&[(CACHE, "false")]).0.sessions.kept, 0);
    }

    #[test]
    fn what_is_invalid_keeps_its_default_and_a_key_is_never_told() {
        let wrong = [
            (PROTOCOLS, "TLSv1"),
            (CIPHERS, "AES128-SHA"),
            (TICKET_KEY, "c2VjcmV0"),
            (CACHE_SIZE, "10"),
            (TIMEOUT, "0"),
        ];
        let (settings, invalid) = compile(&wrong);
        assert_eq!(settings, TlsSettings::default());
        assert_eq!(invalid, wrong.map(|(key, _)| key));
        let (_, invalid) = TlsSettings::compile(|key| (key == TICKET_KEY).then(|| "c2VjcmV0".to_owned()));
        assert!(!format!("{invalid:?}").contains("c2VjcmV0"));
    }
}
