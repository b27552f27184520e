//! Cloudflare (API v4): a token, or the global key with the account's e-mail address.

use http::Method;
use jamul_acme::BoxFuture;
use jamul_api::solver;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::api::{Api, config, encoded};
use super::provider::{Dns01Error, Dns01Provider, ProviderKind, Surroundings, TxtRecord};

/// The kind.
#[derive(Debug)]
pub(super) struct Kind;

impl ProviderKind for Kind {
    fn name(&self) -> &'static str {
        NAME
    }

    fn example(&self) -> serde_json::Value {
        json!({"apiTokenSecretRef": {"name": "cloudflare", "key": "token"}})
    }

    fn build(
        &self,
        value: &serde_json::Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
        let wanted: solver::Cloudflare = config(NAME, value)?;
        let api = Api::new(NAME, surroundings.http);
        let api = match (&wanted.api_token_secret_ref, &wanted.api_key_secret_ref) {
            (Some(token), None) => api.with("authorization", format!("Bearer {}", surroundings.text(token)?)),
            (None, Some(key)) if !wanted.email.is_empty() => {
                api.with("x-auth-email", wanted.email).with("x-auth-key", surroundings.text(key)?)
            }
            (None, Some(_)) => {
                let reason = "apiKeySecretRef needs email, the address of the account".to_owned();
                return Err(Dns01Error::Config { provider: NAME, reason });
            }
            (Some(_), Some(_)) | (None, None) => {
                let reason = "expected exactly one of apiTokenSecretRef and apiKeySecretRef".to_owned();
                return Err(Dns01Error::Config { provider: NAME, reason });
            }
        };
        Ok(Box::new(Cloudflare { api }))
    }
}

const NAME: &str = "cloudflare";

#[derive(Debug)]
struct Cloudflare {
    api: Api,
}

impl Dns01Provider for Cloudflare {
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

#[derive(Deserialize)]
struct Listed<T> {
    result: Vec<T>,
}

#[derive(Deserialize)]
struct Zone {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    content: String,
}

impl Cloudflare {
    async fn add(&self, record: &TxtRecord, _now: Timestamp) -> Result<(), Dns01Error> {
        let zone = self.zone(record).await?;
        if !self.find(&zone, record).await?.is_empty() {
            return Ok(());
        }
        let body = json!({"type": "TXT", "name": record.name, "content": quoted(&record.value), "ttl": TTL});
        let reply =
            self.api.send(Method::POST, &format!("{URL}/zones/{zone}/dns_records"), Some(&body)).await?;
        reply.success(&[])?;
        Ok(())
    }

    async fn remove(&self, record: &TxtRecord, _now: Timestamp) -> Result<(), Dns01Error> {
        let zone = self.zone(record).await?;
        for found in self.find(&zone, record).await? {
            let url = format!("{URL}/zones/{zone}/dns_records/{}", encoded(&found.id));
            self.api.send(Method::DELETE, &url, None).await?.success(&[404])?;
        }
        Ok(())
    }

    /// The nearest zone above the name that this account has: a subdomain may be a zone of its own elsewhere.
    async fn zone(&self, record: &TxtRecord) -> Result<String, Dns01Error> {
        let mut candidate = Some(record.name.as_str());
        while let Some(name) = candidate.filter(|name| name.contains('.')) {
            let url = format!("{URL}/zones?name={}", encoded(name));
            let zones: Listed<Zone> = self.api.send(Method::GET, &url, None).await?.success(&[])?.json()?;
            if let Some(zone) = zones.result.into_iter().find(|zone| zone.name == name) {
                return Ok(zone.id);
            }
            candidate = name.split_once('.').map(|(_, parent)| parent);
        }
        Err(self.api.no_zone(&record.name))
    }

    /// The records with this value.
    async fn find(&self, zone: &str, record: &TxtRecord) -> Result<Vec<Found>, Dns01Error> {
        let url =
            format!("{URL}/zones/{zone}/dns_records?per_page=100&type=TXT&name={}", encoded(&record.name));
        let found: Listed<Found> = self.api.send(Method::GET, &url, None).await?.success(&[])?.json()?;
        let is_ours = |found: &Found| found.content.trim_matches('"') == record.value;
        Ok(found.result.into_iter().filter(is_ours).collect())
    }
}

/// The API wants the quotation marks of a zone file.
fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

const URL: &str = "https://api.cloudflare.com/client/v4";
/// Seconds, the least that plans without charge may have.
const TTL: u32 = 60;
