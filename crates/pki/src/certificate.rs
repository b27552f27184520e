//! Certificates (RFC 5280): reading them, and what they say.

use std::{fmt, net::IpAddr};

use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use jiff::Timestamp;
use rustls_pki_types::pem::SectionKind;
use x509_cert::{
    certificate::Version,
    ext::pkix::{
        AuthorityKeyIdentifier, CrlDistributionPoints, ExtendedKeyUsage, SubjectKeyIdentifier,
        name::DistributionPointName,
    },
    name::Name,
    time::Time,
};

use crate::{
    distinguished_name::rfc2253,
    error::X509Error,
    extension::{self, Facts},
    pem,
    public_key::PublicKey,
    raw_extension::RawExtension,
    san::San,
    signed,
    subject::Subject,
    usage::Usage,
};

pub(crate) const WHAT: &str = "certificate";
const LABEL: &str = "CERTIFICATE";
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// A certificate, read. Equal when the octets are.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    serial: Vec<u8>,
    subject: Subject,
    subject_name: Name,
    issuer: Subject,
    issuer_name: Name,
    not_before: Timestamp,
    not_after: Timestamp,
    public_key: PublicKey,
    facts: Facts,
    key_identifier: Option<Vec<u8>>,
    authority_key_identifier: Option<Vec<u8>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("serial", &self.serial_hex())
            .field("subject", &self.subject)
            .field("sans", &self.facts.sans)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl Certificate {
    /// Errors when malformed, of an unsupported key, or an extension read here is repeated.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        let failed = |source| X509Error::Malformed { what: WHAT, source };
        let certificate = x509_cert::Certificate::from_der(der).map_err(failed)?;
        let tbs = certificate.tbs_certificate();
        if tbs.signature() != certificate.signature_algorithm() {
            return Err(X509Error::SignatureAlgorithmsDiffer);
        }
        let extensions = tbs.extensions().map_or(&[][..], |extensions| extensions.as_slice());
        let key_identifier = extension::find::<SubjectKeyIdentifier>(extensions)?;
        let authority = extension::find::<AuthorityKeyIdentifier>(extensions)?;
        Ok(Self {
            der: der.to_vec(),
            serial: tbs.serial_number().as_bytes().to_vec(),
            subject: Subject::from_name(tbs.subject()),
            subject_name: tbs.subject().clone(),
            issuer: Subject::from_name(tbs.issuer()),
            issuer_name: tbs.issuer().clone(),
            not_before: timestamp(tbs.validity().not_before),
            not_after: timestamp(tbs.validity().not_after),
            public_key: PublicKey::from_spki_der(&tbs.subject_public_key_info().to_der().map_err(failed)?)?,
            facts: Facts::read(extensions)?,
            key_identifier: key_identifier.map(|id| id.0.as_bytes().to_vec()),
            authority_key_identifier: authority
                .and_then(|id| id.key_identifier)
                .map(|id| id.as_bytes().to_vec()),
        })
    }

    /// The first certificate of `text`.
    pub fn from_pem(text: &str) -> Result<Self, X509Error> {
        let blocks = pem::blocks(text).map_err(X509Error::Pem)?;
        let block = blocks.iter().find(|(kind, _)| *kind == SectionKind::Certificate);
        Self::from_der(&block.ok_or(X509Error::NoBlock { label: LABEL })?.1)
    }

    /// Every certificate of `text`, in its order; at least one.
    pub fn chain_from_pem(text: &str) -> Result<Vec<Self>, X509Error> {
        let blocks = pem::blocks(text).map_err(X509Error::Pem)?;
        let certificates = blocks.iter().filter(|(kind, _)| *kind == SectionKind::Certificate);
        let chain = certificates.map(|(_, der)| Self::from_der(der)).collect::<Result<Vec<_>, _>>()?;
        if chain.is_empty() { Err(X509Error::NoBlock { label: LABEL }) } else { Ok(chain) }
    }

    /// One block for each certificate, in the given order.
    pub fn chain_to_pem(chain: &[Self]) -> Result<String, X509Error> {
        chain.iter().map(Self::to_pem).collect()
    }

    /// The octets.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as one PEM block.
    pub fn to_pem(&self) -> Result<String, X509Error> {
        pem::encode(LABEL, &self.der).map_err(|error| X509Error::Pem(error.to_string()))
    }

    /// The certified key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Whom it is for.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Who signed it, by its own word.
    pub fn issuer(&self) -> &Subject {
        &self.issuer
    }

    /// The common name of the issuer: what `preferredChain` compares.
    pub fn issuer_common_name(&self) -> Option<&str> {
        self.issuer.common_name.as_deref()
    }

    /// The subject as OpenSSL and nginx write it (RFC 2253): `CN=jane,O=Acme`.
    pub fn subject_text(&self) -> String {
        rfc2253(&self.subject_name)
    }

    /// The issuer, in the same way.
    pub fn issuer_text(&self) -> String {
        rfc2253(&self.issuer_name)
    }

    /// The subject, DER.
    pub(crate) fn subject_der(&self) -> Result<Vec<u8>, der::Error> {
        self.subject_name.to_der()
    }

    /// The subject as written, for the issuer field of what it signs (RFC 5280 section 4.1.2.4).
    pub(crate) fn subject_name(&self) -> &Name {
        &self.subject_name
    }

    /// The subject alternative names of the kinds we read.
    pub fn sans(&self) -> &[San] {
        &self.facts.sans
    }

    /// The DNS names among them, as written.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.facts.sans.iter().filter_map(|san| match san {
            San::Dns(name) => Some(name.as_str()),
            San::Ip(_) | San::Uri(_) | San::Email(_) | San::Other { .. } => None,
        })
    }

    /// Key usages and extended key usages.
    pub fn usages(&self) -> &[Usage] {
        &self.facts.usages
    }

    /// When validity begins.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last moment of validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The serial number's octets, big endian.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The serial number as lower case hexadecimal digits, two for each octet.
    pub fn serial_hex(&self) -> String {
        self.serial.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Whether it may sign certificates, by its basic constraints.
    pub fn is_ca(&self) -> bool {
        self.facts.is_ca
    }

    /// The subject key identifier extension.
    pub fn key_identifier(&self) -> Option<&[u8]> {
        self.key_identifier.as_deref()
    }

    /// The key identifier of the authority key identifier extension.
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.authority_key_identifier.as_deref()
    }

    /// The digest of an acmeIdentifier extension that is critical (RFC 8737 section 3).
    pub fn acme_digest(&self) -> Option<[u8; 32]> {
        self.raw_extensions().iter().find_map(RawExtension::acme_digest)
    }

    /// The names a CA certificate's nameConstraints permit (RFC 5280 section 4.2.1.10); `None` without constraints.
    pub fn permitted_names(&self) -> Option<Vec<San>> {
        self.raw_extensions().iter().find_map(RawExtension::permitted)
    }

    /// The URLs of the lists that would tell of its revocation (RFC 5280 section 4.2.1.13).
    pub fn crl_distribution_points(&self) -> Vec<String> {
        let Ok(certificate) = x509_cert::Certificate::from_der(&self.der) else { return Vec::new() };
        let extensions = certificate.tbs_certificate().extensions().map_or(&[][..], |found| found.as_slice());
        let Ok(Some(points)) = extension::find::<CrlDistributionPoints>(extensions) else {
            return Vec::new();
        };
        let names = points.0.into_iter().filter_map(|point| match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => Some(names),
            Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => None,
        });
        let uris = names.flatten().filter_map(|name| match San::from_general_name(&name) {
            Some(San::Uri(uri)) => Some(uri),
            Some(San::Dns(_) | San::Ip(_) | San::Email(_) | San::Other { .. }) | None => None,
        });
        uris.collect()
    }

    fn raw_extensions(&self) -> Vec<RawExtension> {
        let Ok(certificate) = x509_cert::Certificate::from_der(&self.der) else { return Vec::new() };
        let extensions = certificate.tbs_certificate().extensions();
        extensions.into_iter().flatten().map(RawExtension::read).collect()
    }

    /// True when issuer and subject are one, and the signature is by the certificate's own key.
    pub fn is_self_signed(&self) -> bool {
        self.issuer_name == self.subject_name && signed::verify(WHAT, &self.der, &self.public_key).is_ok()
    }

    /// True when `issuer` is a CA of the issuer's name and the signature verifies with its key. Says nothing
    /// about time or trust.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        issuer.is_ca()
            && self.issuer_name == issuer.subject_name
            && signed::verify(WHAT, &self.der, &issuer.public_key).is_ok()
    }

    /// True when `root` signed it and may sign: as a CA, or as a certificate of version 1, which says nothing about that
    /// (OpenSSL believes such roots too).
    pub(crate) fn is_signed_by_root(&self, root: &Self) -> bool {
        (root.is_ca() || (root.is_first_version() && root.issuer_name == root.subject_name))
            && self.issuer_name == root.subject_name
            && signed::verify(WHAT, &self.der, &root.public_key).is_ok()
    }

    /// Whether it allows `purpose`: by naming it or any purpose, or by naming none (RFC 5280 section 4.2.1.12).
    pub(crate) fn is_for(&self, purpose: ObjectIdentifier) -> bool {
        let Ok(certificate) = x509_cert::Certificate::from_der(&self.der) else { return false };
        let extensions = certificate.tbs_certificate().extensions().map_or(&[][..], |found| found.as_slice());
        match extension::find::<ExtendedKeyUsage>(extensions) {
            Ok(Some(usages)) => usages.0.iter().any(|oid| *oid == purpose || *oid == ANY_PURPOSE),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// X.509 version 1: no extensions.
    fn is_first_version(&self) -> bool {
        x509_cert::Certificate::from_der(&self.der)
            .is_ok_and(|certificate| certificate.tbs_certificate().version() == Version::V1)
    }

    /// True when the certificate is for `host`, a DNS name or an IP address: its names (RFC 9525, a wildcard
    /// stands for the whole leftmost label); the common name only when there are no names at all.
    pub fn covers(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.facts.sans.contains(&San::Ip(address));
        }
        if self.facts.has_san {
            return self.dns_names().any(|pattern| matches(pattern, host));
        }
        self.subject.common_name.as_deref().is_some_and(|pattern| matches(pattern, host))
    }
}

fn matches(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    if host.is_empty() {
        return false;
    }
    if let Some(parent) = pattern.strip_prefix("*.") {
        return host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent));
    }
    pattern.eq_ignore_ascii_case(host)
}

/// Times of certificates lie between 1950 and 9999; outside what a Timestamp holds they become its end.
fn timestamp(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
