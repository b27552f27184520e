//! Keys, certificate requests and certificates (RFC 5280, RFC 2986), without I/O

#![warn(missing_docs)]

mod algorithm;
mod attribute;
mod certificate;
mod components;
mod constraints;
mod csr;
mod distinguished_name;
mod error;
mod extension;
mod key;
mod keystore;
mod literal;
mod pem;
mod public_key;
mod raw_extension;
mod revocation_list;
mod san;
mod signed;
mod subject;
mod template;
mod trust;
mod usage;

pub use algorithm::{KeyAlgorithm, SignatureAlgorithm};
pub use certificate::Certificate;
pub use components::{Curve, PublicComponents};
pub use constraints::{Criticality, Subtrees};
pub use csr::{Csr, RequestTemplate};
pub use error::{KeyError, X509Error};
pub use key::{KeyEncoding, PrivateKey};
pub use keystore::{
    KeystoreEntry, Pkcs12Profile, jks_keystore, jks_truststore, pkcs12_keystore, pkcs12_truststore,
};
pub use literal::LiteralName;
pub use pem::content as pem_content;
pub use public_key::PublicKey;
pub use raw_extension::RawExtension;
pub use revocation_list::{RevocationList, RevocationListTemplate, RevokedCertificate};
pub use san::{San, is_oid};
pub use subject::Subject;
pub use template::{Authority, CertificateTemplate, Serial};
pub use trust::{Peer, Trust, Untrusted};
pub use usage::Usage;
