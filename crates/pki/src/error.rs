//! What can be wrong with a key, and with a request or a certificate.

use crate::algorithm::KeyAlgorithm;

/// A key that cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No block of a private key in the text.
    #[error("no private key found: expected a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY")]
    NoKey,
    /// A passphrase would be needed.
    #[error("the private key is encrypted: store it without a passphrase")]
    Encrypted,
    /// Octets that are no key we know.
    #[error(
        "the private key is malformed or not supported: expected RSA of 2048 to 8192 bits, ECDSA on P-256, \
             P-384 or P-521, or Ed25519, as PKCS#8, PKCS#1 or SEC1"
    )]
    MalformedPrivateKey,
    /// Octets that are no SubjectPublicKeyInfo.
    #[error("the public key is malformed")]
    MalformedPublicKey(#[source] der::Error),
    /// Numbers that are no key of this kind.
    #[error("the public key is not valid for {0}")]
    InvalidPublicKey(KeyAlgorithm),
    /// A public key of an unknown algorithm.
    #[error(
        "public key algorithm {oid} is not supported: expected RSA, ECDSA on P-256, P-384 or P-521, or Ed25519"
    )]
    UnsupportedPublicKey {
        /// The object identifier, dotted.
        oid: String,
    },
    /// A length that cannot be generated.
    #[error("RSA keys of {bits} bits cannot be generated: expected 2048, 3072, 4096 or 8192")]
    UnsupportedRsaSize {
        /// The length asked for.
        bits: usize,
    },
    /// A signature by another key, or over another message.
    #[error("the signature does not verify with the {0} public key")]
    BadSignature(KeyAlgorithm),
    /// The library failed at what is named.
    #[error("the cryptographic library could not {0}")]
    Crypto(&'static str),
    /// PEM that cannot be read.
    #[error("the PEM text is malformed: {0}")]
    Pem(String),
    /// A key that cannot be written.
    #[error("the key cannot be encoded")]
    Encode(#[source] der::Error),
}

/// A certificate or a certificate request that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum X509Error {
    /// The text has no block of the kind.
    #[error("no PEM block {label} found")]
    NoBlock {
        /// The label looked for.
        label: &'static str,
    },
    /// PEM that cannot be read.
    #[error("the PEM text is malformed: {0}")]
    Pem(String),
    /// Octets that are not what they should be.
    #[error("the {what} is malformed")]
    Malformed {
        /// Which kind of object.
        what: &'static str,
        /// What the encoder or decoder said.
        #[source]
        source: der::Error,
    },
    /// An object that cannot be written.
    #[error("the {what} cannot be encoded")]
    Encode {
        /// Which kind of object.
        what: &'static str,
        /// What the encoder or decoder said.
        #[source]
        source: der::Error,
    },
    /// An object that is read but cannot be worked with.
    #[error("the {what} cannot be used: {why}")]
    Unusable {
        /// Which kind of object.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A signature of an unknown algorithm.
    #[error(
        "signature algorithm {oid} is not supported: expected RSA or ECDSA with SHA-256, SHA-384 or SHA-512, \
             or Ed25519"
    )]
    UnsupportedSignature {
        /// The object identifier, dotted.
        oid: String,
    },
    /// RFC 5280 section 4.1.1.2 wants them equal.
    #[error("the signature algorithms inside and outside the certificate differ")]
    SignatureAlgorithmsDiffer,
    /// RFC 5280 section 4.2 allows each once.
    #[error("extension {oid} occurs more than once")]
    RepeatedExtension {
        /// The object identifier, dotted.
        oid: String,
    },
    /// A name that has no place in an IA5String.
    #[error(
        "subject alternative name {value:?} is not ASCII: write internationalized names in their ASCII form"
    )]
    NotAscii {
        /// The text.
        value: String,
    },
    /// A distinguished name that cannot be read.
    #[error("{value:?} is no distinguished name: {why}")]
    BadName {
        /// The text.
        value: String,
        /// Which part, and what was expected.
        why: String,
    },
    /// An object identifier that cannot be read.
    #[error("{value:?} is no object identifier: expected such as 1.3.6.1.4.1.311.20.2.3")]
    BadOid {
        /// The text.
        value: String,
    },
    /// A usage that has no such name.
    #[error("usage {value:?} is unknown: expected one of {expected}")]
    UnknownUsage {
        /// The text.
        value: String,
        /// The texts that are known.
        expected: String,
    },
    /// A validity of no time.
    #[error("not after {not_after} is before not before {not_before}")]
    EndsBeforeStart {
        /// The beginning.
        not_before: jiff::Timestamp,
        /// The end.
        not_after: jiff::Timestamp,
    },
    /// A time outside of X.509.
    #[error("{0} cannot be written in a certificate: expected a time from 1970 to 9999")]
    TimeOutOfRange(jiff::Timestamp),
    /// A signer that cannot sign for its certificate.
    #[error("the signing key does not belong to the authority's certificate")]
    AuthorityKeyMismatch,
    /// Self-signing with the key of another.
    #[error("the signing key does not belong to the template's public key")]
    SelfSignKeyMismatch,
    /// A signer that may not sign.
    #[error("the authority's certificate is not a CA certificate")]
    AuthorityNotCa,
    /// A number outside RFC 5280 section 4.1.2.2.
    #[error("a serial number has 1 to 20 octets, is positive and not zero")]
    BadSerial,
    /// A key inside failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}
