//! The certificate for a ClientHello.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jamul_routing::tls_settings::UnknownNames;
use jamul_routing::{CertEntry, CertTable, Host, Snapshot};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::BadCertificate;
use super::suites::provider;
use crate::snapshots::Snapshots;

/// Finds the certificate for a ClientHello; parsed keys are kept by fingerprint, so a new Snapshot costs
/// nothing.
pub(super) struct CertResolver {
    snapshots: Snapshots,
    cache: RwLock<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<[u8; 32], Arc<CertifiedKey>, foldhash::fast::RandomState>,
    /// At this size, keys that the table no longer holds are dropped.
    sweep_at: usize,
}

const MIN_SWEEP: usize = 1024;

impl fmt::Debug for CertResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertResolver").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CertResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(Host::parse);
        let snapshot = self.snapshots.load();
        if snapshot.globals.tls.unknown_names == UnknownNames::Rejected && !is_known(&snapshot, name.as_ref())
        {
            return None;
        }
        let first = self.key(snapshot.certs.find(name.as_ref())?, &snapshot.certs)?;
        // rustls has taken away the schemes that no suite of the client goes with.
        let is_taken = || first.key.choose_scheme(hello.signature_schemes()).is_some();
        match name.as_ref().and_then(|name| snapshot.certs.other(name)) {
            Some(other) if !is_taken() => self.key(other, &snapshot.certs),
            Some(_) | None => Some(first),
        }
    }
}

/// Whether anything was said of the name: a certificate, or rules.
fn is_known(snapshot: &Snapshot, name: Option<&Host>) -> bool {
    name.is_some_and(|name| snapshot.certs.own(name).is_some() || snapshot.router.own(name).is_some())
}

impl CertResolver {
    pub(super) fn new(snapshots: Snapshots) -> Self {
        Self { snapshots, cache: RwLock::default() }
    }

    fn key(&self, entry: &CertEntry, table: &CertTable) -> Option<Arc<CertifiedKey>> {
        let cached =
            self.cache.read().unwrap_or_else(PoisonError::into_inner).keys.get(&entry.fingerprint).cloned();
        if cached.is_some() {
            return cached;
        }
        let key = match certified_key(entry) {
            Ok(key) => Arc::new(key),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "TLS handshake without certificate"
                );
                return None;
            }
        };
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.insert(entry.fingerprint, Arc::clone(&key), table);
        Some(key)
    }
}

impl Cache {
    fn insert(&mut self, fingerprint: [u8; 32], key: Arc<CertifiedKey>, table: &CertTable) {
        if self.keys.len() >= self.sweep_at.max(MIN_SWEEP) {
            let live: HashSet<_> = table.all().map(|entry| entry.fingerprint).collect();
            self.keys.retain(|fingerprint, _| live.contains(fingerprint));
            self.sweep_at = self.keys.len() * 2;
        }
        self.keys.insert(fingerprint, key);
    }
}

/// The certificate and key of `entry`. That they belong together was made sure of before they became an entry; rustls
/// would look again, and refuse certificates that are not of version 3.
///
/// # Errors
/// [`BadCertificate::Unusable`].
pub(super) fn certified_key(entry: &CertEntry) -> Result<CertifiedKey, BadCertificate> {
    let chain = entry.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(entry.key.clone()));
    match provider().key_provider.load_private_key(key) {
        Ok(key) => Ok(CertifiedKey::new(chain, key)),
        Err(source) => Err(BadCertificate::Unusable { name: entry.source.to_string(), source }),
    }
}
