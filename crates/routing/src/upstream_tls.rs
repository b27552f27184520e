//! How TLS is spoken with endpoints, where a route says more than that it is (`proxy-ssl-*`).

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::ciphers::Cipher;
use crate::tls::CertEntry;
use crate::tls_policy::{Authorities, TlsVersions};

/// How TLS is spoken with endpoints. Connections of different ones are never shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Our certificate (`proxy-ssl-secret`).
    pub certificate: Option<Arc<CertEntry>>,
    /// Whose certificates endpoints must show (`proxy-ssl-verify`); `None` = anybody's.
    pub verify: Option<Verification>,
    /// The name of endpoints (`proxy-ssl-name`), else that of the Service.
    pub name: Option<Arc<str>>,
    /// The name of the Service in the cluster, for those who say no other.
    pub service: Arc<str>,
    /// Whether the name is sent (`proxy-ssl-server-name`).
    pub sends_name: bool,
    /// `proxy-ssl-protocols`
    pub versions: TlsVersions,
    /// `proxy-ssl-ciphers`; `None` = all.
    pub ciphers: Option<Vec<Cipher>>,
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// CA certificates.
    pub authorities: Authorities,
    /// How many certificates may stand between that of an endpoint and its root.
    pub depth: u8,
}

/// Of what tells them apart at little cost: it is done for each request.
impl Hash for UpstreamTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.certificate.as_ref().map(|certificate| certificate.fingerprint).hash(state);
        self.verify.as_ref().map(|verify| verify.authorities.roots.len()).hash(state);
        self.name.hash(state);
        self.service.hash(state);
        self.sends_name.hash(state);
    }
}
