//! Google Cloud DNS (API v1), with a service account's key (RFC 7523). All values of a name are one set there, so it is
//! read, changed and written whole.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use http::{Request, header};
use jamul_acme::BoxFuture;
use jamul_api::solver;
use jamul_pki::PrivateKey;
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
        json!({"project": "example", "serviceAccountSecretRef": {"name": "google", "key": "key.json"}})
    }

    fn build(
        &self,
        value: &serde_json::Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
        let wanted: solver::CloudDns = config(NAME, value)?;
        let wrong = |reason: String| Dns01Error::Config { provider: NAME, reason };
        let Some(reference) = &wanted.service_account_secret_ref else {
            return Err(wrong(
                "ambient credentials are not used; expected serviceAccountSecretRef".to_owned(),
            ));
        };
        let text = surroundings.text(reference)?;
        let account: ServiceAccount = serde_json::from_str(&text).map_err(|error| {
            wrong(format!("Secret {} holds no service account key: {error}", reference.name))
        })?;
        let key = PrivateKey::from_pem(&account.private_key)
            .map_err(|error| wrong(format!("private_key in Secret {}: {error}", reference.name)))?;
        let api = Api::new(NAME, surroundings.http);
        Ok(Box::new(CloudDns { project: wanted.project, zone: wanted.hosted_zone_name, account, key, api }))
    }
}

const NAME: &str = "cloudDNS";

#[derive(Debug)]
struct CloudDns {
    project: String,
    /// Empty: found by name.
    zone: String,
    account: ServiceAccount,
    key: PrivateKey,
    api: Api,
}

#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: String,
    token_uri: String,
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceAccount").field("client_email", &self.client_email).finish_non_exhaustive()
    }
}

impl Dns01Provider for CloudDns {
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

#[derive(Deserialize)]
struct Zones {
    #[serde(default, rename = "managedZones")]
    zones: Vec<Zone>,
}

#[derive(Deserialize)]
struct Zone {
    name: String,
    #[serde(default)]
    visibility: String,
}

#[derive(Deserialize)]
struct Sets {
    #[serde(default)]
    rrsets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    ttl: u32,
    rrdatas: Vec<String>,
}

impl CloudDns {
    async fn add(&self, record: &TxtRecord, now: Timestamp) -> Result<(), Dns01Error> {
        let value = format!("\"{}\"", record.value);
        self.change(record, now, |values| {
            if !values.contains(&value) {
                values.push(value.clone());
            }
        })
        .await
    }

    async fn remove(&self, record: &TxtRecord, now: Timestamp) -> Result<(), Dns01Error> {
        let value = format!("\"{}\"", record.value);
        self.change(record, now, |values| values.retain(|one| *one != value)).await
    }

    async fn change(
        &self,
        record: &TxtRecord,
        now: Timestamp,
        edit: impl FnOnce(&mut Vec<String>) + Send,
    ) -> Result<(), Dns01Error> {
        let api = self.api.clone().with("authorization", format!("Bearer {}", self.token(now).await?));
        let zone = self.managed_zone(&api, record).await?;
        let name = format!("{}.", record.name);
        let url = format!("{zone}/rrsets?type=TXT&name={}", encoded(&name));
        let sets: Sets = api.send(Method::GET, &url, None).await?.success(&[])?.json()?;
        let before = sets.rrsets.into_iter().next();
        let mut values = before.as_ref().map(|set| set.rrdatas.clone()).unwrap_or_default();
        edit(&mut values);
        if before.as_ref().map_or(values.is_empty(), |set| set.rrdatas == values) {
            return Ok(());
        }
        let set =
            |ttl: u32, values: &[String]| json!({"name": name, "type": "TXT", "ttl": ttl, "rrdatas": values});
        let deletions: Vec<_> = before.iter().map(|before| set(before.ttl, &before.rrdatas)).collect();
        let ttl = before.as_ref().map_or(TTL, |before| before.ttl);
        let additions: Vec<_> = (!values.is_empty()).then(|| set(ttl, &values)).into_iter().collect();
        let body = json!({"additions": additions, "deletions": deletions});
        api.send(Method::POST, &format!("{zone}/changes"), Some(&body)).await?.success(&[])?;
        Ok(())
    }

    /// The URL of the zone.
    async fn managed_zone(&self, api: &Api, record: &TxtRecord) -> Result<String, Dns01Error> {
        let zones = format!("{URL}/{}/managedZones", encoded(&self.project));
        if !self.zone.is_empty() {
            return Ok(format!("{zones}/{}", encoded(&self.zone)));
        }
        let url = format!("{zones}?dnsName={}", encoded(&format!("{}.", record.zone)));
        let found: Zones = api.send(Method::GET, &url, None).await?.success(&[])?.json()?;
        let public = found.zones.into_iter().find(|zone| zone.visibility != "private");
        public.map(|zone| format!("{zones}/{}", encoded(&zone.name))).ok_or_else(|| api.no_zone(&record.name))
    }

    /// An assertion signed by the account's key, for a token (RFC 7523 section 2.1).
    async fn token(&self, now: Timestamp) -> Result<String, Dns01Error> {
        let assertion = self.assertion(now)?;
        let grant = encoded("urn:ietf:params:oauth:grant-type:jwt-bearer");
        let request = Request::post(&self.account.token_uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("grant_type={grant}&assertion={assertion}").into_bytes());
        let request = request.map_err(|error| self.api.unreadable(error.to_string()))?;
        let token: Token = self.api.send_request(request).await?.success(&[])?.json()?;
        Ok(token.access_token)
    }

    fn assertion(&self, now: Timestamp) -> Result<String, Dns01Error> {
        let claims = json!({
            "iss": self.account.client_email,
            "scope": "https://www.googleapis.com/auth/ndev.clouddns.readwrite",
            "aud": self.account.token_uri,
            "iat": now.as_second(),
            "exp": now.as_second() + 3600,
        });
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign_jose(signed.as_bytes());
        let signature = signature.map_err(|error| self.api.unreadable(error.to_string()))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

const URL: &str = "https://dns.googleapis.com/dns/v1/projects";
/// Seconds.
const TTL: u32 = 60;
