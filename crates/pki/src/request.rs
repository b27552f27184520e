//! What a certificate request asks for, before it is signed (RFC 2986)

use const_oid::db::rfc5280;
use der::Encode as _;
use der::asn1::BitString;
use x509_cert::builder::Builder as _;
use x509_cert::request::RequestBuilder;

use crate::csr::Csr;
use crate::extension;
use crate::key::PrivateKey;
use crate::name::Name;
use crate::san::San;
use crate::signer::Signer;
use crate::template::TemplateError;
use crate::usage::Usage;

/// The content of a certificate request
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestTemplate {
    /// May be empty: then the alternative names are critical.
    pub subject: Name,
    pub sans: Vec<San>,
    /// Empty asks for no usage extensions at all, as `spec.encodeUsagesInRequest: false` does.
    pub usages: Vec<Usage>,
    /// Adds [`Usage::CertSign`] to usages that are not empty. As with cert-manager, no basicConstraints are
    /// asked for: that the certificate shall be a CA is told to the issuer by the CertificateRequest.
    pub is_ca: bool,
}

impl RequestTemplate {
    /// The request, signed by the key it is for.
    ///
    /// # Errors
    /// When a name cannot be encoded.
    pub fn sign(&self, key: &PrivateKey) -> Result<Csr, TemplateError> {
        let mut builder =
            RequestBuilder::new(self.subject.as_x509().clone()).map_err(TemplateError::Build)?;
        for extension in extension::encode_usages(&self.usages()).map_err(TemplateError::Encode)? {
            builder.add_extension(extension).map_err(TemplateError::Encode)?;
        }
        if let Some(names) = extension::alternative_names(&self.sans)? {
            let critical = self.subject.is_empty();
            let extension = extension::encode(rfc5280::ID_CE_SUBJECT_ALT_NAME, critical, &names);
            builder
                .add_extension(extension.map_err(TemplateError::Encode)?)
                .map_err(TemplateError::Encode)?;
        }
        let signer = Signer(key);
        let content = builder.finalize(&signer).map_err(TemplateError::Build)?;
        let signature = BitString::from_bytes(&key.sign(&content)?).map_err(TemplateError::Encode)?;
        let request = builder.assemble(signature, &signer).map_err(TemplateError::Build)?;
        let der = request.to_der().map_err(TemplateError::Encode)?;
        Csr::from_der(&der).map_err(|source| TemplateError::Request(Box::new(source)))
    }

    fn usages(&self) -> Vec<Usage> {
        let mut usages = self.usages.clone();
        if self.is_ca && !usages.is_empty() {
            usages.push(Usage::CertSign);
        }
        usages
    }
}
