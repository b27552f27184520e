//! Who sends a POST, and whether it may be believed (RFC 8555 sections 6.2 to 6.5).

use http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::ledger::Objects;
use super::nonces::Nonces;
use super::records::AccountRecord;
use super::reply::{Refusal, refuse, refuse_with};
use super::resource::{BaseUrl, Resource};
use crate::jose::{CONTENT_TYPE, FlattenedJws, JoseError, Jwk, Jws, KeyReference, SignatureAlgorithm};
use crate::problem::{Problem, ProblemType};
use crate::wire::AccountStatus;

/// A request whose signature, URL and nonce are right.
#[derive(Debug)]
pub(super) struct Verified {
    payload: Vec<u8>,
    signer: Signer,
}

/// Whose signature it is.
#[derive(Debug)]
pub(super) enum Signer {
    /// An account in good standing.
    Account(AccountRecord),
    /// The owner of this key, who may have no account.
    Key(Jwk),
}

impl Verified {
    /// Checks a POST to `resource`.
    ///
    /// The nonce is used up last, so that nobody but the signer can waste it.
    pub(super) fn check(
        request: &http::Request<Vec<u8>>,
        resource: &Resource,
        base: &BaseUrl,
        objects: &Objects,
        nonces: &Nonces,
    ) -> Result<Self, Refusal> {
        check_envelope(request)?;
        let jws = FlattenedJws::parse(request.body()).map_err(jose_refusal)?;
        let protected = jws.protected().map_err(jose_refusal)?;
        if base.parse_url(&protected.url).as_ref() != Some(resource) {
            let detail =
                format!("the JWS is for {:?}, the request for {:?}", protected.url, base.of(resource));
            return refuse_with(StatusCode::UNAUTHORIZED, ProblemType::Unauthorized, detail);
        }
        let signer = signer(protected.key, &jws, base, objects)?;
        match protected.nonce {
            Some(nonce) if nonces.redeem(&nonce) => {}
            Some(_) => return refuse(ProblemType::BadNonce, "the nonce is unknown or was used before"),
            None => return refuse(ProblemType::BadNonce, "the protected header has no nonce"),
        }
        Ok(Self { payload: jws.payload().to_vec(), signer })
    }

    /// The account that signed, where a bare key is not enough.
    pub(super) fn account(&self) -> Result<&AccountRecord, Refusal> {
        match &self.signer {
            Signer::Account(account) => Ok(account),
            Signer::Key(_) => {
                refuse(ProblemType::Malformed, "name the account with \"kid\", not with \"jwk\"")
            }
        }
    }

    /// The key that signed, where there is no account yet.
    pub(super) fn key(&self) -> Result<&Jwk, Refusal> {
        match &self.signer {
            Signer::Key(key) => Ok(key),
            Signer::Account(_) => refuse(ProblemType::Malformed, "send the key as \"jwk\", not \"kid\""),
        }
    }

    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The payload; `None` in a POST-as-GET.
    pub(super) fn payload(&self) -> Option<&[u8]> {
        (!self.payload.is_empty()).then_some(self.payload.as_slice())
    }

    /// The payload as the object it should be.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.payload).map_err(|error| {
            let detail = format!("the payload is not the expected object: {error}");
            Box::new(Problem::new(ProblemType::Malformed, detail))
        })
    }

    /// Refuses a payload where there can only be a POST-as-GET (section 6.3).
    pub(super) fn is_post_as_get(&self) -> Result<(), Refusal> {
        match self.payload() {
            None => Ok(()),
            Some(_) => refuse(ProblemType::Malformed, "this can only be read: send an empty payload"),
        }
    }
}

/// The problem for a refused JWS.
#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
pub(super) fn jose_refusal(error: JoseError) -> Refusal {
    let kind = match &error {
        JoseError::Algorithm(_) | JoseError::AlgorithmMismatch { .. } => ProblemType::BadSignatureAlgorithm,
        JoseError::BadKey(_) => ProblemType::BadPublicKey,
        JoseError::Json { .. }
        | JoseError::Base64 { .. }
        | JoseError::UnprotectedHeader
        | JoseError::Critical
        | JoseError::KeyReference
        | JoseError::Signature
        | JoseError::Sign(_) => ProblemType::Malformed,
    };
    let detail = match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let mut problem = Problem::new(kind, detail);
    if problem.kind == ProblemType::BadSignatureAlgorithm {
        problem.algorithms =
            SignatureAlgorithm::ALL.iter().map(|algorithm| algorithm.as_str().to_owned()).collect();
    }
    Box::new(problem)
}

fn check_envelope(request: &http::Request<Vec<u8>>) -> Result<(), Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case(CONTENT_TYPE)) {
        let detail = format!("Content-Type is {content_type:?} instead of {CONTENT_TYPE}");
        return refuse_with(StatusCode::UNSUPPORTED_MEDIA_TYPE, ProblemType::Malformed, detail);
    }
    if request.body().len() > LONGEST_BODY {
        let detail = format!("the body is longer than {LONGEST_BODY} bytes");
        return refuse_with(StatusCode::PAYLOAD_TOO_LARGE, ProblemType::Malformed, detail);
    }
    Ok(())
}

fn signer(reference: KeyReference, jws: &Jws, base: &BaseUrl, objects: &Objects) -> Result<Signer, Refusal> {
    let kid = match reference {
        KeyReference::Jwk(key) => {
            jws.verify(&key).map_err(jose_refusal)?;
            return Ok(Signer::Key(key));
        }
        KeyReference::Kid(kid) => kid,
    };
    let account = match base.parse_url(&kid) {
        Some(Resource::Account(id)) => objects.account(&id),
        Some(_) | None => None,
    };
    let Some(account) = account else {
        let detail = format!("there is no account {kid:?}; register again with newAccount");
        return refuse(ProblemType::AccountDoesNotExist, detail);
    };
    jws.verify(&account.key).map_err(jose_refusal)?;
    check_usable(account)?;
    Ok(Signer::Account(account.clone()))
}

/// Refuses a closed account (section 7.3.6).
pub(super) fn check_usable(account: &AccountRecord) -> Result<(), Refusal> {
    match account.status {
        AccountStatus::Valid => Ok(()),
        AccountStatus::Deactivated | AccountStatus::Revoked => {
            let detail = format!("the account is {}; register another with a new key", account.status);
            refuse_with(StatusCode::UNAUTHORIZED, ProblemType::Unauthorized, detail)
        }
    }
}

/// A certificate request with a hundred names and a large key is a tenth of this.
pub(super) const LONGEST_BODY: usize = 128 * 1024;
