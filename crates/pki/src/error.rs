//! What can be wrong with a key, and with a request or a certificate.

use crate::algorithm::KeyAlgorithm;

/// A key that cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("no private key found: expected a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY")]
    NoKey,
    #[error("the private key is encrypted: store it without a passphrase")]
    Encrypted,
    #[error(
        "the private key is malformed or not supported: expected RSA of 2048 to 8192 bits, ECDSA on P-256, \
             P-384 or P-521, or Ed25519, as PKCS#8, PKCS#1 or SEC1"
    )]
    MalformedPrivateKey,
    #[error("the public key is malformed")]
    MalformedPublicKey(#[source] der::Error),
    #[error("the public key is not valid for {0}")]
    InvalidPublicKey(KeyAlgorithm),
    #[error(
        "public key algorithm {oid} is not supported: expected RSA, ECDSA on P-256, P-384 or P-521, or Ed25519"
    )]
    UnsupportedPublicKey { oid: String },
    #[error("RSA keys of {bits} bits cannot be generated: expected 2048, 3072, 4096 or 8192")]
    UnsupportedRsaSize { bits: usize },
    #[error("the signature does not verify with the {0} public key")]
    BadSignature(KeyAlgorithm),
    #[error("the cryptographic library could not {0}")]
    Crypto(&'static str),
    #[error("the PEM text is malformed: {0}")]
    Pem(String),
    #[error("the key cannot be encoded")]
    Encode(#[source] der::Error),
}

/// A certificate or a certificate request that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum X509Error {
    #[error("no PEM block {label} found")]
    NoBlock { label: &'static str },
    #[error("the PEM text is malformed: {0}")]
    Pem(String),
    #[error("the {what} is malformed")]
    Malformed {
        what: &'static str,
        #[source]
        source: der::Error,
    },
    #[error("the {what} cannot be encoded")]
    Encode {
        what: &'static str,
        #[source]
        source: der::Error,
    },
    #[error(
        "signature algorithm {oid} is not supported: expected RSA or ECDSA with SHA-256, SHA-384 or SHA-512, \
             or Ed25519"
    )]
    UnsupportedSignature { oid: String },
    #[error("the signature algorithms inside and outside the certificate differ")]
    SignatureAlgorithmsDiffer,
    #[error("extension {oid} occurs more than once")]
    RepeatedExtension { oid: String },
    #[error(
        "subject alternative name {value:?} is not ASCII: write internationalized names in their ASCII form"
    )]
    NotAscii { value: String },
    #[error("usage {value:?} is unknown: expected one of {expected}")]
    UnknownUsage { value: String, expected: String },
    #[error("not after {not_after} is before not before {not_before}")]
    EndsBeforeStart { not_before: jiff::Timestamp, not_after: jiff::Timestamp },
    #[error("{0} cannot be written in a certificate: expected a time from 1970 to 9999")]
    TimeOutOfRange(jiff::Timestamp),
    #[error("the signing key does not belong to the authority's certificate")]
    AuthorityKeyMismatch,
    #[error("the signing key does not belong to the template's public key")]
    SelfSignKeyMismatch,
    #[error("the authority's certificate is not a CA certificate")]
    AuthorityNotCa,
    #[error("a serial number has 1 to 20 octets, is positive and not zero")]
    BadSerial,
    #[error(transparent)]
    Key(#[from] KeyError),
}
