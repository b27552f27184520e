//! The outer form requests and certificates share: content, algorithm, signature over the content's octets.

use der::{Any, Decode, Encode, Sequence, asn1::BitString};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::{algorithm::SignatureAlgorithm, error::X509Error, key::PrivateKey, public_key::PublicKey};

#[derive(Sequence)]
struct Signed {
    content: Any,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// Signs the DER `content` and returns the whole object's DER.
pub(crate) fn seal(what: &'static str, content: &[u8], key: &PrivateKey) -> Result<Vec<u8>, X509Error> {
    seal_with(what, content, key, key.signature_algorithm())
}

/// The same with an algorithm that is not the key's own choice.
pub(crate) fn seal_with(
    what: &'static str,
    content: &[u8],
    key: &PrivateKey,
    algorithm: SignatureAlgorithm,
) -> Result<Vec<u8>, X509Error> {
    let failed = |source| X509Error::Encode { what, source };
    let signed = Signed {
        content: Any::from_der(content).map_err(failed)?,
        algorithm: algorithm.identifier(),
        signature: BitString::from_bytes(&key.sign_with(algorithm, content)?).map_err(failed)?,
    };
    signed.to_der().map_err(failed)
}

/// Ok when `der`, an object of this form, was signed with `by`'s private half.
pub(crate) fn verify(what: &'static str, der: &[u8], by: &PublicKey) -> Result<(), X509Error> {
    let failed = |source| X509Error::Malformed { what, source };
    let signed = Signed::from_der(der).map_err(failed)?;
    let oid = signed.algorithm.oid;
    let algorithm = SignatureAlgorithm::from_oid(&oid)
        .ok_or_else(|| X509Error::UnsupportedSignature { oid: oid.to_string() })?;
    // DER has one encoding: writing the content again gives the octets that were signed.
    let content = signed.content.to_der().map_err(failed)?;
    Ok(by.verify(algorithm, &content, signed.signature.raw_bytes())?)
}
