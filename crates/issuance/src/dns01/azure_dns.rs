//! Azure DNS (API 2018-05-01), with a service principal. All values of a name are one set there, so it is read, changed and
//! written whole, and only if nobody else wrote it meanwhile.

use http::Method;
use http::{Request, header};
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
        json!({
            "subscriptionID": "sub", "resourceGroupName": "group", "clientID": "client", "tenantID": "tenant",
            "clientSecretSecretRef": {"name": "azure", "key": "secret"},
        })
    }

    fn build(
        &self,
        value: &serde_json::Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
        let wanted: solver::AzureDns = config(NAME, value)?;
        let wrong = |reason: String| Dns01Error::Config { provider: NAME, reason };
        if wanted.managed_identity.is_some() {
            let reason = "managedIdentity would ask the machine's metadata service, which is never asked; expected \
                          clientID, clientSecretSecretRef and tenantID";
            return Err(wrong(reason.to_owned()));
        }
        let (Some(secret), false, false) =
            (&wanted.client_secret_secret_ref, wanted.client_id.is_empty(), wanted.tenant_id.is_empty())
        else {
            return Err(wrong("expected clientID, clientSecretSecretRef and tenantID".to_owned()));
        };
        let cloud = Cloud::parse(&wanted.environment).map_err(wrong)?;
        let kind = match wanted.zone_type.as_str() {
            "" | "AzurePublicZone" => "dnsZones",
            "AzurePrivateZone" => "privateDnsZones",
            other => {
                let expected = "expected AzurePublicZone or AzurePrivateZone";
                return Err(wrong(format!("zoneType is {other:?}; {expected}")));
            }
        };
        let zones = format!(
            "{}/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/{kind}",
            cloud.management,
            encoded(&wanted.subscription_id),
            encoded(&wanted.resource_group_name),
        );
        Ok(Box::new(AzureDns {
            cloud,
            zones,
            zone: wanted.hosted_zone_name,
            tenant: wanted.tenant_id,
            client: wanted.client_id,
            secret: Password(surroundings.text(secret)?),
            version: if kind == "dnsZones" { "2018-05-01" } else { "2018-09-01" },
            api: Api::new(NAME, surroundings.http),
        }))
    }
}

const NAME: &str = "azureDNS";

#[derive(Debug)]
struct AzureDns {
    cloud: Cloud,
    /// The URL of all zones of the resource group.
    zones: String,
    /// Empty: the record's.
    zone: String,
    tenant: String,
    client: String,
    secret: Password,
    version: &'static str,
    api: Api,
}

struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// Where one of the clouds is.
#[derive(Clone, Copy, Debug)]
struct Cloud {
    login: &'static str,
    management: &'static str,
}

impl Cloud {
    fn parse(name: &str) -> Result<Self, String> {
        let (login, management) = match name {
            "" | "AzurePublicCloud" => ("https://login.microsoftonline.com", "https://management.azure.com"),
            "AzureUSGovernmentCloud" => {
                ("https://login.microsoftonline.us", "https://management.usgovcloudapi.net")
            }
            "AzureChinaCloud" => ("https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn"),
            other => {
                let expected = "expected AzurePublicCloud, AzureUSGovernmentCloud or AzureChinaCloud";
                return Err(format!("environment is {other:?}; {expected}"));
            }
        };
        Ok(Self { login, management })
    }
}

impl Dns01Provider for AzureDns {
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
struct Token {
    access_token: String,
}

#[derive(Default, Deserialize)]
struct Set {
    #[serde(default)]
    etag: String,
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
struct Properties {
    #[serde(default, rename = "TXTRecords", alias = "txtRecords")]
    records: Vec<Txt>,
}

#[derive(Deserialize)]
struct Txt {
    value: Vec<String>,
}

impl AzureDns {
    async fn add(&self, record: &TxtRecord, _now: Timestamp) -> Result<(), Dns01Error> {
        self.change(record, |values| {
            if !values.contains(&record.value) {
                values.push(record.value.clone());
            }
        })
        .await
    }

    async fn remove(&self, record: &TxtRecord, _now: Timestamp) -> Result<(), Dns01Error> {
        self.change(record, |values| values.retain(|one| *one != record.value)).await
    }

    async fn change(
        &self,
        record: &TxtRecord,
        edit: impl FnOnce(&mut Vec<String>) + Send,
    ) -> Result<(), Dns01Error> {
        let api = self.api.clone().with("authorization", format!("Bearer {}", self.token().await?));
        let zone = if self.zone.is_empty() { &record.zone } else { &self.zone };
        let relative = TxtRecord { zone: zone.clone(), ..record.clone() };
        let url = format!(
            "{}/{}/TXT/{}?api-version={}",
            self.zones,
            encoded(zone),
            encoded(relative.relative_name()),
            self.version
        );
        let found = api.send(Method::GET, &url, None).await?.success(&[404])?;
        let set: Set = if found.status == 404 { Set::default() } else { found.json()? };
        let before: Vec<String> = set.properties.records.iter().map(|txt| txt.value.concat()).collect();
        let mut values = before.clone();
        edit(&mut values);
        if values == before {
            return Ok(());
        }
        // Nobody else's change is overwritten: a conflict is an error, and the whole is tried again.
        let api = match set.etag.is_empty() {
            true => api.with("if-none-match", "*".to_owned()),
            false => api.with("if-match", set.etag),
        };
        if values.is_empty() {
            api.send(Method::DELETE, &url, None).await?.success(&[404])?;
            return Ok(());
        }
        let records: Vec<_> = values.iter().map(|value| json!({"value": [value]})).collect();
        let body = json!({"properties": {"TTL": TTL, "TXTRecords": records}});
        api.send(Method::PUT, &url, Some(&body)).await?.success(&[])?;
        Ok(())
    }

    async fn token(&self) -> Result<String, Dns01Error> {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
            encoded(&self.client),
            encoded(&self.secret.0),
            encoded(&format!("{}/.default", self.cloud.management)),
        );
        let request =
            Request::post(format!("{}/{}/oauth2/v2.0/token", self.cloud.login, encoded(&self.tenant)))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.into_bytes());
        let request = request.map_err(|error| self.api.unreadable(error.to_string()))?;
        let token: Token = self.api.send_request(request).await?.success(&[])?.json()?;
        Ok(token.access_token)
    }
}

/// Seconds.
const TTL: u32 = 60;
