//! The numbers of a public key, as JOSE (RFC 7517, RFC 7518 section 6) writes them, and JOSE's form of signatures.

use aws_lc_rs::signature::{self as lc, UnparsedPublicKey, VerificationAlgorithm};
use der::asn1::{Any, BitString, ObjectIdentifier, Uint};
use der::{Encode, Sequence};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::algorithm::{self, KeyAlgorithm};
use crate::error::KeyError;
use crate::public_key::PublicKey;

/// A NIST curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// secp256r1
    P256,
    /// secp384r1
    P384,
    /// secp521r1
    P521,
}

impl Curve {
    /// JOSE's name: `P-256`, `P-384`, `P-521`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => algorithm::P256,
            Self::P384 => algorithm::P384,
            Self::P521 => algorithm::P521,
        }
    }

    /// Octets of one coordinate.
    fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// The numbers of a public key, big endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicComponents {
    /// Without leading zeros.
    Rsa {
        /// n
        modulus: Vec<u8>,
        /// e
        exponent: Vec<u8>,
    },
    /// Each coordinate as wide as the field.
    Ecdsa {
        /// Which curve.
        curve: Curve,
        /// x
        x: Vec<u8>,
        /// y
        y: Vec<u8>,
    },
    /// 32 octets.
    Ed25519 {
        /// The encoded point.
        x: Vec<u8>,
    },
}

/// RFC 8017 appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey {
    modulus: Uint,
    exponent: Uint,
}

impl PublicKey {
    /// The numbers of this key; `None` if they cannot be told apart.
    #[must_use]
    pub fn components(&self) -> Option<PublicComponents> {
        let curve = match self.algorithm() {
            KeyAlgorithm::Rsa { .. } => {
                let (modulus, exponent) = self.rsa_components()?;
                return Some(PublicComponents::Rsa { modulus, exponent });
            }
            KeyAlgorithm::Ed25519 => {
                return Some(PublicComponents::Ed25519 { x: self.subject_public_key().to_vec() });
            }
            KeyAlgorithm::EcdsaP256 => Curve::P256,
            KeyAlgorithm::EcdsaP384 => Curve::P384,
            KeyAlgorithm::EcdsaP521 => Curve::P521,
        };
        let point = self.subject_public_key().strip_prefix(&[4])?;
        let (x, y) = point.split_at_checked(curve.width())?;
        Some(PublicComponents::Ecdsa { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// The key with these numbers.
    ///
    /// # Errors
    /// They are no key of that kind, or an RSA key below 2048 bits.
    pub fn from_components(components: &PublicComponents) -> Result<Self, KeyError> {
        let (oid, parameters, bits) = match components {
            PublicComponents::Rsa { modulus, exponent } => {
                let number = |octets: &[u8]| Uint::new(octets).map_err(KeyError::MalformedPublicKey);
                let key = RsaPublicKey { modulus: number(modulus)?, exponent: number(exponent)? };
                (algorithm::RSA_ENCRYPTION, Some(Any::null()), key.to_der().map_err(KeyError::Encode)?)
            }
            PublicComponents::Ecdsa { curve, x, y } => {
                let bits = [&[4], x.as_slice(), y.as_slice()].concat();
                (algorithm::EC_PUBLIC_KEY, Some(Any::from(curve.oid())), bits)
            }
            PublicComponents::Ed25519 { x } => (algorithm::ED25519, None, x.clone()),
        };
        let info = SubjectPublicKeyInfoOwned {
            algorithm: AlgorithmIdentifierOwned { oid, parameters },
            subject_public_key: BitString::from_bytes(&bits).map_err(KeyError::Encode)?,
        };
        let key = Self::from_spki_der(&info.to_der().map_err(KeyError::Encode)?)?;
        match key.algorithm() {
            // Nothing verifies with shorter ones (NIST SP 800-131A).
            KeyAlgorithm::Rsa { bits } if bits < 2048 => Err(KeyError::InvalidPublicKey(key.algorithm())),
            KeyAlgorithm::Rsa { .. }
            | KeyAlgorithm::EcdsaP256
            | KeyAlgorithm::EcdsaP384
            | KeyAlgorithm::EcdsaP521
            | KeyAlgorithm::Ed25519 => Ok(key),
        }
    }

    /// Checks a JWS signature: `r || s` for ECDSA, RS256 for RSA, EdDSA for Ed25519 (RFC 7518 section 3, RFC 8037).
    ///
    /// # Errors
    /// It does not match.
    pub fn verify_jose(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let with: &'static dyn VerificationAlgorithm = match self.algorithm() {
            KeyAlgorithm::Rsa { .. } => &lc::RSA_PKCS1_2048_8192_SHA256,
            KeyAlgorithm::EcdsaP256 => &lc::ECDSA_P256_SHA256_FIXED,
            KeyAlgorithm::EcdsaP384 => &lc::ECDSA_P384_SHA384_FIXED,
            KeyAlgorithm::EcdsaP521 => &lc::ECDSA_P521_SHA512_FIXED,
            KeyAlgorithm::Ed25519 => &lc::ED25519,
        };
        UnparsedPublicKey::new(with, self.subject_public_key())
            .verify(message, signature)
            .map_err(|_| KeyError::BadSignature(self.algorithm()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PrivateKey;

    #[test]
    fn components_and_jose_signatures_round_trip_for_every_algorithm() {
        for algorithm in [
            KeyAlgorithm::Rsa { bits: 2048 },
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::EcdsaP521,
            KeyAlgorithm::Ed25519,
        ] {
            let key = PrivateKey::generate(algorithm).expect("a key");
            let public = key.public_key();
            let components = public.components().expect("components");
            assert_eq!(PublicKey::from_components(&components).expect("a key"), public);
            let signature = key.sign_jose(b"message").expect("a signature");
            public.verify_jose(b"message", &signature).expect("verifies");
            assert!(public.verify_jose(b"another", &signature).is_err());
        }
    }
}
