//! Certificate signing requests (PKCS#10, RFC 2986).

use std::fmt;

use der::{Decode, Encode, asn1::SetOfVec};
use rustls_pki_types::pem::SectionKind;
use x509_cert::{
    attr::Attribute,
    ext::pkix::BasicConstraints,
    request::{CertReq, CertReqInfo, ExtensionReq, Version},
    spki::SubjectPublicKeyInfoOwned,
};

use crate::{
    algorithm::SignatureAlgorithm,
    error::X509Error,
    extension::{self, Facts},
    key::PrivateKey,
    pem,
    public_key::PublicKey,
    raw_extension::RawExtension,
    san::San,
    signed,
    subject::Subject,
    usage::Usage,
};

const WHAT: &str = "certificate request";
const LABEL: &str = "CERTIFICATE REQUEST";

/// What to ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestTemplate {
    /// Whom the certificate is for.
    pub subject: Subject,
    /// Its names.
    pub sans: Vec<San>,
    /// What its key may be used for; none = no such extension.
    pub usages: Vec<Usage>,
    /// Whether it shall sign certificates.
    pub is_ca: bool,
    /// Below which names a CA may sign; made by [`RawExtension::name_constraints`].
    pub name_constraints: Option<RawExtension>,
    /// How the request is signed; `None` = as the key does by itself.
    pub signature_algorithm: Option<SignatureAlgorithm>,
}

impl RequestTemplate {
    /// The request for `key`'s public half, signed with it. Errors when a name cannot be written.
    pub fn sign(&self, key: &PrivateKey) -> Result<Csr, X509Error> {
        let failed = |source| X509Error::Encode { what: WHAT, source };
        let mut extensions =
            extension::purposes_and_names(&self.usages, self.is_ca, &self.sans, self.subject.is_empty())?;
        if self.is_ca {
            let constraints = BasicConstraints { ca: true, path_len_constraint: None };
            extensions.push(extension::encode(true, &constraints)?);
        }
        if let Some(constraints) = &self.name_constraints {
            extensions.push(constraints.to_extension()?);
        }
        let mut attributes = SetOfVec::new();
        if !extensions.is_empty() {
            let request = Attribute::try_from(ExtensionReq(extensions)).map_err(failed)?;
            attributes.insert(request).map_err(failed)?;
        }
        let info = CertReqInfo {
            version: Version::V1,
            subject: self.subject.to_name()?,
            public_key: SubjectPublicKeyInfoOwned::from_der(key.public_key().spki_der()).map_err(failed)?,
            attributes,
        };
        let algorithm = self.signature_algorithm.unwrap_or_else(|| key.signature_algorithm());
        Csr::from_der(&signed::seal_with(WHAT, &info.to_der().map_err(failed)?, key, algorithm)?)
    }
}

/// A request whose signature verified with the key it asks for.
#[derive(Clone)]
pub struct Csr {
    der: Vec<u8>,
    subject: Subject,
    public_key: PublicKey,
    facts: Facts,
}

impl fmt::Debug for Csr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csr")
            .field("subject", &self.subject)
            .field("sans", &self.facts.sans)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Csr {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Csr {}

impl Csr {
    /// The first request of `text`.
    pub fn from_pem(text: &str) -> Result<Self, X509Error> {
        let blocks = pem::blocks(text).map_err(X509Error::Pem)?;
        let block = blocks.iter().find(|(kind, _)| *kind == SectionKind::Csr);
        Self::from_der(&block.ok_or(X509Error::NoBlock { label: LABEL })?.1)
    }

    /// Errors when malformed, of an unsupported key, or the signature is not by that key.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        let failed = |source| X509Error::Malformed { what: WHAT, source };
        let request = CertReq::from_der(der).map_err(failed)?;
        let public_key = PublicKey::from_spki_der(&request.info.public_key.to_der().map_err(failed)?)?;
        signed::verify(WHAT, der, &public_key)?;
        let mut extensions = Vec::new();
        for attribute in request.info.attributes.iter() {
            if attribute.oid == <ExtensionReq as const_oid::AssociatedOid>::OID {
                for value in attribute.values.iter() {
                    extensions.extend(value.decode_as::<ExtensionReq>().map_err(failed)?.0);
                }
            }
        }
        Ok(Self {
            der: der.to_vec(),
            subject: Subject::from_name(&request.info.subject),
            public_key,
            facts: Facts::read(&extensions)?,
        })
    }

    /// The octets.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The request as one PEM block.
    pub fn to_pem(&self) -> Result<String, X509Error> {
        pem::encode(LABEL, &self.der).map_err(|error| X509Error::Pem(error.to_string()))
    }

    /// Whom the certificate is for.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The names asked for, of the kinds we read.
    pub fn sans(&self) -> &[San] {
        &self.facts.sans
    }

    /// The key to be certified; the request is signed with its private half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The usages asked for.
    pub fn usages(&self) -> &[Usage] {
        &self.facts.usages
    }

    /// The name constraints asked for.
    pub fn name_constraints(&self) -> Option<&RawExtension> {
        self.facts.name_constraints.as_ref()
    }

    /// Whether a CA certificate is asked for.
    pub fn is_ca(&self) -> bool {
        self.facts.is_ca
    }
}
