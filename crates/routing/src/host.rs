//! Host names and the patterns of Ingress rules.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::shards::Shards;

/// A host name as routing compares it: lower case, no port, no trailing dot. IPv6 addresses keep their
/// brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Arc<str>);

impl Host {
    /// Reads a `Host` header, an `:authority` or a server name: the port goes, letters become small.
    ///
    /// `None` if it holds anything but letters, digits, `.`, `-`, `_` or an address in brackets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = match text.strip_prefix('[') {
            Some(rest) => {
                let end = rest.find(']')?;
                let (address, port) = (rest.get(..end)?, rest.get(end + 1..)?);
                address.parse::<std::net::Ipv6Addr>().ok()?;
                check_port(port)?;
                text.get(..end + 2)?
            }
            None => match text.split_once(':') {
                Some((name, port)) => {
                    check_digits(port)?;
                    check_letters(name)?
                }
                None => check_letters(text)?,
            },
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        // One dot says that the name is whole; after two, what is left would be read in another way.
        if name.is_empty() || name.ends_with('.') || name.len() > 255 {
            return None;
        }
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Some(Self(name.to_ascii_lowercase().into()));
        }
        Some(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hashes and compares as its text: tables are searched without making a [`Host`].
impl Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_port(rest: &str) -> Option<()> {
    if rest.is_empty() { Some(()) } else { check_digits(rest.strip_prefix(':')?) }
}

fn check_digits(port: &str) -> Option<()> {
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(())
}

fn check_letters(name: &str) -> Option<&str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    name.bytes().all(allowed).then_some(name)
}

/// The host of an Ingress rule or of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// No host: everything that no other pattern takes.
    Any,
    /// `*.example.com`: exactly one label more than the suffix held here (`example.com`).
    Wildcard(Host),
    /// This name only.
    Exact(Host),
}

impl HostPattern {
    /// Reads `""`, `*.example.com` or `example.com`; `None` if it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Any);
        }
        match text.strip_prefix("*.") {
            Some(suffix) => Host::parse(suffix).map(Self::Wildcard),
            None => Host::parse(text).map(Self::Exact),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
            Self::Exact(host) => host.fmt(f),
        }
    }
}

/// Pattern -> value, found by exact name, then one-label wildcard, then the value for any host.
///
/// A clone with one change shares all but a small part with the original ([`Shards`]).
#[derive(Clone, Debug)]
pub struct HostMap<V> {
    slots: Shards<Host, Slot<V>>,
    any: Option<(HostPattern, V)>,
}

#[derive(Clone, Debug)]
struct Slot<V> {
    exact: Option<(HostPattern, V)>,
    wildcard: Option<(HostPattern, V)>,
}

impl<V> Default for HostMap<V> {
    fn default() -> Self {
        Self { slots: Shards::default(), any: None }
    }
}

impl<V: Clone> HostMap<V> {
    /// Puts `value` at `pattern`.
    pub fn insert(&mut self, pattern: HostPattern, value: V) {
        match pattern.clone() {
            HostPattern::Any => self.any = Some((pattern, value)),
            HostPattern::Exact(host) => {
                let slot = Slot { exact: Some((pattern, value)), ..self.slot(&host) };
                self.slots.insert(host, slot);
            }
            HostPattern::Wildcard(suffix) => {
                let slot = Slot { wildcard: Some((pattern, value)), ..self.slot(&suffix) };
                self.slots.insert(suffix, slot);
            }
        }
    }

    /// Takes away what is at `pattern`.
    pub fn remove(&mut self, pattern: &HostPattern) {
        let (host, slot) = match pattern {
            HostPattern::Any => {
                self.any = None;
                return;
            }
            HostPattern::Exact(host) => (host, Slot { exact: None, ..self.slot(host) }),
            HostPattern::Wildcard(host) => (host, Slot { wildcard: None, ..self.slot(host) }),
        };
        if slot.exact.is_none() && slot.wildcard.is_none() {
            self.slots.remove(host);
        } else {
            self.slots.insert(host.clone(), slot);
        }
    }

    /// What is at exactly this pattern.
    #[must_use]
    pub fn get(&self, pattern: &HostPattern) -> Option<&V> {
        let found = match pattern {
            HostPattern::Any => self.any.as_ref(),
            HostPattern::Exact(host) => self.slots.get(host)?.exact.as_ref(),
            HostPattern::Wildcard(host) => self.slots.get(host)?.wildcard.as_ref(),
        };
        found.map(|(_, value)| value)
    }

    /// The value for a host: exact, else one label up by wildcard, else none (see [`Self::any`]).
    #[must_use]
    pub fn find(&self, host: &Host) -> Option<&V> {
        let exact = self.slots.get(host.as_str()).and_then(|slot| slot.exact.as_ref());
        let by_wildcard = || {
            let (_, suffix) = host.as_str().split_once('.')?;
            self.slots.get(suffix)?.wildcard.as_ref()
        };
        exact.or_else(by_wildcard).map(|(_, value)| value)
    }

    /// Every pattern that takes `host`, the one that [`Self::find`] prefers first, the one for any host last.
    pub fn takers<'a>(&'a self, host: &Host) -> impl Iterator<Item = (&'a HostPattern, &'a V)> + use<'a, V> {
        let exact = self.slots.get(host.as_str()).and_then(|slot| slot.exact.as_ref());
        let suffix = host.as_str().split_once('.').map(|(_, suffix)| suffix);
        let wildcard = suffix.and_then(|suffix| self.slots.get(suffix)?.wildcard.as_ref());
        exact.into_iter().chain(wildcard).chain(&self.any).map(|(pattern, value)| (pattern, value))
    }

    /// The wildcards that would take `host` if they stood for several labels.
    pub fn wider<'a>(&'a self, host: &Host) -> impl Iterator<Item = (&'a HostPattern, &'a V)> + use<'a, V> {
        let parent = |name: &String| name.split_once('.').map(|(_, suffix)| suffix.to_owned());
        let suffixes = std::iter::successors(parent(&host.as_str().to_owned()), parent).skip(1);
        suffixes
            .filter_map(|suffix| self.slots.get(suffix.as_str())?.wildcard.as_ref())
            .map(|(pattern, value)| (pattern, value))
    }

    /// The value for hosts that nothing else takes.
    #[must_use]
    pub fn any(&self) -> Option<&V> {
        self.any.as_ref().map(|(_, value)| value)
    }

    /// All patterns with their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&HostPattern, &V)> {
        let named = self.slots.values().flat_map(|slot| slot.exact.iter().chain(&slot.wildcard));
        named.chain(&self.any).map(|(pattern, value)| (pattern, value))
    }

    /// What is at `host` so far.
    fn slot(&self, host: &Host) -> Slot<V> {
        self.slots.get(host).cloned().unwrap_or(Slot { exact: None, wildcard: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).expect("a valid host")
    }

    #[test]
    fn a_host_loses_its_port_its_case_and_its_dot() {
        assert_eq!(host("Example.COM.:8443").as_str(), "example.com.".trim_end_matches('.'));
        assert_eq!(host("[::1]:80").as_str(), "[::1]");
    }

    #[test]
    fn a_host_with_other_characters_is_refused() {
        for text in ["", "a b", "a/b", "a:b", "a@b", "[::1", "[::1]x", "a..", "a]b", "a[", "exa\u{e4}mple"] {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn exact_beats_wildcard_and_wildcard_takes_one_label_only() {
        let mut map = HostMap::default();
        map.insert(HostPattern::parse("*.example.com").expect("valid"), 1);
        map.insert(HostPattern::parse("a.example.com").expect("valid"), 2);
        assert_eq!(map.find(&host("a.example.com")), Some(&2));
        assert_eq!(map.find(&host("b.example.com")), Some(&1));
        assert_eq!(map.find(&host("a.b.example.com")), None);
        assert_eq!(map.find(&host("example.com")), None);
        map.remove(&HostPattern::parse("a.example.com").expect("valid"));
        assert_eq!(map.find(&host("a.example.com")), Some(&1));
    }
}
