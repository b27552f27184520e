//! The key and signature algorithms Jamul signs and verifies with, and their object identifiers.

use std::fmt;

use const_oid::ObjectIdentifier;
use der::Any;
use x509_cert::spki::AlgorithmIdentifierOwned;

pub(crate) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
pub(crate) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");

/// What kind of key, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// RSA; keys of fewer than 2048 bits can be read, but nothing is made of them.
    Rsa {
        /// Length of the modulus.
        bits: usize,
    },
    /// ECDSA on secp256r1.
    EcdsaP256,
    /// ECDSA on secp384r1.
    EcdsaP384,
    /// ECDSA on secp521r1.
    EcdsaP521,
    /// Edwards 25519 (RFC 8410).
    Ed25519,
}

impl KeyAlgorithm {
    /// The algorithm a key of this kind signs X.509 objects with: the hash grows with the key, as in cert-manager.
    pub fn signature_algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::Rsa { bits } if bits >= 4096 => SignatureAlgorithm::RsaSha512,
            Self::Rsa { bits } if bits >= 3072 => SignatureAlgorithm::RsaSha384,
            Self::Rsa { bits: _ } => SignatureAlgorithm::RsaSha256,
            Self::EcdsaP256 => SignatureAlgorithm::EcdsaSha256,
            Self::EcdsaP384 => SignatureAlgorithm::EcdsaSha384,
            Self::EcdsaP521 => SignatureAlgorithm::EcdsaSha512,
            Self::Ed25519 => SignatureAlgorithm::Ed25519,
        }
    }
}

impl KeyAlgorithm {
    /// Whether keys of this kind can make such signatures here: RSA with every hash, ECDSA with its own.
    pub fn signs_with(self, signature: SignatureAlgorithm) -> bool {
        match self {
            Self::Rsa { bits: _ } => matches!(
                signature,
                SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::RsaSha512
            ),
            Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521 | Self::Ed25519 => {
                signature == self.signature_algorithm()
            }
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::EcdsaP521 => f.write_str("ECDSA P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// How an X.509 object is signed (RFC 5758, RFC 8410, RFC 4055 without PSS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// PKCS#1 v1.5 with SHA-256.
    RsaSha256,
    /// PKCS#1 v1.5 with SHA-384.
    RsaSha384,
    /// PKCS#1 v1.5 with SHA-512.
    RsaSha512,
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
    /// ECDSA with SHA-512.
    EcdsaSha512,
    /// Edwards 25519 (RFC 8410).
    Ed25519,
}

impl SignatureAlgorithm {
    /// The algorithm named by an AlgorithmIdentifier's object identifier; None for one we do not verify.
    pub fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        [
            Self::RsaSha256,
            Self::RsaSha384,
            Self::RsaSha512,
            Self::EcdsaSha256,
            Self::EcdsaSha384,
            Self::EcdsaSha512,
            Self::Ed25519,
        ]
        .into_iter()
        .find(|algorithm| algorithm.oid() == *oid)
    }

    /// cert-manager's name in `spec.signatureAlgorithm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RsaSha256 => "SHA256WithRSA",
            Self::RsaSha384 => "SHA384WithRSA",
            Self::RsaSha512 => "SHA512WithRSA",
            Self::EcdsaSha256 => "ECDSAWithSHA256",
            Self::EcdsaSha384 => "ECDSAWithSHA384",
            Self::EcdsaSha512 => "ECDSAWithSHA512",
            Self::Ed25519 => "PureEd25519",
        }
    }

    /// Every algorithm.
    pub const ALL: [Self; 7] = [
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
        Self::Ed25519,
    ];

    /// The object identifier written into signed objects.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::RsaSha256 => RSA_SHA256,
            Self::RsaSha384 => RSA_SHA384,
            Self::RsaSha512 => RSA_SHA512,
            Self::EcdsaSha256 => ECDSA_SHA256,
            Self::EcdsaSha384 => ECDSA_SHA384,
            Self::EcdsaSha512 => ECDSA_SHA512,
            Self::Ed25519 => ED25519,
        }
    }

    /// With parameters NULL for RSA (RFC 4055 section 5) and absent for the others (RFC 5758, RFC 8410).
    pub(crate) fn identifier(self) -> AlgorithmIdentifierOwned {
        let parameters = match self {
            Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512 => Some(Any::null()),
            Self::EcdsaSha256 | Self::EcdsaSha384 | Self::EcdsaSha512 | Self::Ed25519 => None,
        };
        AlgorithmIdentifierOwned { oid: self.oid(), parameters }
    }
}
