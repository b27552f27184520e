//! Certificates for TLS by server name.

use std::fmt;
use std::sync::Arc;

use crate::host::{Host, HostPattern};

/// A certificate chain with its key, checked by whoever made it (`translate`).
#[derive(Clone, PartialEq, Eq)]
pub struct CertEntry {
    /// SHA-256 over chain and key: equal entries are the same certificate.
    pub fingerprint: [u8; 32],
    /// DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// PKCS#8 DER.
    pub key: Vec<u8>,
    /// The Secret it comes from (`namespace/name`), for people.
    pub source: Arc<str>,
    /// End of validity, seconds since 1970.
    pub not_after: i64,
}

impl fmt::Debug for CertEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertEntry")
            .field("source", &self.source)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Host -> certificate. Copied whole when it changes; entries are shared.
#[derive(Clone, Debug, Default)]
pub struct CertTable {
    entries: crate::host::HostMap<Choice>,
    default: Option<Arc<CertEntry>>,
}

/// The certificates of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Choice {
    first: Arc<CertEntry>,
    /// One with a key of another kind, for clients that cannot take the first.
    other: Option<Arc<CertEntry>>,
}

impl CertTable {
    /// A table whose default certificate (for unknown names and clients without SNI) is `default`.
    #[must_use]
    pub fn new(default: Option<Arc<CertEntry>>) -> Self {
        Self { entries: crate::host::HostMap::default(), default }
    }

    /// Has another default certificate.
    pub fn set_default(&mut self, default: Option<Arc<CertEntry>>) {
        self.default = default;
    }

    /// Serves `entry` for `pattern`.
    pub fn insert(&mut self, pattern: HostPattern, entry: Arc<CertEntry>) {
        self.entries.insert(pattern, Choice { first: entry, other: None });
    }

    /// Serves `first` for `pattern`, and `other`, whose key is of another kind, to clients that cannot take the first.
    pub fn insert_two(&mut self, pattern: HostPattern, first: Arc<CertEntry>, other: Arc<CertEntry>) {
        self.entries.insert(pattern, Choice { first, other: Some(other) });
    }

    /// Serves the default certificate for `pattern` again.
    pub fn remove(&mut self, pattern: &HostPattern) {
        self.entries.remove(pattern);
    }

    /// The certificate for a server name: exact, one-label wildcard, default.
    #[must_use]
    pub fn find(&self, name: Option<&Host>) -> Option<&Arc<CertEntry>> {
        name.and_then(|name| self.own(name)).or(self.default.as_ref())
    }

    /// The certificate for a server name, if it has one of its own.
    #[must_use]
    pub fn own(&self, name: &Host) -> Option<&Arc<CertEntry>> {
        self.entries.find(name).map(|choice| &choice.first)
    }

    /// The second certificate of a server name, if it has one.
    #[must_use]
    pub fn other(&self, name: &Host) -> Option<&Arc<CertEntry>> {
        self.entries.find(name)?.other.as_ref()
    }

    /// The first certificate of each name; not the default one.
    pub fn iter(&self) -> impl Iterator<Item = (&HostPattern, &Arc<CertEntry>)> {
        self.entries.iter().map(|(pattern, choice)| (pattern, &choice.first))
    }

    /// All certificates.
    pub fn all(&self) -> impl Iterator<Item = &Arc<CertEntry>> {
        let own =
            self.entries.iter().flat_map(|(_, choice)| std::iter::once(&choice.first).chain(&choice.other));
        own.chain(&self.default)
    }
}
