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
    entries: crate::host::HostMap<Arc<CertEntry>>,
    default: Option<Arc<CertEntry>>,
}

impl CertTable {
    /// A table whose default certificate (for unknown names and clients without SNI) is `default`.
    #[must_use]
    pub fn new(default: Option<Arc<CertEntry>>) -> Self {
        Self { entries: crate::host::HostMap::default(), default }
    }

    /// Serves `entry` for `pattern`.
    pub fn insert(&mut self, pattern: HostPattern, entry: Arc<CertEntry>) {
        self.entries.insert(pattern, entry);
    }

    /// Serves the default certificate for `pattern` again.
    pub fn remove(&mut self, pattern: &HostPattern) {
        self.entries.remove(pattern);
    }

    /// The certificate for a server name: exact, one-label wildcard, default.
    #[must_use]
    pub fn find(&self, name: Option<&Host>) -> Option<&Arc<CertEntry>> {
        name.and_then(|name| self.entries.find(name)).or(self.default.as_ref())
    }

    /// The certificate for a server name, if it has one of its own.
    #[must_use]
    pub fn own(&self, name: &Host) -> Option<&Arc<CertEntry>> {
        self.entries.find(name)
    }

    /// All entries but the default one.
    pub fn iter(&self) -> impl Iterator<Item = (&HostPattern, &Arc<CertEntry>)> {
        self.entries.iter()
    }
}
