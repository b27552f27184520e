//! An acme-dns server: it holds nothing but challenge records, to which CNAMEs of `_acme-challenge` lead.
//!
//! The Secret has its accounts as JSON by domain, as `cert-manager` and `lego` keep them:
//! `{"example.com": {"username": "...", "password": "...", "fulldomain": "...", "subdomain": "..."}}`.

use std::collections::BTreeMap;

use http::Method;
use jamul_acme::BoxFuture;
use jamul_api::solver;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::api::{Api, config};
use super::provider::{Dns01Error, Dns01Provider, ProviderKind, Surroundings, TxtRecord};

/// The kind.
#[derive(Debug)]
pub(super) struct Kind;

impl ProviderKind for Kind {
    fn name(&self) -> &'static str {
        NAME
    }

    fn example(&self) -> serde_json::Value {
        json!({"host": "https://auth.example.com", "accountSecretRef": {"name": "acme-dns", "key": "accounts"}})
    }

    fn build(
        &self,
        value: &serde_json::Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
        let wanted: solver::AcmeDns = config(NAME, value)?;
        let text = surroundings.text(&wanted.account_secret_ref)?;
        let accounts = serde_json::from_str(&text).map_err(|error| Dns01Error::Config {
            provider: NAME,
            reason: format!(
                "the accounts in Secret {} are not JSON: {error}",
                wanted.account_secret_ref.name
            ),
        })?;
        let host = match wanted.host.contains("://") {
            true => wanted.host,
            false => format!("https://{}", wanted.host),
        };
        let url = format!("{}/update", host.trim_end_matches('/'));
        Ok(Box::new(AcmeDns { url, accounts, api: Api::new(NAME, surroundings.http) }))
    }
}

const NAME: &str = "acmeDNS";

#[derive(Debug)]
struct AcmeDns {
    url: String,
    accounts: BTreeMap<String, Account>,
    api: Api,
}

#[derive(Clone, Deserialize)]
struct Account {
    username: String,
    password: String,
    subdomain: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("subdomain", &self.subdomain).finish_non_exhaustive()
    }
}

impl Dns01Provider for AcmeDns {
    fn present<'a>(&'a self, record: &'a TxtRecord, now: Timestamp) -> BoxFuture<'a, Result<(), Dns01Error>> {
        Box::pin(self.add(record, now))
    }

    fn clean_up<'a>(
        &'a self,
        record: &'a TxtRecord,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), Dns01Error>> {
        Box::pin(self.remove(record, now))
    }
}

impl AcmeDns {
    /// The server keeps the last two values, so presenting one twice would push another out only if there were three.
    async fn add(&self, record: &TxtRecord, _now: Timestamp) -> Result<(), Dns01Error> {
        let account = self.accounts.get(&record.domain).ok_or_else(|| Dns01Error::Config {
            provider: NAME,
            reason: format!("the accounts have none for {:?}; register one and add it", record.domain),
        })?;
        let api = self.api.clone();
        let api =
            api.with("x-api-user", account.username.clone()).with("x-api-key", account.password.clone());
        let body = json!({"subdomain": account.subdomain, "txt": record.value});
        api.send(Method::POST, &self.url, Some(&body)).await?.success(&[])?;
        Ok(())
    }

    /// Nothing can be taken away there; a value is pushed out by the next two.
    async fn remove(&self, _record: &TxtRecord, _now: Timestamp) -> Result<(), Dns01Error> {
        Ok(())
    }
}
