//! The flattened JWS (RFC 7515 section 7.2.2) with the protected header of RFC 8555 section 6.2.

use serde::{Deserialize, Serialize};

use super::{JoseError, Jwk, SignatureAlgorithm};
use crate::encoding;

/// A signed message as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlattenedJws {
    protected: String,
    payload: String,
    signature: String,
    /// Only read, in order to refuse it.
    #[serde(default, skip_serializing)]
    header: Option<serde_json::Value>,
}

impl FlattenedJws {
    /// Takes a request body apart, without trusting it yet: see [`Jws::verify`].
    ///
    /// # Errors
    /// [`JoseError`] saying which part is malformed.
    pub fn parse(body: &[u8]) -> Result<Jws, JoseError> {
        let message: Self =
            serde_json::from_slice(body).map_err(|source| JoseError::Json { part: "JWS", source })?;
        message.decode()
    }

    /// Takes a nested JWS apart; the errors are those of [`FlattenedJws::parse`].
    ///
    /// # Errors
    /// [`JoseError`] saying which part is malformed.
    pub fn decode(&self) -> Result<Jws, JoseError> {
        if self.header.is_some() {
            return Err(JoseError::UnprotectedHeader);
        }
        let header = part("protected header", &self.protected)?;
        let header: Header = serde_json::from_slice(&header)
            .map_err(|source| JoseError::Json { part: "protected header", source })?;
        if header.crit.is_some() {
            return Err(JoseError::Critical);
        }
        Ok(Jws {
            header,
            payload: part("payload", &self.payload)?,
            signature: part("signature", &self.signature)?,
            signing_input: format!("{}.{}", self.protected, self.payload),
        })
    }

    /// The request body.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::json!({
            "protected": self.protected, "payload": self.payload, "signature": self.signature,
        })
        .to_string()
        .into_bytes()
    }
}

/// A JWS taken apart. Nothing in it is proved before [`Jws::verify`].
#[derive(Debug)]
pub struct Jws {
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
    signing_input: String,
}

impl Jws {
    /// The protected header, when it is one an account key may have signed.
    ///
    /// # Errors
    /// [`JoseError::Algorithm`] or [`JoseError::KeyReference`].
    pub fn protected(&self) -> Result<Protected, JoseError> {
        let Header { alg, nonce, url, jwk, kid, crit: _ } = self.header.clone();
        let algorithm = SignatureAlgorithm::parse(&alg).ok_or(JoseError::Algorithm(alg))?;
        let key = match (jwk, kid) {
            (Some(jwk), None) => KeyReference::Jwk(jwk),
            (None, Some(kid)) => KeyReference::Kid(kid),
            (Some(_), Some(_)) | (None, None) => return Err(JoseError::KeyReference),
        };
        Ok(Protected { algorithm, nonce, url, key })
    }

    /// Checks that `key` signed header and payload with the algorithm of the header.
    ///
    /// # Errors
    /// [`JoseError::AlgorithmMismatch`], [`JoseError::BadKey`] or [`JoseError::Signature`].
    pub fn verify(&self, key: &Jwk) -> Result<(), JoseError> {
        let found = self.protected()?.algorithm;
        let expected = key.algorithm();
        if found != expected {
            return Err(JoseError::AlgorithmMismatch { expected, found });
        }
        key.verify(self.signing_input.as_bytes(), &self.signature)
    }

    /// The payload; empty in a POST-as-GET.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn signing_input(&self) -> &str {
        &self.signing_input
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// The protected header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// The algorithm of the signature.
    pub algorithm: SignatureAlgorithm,
    /// The nonce; absent only in an inner JWS.
    pub nonce: Option<String>,
    /// The URL the request is for.
    pub url: String,
    /// Whose key signed.
    pub key: KeyReference,
}

impl Protected {
    pub(super) fn over(self, payload: &[u8]) -> Unsigned {
        let (jwk, kid) = match self.key {
            KeyReference::Jwk(jwk) => (Some(jwk), None),
            KeyReference::Kid(kid) => (None, Some(kid)),
        };
        let alg = self.algorithm.as_str().to_owned();
        Unsigned::new(&Header { alg, nonce: self.nonce, url: self.url, jwk, kid, crit: None }, payload)
    }
}

/// Whose key signed: exactly one of the two (RFC 8555 section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyReference {
    /// The key itself: new accounts and revocation by certificate key.
    Jwk(Jwk),
    /// The URL of the account.
    Kid(String),
}

/// Header and payload, encoded, waiting for a signature.
pub(super) struct Unsigned {
    protected: String,
    payload: String,
}

impl Unsigned {
    pub(super) fn new(header: &Header, payload: &[u8]) -> Self {
        let header =
            serde_json::to_vec(header).expect("a header is strings and a JWK, which always serialize");
        Self { protected: encoding::encode(header), payload: encoding::encode(payload) }
    }

    pub(super) fn signing_input(&self) -> String {
        format!("{}.{}", self.protected, self.payload)
    }

    pub(super) fn signed(self, signature: &[u8]) -> FlattenedJws {
        let signature = encoding::encode(signature);
        FlattenedJws { protected: self.protected, payload: self.payload, signature, header: None }
    }
}

/// The protected header in JSON. `alg` stays text here, so that an unknown one is told apart from a malformed header.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nonce: Option<String>,
    pub(super) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) jwk: Option<Jwk>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kid: Option<String>,
    #[serde(default, skip_serializing)]
    pub(super) crit: Option<serde_json::Value>,
}

fn part(part: &'static str, text: &str) -> Result<Vec<u8>, JoseError> {
    encoding::decode(text).map_err(|source| JoseError::Base64 { part, source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use jamul_pki::{KeyAlgorithm, PrivateKey};

    use super::*;
    use crate::jose::AccountKey;

    fn key() -> AccountKey {
        AccountKey::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()).unwrap()
    }

    fn signed(key: &AccountKey) -> FlattenedJws {
        key.sign("https://ca/x", Some("n"), KeyReference::Kid("https://ca/acct/1".to_owned()), b"{}").unwrap()
    }

    #[test]
    fn a_signed_message_verifies_with_its_key_only() {
        let (key, other) = (key(), key());
        let jws = FlattenedJws::parse(&signed(&key).to_json()).unwrap();
        jws.verify(key.jwk()).unwrap();
        assert!(matches!(jws.verify(other.jwk()), Err(JoseError::Signature)));
        assert_eq!(jws.payload(), b"{}");
        assert_eq!(jws.protected().unwrap().url, "https://ca/x");
    }

    #[test]
    fn a_changed_payload_no_longer_verifies() {
        let key = key();
        let mut message = signed(&key);
        message.payload = encoding::encode(b"{\"a\":1}");
        assert!(matches!(message.decode().unwrap().verify(key.jwk()), Err(JoseError::Signature)));
    }

    #[test]
    fn unprotected_headers_extensions_and_padding_are_refused() {
        let mut value: serde_json::Value = serde_json::from_slice(&signed(&key()).to_json()).unwrap();
        value["header"] = serde_json::json!({});
        let header = FlattenedJws::parse(value.to_string().as_bytes());
        assert!(matches!(header, Err(JoseError::UnprotectedHeader)));
        let crit = encoding::encode(r#"{"alg":"ES256","url":"u","kid":"k","crit":["b64"]}"#);
        let body = serde_json::json!({"protected": crit, "payload": "", "signature": ""}).to_string();
        assert!(matches!(FlattenedJws::parse(body.as_bytes()), Err(JoseError::Critical)));
        let body = serde_json::json!({"protected": "e30=", "payload": "", "signature": ""}).to_string();
        assert!(matches!(FlattenedJws::parse(body.as_bytes()), Err(JoseError::Base64 { .. })));
    }
}
