//! Lists of revoked certificates (RFC 5280 section 5), as an authority publishes them.

use std::time::Duration;

use const_oid::AssociatedOid as _;
use der::asn1::OctetString;
use der::{Decode, Encode, asn1::Uint};
use jiff::Timestamp;
use rustls_pki_types::pem::SectionKind;
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber};
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::Time;

use crate::error::X509Error;
use crate::template::{Authority, time};
use crate::{certificate, extension, pem, signed};

/// One revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Its serial number, big endian.
    pub serial: Vec<u8>,
    /// Since when.
    pub at: Timestamp,
    /// CRLReason of section 5.3.1; 0 is left out, as that section asks.
    pub reason: u8,
}

/// What a list says.
#[derive(Clone, Debug)]
pub struct RevocationListTemplate<'a> {
    /// Greater than in any earlier list of this authority.
    pub number: u64,
    /// When it is made.
    pub this_update: Timestamp,
    /// When there will be a newer one at the latest.
    pub next_update: Timestamp,
    /// The certificates, in any order.
    pub revoked: &'a [RevokedCertificate],
}

impl RevocationListTemplate<'_> {
    /// The DER of the list, version 2, signed.
    ///
    /// # Errors
    /// The key is not the certificate's, or a time or number cannot be written.
    pub fn sign_by(&self, authority: &Authority<'_>) -> Result<Vec<u8>, X509Error> {
        let signer = authority.certificate;
        if authority.key.public_key() != *signer.public_key() {
            return Err(X509Error::AuthorityKeyMismatch);
        }
        let revoked = self.revoked.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let identifier =
            signer.key_identifier().map_or_else(|| signer.public_key().key_identifier(), <[u8]>::to_vec);
        let authority_key = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(identifier).map_err(failed)?),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        let number = CrlNumber::try_from(self.number).map_err(failed)?;
        let list = TbsCertList {
            version: Version::V2,
            signature: authority.key.signature_algorithm().identifier(),
            issuer: signer.subject_name().clone(),
            this_update: time(self.this_update)?,
            next_update: Some(time(self.next_update)?),
            revoked_certificates: (!revoked.is_empty()).then_some(revoked),
            crl_extensions: Some(vec![
                extension::encode(false, &authority_key)?,
                extension::encode(false, &number)?,
            ]),
        };
        signed::seal(WHAT, &list.to_der().map_err(failed)?, authority.key)
    }
}

fn entry(revoked: &RevokedCertificate) -> Result<RevokedCert, X509Error> {
    let reason = match revoked.reason {
        0 => None,
        code => Some(vec![reason_extension(code)?]),
    };
    Ok(RevokedCert {
        serial_number: SerialNumber::new(&revoked.serial).map_err(failed)?,
        revocation_date: time(revoked.at)?,
        crl_entry_extensions: reason,
    })
}

/// An ENUMERATED of one octet.
fn reason_extension(code: u8) -> Result<Extension, X509Error> {
    let extn_value = OctetString::new([0x0a, 0x01, code]).map_err(failed)?;
    Ok(Extension { extn_id: x509_cert::ext::pkix::CrlReason::OID, critical: false, extn_value })
}

/// A list, read: for those who check what an authority publishes.
#[derive(Clone, Debug)]
pub struct RevocationList {
    der: Vec<u8>,
    list: TbsCertList,
}

impl RevocationList {
    /// Reads DER.
    ///
    /// # Errors
    /// [`X509Error::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        let list = CertificateList::from_der(der).map_err(malformed)?;
        Ok(Self { der: der.to_vec(), list: list.tbs_cert_list })
    }

    /// Every list of `text`, in its order; at least one.
    ///
    /// # Errors
    /// No PEM, no list in it, or one that is malformed.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, X509Error> {
        let blocks = pem::blocks(text).map_err(X509Error::Pem)?;
        let lists = blocks.iter().filter(|(kind, _)| *kind == SectionKind::Crl);
        let lists = lists.map(|(_, der)| Self::from_der(der)).collect::<Result<Vec<_>, _>>()?;
        if lists.is_empty() { Err(X509Error::NoBlock { label: "X509 CRL" }) } else { Ok(lists) }
    }

    /// The octets.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether `issuer` signed it.
    pub fn is_issued_by(&self, issuer: &certificate::Certificate) -> bool {
        self.list.issuer == *issuer.subject_name()
            && signed::verify(WHAT, &self.der, issuer.public_key()).is_ok()
    }

    /// Its number (section 5.2.3), if it is one that fits.
    pub fn number(&self) -> Option<u64> {
        let extensions = self.list.crl_extensions.as_deref().unwrap_or_default();
        let number: CrlNumber = extension::find(extensions).ok()??;
        integer(&number.0)
    }

    /// Until when it is current.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.list.next_update.map(instant)
    }

    /// The reason (0 when none is given) of a certificate's revocation, if the list has its serial number.
    pub fn reason(&self, serial: &[u8]) -> Option<u8> {
        let revoked = self.list.revoked_certificates.as_deref().unwrap_or_default();
        let entry = revoked.iter().find(|entry| entry.serial_number.as_bytes() == serial)?;
        let extensions = entry.crl_entry_extensions.as_deref().unwrap_or_default();
        let reason = extensions.iter().find(|one| one.extn_id == x509_cert::ext::pkix::CrlReason::OID);
        Some(reason.and_then(|one| one.extn_value.as_bytes().last().copied()).unwrap_or(0))
    }
}

fn integer(number: &Uint) -> Option<u64> {
    let octets = number.as_bytes();
    (octets.len() <= 8).then(|| octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
}

fn instant(time: Time) -> Timestamp {
    let since: Duration = time.to_unix_duration();
    Timestamp::from_second(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX)
}

fn failed(source: der::Error) -> X509Error {
    X509Error::Encode { what: WHAT, source }
}

fn malformed(source: der::Error) -> X509Error {
    X509Error::Malformed { what: WHAT, source }
}

const WHAT: &str = "list of revoked certificates";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CertificateTemplate, KeyAlgorithm, PrivateKey, Serial, Subject, Usage};

    #[test]
    fn a_list_names_what_is_revoked_and_why_and_verifies_with_its_issuer_only() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key");
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).expect("a time");
        let ca = CertificateTemplate {
            serial: Serial::random().expect("a number"),
            subject: Subject::with_common_name("CA"),
            sans: Vec::new(),
            usages: vec![Usage::CrlSign],
            is_ca: true,
            path_len: None,
            not_before: at(0),
            not_after: at(1000),
            public_key: key.public_key(),
            crl_distribution_points: Vec::new(),
            ocsp_servers: Vec::new(),
            issuing_certificate_urls: Vec::new(),
        };
        let (ca, other) = (ca.self_sign(&key).expect("a CA"), ca.self_sign(&key).expect("a CA"));
        let revoked = [(vec![0x41, 2], 1), (vec![0x42], 0)];
        let revoked = revoked.map(|(serial, reason)| RevokedCertificate { serial, at: at(1), reason });
        let template =
            RevocationListTemplate { number: 7, this_update: at(2), next_update: at(3), revoked: &revoked };
        let der = template.sign_by(&Authority { certificate: &ca, key: &key }).expect("a list");
        let list = RevocationList::from_der(&der).expect("a list");
        assert!(list.is_issued_by(&ca) && list.is_issued_by(&other), "the same name and key");
        assert_eq!((list.number(), list.next_update()), (Some(7), Some(at(3))));
        assert_eq!(
            (list.reason(&[0x41, 2]), list.reason(&[0x42]), list.reason(&[1])),
            (Some(1), Some(0), None)
        );
        let stranger = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key");
        assert!(template.sign_by(&Authority { certificate: &ca, key: &stranger }).is_err());
    }
}
