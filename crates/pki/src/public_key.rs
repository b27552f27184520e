//! Public keys as SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), and verifying with them.

use std::fmt;

use aws_lc_rs::{
    digest,
    signature::{self as lc, UnparsedPublicKey, VerificationAlgorithm},
};
use const_oid::ObjectIdentifier;
use der::{Decode, Sequence, asn1::Uint};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::{
    algorithm::{self, KeyAlgorithm, SignatureAlgorithm},
    error::KeyError,
};

/// A public key. Two keys are equal when their SubjectPublicKeyInfo is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    spki: Vec<u8>,
    bits: Vec<u8>,
    algorithm: KeyAlgorithm,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// RFC 8017 appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey {
    modulus: Uint,
    exponent: Uint,
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo. Errors when malformed, of another algorithm, or not a point of its curve.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoOwned::from_der(spki).map_err(KeyError::MalformedPublicKey)?;
        let bits = info.subject_public_key.raw_bytes().to_vec();
        let unsupported = |oid: ObjectIdentifier| KeyError::UnsupportedPublicKey { oid: oid.to_string() };
        let oid = info.algorithm.oid;
        let algorithm = if oid == algorithm::RSA_ENCRYPTION {
            let key = RsaPublicKey::from_der(&bits).map_err(KeyError::MalformedPublicKey)?;
            let significant = key.modulus.as_bytes();
            let leading = significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
            KeyAlgorithm::Rsa { bits: significant.len() * 8 - leading }
        } else if oid == algorithm::EC_PUBLIC_KEY {
            let curve = match &info.algorithm.parameters {
                Some(any) => any.decode_as::<ObjectIdentifier>().map_err(KeyError::MalformedPublicKey)?,
                None => return Err(unsupported(oid)),
            };
            match curve {
                algorithm::P256 => KeyAlgorithm::EcdsaP256,
                algorithm::P384 => KeyAlgorithm::EcdsaP384,
                algorithm::P521 => KeyAlgorithm::EcdsaP521,
                other => return Err(unsupported(other)),
            }
        } else if oid == algorithm::ED25519 {
            KeyAlgorithm::Ed25519
        } else {
            return Err(unsupported(oid));
        };
        // RSA keys below 2048 bits stay readable (old certificates), they only verify nothing.
        let checked = match algorithm {
            KeyAlgorithm::Rsa { bits: _ } => true,
            KeyAlgorithm::EcdsaP256
            | KeyAlgorithm::EcdsaP384
            | KeyAlgorithm::EcdsaP521
            | KeyAlgorithm::Ed25519 => verification(algorithm, algorithm.signature_algorithm())
                .is_some_and(|with| UnparsedPublicKey::new(with, &bits).parse().is_ok()),
        };
        if !checked {
            return Err(KeyError::InvalidPublicKey(algorithm));
        }
        Ok(Self { spki: spki.to_vec(), bits, algorithm })
    }

    /// The SubjectPublicKeyInfo, DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The bits of subjectPublicKey: an uncompressed point, an RSAPublicKey (RFC 8017), or 32 octets of Ed25519.
    pub fn subject_public_key(&self) -> &[u8] {
        &self.bits
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Modulus and exponent, big endian without leading zeros, of an RSA key; None for others.
    pub fn rsa_components(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let KeyAlgorithm::Rsa { bits: _ } = self.algorithm else { return None };
        let key = RsaPublicKey::from_der(&self.bits).ok()?;
        Some((key.modulus.as_bytes().to_vec(), key.exponent.as_bytes().to_vec()))
    }

    /// SHA-1 of the bits: RFC 5280 section 4.2.1.2 method (1). An identifier, not a protection.
    pub fn key_identifier(&self) -> Vec<u8> {
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.bits).as_ref().to_vec()
    }

    /// Ok when `signature` (X.509 form) over `message` was made with this key's private half.
    pub fn verify(&self, with: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let bad = || KeyError::BadSignature(self.algorithm);
        let with = verification(self.algorithm, with).ok_or_else(bad)?;
        UnparsedPublicKey::new(with, &self.bits).verify(message, signature).map_err(|_| bad())
    }
}

/// None where key and signature are of different families.
fn verification(
    key: KeyAlgorithm,
    signature: SignatureAlgorithm,
) -> Option<&'static dyn VerificationAlgorithm> {
    use KeyAlgorithm as K;
    use SignatureAlgorithm as S;
    Some(match (key, signature) {
        (K::Rsa { .. }, S::RsaSha256) => &lc::RSA_PKCS1_2048_8192_SHA256,
        (K::Rsa { .. }, S::RsaSha384) => &lc::RSA_PKCS1_2048_8192_SHA384,
        (K::Rsa { .. }, S::RsaSha512) => &lc::RSA_PKCS1_2048_8192_SHA512,
        (K::EcdsaP256, S::EcdsaSha256) => &lc::ECDSA_P256_SHA256_ASN1,
        (K::EcdsaP256, S::EcdsaSha384) => &lc::ECDSA_P256_SHA384_ASN1,
        (K::EcdsaP256, S::EcdsaSha512) => &lc::ECDSA_P256_SHA512_ASN1,
        (K::EcdsaP384, S::EcdsaSha256) => &lc::ECDSA_P384_SHA256_ASN1,
        (K::EcdsaP384, S::EcdsaSha384) => &lc::ECDSA_P384_SHA384_ASN1,
        (K::EcdsaP384, S::EcdsaSha512) => &lc::ECDSA_P384_SHA512_ASN1,
        (K::EcdsaP521, S::EcdsaSha256) => &lc::ECDSA_P521_SHA256_ASN1,
        (K::EcdsaP521, S::EcdsaSha384) => &lc::ECDSA_P521_SHA384_ASN1,
        (K::EcdsaP521, S::EcdsaSha512) => &lc::ECDSA_P521_SHA512_ASN1,
        (K::Ed25519, S::Ed25519) => &lc::ED25519,
        (K::Rsa { .. }, S::EcdsaSha256 | S::EcdsaSha384 | S::EcdsaSha512 | S::Ed25519)
        | (
            K::EcdsaP256 | K::EcdsaP384 | K::EcdsaP521,
            S::RsaSha256 | S::RsaSha384 | S::RsaSha512 | S::Ed25519,
        )
        | (
            K::Ed25519,
            S::RsaSha256 | S::RsaSha384 | S::RsaSha512 | S::EcdsaSha256 | S::EcdsaSha384 | S::EcdsaSha512,
        ) => return None,
    })
}
