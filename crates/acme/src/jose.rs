//! Signed messages: JWK (RFC 7517), thumbprints (RFC 7638) and flattened JWS (RFC 7515) as ACME uses them.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use jamul_pki::{Curve, KeyAlgorithm, KeyError, PrivateKey, PublicComponents, PublicKey, PublicKeyError};

/// A key that speaks for an ACME account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccountKey {
    private: PrivateKey,
    jwk: Jwk,
}

impl AccountKey {
    /// A new ES256 key: small, fast, and accepted by every CA.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, JoseError> {
        Self::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256)?)
    }

    /// Takes an existing key: RSA of 2048 bits and more, ECDSA or Ed25519.
    ///
    /// # Errors
    /// The key is of a kind that JOSE has no algorithm for.
    pub fn new(private: PrivateKey) -> Result<Self, JoseError> {
        let jwk = Jwk::of(&private.public_key())?;
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
}

/// `token.thumbprint` for the holder of `jwk` (RFC 8555 section 8.1).
#[must_use]
pub fn key_authorization(token: &str, jwk: &Jwk) -> String {
    format!("{token}.{}", jwk.thumbprint())
}

/// A public key; binary members are in base64url. Fields stand in the order thumbprints need (RFC 7638
/// section 3.3), so that serializing is canonical.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum Jwk {
    /// NIST curves: `crv` is P-256, P-384 or P-521.
    #[serde(rename = "EC")]
    Ec {
        /// The curve's name.
        crv: String,
        /// The point's x coordinate.
        x: String,
        /// The point's y coordinate.
        y: String,
    },
    /// RSA.
    #[serde(rename = "RSA")]
    Rsa {
        /// The public exponent.
        e: String,
        /// The modulus.
        n: String,
    },
    /// Edwards curves (RFC 8037): `crv` is Ed25519.
    #[serde(rename = "OKP")]
    Okp {
        /// The curve's name.
        crv: String,
        /// The public key.
        x: String,
    },
}

impl Jwk {
    /// The JWK of a public key.
    ///
    /// # Errors
    /// The key is of a kind that JOSE has no algorithm for.
    pub fn of(key: &PublicKey) -> Result<Self, JoseError> {
        Ok(match key.components().ok_or(JoseError::UnsupportedKey)? {
            PublicComponents::Rsa { modulus, exponent } => Self::Rsa { e: encode(exponent), n: encode(modulus) },
            PublicComponents::Ecdsa { curve, x, y } => {
                Self::Ec { crv: curve.name().to_owned(), x: encode(x), y: encode(y) }
            }
            PublicComponents::Ed25519 { x } => Self::Okp { crv: ED25519.to_owned(), x: encode(x) },
        })
    }

    /// The public key, checked to be one.
    ///
    /// # Errors
    /// The curve is unknown, a member is not base64url, or the numbers are no key.
    pub fn public_key(&self) -> Result<PublicKey, JoseError> {
        let components = match self {
            Self::Ec { crv, x, y } => {
                let curves = [Curve::P256, Curve::P384, Curve::P521];
                let curve = curves.into_iter().find(|curve| curve.name() == crv);
                let curve = curve.ok_or(JoseError::UnsupportedKey)?;
                PublicComponents::Ecdsa { curve, x: decode(x)?, y: decode(y)? }
            }
            Self::Rsa { e, n } => PublicComponents::Rsa { modulus: decode(n)?, exponent: decode(e)? },
            Self::Okp { crv, x } if crv == ED25519 => PublicComponents::Ed25519 { x: decode(x)? },
            Self::Okp { .. } => return Err(JoseError::UnsupportedKey),
        };
        Ok(PublicKey::from_components(&components)?)
    }

    /// SHA-256 of the canonical form, in base64url (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // The members stand sorted, whether or not `json!` sorts them.
        let canonical = match self {
            Self::Ec { crv, x, y } => json!({ "crv": crv, "kty": "EC", "x": x, "y": y }),
            Self::Rsa { e, n } => json!({ "e": e, "kty": "RSA", "n": n }),
            Self::Okp { crv, x } => json!({ "crv": crv, "kty": "OKP", "x": x }),
        };
        encode(digest::digest(&digest::SHA256, canonical.to_string().as_bytes()))
    }
}

/// A key of an account elsewhere, given by the CA's operator (RFC 8555 section 7.3.4).
#[derive(Clone)]
pub struct ExternalAccount {
    key_id: String,
    hmac_key: Vec<u8>,
}

impl ExternalAccount {
    /// `hmac_key` is the decoded key.
    #[must_use]
    pub fn new(key_id: &str, hmac_key: Vec<u8>) -> Self {
        Self { key_id: key_id.to_owned(), hmac_key }
    }
}

impl std::fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalAccount").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A flattened JWS; an unprotected `header` is refused (RFC 8555 section 6.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jws {
    /// The protected header in base64url.
    pub protected: String,
    /// The payload in base64url; empty for POST-as-GET.
    pub payload: String,
    /// The signature in base64url.
    pub signature: String,
}

/// The protected header of a JWS (RFC 8555 section 6.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The signature algorithm.
    pub alg: String,
    /// The anti-replay nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The URL the message is for.
    pub url: String,
    /// The signing key itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<Jwk>,
    /// The account whose key signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

impl Jws {
    /// Signs `payload`, or an empty one for POST-as-GET (RFC 8555 section 6.3). With `account_url` the message
    /// names the account, without it carries the key.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(
        key: &AccountKey,
        account_url: Option<&str>,
        nonce: Option<String>,
        url: &str,
        payload: Option<&Value>,
    ) -> Result<Self, JoseError> {
        let header = Header {
            alg: key.private.algorithm().jose_name().to_owned(),
            nonce,
            url: url.to_owned(),
            jwk: account_url.is_none().then(|| key.jwk.clone()),
            kid: account_url.map(str::to_owned),
        };
        let payload = payload.map(Value::to_string).unwrap_or_default();
        Self::assemble(&header, &payload, |message| Ok(key.private.sign_jose(message)?))
    }

    /// Binds `key` to an account elsewhere: HS256 over the public key (RFC 8555 section 7.3.4).
    ///
    /// # Errors
    /// None in practice: a header always serializes.
    pub fn bind_external(account: &ExternalAccount, key: &AccountKey, url: &str) -> Result<Self, JoseError> {
        let (alg, kid) = ("HS256".to_owned(), Some(account.key_id.clone()));
        let header = Header { alg, nonce: None, url: url.to_owned(), jwk: None, kid };
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &account.hmac_key);
        Self::assemble(&header, &json!(key.jwk).to_string(), |message| {
            Ok(hmac::sign(&secret, message).as_ref().to_vec())
        })
    }

    fn assemble(
        header: &Header,
        payload: &str,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, JoseError>,
    ) -> Result<Self, JoseError> {
        let protected = URL_SAFE_NO_PAD.encode(json!(header).to_string());
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let signature = URL_SAFE_NO_PAD.encode(sign(format!("{protected}.{payload}").as_bytes())?);
        Ok(Self { protected, payload, signature })
    }

    /// Reads the protected header, which is not verified yet.
    ///
    /// # Errors
    /// It is not base64url of a header's JSON.
    pub fn header(&self) -> Result<Header, JoseError> {
        serde_json::from_slice(&decode(&self.protected)?).map_err(JoseError::Header)
    }

    /// Verifies the signature by `key` and returns the payload.
    ///
    /// # Errors
    /// The header's algorithm is not the key's, or the signature is not the key's.
    pub fn verify(&self, header: &Header, key: &Jwk) -> Result<Vec<u8>, JoseError> {
        let key = key.public_key()?;
        if key.algorithm().is_none_or(|algorithm| algorithm.jose_name() != header.alg) {
            return Err(JoseError::UnsupportedAlgorithm(header.alg.clone()));
        }
        let message = format!("{}.{}", self.protected, self.payload);
        let verified = key.verify_jose(message.as_bytes(), &decode(&self.signature)?);
        verified.map_err(JoseError::BadSignature)?;
        decode(&self.payload)
    }
}

/// A key or message is not what JOSE asks for.
#[derive(Debug, thiserror::Error)]
pub enum JoseError {
    /// The private key failed.
    #[error("the account key cannot be used")]
    Key(#[from] KeyError),
    /// Neither ECDSA on a NIST curve, RSA nor Ed25519.
    #[error("the account key is of a kind ACME has no signature algorithm for")]
    UnsupportedKey,
    /// The `alg` does not go with the key.
    #[error("signature algorithm {0:?} does not go with the key")]
    UnsupportedAlgorithm(String),
    /// Not base64url without padding.
    #[error("a member is not base64url without padding")]
    Encoding(#[source] base64::DecodeError),
    /// The protected header is not what section 6.2 asks for.
    #[error("the protected header cannot be read")]
    Header(#[source] serde_json::Error),
    /// The signature is not the key's.
    #[error("the signature does not verify")]
    BadSignature(#[source] PublicKeyError),
    /// The numbers of a JWK are no key we support.
    #[error("the JWK is not a public key that is supported")]
    Jwk(#[from] PublicKeyError),
}

/// The algorithms a CA of ours accepts.
pub const ALGORITHMS: [&str; 5] = ["ES256", "ES384", "ES512", "RS256", "EdDSA"];

const ED25519: &str = "Ed25519";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Result<Vec<u8>, JoseError> {
    URL_SAFE_NO_PAD.decode(text).map_err(JoseError::Encoding)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_7638() {
        let jwk: Jwk = serde_json::from_value(json!({
            "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX\
                  jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaS\
                  qzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksIN\
                  HaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        }))
        .unwrap();
        assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn every_kind_of_key_signs_what_its_jwk_verifies() {
        let kinds = [
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::EcdsaP521,
            KeyAlgorithm::Ed25519,
            KeyAlgorithm::Rsa { bits: 2048 },
        ];
        for kind in kinds {
            let key = AccountKey::new(PrivateKey::generate(kind).unwrap()).unwrap();
            let jws = Jws::sign(&key, None, None, "https://ca.test/x", Some(&json!({"a": 1}))).unwrap();
            let header = jws.header().unwrap();
            let jwk: Jwk = serde_json::from_value(json!(header.jwk.clone().unwrap())).unwrap();
            assert_eq!(jws.verify(&header, &jwk).unwrap(), br#"{"a":1}"#, "{kind:?}");
            let forged = Jws { payload: URL_SAFE_NO_PAD.encode("{}"), ..jws };
            assert!(matches!(forged.verify(&header, &jwk), Err(JoseError::BadSignature(_))), "{kind:?}");
        }
    }

    #[test]
    fn an_unprotected_header_is_refused() {
        let text = r#"{"protected":"","payload":"","signature":"","header":{}}"#;
        assert!(serde_json::from_str::<Jws>(text).is_err());
    }
}
