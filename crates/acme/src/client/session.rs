//! What an account may ask for. Every call is one signed request (and more only for nonces).

use std::collections::VecDeque;

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Fetched};
use super::error::ClientError;
use super::operation::Operation;
use super::{Client, json};
use crate::encoding;
use crate::jose::{AccountKey, KeyReference};
use crate::problem::ProblemType;
use crate::wire::{
    Account, AccountStatus, AccountUpdate, Authorization, AuthorizationStatus, AuthorizationUpdate,
    Challenge, Finalize, Identifier, KeyChange, NewAuthorization, NewOrder, Order, Orders, RevocationReason,
    RevokeCertificate,
};

/// An account at a server, with the key that signs for it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Session {
    client: Client,
    key: AccountKey,
    account_url: String,
}

impl Session {
    pub(super) fn new(client: Client, key: AccountKey, account_url: String) -> Self {
        Self { client, key, account_url }
    }

    /// The account's URL: its name at this server, to be stored.
    pub fn account_url(&self) -> &str {
        &self.account_url
    }

    /// The account's key.
    pub fn key(&self) -> &AccountKey {
        &self.key
    }

    /// The server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The account as the server has it (RFC 8555 section 7.3.2).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn account(&self) -> Result<Account, ClientError> {
        Ok(self.get::<Account>(Operation::GetAccount, &self.account_url).await?.object)
    }

    /// Replaces the contact URLs (section 7.3.2).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn update_contact(&self, contact: &[String]) -> Result<Account, ClientError> {
        let update = AccountUpdate { contact: Some(contact.to_vec()), status: None };
        self.post(Operation::UpdateAccount, &self.account_url, &json(&update)).await?.json()
    }

    /// Closes the account for good (section 7.3.6).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn deactivate(&self) -> Result<Account, ClientError> {
        let update = AccountUpdate { contact: None, status: Some(AccountStatus::Deactivated) };
        self.post(Operation::UpdateAccount, &self.account_url, &json(&update)).await?.json()
    }

    /// Replaces the account key and returns the session that signs with it (section 7.3.5).
    ///
    /// Store `new` beside the old key before: after a crash one of the two is the right one.
    ///
    /// # Errors
    /// Any [`ClientError`]; status 409 when `new` has an account already.
    pub async fn change_key(&self, new: &AccountKey) -> Result<Self, ClientError> {
        let directory = self.client.directory();
        let url = directory.key_change.as_deref();
        let url = url.ok_or(ClientError::Unsupported { operation: "keyChange" })?;
        let change = KeyChange { account: self.account_url.clone(), old_key: self.key.jwk().clone() };
        let reference = KeyReference::Jwk(new.jwk().clone());
        let inner = new.sign(url, None, reference, &json(&change)).map_err(ClientError::Sign)?;
        self.post(Operation::ChangeKey, url, &inner.to_json()).await?;
        Ok(self.client.resume(new, &self.account_url))
    }

    /// Orders a certificate (section 7.4). The URL in the result is the order's: store it before going on.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn new_order(&self, order: &NewOrder) -> Result<Fetched<Order>, ClientError> {
        let answer = self.post(Operation::NewOrder, &self.client.directory().new_order, &json(order)).await?;
        answer.location()?;
        answer.fetched()
    }

    /// The order at `url`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn order(&self, url: &str) -> Result<Fetched<Order>, ClientError> {
        self.get(Operation::GetOrder, url).await
    }

    /// The URLs of the account's orders, all pages of them, where the server lists any (section 7.1.2.1).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn orders(&self) -> Result<Vec<String>, ClientError> {
        let account = self.account().await?;
        let mut next = account.orders;
        let mut urls = Vec::new();
        for _ in 0..MOST_PAGES {
            let Some(url) = next else { break };
            let answer = self.post(Operation::ListOrders, &url, POST_AS_GET).await?;
            urls.extend(answer.json::<Orders>()?.orders);
            next = answer.links("next").into_iter().next();
        }
        Ok(urls)
    }

    /// The authorization at `url` (section 7.5).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn authorization(&self, url: &str) -> Result<Fetched<Authorization>, ClientError> {
        self.get(Operation::GetAuthorization, url).await
    }

    /// Gives an authorization up (section 7.5.2).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn deactivate_authorization(&self, url: &str) -> Result<Authorization, ClientError> {
        let update = AuthorizationUpdate { status: AuthorizationStatus::Deactivated };
        self.post(Operation::UpdateAuthorization, url, &json(&update)).await?.json()
    }

    /// The challenge at `url`, without answering it.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn challenge(&self, url: &str) -> Result<Fetched<Challenge>, ClientError> {
        self.get(Operation::GetChallenge, url).await
    }

    /// Says that the proof of the challenge at `url` is in place (section 7.5.1).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn accept(&self, url: &str) -> Result<Fetched<Challenge>, ClientError> {
        self.post(Operation::Accept, url, b"{}").await?.fetched()
    }

    /// Hands in the certificate request of a `ready` order at its `finalize` URL (section 7.4).
    ///
    /// Store key and request before: after a crash the certificate would be for a lost key.
    ///
    /// # Errors
    /// Any [`ClientError`]. `orderNotReady` can mean that an earlier request arrived: look at the order.
    pub async fn finalize(&self, url: &str, csr_der: &[u8]) -> Result<Fetched<Order>, ClientError> {
        let request = Finalize { csr: encoding::encode(csr_der) };
        self.post(Operation::Finalize, url, &json(&request)).await?.fetched()
    }

    /// Asks for an authorization before there is an order for the name (section 7.4.1).
    ///
    /// # Errors
    /// Any [`ClientError`]; [`ClientError::Unsupported`] where the server has no such thing, as most.
    pub async fn pre_authorize(
        &self,
        identifier: &Identifier,
    ) -> Result<Fetched<Authorization>, ClientError> {
        let url = self.client.directory().new_authz.as_deref();
        let url = url.ok_or(ClientError::Unsupported { operation: "newAuthz" })?;
        let request = NewAuthorization { identifier: identifier.clone() };
        self.post(Operation::NewAuthorization, url, &json(&request)).await?.fetched()
    }

    /// The server's default PEM chain at `url` (section 7.4.2).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn chain(&self, url: &str) -> Result<String, ClientError> {
        pem_chain(&self.post(Operation::FetchCertificate, url, POST_AS_GET).await?, url)
    }

    /// The PEM chains at `url`: the server's default first, then its alternates (section 7.4.2).
    ///
    /// # Errors
    /// Any [`ClientError`]. An alternate that cannot be fetched fails the whole: the choice would not be the user's.
    pub async fn certificate(&self, url: &str) -> Result<Vec<String>, ClientError> {
        let answer = self.post(Operation::FetchCertificate, url, POST_AS_GET).await?;
        let mut alternates: VecDeque<String> = answer.links("alternate").into();
        alternates.truncate(MOST_ALTERNATES);
        let mut chains = vec![pem_chain(&answer, url)?];
        for alternate in alternates {
            let answer = self.post(Operation::FetchAlternate, &alternate, POST_AS_GET).await?;
            chains.push(pem_chain(&answer, &alternate)?);
        }
        Ok(chains)
    }

    /// Revokes a certificate of this account (section 7.6). One that is revoked already counts as success.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn revoke(
        &self,
        certificate_der: &[u8],
        reason: Option<RevocationReason>,
    ) -> Result<(), ClientError> {
        let payload = revocation(certificate_der, reason);
        already_done(self.post(Operation::Revoke, &self.client.directory().revoke_cert, &payload).await)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        operation: Operation,
        url: &str,
    ) -> Result<Fetched<T>, ClientError> {
        self.post(operation, url, POST_AS_GET).await?.fetched()
    }

    async fn post(&self, operation: Operation, url: &str, payload: &[u8]) -> Result<Answer, ClientError> {
        let reference = KeyReference::Kid(self.account_url.clone());
        self.client.post(operation, url, &self.key, &reference, payload).await
    }
}

impl Client {
    /// Revokes a certificate with its own key, without an account (RFC 8555 section 7.6).
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn revoke_with_certificate_key(
        &self,
        certificate_key: &AccountKey,
        certificate_der: &[u8],
        reason: Option<RevocationReason>,
    ) -> Result<(), ClientError> {
        let reference = KeyReference::Jwk(certificate_key.jwk().clone());
        let payload = revocation(certificate_der, reason);
        let url = &self.directory().revoke_cert;
        already_done(self.post(Operation::Revoke, url, certificate_key, &reference, &payload).await)
    }
}

fn revocation(certificate_der: &[u8], reason: Option<RevocationReason>) -> Vec<u8> {
    let reason = reason.map(RevocationReason::code);
    json(&RevokeCertificate { certificate: encoding::encode(certificate_der), reason })
}

fn already_done(result: Result<Answer, ClientError>) -> Result<(), ClientError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.problem_type() == Some(&ProblemType::AlreadyRevoked) => Ok(()),
        Err(error) => Err(error),
    }
}

fn pem_chain(answer: &Answer, url: &str) -> Result<String, ClientError> {
    let text = answer.text()?;
    if answer.status() != StatusCode::OK || !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(ClientError::malformed(url, "no PEM certificate in the body"));
    }
    Ok(text)
}

/// The empty payload that makes a POST a GET (section 6.3).
const POST_AS_GET: &[u8] = b"";

/// An endless list of pages must not hold a caller.
const MOST_PAGES: usize = 1_000;

/// More chains than any CA offers.
const MOST_ALTERNATES: usize = 8;
