//! The ACME client: what every request needs (directory, nonces, signatures, retries on `badNonce`).
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use jamul_acme::{AccountKey, Client, ClientError, Transport};
//! # async fn example(transport: Arc<dyn Transport>, key: AccountKey) -> Result<(), ClientError> {
//! let client = Client::discover(transport, "https://ca.example/directory").await?;
//! let contact = ["mailto:admin@example.com".to_owned()];
//! let session = client.register(&key, &contact, true, None).await?;
//! println!("account {}", session.account_url());
//! # Ok(())
//! # }
//! ```

mod answer;
mod error;
mod nonces;
mod operation;
mod session;

use std::sync::Arc;

use http::{Method, header};
use serde::Serialize;

use answer::Answer;
pub use answer::Fetched;
pub use error::ClientError;
use nonces::NoncePool;
pub use operation::Operation;
pub use session::Session;

use crate::jose::{self, AccountKey, ExternalBinding, KeyReference};
use crate::problem::ProblemType;
use crate::transport::Transport;
use crate::wire::{Account, Directory, Meta, NewAccount, RenewalInfo};

/// A server whose directory is known. Cheap to clone; clones share the nonces.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    transport: Arc<dyn Transport>,
    directory_url: String,
    directory: Directory,
    nonces: NoncePool,
}

impl Client {
    /// Fetches the directory at `directory_url` (RFC 8555 section 7.1.1).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn discover(transport: Arc<dyn Transport>, directory_url: &str) -> Result<Self, ClientError> {
        let request = unsigned(Operation::Discover, Method::GET, directory_url)?;
        let answer = send(&*transport, directory_url, request).await?;
        let nonces = NoncePool::default();
        nonces.keep(&answer);
        let directory = answer.success()?.json()?;
        let directory_url = directory_url.to_owned();
        Ok(Self { shared: Arc::new(Shared { transport, directory_url, directory, nonces }) })
    }

    /// The URL the directory came from.
    pub fn directory_url(&self) -> &str {
        &self.shared.directory_url
    }

    /// Where everything is.
    pub fn directory(&self) -> &Directory {
        &self.shared.directory
    }

    /// What the server says about itself.
    pub fn meta(&self) -> &Meta {
        &self.shared.directory.meta
    }

    /// Creates the account of `key`, or finds the one it has already (section 7.3): safe to repeat.
    ///
    /// `contact` are URLs (`mailto:`), taken only when the account is created; `terms_agreed` says that the user agreed
    /// to the terms of [`Client::meta`]; `binding` is needed where the server wants an external account.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn register(
        &self,
        key: &AccountKey,
        contact: &[String],
        terms_agreed: bool,
        binding: Option<&ExternalBinding>,
    ) -> Result<Session, ClientError> {
        let url = &self.shared.directory.new_account;
        let request = NewAccount {
            contact: contact.to_vec(),
            terms_of_service_agreed: terms_agreed,
            only_return_existing: false,
            external_account_binding: binding.map(|binding| binding.bind(url, key.jwk())),
        };
        self.account(key, &request).await
    }

    /// The account of `key`, if the server knows one (section 7.3.1).
    ///
    /// # Errors
    /// Any [`ClientError`], except that an unknown account is `None`.
    pub async fn find(&self, key: &AccountKey) -> Result<Option<Session>, ClientError> {
        let request = NewAccount { only_return_existing: true, ..NewAccount::default() };
        match self.account(key, &request).await {
            Ok(session) => Ok(Some(session)),
            Err(error) if error.problem_type() == Some(&ProblemType::AccountDoesNotExist) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Goes on with an account whose URL is known, without asking the server.
    pub fn resume(&self, key: &AccountKey, account_url: &str) -> Session {
        Session::new(self.clone(), key.clone(), account_url.to_owned())
    }

    /// When the server would have a certificate renewed (RFC 9773 section 4.1), and how long until it wants to be asked
    /// again. `certificate` is what [`renewal_identifier`](crate::wire::renewal_identifier) calls it. The question is not
    /// signed: no account is needed.
    ///
    /// # Errors
    /// Any [`ClientError`]; [`ClientError::Unsupported`] where the directory names no such place.
    pub async fn renewal_info(&self, certificate: &str) -> Result<Fetched<RenewalInfo>, ClientError> {
        let base = self.directory().renewal_info.as_deref();
        let base = base.ok_or(ClientError::Unsupported { operation: "renewalInfo" })?;
        let url = format!("{}/{certificate}", base.trim_end_matches('/'));
        let request = unsigned(Operation::GetRenewalInfo, Method::GET, &url)?;
        self.send(&url, request).await?.success()?.fetched()
    }

    async fn account(&self, key: &AccountKey, request: &NewAccount) -> Result<Session, ClientError> {
        let url = &self.shared.directory.new_account;
        let reference = KeyReference::Jwk(key.jwk().clone());
        let answer = self.post(Operation::Register, url, key, &reference, &json(request)).await?;
        answer.json::<Account>()?;
        Ok(self.resume(key, &answer.location()?))
    }

    /// Sends a signed POST and returns a success. `badNonce` is tried again with the nonce of the refusal (section 6.5).
    async fn post(
        &self,
        operation: Operation,
        url: &str,
        key: &AccountKey,
        reference: &KeyReference,
        payload: &[u8],
    ) -> Result<Answer, ClientError> {
        let mut attempts = 1;
        loop {
            let nonce = self.nonce(operation).await?;
            let body = key.sign(url, Some(&nonce), reference.clone(), payload).map_err(ClientError::Sign)?;
            let answer = self.send(url, signed(operation, url, body.to_json())?).await?;
            match answer.success() {
                Err(error) if error.is_bad_nonce() && attempts < NONCE_ATTEMPTS => attempts += 1,
                result => return result,
            }
        }
    }

    async fn nonce(&self, operation: Operation) -> Result<String, ClientError> {
        if let Some(nonce) = self.shared.nonces.take() {
            return Ok(nonce);
        }
        let url = &self.shared.directory.new_nonce;
        self.send(url, unsigned(operation, Method::HEAD, url)?).await?.success()?;
        self.shared.nonces.take().ok_or_else(|| ClientError::malformed(url, "no Replay-Nonce header"))
    }

    async fn send(&self, url: &str, request: http::Request<Vec<u8>>) -> Result<Answer, ClientError> {
        let answer = send(&*self.shared.transport, url, request).await?;
        self.shared.nonces.keep(&answer);
        Ok(answer)
    }
}

async fn send(
    transport: &dyn Transport,
    url: &str,
    request: http::Request<Vec<u8>>,
) -> Result<Answer, ClientError> {
    match transport.send(request).await {
        Ok(response) => Ok(Answer::new(url, response)),
        Err(source) => Err(ClientError::Transport { url: url.to_owned(), source }),
    }
}

fn unsigned(operation: Operation, method: Method, url: &str) -> Result<http::Request<Vec<u8>>, ClientError> {
    request(operation, method, url, Vec::new())
}

fn signed(operation: Operation, url: &str, body: Vec<u8>) -> Result<http::Request<Vec<u8>>, ClientError> {
    let mut request = request(operation, Method::POST, url, body)?;
    let content_type = header::HeaderValue::from_static(jose::CONTENT_TYPE);
    request.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(request)
}

fn request(
    operation: Operation,
    method: Method,
    url: &str,
    body: Vec<u8>,
) -> Result<http::Request<Vec<u8>>, ClientError> {
    http::Request::builder()
        .method(method)
        .extension(operation)
        .uri(url)
        .header(header::USER_AGENT, USER_AGENT)
        .body(body)
        .map_err(|source| ClientError::Url { url: url.to_owned(), source })
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("requests are strings, numbers and lists, which always serialize")
}

/// RFC 8555 section 6.1 asks for one.
const USER_AGENT: &str = concat!("jamul/", env!("CARGO_PKG_VERSION"), " (ACME client)");

/// Servers may refuse good nonces on purpose (Pebble does one in twenty), or lose them in a restart.
const NONCE_ATTEMPTS: u32 = 10;
