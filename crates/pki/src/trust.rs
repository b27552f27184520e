//! Whom to believe: a peer's chain against CA certificates (RFC 5280 section 6).
//!
//! webpki judges first. It refuses what files of nginx's users hold and OpenSSL takes: certificates of X.509 version 1
//! (what `openssl x509 -req` makes without extensions), and a self-signed certificate that is its own CA. Such a leaf
//! is believed when a CA certificate itself vouches for it: signed it, or is it.

use std::time::Duration;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
    anchor_from_trusted_cert,
};

use crate::certificate::Certificate;
use crate::error::X509Error;
use crate::revocation_list::RevocationList;

/// RFC 5280 section 4.2.1.12.
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// CA certificates, lists of what they revoked, and how long a chain may be.
#[derive(Debug)]
pub struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    roots: Vec<Certificate>,
    lists: Vec<CertRevocationList<'static>>,
    read_lists: Vec<RevocationList>,
    depth: u8,
}

/// What the peer is to us, which its certificate must allow where it says what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It connected to us.
    Client,
    /// We connected to it.
    Server,
}

/// Why a chain is not believed; the words are OpenSSL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// `notAfter` has passed.
    #[error("certificate has expired")]
    Expired,
    /// `notBefore` has not come.
    #[error("certificate is not yet valid")]
    NotYetValid,
    /// It signed itself, and is no CA of ours.
    #[error("self-signed certificate")]
    SelfSigned,
    /// Nobody whom we believe signed it.
    #[error("unable to get local issuer certificate")]
    UnknownIssuer,
    /// More intermediate certificates than the depth allows.
    #[error("certificate chain too long")]
    TooLong,
    /// A list has it.
    #[error("certificate revoked")]
    Revoked,
    /// There are lists, but none of its issuer.
    #[error("unable to get certificate CRL")]
    NoList,
    /// The list of its issuer is out of date.
    #[error("CRL has expired")]
    StaleList,
    /// It is not for such a peer.
    #[error("unsuitable certificate purpose")]
    Purpose,
    /// It is for other names.
    #[error("hostname mismatch")]
    Name,
    /// Malformed, or with what we cannot judge.
    #[error("certificate rejected")]
    Unreadable,
}

impl Untrusted {
    /// Whether nothing is wrong but that its issuer is not known: what nginx's `optional_no_ca` lets pass.
    #[must_use]
    pub const fn is_of_issuer(self) -> bool {
        matches!(self, Self::SelfSigned | Self::UnknownIssuer)
    }
}

impl Trust {
    /// `roots` and `lists` are DER; `depth` is how many certificates may stand between a leaf and its root. With lists,
    /// every certificate of a chain must be told of by a current one.
    ///
    /// # Errors
    /// What of it cannot be read, or no root at all.
    pub fn from_der(roots: &[Vec<u8>], lists: &[Vec<u8>], depth: u8) -> Result<Self, X509Error> {
        let unusable =
            |what| move |error: webpki::Error| X509Error::Unusable { what, why: error.to_string() };
        let anchor = |der: &Vec<u8>| {
            let der = CertificateDer::from(der.as_slice());
            anchor_from_trusted_cert(&der).map(|anchor| anchor.to_owned()).map_err(unusable("CA certificate"))
        };
        let list = |der: &Vec<u8>| {
            let list = OwnedCertRevocationList::from_der(der).map(CertRevocationList::Owned);
            list.map_err(unusable("list of revoked certificates"))
        };
        let anchors = roots.iter().map(anchor).collect::<Result<Vec<_>, _>>()?;
        if anchors.is_empty() {
            return Err(X509Error::NoBlock { label: "CERTIFICATE" });
        }
        Ok(Self {
            anchors,
            roots: roots.iter().map(|der| Certificate::from_der(der)).collect::<Result<_, _>>()?,
            lists: lists.iter().map(list).collect::<Result<_, _>>()?,
            read_lists: lists.iter().map(|der| RevocationList::from_der(der)).collect::<Result<_, _>>()?,
            depth,
        })
    }

    /// The subjects of the CA certificates, DER, as hints for peers.
    pub fn subjects(&self) -> impl Iterator<Item = Vec<u8>> {
        self.roots.iter().filter_map(|root| root.subject_der().ok())
    }

    /// Judges the `chain` of a peer, DER, leaf first.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn judge(&self, chain: &[CertificateDer<'_>], peer: Peer, now: Timestamp) -> Result<(), Untrusted> {
        let (leaf, between) = chain.split_first().ok_or(Untrusted::Unreadable)?;
        match self.judge_strictly(leaf, between, peer, now) {
            Err(webpki::Error::UnsupportedCertVersion | webpki::Error::CaUsedAsEndEntity) => {
                self.judge_directly(leaf, peer, now)
            }
            Err(webpki::Error::UnknownIssuer) => {
                let is_self_signed = Certificate::from_der(leaf).is_ok_and(|leaf| leaf.is_self_signed());
                Err(if is_self_signed { Untrusted::SelfSigned } else { Untrusted::UnknownIssuer })
            }
            Err(error) => Err(reason(&error)),
            Ok(()) => Ok(()),
        }
    }

    fn judge_strictly(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        peer: Peer,
        now: Timestamp,
    ) -> Result<(), webpki::Error> {
        let usage = match peer {
            Peer::Client => KeyUsage::client_auth(),
            Peer::Server => KeyUsage::server_auth(),
        };
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let lists: Vec<&CertRevocationList<'_>> = self.lists.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let is_short = |path: &VerifiedPath<'_>| {
            let is_too_long = path.intermediate_certificates().count() > usize::from(self.depth);
            if is_too_long { Err(webpki::Error::MaximumPathDepthExceeded) } else { Ok(()) }
        };
        let leaf = EndEntityCert::try_from(leaf)?;
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let path = leaf.verify_for_usage(
            algorithms,
            &self.anchors,
            between,
            now,
            usage,
            revocation,
            Some(&is_short),
        );
        path.map(|_| ())
    }

    /// For a leaf that a root signed or is.
    fn judge_directly(&self, leaf: &[u8], peer: Peer, now: Timestamp) -> Result<(), Untrusted> {
        let leaf = Certificate::from_der(leaf).map_err(|_| Untrusted::Unreadable)?;
        let vouches = |root: &&Certificate| **root == leaf || leaf.is_signed_by_root(root);
        let Some(root) = self.roots.iter().find(vouches) else {
            let is_self_signed = leaf.is_self_signed();
            return Err(if is_self_signed { Untrusted::SelfSigned } else { Untrusted::UnknownIssuer });
        };
        for certificate in [&leaf, root] {
            if now > certificate.not_after() {
                return Err(Untrusted::Expired);
            }
            if now < certificate.not_before() {
                return Err(Untrusted::NotYetValid);
            }
        }
        let purpose = match peer {
            Peer::Client => CLIENT_AUTH,
            Peer::Server => SERVER_AUTH,
        };
        if !leaf.is_for(purpose) {
            return Err(Untrusted::Purpose);
        }
        if self.read_lists.is_empty() {
            return Ok(());
        }
        let list = self.read_lists.iter().find(|list| list.is_issued_by(root)).ok_or(Untrusted::NoList)?;
        if list.next_update().is_some_and(|next| next < now) {
            return Err(Untrusted::StaleList);
        }
        if list.reason(leaf.serial()).is_some() { Err(Untrusted::Revoked) } else { Ok(()) }
    }
}

fn reason(error: &webpki::Error) -> Untrusted {
    use webpki::Error as E;
    match error {
        E::CertExpired { .. } => Untrusted::Expired,
        E::CertNotValidYet { .. } => Untrusted::NotYetValid,
        E::UnknownIssuer => Untrusted::UnknownIssuer,
        E::MaximumPathDepthExceeded | E::PathLenConstraintViolated => Untrusted::TooLong,
        E::CertRevoked => Untrusted::Revoked,
        E::UnknownRevocationStatus => Untrusted::NoList,
        E::CrlExpired { .. } => Untrusted::StaleList,
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Untrusted::Purpose,
        E::CertNotValidForName(_) => Untrusted::Name,
        // The rest, and what webpki may add, is malformed or of a kind that it does not judge.
        _ => Untrusted::Unreadable,
    }
}

#[cfg(test)]
mod tests;
