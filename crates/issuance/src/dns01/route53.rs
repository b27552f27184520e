//! Amazon Route 53 (API 2013-04-01), with an access key. All values of a name are one set there, so it is read, changed and
//! written whole.

use http::Method;
use jamul_acme::BoxFuture;
use jamul_api::solver;
use jiff::Timestamp;
use serde_json::json;

use super::api::{Api, config, encoded};
use super::provider::{Dns01Error, Dns01Provider, ProviderKind, Surroundings, TxtRecord};
use super::sigv4::{Credentials, Target};

/// The kind.
#[derive(Debug)]
pub(super) struct Kind;

impl ProviderKind for Kind {
    fn name(&self) -> &'static str {
        NAME
    }

    fn example(&self) -> serde_json::Value {
        json!({
            "region": "eu-central-1", "accessKeyID": "AKIDEXAMPLE",
            "secretAccessKeySecretRef": {"name": "route53", "key": "secret"},
        })
    }

    fn build(
        &self,
        value: &serde_json::Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
        let wanted: solver::Route53 = config(NAME, value)?;
        let wrong = |reason: &str| Err(Dns01Error::Config { provider: NAME, reason: reason.to_owned() });
        if !wanted.role.is_empty() {
            return wrong(
                "role cannot be assumed here; expected an access key that may change the zone itself",
            );
        }
        let access_key = match (&wanted.access_key_id_secret_ref, wanted.access_key_id.is_empty()) {
            (Some(reference), true) => surroundings.text(reference)?,
            (None, false) => wanted.access_key_id,
            (Some(_), false) => return wrong("expected only one of accessKeyID and accessKeyIDSecretRef"),
            (None, true) => {
                return wrong(
                    "ambient credentials are not used; expected accessKeyID or accessKeyIDSecretRef",
                );
            }
        };
        let Some(secret) = &wanted.secret_access_key_secret_ref else {
            return wrong("secretAccessKeySecretRef is missing");
        };
        let credentials = Credentials { access_key, secret_key: surroundings.text(secret)? };
        let api = Api::new(NAME, surroundings.http);
        Ok(Box::new(Route53 { credentials, zone: wanted.hosted_zone_id, api }))
    }
}

const NAME: &str = "route53";

#[derive(Debug)]
struct Route53 {
    credentials: Credentials,
    /// Empty: found by name.
    zone: String,
    api: Api,
}

impl Dns01Provider for Route53 {
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

/// The values at one name.
struct Set {
    ttl: String,
    values: Vec<String>,
}

impl Route53 {
    async fn add(&self, record: &TxtRecord, now: Timestamp) -> Result<(), Dns01Error> {
        let zone = self.zone(record, now).await?;
        let mut set = self.read(&zone, record, now).await?;
        let value = quoted(&record.value);
        if set.values.contains(&value) {
            return Ok(());
        }
        set.values.push(value);
        self.change(&zone, record, "UPSERT", &set, now).await
    }

    async fn remove(&self, record: &TxtRecord, now: Timestamp) -> Result<(), Dns01Error> {
        let zone = self.zone(record, now).await?;
        let set = self.read(&zone, record, now).await?;
        let value = quoted(&record.value);
        let others: Vec<String> = set.values.iter().filter(|one| **one != value).cloned().collect();
        if others.len() == set.values.len() {
            return Ok(());
        }
        match others.is_empty() {
            true => self.change(&zone, record, "DELETE", &set, now).await,
            false => self.change(&zone, record, "UPSERT", &Set { values: others, ..set }, now).await,
        }
    }

    async fn zone(&self, record: &TxtRecord, now: Timestamp) -> Result<String, Dns01Error> {
        if !self.zone.is_empty() {
            return Ok(self.zone.clone());
        }
        let query = [format!("dnsname={}", encoded(&record.zone)), "maxitems=10".to_owned()];
        let found =
            self.call(&Method::GET, "/2013-04-01/hostedzonesbyname", &query, String::new(), now).await?;
        let wanted = format!("{}.", record.zone);
        let mut zones = elements(&found, "HostedZone").into_iter();
        let zone = zones.find(|zone| {
            element(zone, "Name") == Some(wanted.as_str()) && element(zone, "PrivateZone") != Some("true")
        });
        let id = zone.and_then(|zone| element(zone, "Id")).map(|id| id.trim_start_matches("/hostedzone/"));
        id.map(str::to_owned).ok_or_else(|| self.api.no_zone(&record.name))
    }

    async fn read(&self, zone: &str, record: &TxtRecord, now: Timestamp) -> Result<Set, Dns01Error> {
        let query =
            [format!("name={}", encoded(&record.name)), "type=TXT".to_owned(), "maxitems=1".to_owned()];
        let path = format!("/2013-04-01/hostedzone/{}/rrset", encoded(zone));
        let found = self.call(&Method::GET, &path, &query, String::new(), now).await?;
        let wanted = format!("{}.", record.name);
        // The list begins at the name; without a set of its own it is the next one's.
        let set = elements(&found, "ResourceRecordSet").into_iter().find(|set| {
            element(set, "Name").map(unescaped) == Some(wanted.clone()) && element(set, "Type") == Some("TXT")
        });
        let Some(set) = set else { return Ok(Set { ttl: TTL.to_owned(), values: Vec::new() }) };
        Ok(Set {
            ttl: element(set, "TTL").unwrap_or(TTL).to_owned(),
            values: elements(set, "Value").into_iter().map(unescaped).collect(),
        })
    }

    async fn change(
        &self,
        zone: &str,
        record: &TxtRecord,
        action: &str,
        set: &Set,
        now: Timestamp,
    ) -> Result<(), Dns01Error> {
        let values = set
            .values
            .iter()
            .map(|value| format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", escaped(value)));
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
             <ChangeBatch><Changes><Change><Action>{action}</Action><ResourceRecordSet>\
             <Name>{}.</Name><Type>TXT</Type><TTL>{}</TTL><ResourceRecords>{}</ResourceRecords>\
             </ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>",
            escaped(&record.name),
            set.ttl,
            values.collect::<String>()
        );
        let path = format!("/2013-04-01/hostedzone/{}/rrset", encoded(zone));
        self.call(&Method::POST, &path, &[], body, now).await?;
        Ok(())
    }

    async fn call(
        &self,
        method: &Method,
        path: &str,
        query: &[String],
        body: String,
        now: Timestamp,
    ) -> Result<String, Dns01Error> {
        // The service is one for all regions, and its requests are signed for this one.
        let target = Target { region: "us-east-1", service: "route53", host: HOST, path, query };
        let request = self.credentials.sign(method, &target, body.into_bytes(), now);
        let request = request.map_err(|error| self.api.unreadable(error.to_string()))?;
        let reply = self.api.send_request(request).await?.success(&[])?;
        String::from_utf8(reply.body).map_err(|error| self.api.unreadable(error.to_string()))
    }
}

fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

/// The contents of each element of that name. The answers have no attributes on those that are read here, and none of them
/// contains another of its own name.
fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = xml.split(open.as_str()).skip(1);
    parts.filter_map(|part| part.split_once(close.as_str()).map(|(inside, _)| inside)).collect()
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    elements(xml, name).into_iter().next()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

const HOST: &str = "route53.amazonaws.com";
/// Seconds.
const TTL: &str = "10";
