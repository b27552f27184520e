//! How TLS is spoken with the clients of a host, where that differs from host to host.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use crate::ciphers::Cipher;

/// What a host asks of the handshake besides what all hosts do. Handshakes of different policies share nothing: a session
/// of one is never resumed under another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    /// Clients are asked for certificates; what happens without one is said by the filters of the host's routes.
    pub client_auth: Option<ClientAuth>,
    /// Versions; `None` = those of all hosts.
    pub versions: Option<TlsVersions>,
    /// Cipher suites of TLS 1.2; `None` = those of all hosts.
    pub ciphers: Option<Vec<Cipher>>,
    /// Whose order of cipher suites counts; `None` = as for all hosts.
    pub preference: Option<Preference>,
}

/// Whose client certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientAuth {
    /// CA certificates, and lists of what they revoked.
    pub authorities: Authorities,
    /// How many certificates may stand between that of a client and its root.
    pub depth: u8,
}

/// CA certificates (`ca.crt`) and lists of revoked certificates (`ca.crl`), checked by whoever made this.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Authorities {
    /// DER; at least one.
    pub roots: Vec<Vec<u8>>,
    /// DER; with any, every certificate must be told of by a current one.
    pub lists: Vec<Vec<u8>>,
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} CA certificates, {} lists", self.roots.len(), self.lists.len())
    }
}

/// Versions of TLS; older ones than 1.2 are not spoken (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 only.
    Only12,
    /// 1.3 only.
    Only13,
}

impl TlsVersions {
    /// Reads nginx's list, such as `TLSv1.2 TLSv1.3`; older versions in it are left out. `None` if nothing remains or a
    /// word is no version.
    #[must_use]
    pub fn parse(list: &str) -> Option<Self> {
        let (mut has_12, mut has_13) = (false, false);
        for word in list.split([' ', ',']).filter(|word| !word.is_empty()) {
            match word {
                "TLSv1.2" => has_12 = true,
                "TLSv1.3" => has_13 = true,
                "SSLv2" | "SSLv3" | "TLSv1" | "TLSv1.1" => {}
                _ => return None,
            }
        }
        match (has_12, has_13) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Only12),
            (false, true) => Some(Self::Only13),
            (false, false) => None,
        }
    }
}

/// Whose order of cipher suites counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preference {
    /// Ours.
    Server,
    /// The client's.
    Client,
}

/// What came of a handshake under a [`TlsPolicy`] of a host. One under what holds for all hosts leaves nothing.
#[derive(Debug)]
pub struct TlsPeer {
    /// The policy of the name that the client asked for.
    pub policy: Arc<TlsPolicy>,
    /// What it showed, if it was asked and has one.
    pub certificate: Option<ClientCertificate>,
}

/// The certificate of a client that holds its key. All texts are in ASCII.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// Whether it is believed now.
    pub verified: Result<(), Distrust>,
    /// RFC 2253: `CN=jane,O=Acme`.
    pub subject: HeaderValue,
    /// The same of its issuer.
    pub issuer: HeaderValue,
    /// PEM, percent-encoded.
    pub escaped_pem: HeaderValue,
}

/// Why a certificate is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distrust {
    /// In OpenSSL's words.
    pub reason: String,
    /// Whether nothing is wrong with it but that nobody whom we know issued it.
    pub is_of_issuer: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_left_out_and_words_that_are_none_are_refused() {
        assert_eq!(TlsVersions::parse("TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"), Some(TlsVersions::Both));
        assert_eq!(TlsVersions::parse("TLSv1.3"), Some(TlsVersions::Only13));
        assert_eq!(TlsVersions::parse("TLSv1.2"), Some(TlsVersions::Only12));
        assert_eq!(TlsVersions::parse("TLSv1.1"), None);
        assert_eq!(TlsVersions::parse("TLSv1.3 tls"), None);
    }
}
