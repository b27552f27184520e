//! Our keys as x509-cert's builders want their signers

use der::Document;
use signature::Keypair;
use x509_cert::spki::{self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey};

use crate::key::PrivateKey;
use crate::public_key::PublicKey;

/// Tells a builder the algorithm and the public key. It does not sign: the caller does, between
/// `Builder::finalize` and `Builder::assemble`.
pub(crate) struct Signer<'a>(pub(crate) &'a PrivateKey);

#[derive(Clone)]
pub(crate) struct VerifyingKey(PublicKey);

impl Keypair for Signer<'_> {
    type VerifyingKey = VerifyingKey;

    fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.public_key())
    }
}

impl DynSignatureAlgorithmIdentifier for Signer<'_> {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(self.0.algorithm().signature_algorithm().identifier())
    }
}

impl EncodePublicKey for VerifyingKey {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::try_from(self.0.spki_der())?)
    }
}
