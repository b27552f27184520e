//! External account binding: an account elsewhere vouches for the new one with a shared key (RFC 8555 section 7.3.4).

use std::fmt;

use aws_lc_rs::hmac;

use super::jws::{Header, Unsigned};
use super::{FlattenedJws, JoseError, Jwk, Jws};
use crate::encoding;

/// What the operator of a CA hands out: the identifier of a shared key and the key. `Debug` hides the key.
#[derive(Clone)]
pub struct ExternalBinding {
    kid: String,
    key: Vec<u8>,
}

impl ExternalBinding {
    /// The binding for the key identifier `kid` and the shared key as handed out: base64url without padding.
    ///
    /// # Errors
    /// [`JoseError::Base64`] when it is not, [`JoseError::BadKey`] when it is empty.
    pub fn parse(kid: &str, key: &str) -> Result<Self, JoseError> {
        let key = encoding::decode(key.trim().trim_end_matches('='))
            .map_err(|source| JoseError::Base64 { part: "key of the external account binding", source })?;
        if key.is_empty() {
            return Err(JoseError::BadKey("the key of the external account binding is empty".to_owned()));
        }
        Ok(Self { kid: kid.to_owned(), key })
    }

    /// The identifier of the shared key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The binding of `account_key` for a new account request to `url`, signed with HS256.
    pub(crate) fn bind(&self, url: &str, account_key: &Jwk) -> FlattenedJws {
        let header = Header {
            alg: HS256.to_owned(),
            nonce: None,
            url: url.to_owned(),
            jwk: None,
            kid: Some(self.kid.clone()),
            crit: None,
        };
        let payload = serde_json::to_vec(account_key).expect("a JWK is strings, which always serialize");
        let unsigned = Unsigned::new(&header, &payload);
        let signature = hmac::sign(&self.hmac_key(), unsigned.signing_input().as_bytes());
        unsigned.signed(signature.as_ref())
    }

    /// Checks a binding that a client sent: by this key, for this URL, of this account key (RFC 8555 section 7.3.4).
    ///
    /// # Errors
    /// [`JoseError`] saying what does not fit.
    pub(crate) fn verify(&self, jws: &Jws, url: &str, account_key: &Jwk) -> Result<(), JoseError> {
        let header = jws.header();
        if header.alg != HS256 {
            return Err(JoseError::Algorithm(header.alg.clone()));
        }
        if header.nonce.is_some() || header.jwk.is_some() || header.url != url {
            return Err(JoseError::KeyReference);
        }
        hmac::verify(&self.hmac_key(), jws.signing_input().as_bytes(), jws.signature())
            .map_err(|_| JoseError::Signature)?;
        let bound: Jwk = serde_json::from_slice(jws.payload())
            .map_err(|source| JoseError::Json { part: "external account binding", source })?;
        if bound != *account_key {
            return Err(JoseError::BadKey("the binding is for another account key".to_owned()));
        }
        Ok(())
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.key)
    }
}

impl Jws {
    /// The key identifier an external account binding names, before anything is verified.
    pub(crate) fn binding_kid(&self) -> Option<&str> {
        self.header().kid.as_deref()
    }
}

impl fmt::Debug for ExternalBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalBinding").field("kid", &self.kid).finish_non_exhaustive()
    }
}

const HS256: &str = "HS256";
