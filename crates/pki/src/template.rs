//! Making certificates: by an authority, or signed with their own key.

use std::time::Duration;

use const_oid::ObjectIdentifier;
use der::{
    Decode, Encode, Sequence,
    asn1::{GeneralizedTime, Ia5String, OctetString, UtcTime},
};
use jiff::Timestamp;
use x509_cert::{
    ext::{
        Extension,
        pkix::{
            AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
            CrlDistributionPoints, SubjectKeyIdentifier,
            crl::dp::DistributionPoint,
            name::{DistributionPointName, GeneralName},
        },
    },
    name::Name,
    serial_number::SerialNumber,
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
    time::{Time, Validity},
};

use crate::{
    certificate::{Certificate, WHAT},
    error::{KeyError, X509Error},
    extension,
    key::PrivateKey,
    public_key::PublicKey,
    raw_extension::RawExtension,
    san::San,
    signed,
    subject::Subject,
    usage::Usage,
};

const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");

/// A serial number (RFC 5280 section 4.1.2.2): positive, at most 20 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// 16 octets, 126 bits of them random.
    pub fn random() -> Result<Self, KeyError> {
        let mut octets = [0; 16];
        aws_lc_rs::rand::fill(&mut octets).map_err(|_| KeyError::Crypto("give random octets"))?;
        // The first bit clear keeps it positive, the second set keeps its length.
        octets[0] = octets[0] & 0x7f | 0x40;
        Ok(Self(octets.to_vec()))
    }

    /// A serial number from big endian octets. Errors when zero or longer than 20 octets.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, X509Error> {
        SerialNumber::<x509_cert::certificate::Rfc5280>::new(octets).map_err(|_| X509Error::BadSerial)?;
        if octets.iter().all(|octet| *octet == 0) {
            return Err(X509Error::BadSerial);
        }
        Ok(Self(octets.to_vec()))
    }
}

/// Who signs: a CA certificate and its key.
#[derive(Clone, Copy, Debug)]
pub struct Authority<'a> {
    /// The CA certificate.
    pub certificate: &'a Certificate,
    /// Its key.
    pub key: &'a PrivateKey,
}

/// What a certificate is to say. Times are cut to whole seconds.
#[derive(Clone, Debug)]
pub struct CertificateTemplate {
    /// Unique for this authority.
    pub serial: Serial,
    /// Whom it is for.
    pub subject: Subject,
    /// Its names; critical when the subject is empty.
    pub sans: Vec<San>,
    /// Exactly these are written, and `cert sign` when `is_ca`; no usage is added for an empty list.
    pub usages: Vec<Usage>,
    /// Whether it may sign certificates.
    pub is_ca: bool,
    /// How many CAs may stand below; only written when `is_ca`.
    pub path_len: Option<u8>,
    /// When validity begins.
    pub not_before: Timestamp,
    /// The last moment of validity.
    pub not_after: Timestamp,
    /// The key to certify.
    pub public_key: PublicKey,
    /// URLs of the list of revoked certificates.
    pub crl_distribution_points: Vec<String>,
    /// URLs of OCSP responders.
    pub ocsp_servers: Vec<String>,
    /// URLs of the authority's certificate.
    pub issuing_certificate_urls: Vec<String>,
}

/// RFC 5280 section 4.1. The version is always 3.
#[derive(Sequence)]
struct TbsCertificate {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    public_key: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

impl CertificateTemplate {
    /// Signed by an authority. Errors when the key is not the certificate's or that is no CA certificate.
    pub fn sign_by(&self, authority: &Authority<'_>) -> Result<Certificate, X509Error> {
        self.sign_by_with(authority, &[])
    }

    /// As [`Self::sign_by`], with further extensions.
    pub fn sign_by_with(
        &self,
        authority: &Authority<'_>,
        more: &[RawExtension],
    ) -> Result<Certificate, X509Error> {
        let signer = authority.certificate;
        if authority.key.public_key() != *signer.public_key() {
            return Err(X509Error::AuthorityKeyMismatch);
        }
        if !signer.is_ca() {
            return Err(X509Error::AuthorityNotCa);
        }
        let identifier =
            signer.key_identifier().map_or_else(|| signer.public_key().key_identifier(), <[u8]>::to_vec);
        self.sign(signer.subject_name().clone(), identifier, authority.key, more)
    }

    /// Signed with its own key. Errors when `key` is not the template's.
    pub fn self_sign(&self, key: &PrivateKey) -> Result<Certificate, X509Error> {
        self.self_sign_with(key, &[])
    }

    /// As [`Self::self_sign`], with further extensions.
    pub fn self_sign_with(&self, key: &PrivateKey, more: &[RawExtension]) -> Result<Certificate, X509Error> {
        if key.public_key() != self.public_key {
            return Err(X509Error::SelfSignKeyMismatch);
        }
        self.sign(self.subject.to_name()?, self.public_key.key_identifier(), key, more)
    }

    fn sign(
        &self,
        issuer: Name,
        authority: Vec<u8>,
        key: &PrivateKey,
        more: &[RawExtension],
    ) -> Result<Certificate, X509Error> {
        if self.not_after < self.not_before {
            return Err(X509Error::EndsBeforeStart {
                not_before: self.not_before,
                not_after: self.not_after,
            });
        }
        let mut extensions = self.extensions(authority)?;
        for extension in more {
            extensions.push(extension.to_extension()?);
        }
        let tbs = TbsCertificate {
            version: 2,
            serial: SerialNumber::new(&self.serial.0).map_err(failed)?,
            signature: key.signature_algorithm().identifier(),
            issuer,
            validity: Validity::new(time(self.not_before)?, time(self.not_after)?),
            subject: self.subject.to_name()?,
            public_key: SubjectPublicKeyInfoOwned::from_der(self.public_key.spki_der()).map_err(failed)?,
            extensions,
        };
        Certificate::from_der(&signed::seal(WHAT, &tbs.to_der().map_err(failed)?, key)?)
    }

    fn extensions(&self, authority: Vec<u8>) -> Result<Vec<Extension>, X509Error> {
        let mut extensions =
            extension::purposes_and_names(&self.usages, self.is_ca, &self.sans, self.subject.is_empty())?;
        let path_len_constraint = self.path_len.filter(|_| self.is_ca);
        extensions.push(extension::encode(true, &BasicConstraints { ca: self.is_ca, path_len_constraint })?);
        let own = OctetString::new(self.public_key.key_identifier()).map_err(failed)?;
        extensions.push(extension::encode(false, &SubjectKeyIdentifier(own))?);
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(authority).map_err(failed)?),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        extensions.push(extension::encode(false, &authority)?);
        let access = self.access()?;
        if !access.is_empty() {
            extensions.push(extension::encode(false, &AuthorityInfoAccessSyntax(access))?);
        }
        if !self.crl_distribution_points.is_empty() {
            let points = self.crl_distribution_points.iter().map(|url| {
                Ok(DistributionPoint {
                    distribution_point: Some(DistributionPointName::FullName(vec![uri(url)?])),
                    reasons: None,
                    crl_issuer: None,
                })
            });
            let points = points.collect::<Result<Vec<_>, X509Error>>()?;
            extensions.push(extension::encode(false, &CrlDistributionPoints(points))?);
        }
        Ok(extensions)
    }

    fn access(&self) -> Result<Vec<AccessDescription>, X509Error> {
        let ocsp = self.ocsp_servers.iter().map(|url| (OCSP, url));
        let issuers = self.issuing_certificate_urls.iter().map(|url| (CA_ISSUERS, url));
        ocsp.chain(issuers)
            .map(|(access_method, url)| Ok(AccessDescription { access_method, access_location: uri(url)? }))
            .collect()
    }
}

fn failed(source: der::Error) -> X509Error {
    X509Error::Encode { what: WHAT, source }
}

fn uri(value: &str) -> Result<GeneralName, X509Error> {
    let text = Ia5String::new(value).map_err(|_| X509Error::NotAscii { value: value.to_owned() })?;
    Ok(GeneralName::UniformResourceIdentifier(text))
}

/// UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5).
pub(crate) fn time(at: Timestamp) -> Result<Time, X509Error> {
    let out_of_range = || X509Error::TimeOutOfRange(at);
    let since = Duration::from_secs(u64::try_from(at.as_second()).map_err(|_| out_of_range())?);
    if let Ok(time) = UtcTime::from_unix_duration(since) {
        return Ok(Time::UtcTime(time));
    }
    GeneralizedTime::from_unix_duration(since).map(Time::GeneralTime).map_err(|_| out_of_range())
}

#[cfg(test)]
mod tests;
