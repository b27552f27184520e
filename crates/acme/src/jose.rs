//! Signed messages: JWK (RFC 7517), thumbprints (RFC 7638) and flattened JWS (RFC 7515) as ACME uses them.

mod binding;
mod jwk;
mod jws;

use std::fmt;
use std::sync::Arc;

use jamul_pki::{KeyAlgorithm, KeyError, PrivateKey};
use sha2::{Digest as _, Sha256};

use crate::encoding;

pub use binding::ExternalBinding;
pub use jwk::{Curve, Jwk, OkpCurve};
pub use jws::{FlattenedJws, Jws, KeyReference, Protected};

/// A key that speaks for an ACME account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccountKey {
    private: Arc<PrivateKey>,
    jwk: Jwk,
}

impl AccountKey {
    /// A new ES256 key: small, fast, and accepted by every CA.
    ///
    /// # Errors
    /// [`JoseError::Sign`] when the system has no randomness.
    pub fn generate() -> Result<Self, JoseError> {
        Self::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).map_err(JoseError::Sign)?)
    }

    /// Takes an existing key.
    ///
    /// # Errors
    /// [`JoseError::BadKey`] when ACME has no algorithm for it.
    pub fn new(private: PrivateKey) -> Result<Self, JoseError> {
        let jwk = Jwk::from_public_key(&private.public_key())?;
        Ok(Self { private: Arc::new(private), jwk })
    }

    /// The private key, to be stored.
    #[must_use]
    pub fn private_key(&self) -> &PrivateKey {
        &self.private
    }

    /// The public key.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The public key's thumbprint in base64url (RFC 8555 section 8.1).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.jwk.thumbprint()
    }

    /// `token.thumbprint`, what a challenge's proof is made of (RFC 8555 section 8.1).
    #[must_use]
    pub fn key_authorization(&self, token: &str) -> String {
        key_authorization(token, &self.jwk)
    }

    /// What the TXT record of dns-01 contains: the digest of the key authorization (RFC 8555 section 8.4).
    #[must_use]
    pub fn dns_record(&self, token: &str) -> String {
        encoding::encode(Sha256::digest(self.key_authorization(token)))
    }

    /// The body of a request to `url` (RFC 8555 section 6.2).
    ///
    /// # Errors
    /// [`JoseError::Sign`].
    pub fn sign(
        &self,
        url: &str,
        nonce: Option<&str>,
        key: KeyReference,
        payload: &[u8],
    ) -> Result<FlattenedJws, JoseError> {
        let algorithm = self.jwk.algorithm();
        let header = Protected { algorithm, nonce: nonce.map(str::to_owned), url: url.to_owned(), key };
        let unsigned = header.over(payload);
        let signature =
            self.private.sign_jose(unsigned.signing_input().as_bytes()).map_err(JoseError::Sign)?;
        Ok(unsigned.signed(&signature))
    }
}

/// Media type of a signed request (RFC 8555 section 6.2).
pub const CONTENT_TYPE: &str = "application/jose+json";

/// `token.thumbprint` for the holder of `jwk` (RFC 8555 section 8.1).
#[must_use]
pub fn key_authorization(token: &str, jwk: &Jwk) -> String {
    format!("{token}.{}", jwk.thumbprint())
}

/// The algorithms that ACME requests are signed with (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// Ed25519.
    EdDsa,
}

impl SignatureAlgorithm {
    /// All of them, in the order in which a CA offers them.
    pub const ALL: [Self; 5] = [Self::Es256, Self::Es384, Self::Es512, Self::EdDsa, Self::Rs256];

    /// The name in `alg`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with a signed message or a key.
#[derive(Debug, thiserror::Error)]
pub enum JoseError {
    /// Not JSON of the expected form.
    #[error("the {part} is malformed")]
    Json {
        /// Which part.
        part: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Not base64url without padding.
    #[error("the {part} is not base64url without padding")]
    Base64 {
        /// Which part.
        part: &'static str,
        /// Why.
        #[source]
        source: base64::DecodeError,
    },
    /// An unprotected header (RFC 8555 section 6.2).
    #[error("the JWS has an unprotected header; expected none")]
    UnprotectedHeader,
    /// An extension that must be understood.
    #[error("the protected header has \"crit\"; expected none")]
    Critical,
    /// An unknown algorithm.
    #[error("algorithm {0:?} is not supported; expected ES256, ES384, ES512, EdDSA or RS256")]
    Algorithm(String),
    /// Not the key's algorithm.
    #[error("the algorithm is {found}; expected {expected}, the only one of this key")]
    AlgorithmMismatch {
        /// The key's.
        expected: SignatureAlgorithm,
        /// The header's.
        found: SignatureAlgorithm,
    },
    /// Neither or both of `jwk` and `kid`.
    #[error("the protected header names no key; expected exactly one of \"jwk\" and \"kid\"")]
    KeyReference,
    /// A key that is none.
    #[error("the key cannot be used: {0}")]
    BadKey(String),
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// Signing failed.
    #[error("cannot sign")]
    Sign(#[source] KeyError),
}
