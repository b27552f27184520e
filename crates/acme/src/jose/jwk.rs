//! Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037) and their thumbprints (RFC 7638).

use std::fmt;

use jamul_pki::{PublicComponents, PublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{JoseError, SignatureAlgorithm};
use crate::encoding;

/// A public key. Members other than these (`kid`, `use`, `alg`) are dropped: they do not make another key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum Jwk {
    /// A point on a curve.
    #[serde(rename = "EC")]
    Ec {
        /// Which curve.
        crv: Curve,
        /// The first coordinate, base64url, of full length.
        x: String,
        /// The second coordinate.
        y: String,
    },
    /// An RSA key.
    #[serde(rename = "RSA")]
    Rsa {
        /// The modulus, base64url, without leading zeros.
        n: String,
        /// The exponent.
        e: String,
    },
    /// An Edwards key.
    #[serde(rename = "OKP")]
    Okp {
        /// Which curve.
        crv: OkpCurve,
        /// The public key, base64url.
        x: String,
    },
}

/// The curves of [`Jwk::Ec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Curve {
    /// NIST P-256.
    #[serde(rename = "P-256")]
    P256,
    /// NIST P-384.
    #[serde(rename = "P-384")]
    P384,
    /// NIST P-521.
    #[serde(rename = "P-521")]
    P521,
}

/// The curves of [`Jwk::Okp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OkpCurve {
    /// Edwards 25519.
    Ed25519,
}

impl Jwk {
    /// The JWK of a public key.
    ///
    /// # Errors
    /// [`JoseError::BadKey`] when the key is of a kind that ACME has no algorithm for.
    pub fn from_public_key(key: &PublicKey) -> Result<Self, JoseError> {
        match key.components() {
            Some(PublicComponents::Rsa { modulus, exponent }) => {
                Ok(Self::Rsa { n: encoding::encode(modulus), e: encoding::encode(exponent) })
            }
            Some(PublicComponents::Ecdsa { curve, x, y }) => {
                Ok(Self::Ec { crv: curve.into(), x: encoding::encode(x), y: encoding::encode(y) })
            }
            Some(PublicComponents::Ed25519 { x }) => {
                Ok(Self::Okp { crv: OkpCurve::Ed25519, x: encoding::encode(x) })
            }
            None => {
                Err(JoseError::BadKey("it is neither RSA, ECDSA (P-256, P-384, P-521) nor Ed25519".into()))
            }
        }
    }

    /// The key itself. Malformed and weak keys (RSA below 2048 bits) are refused, and so is a second spelling of a good
    /// one: its thumbprint would be another, and the account it belongs to would not be found.
    ///
    /// # Errors
    /// [`JoseError::BadKey`] with the reason.
    pub fn public_key(&self) -> Result<PublicKey, JoseError> {
        let components = match self {
            Self::Rsa { n, e } => {
                PublicComponents::Rsa { modulus: member("n", n)?, exponent: member("e", e)? }
            }
            Self::Ec { crv, x, y } => {
                PublicComponents::Ecdsa { curve: (*crv).into(), x: member("x", x)?, y: member("y", y)? }
            }
            Self::Okp { crv: OkpCurve::Ed25519, x } => PublicComponents::Ed25519 { x: member("x", x)? },
        };
        let key =
            PublicKey::from_components(&components).map_err(|error| JoseError::BadKey(error.to_string()))?;
        if Self::from_public_key(&key)? != *self {
            return Err(JoseError::BadKey("its numbers have leading zeros".into()));
        }
        Ok(key)
    }

    /// The only algorithm this key signs with.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            Self::Ec { crv: Curve::P256, .. } => SignatureAlgorithm::Es256,
            Self::Ec { crv: Curve::P384, .. } => SignatureAlgorithm::Es384,
            Self::Ec { crv: Curve::P521, .. } => SignatureAlgorithm::Es512,
            Self::Rsa { .. } => SignatureAlgorithm::Rs256,
            Self::Okp { crv: OkpCurve::Ed25519, .. } => SignatureAlgorithm::EdDsa,
        }
    }

    /// base64url of the SHA-256 of the required members in lexicographic order (RFC 7638 section 3).
    pub fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Okp { crv: OkpCurve::Ed25519, x } => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
            }
        };
        encoding::encode(Sha256::digest(canonical.as_bytes()))
    }

    /// Checks `signature` (in JOSE form) over `message`.
    ///
    /// # Errors
    /// [`JoseError::BadKey`], or [`JoseError::Signature`] when it does not match.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        self.public_key()?.verify_jose(message, signature).map_err(|_| JoseError::Signature)
    }
}

impl From<jamul_pki::Curve> for Curve {
    fn from(curve: jamul_pki::Curve) -> Self {
        match curve {
            jamul_pki::Curve::P256 => Self::P256,
            jamul_pki::Curve::P384 => Self::P384,
            jamul_pki::Curve::P521 => Self::P521,
        }
    }
}

impl From<Curve> for jamul_pki::Curve {
    fn from(curve: Curve) -> Self {
        match curve {
            Curve::P256 => Self::P256,
            Curve::P384 => Self::P384,
            Curve::P521 => Self::P521,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(jamul_pki::Curve::from(*self).name())
    }
}

fn member(name: &str, text: &str) -> Result<Vec<u8>, JoseError> {
    encoding::decode(text).map_err(|error| JoseError::BadKey(format!("{name} is not base64url: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use jamul_pki::{KeyAlgorithm, PrivateKey};

    use super::*;

    #[test]
    fn the_thumbprint_of_rfc_7638_is_reproduced() {
        let jwk: Jwk = serde_json::from_str(
            r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
        )
        .unwrap();
        assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        jwk.public_key().unwrap();
    }

    #[test]
    fn every_kind_of_key_verifies_what_it_signed() {
        for algorithm in [
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::EcdsaP521,
            KeyAlgorithm::Ed25519,
            KeyAlgorithm::Rsa { bits: 2048 },
        ] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let jwk = Jwk::from_public_key(&key.public_key()).unwrap();
            let signature = key.sign_jose(b"message").unwrap();
            jwk.verify(b"message", &signature).unwrap();
            assert!(matches!(jwk.verify(b"massage", &signature), Err(JoseError::Signature)), "{algorithm}");
        }
    }

    #[test]
    fn weak_misspelled_and_impossible_keys_are_refused() {
        let weak = Jwk::Rsa { n: encoding::encode([0xff; 128]), e: "AQAB".to_owned() };
        let padded =
            Jwk::Rsa { n: encoding::encode([&[0][..], &[0xff; 256]].concat()), e: "AQAB".to_owned() };
        let ones = encoding::encode([1; 32]);
        let off_curve = Jwk::Ec { crv: Curve::P256, x: ones.clone(), y: ones };
        for key in [weak, padded, off_curve] {
            assert!(matches!(key.public_key(), Err(JoseError::BadKey(_))), "{key:?}");
        }
    }
}
