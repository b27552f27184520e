//! DigitalOcean (API v2).

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
        json!({"tokenSecretRef": {"name": "digitalocean", "key": "token"}})
    }

    fn build(
        &self,
        value: &serde_json::Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
        let wanted: solver::DigitalOcean = config(NAME, value)?;
        let token = surroundings.text(&wanted.token_secret_ref)?;
        let api = Api::new(NAME, surroundings.http).with("authorization", format!("Bearer {token}"));
        Ok(Box::new(DigitalOcean { api }))
    }
}

const NAME: &str = "digitalocean";

#[derive(Debug)]
struct DigitalOcean {
    api: Api,
}

impl Dns01Provider for DigitalOcean {
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
struct Listed {
    domain_records: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    id: u64,
    data: String,
}

impl DigitalOcean {
    async fn add(&self, record: &TxtRecord, _now: Timestamp) -> Result<(), Dns01Error> {
        if !self.find(record).await?.is_empty() {
            return Ok(());
        }
        let body = json!({"type": "TXT", "name": record.relative_name(), "data": record.value, "ttl": TTL});
        self.api.send(Method::POST, &records(record), Some(&body)).await?.success(&[])?;
        Ok(())
    }

    async fn remove(&self, record: &TxtRecord, _now: Timestamp) -> Result<(), Dns01Error> {
        for found in self.find(record).await? {
            let url = format!("{}/{}", records(record), found.id);
            self.api.send(Method::DELETE, &url, None).await?.success(&[404])?;
        }
        Ok(())
    }

    /// The records with this value.
    async fn find(&self, record: &TxtRecord) -> Result<Vec<Found>, Dns01Error> {
        let url = format!("{}?per_page=200&type=TXT&name={}", records(record), encoded(&record.name));
        let found: Listed = self.api.send(Method::GET, &url, None).await?.success(&[])?.json()?;
        Ok(found.domain_records.into_iter().filter(|found| found.data == record.value).collect())
    }
}

fn records(record: &TxtRecord) -> String {
    format!("https://api.digitalocean.com/v2/domains/{}/records", encoded(&record.zone))
}

/// Seconds.
const TTL: u32 = 60;
