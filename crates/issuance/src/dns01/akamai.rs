//! Akamai Edge DNS (API v2), with an EdgeGrid client. All values of a name are one set there, so it is read, changed and
//! written whole.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::{Request, header};
use jamul_acme::BoxFuture;
use jamul_api::solver;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use sha2::{Digest as _, Sha256};

use super::api::{Api, Reply, config, encoded};
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
            "serviceConsumerDomain": "akab-x.luna.akamaiapis.net",
            "clientTokenSecretRef": {"name": "akamai", "key": "client-token"},
            "clientSecretSecretRef": {"name": "akamai", "key": "client-secret"},
            "accessTokenSecretRef": {"name": "akamai", "key": "access-token"},
        })
    }

    fn build(
        &self,
        value: &serde_json::Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
        let wanted: solver::Akamai = config(NAME, value)?;
        let host = wanted.service_consumer_domain.trim_start_matches("https://").trim_end_matches('/');
        Ok(Box::new(Akamai {
            client: Client {
                host: host.to_owned(),
                client_token: surroundings.text(&wanted.client_token_secret_ref)?,
                client_secret: surroundings.text(&wanted.client_secret_secret_ref)?,
                access_token: surroundings.text(&wanted.access_token_secret_ref)?,
            },
            api: Api::new(NAME, surroundings.http),
        }))
    }
}

const NAME: &str = "akamai";

#[derive(Debug)]
struct Akamai {
    client: Client,
    api: Api,
}

impl Dns01Provider for Akamai {
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
struct Set {
    rdata: Vec<String>,
}

impl Akamai {
    async fn add(&self, record: &TxtRecord, now: Timestamp) -> Result<(), Dns01Error> {
        let value = format!("\"{}\"", record.value);
        match self.read(record, now).await? {
            Some(values) if values.contains(&value) => Ok(()),
            Some(mut values) => {
                values.push(value);
                self.write(record, Method::PUT, Some(&values), now).await
            }
            None => self.write(record, Method::POST, Some(&[value]), now).await,
        }
    }

    async fn remove(&self, record: &TxtRecord, now: Timestamp) -> Result<(), Dns01Error> {
        let value = format!("\"{}\"", record.value);
        let Some(values) = self.read(record, now).await? else { return Ok(()) };
        let others: Vec<String> = values.iter().filter(|one| **one != value).cloned().collect();
        if others.len() == values.len() {
            return Ok(());
        }
        match others.is_empty() {
            true => self.write(record, Method::DELETE, None, now).await,
            false => self.write(record, Method::PUT, Some(&others), now).await,
        }
    }

    async fn read(&self, record: &TxtRecord, now: Timestamp) -> Result<Option<Vec<String>>, Dns01Error> {
        let reply = self.call(Method::GET, record, None, now).await?.success(&[404])?;
        if reply.status == 404 {
            return Ok(None);
        }
        Ok(Some(reply.json::<Set>()?.rdata))
    }

    async fn write(
        &self,
        record: &TxtRecord,
        method: Method,
        values: Option<&[String]>,
        now: Timestamp,
    ) -> Result<(), Dns01Error> {
        let body = values.map(|values| {
            json!({"name": record.name, "type": "TXT", "ttl": TTL, "rdata": values}).to_string()
        });
        let also: &[u16] = if method == Method::DELETE { &[404] } else { &[] };
        self.call(method, record, body, now).await?.success(also)?;
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        record: &TxtRecord,
        body: Option<String>,
        now: Timestamp,
    ) -> Result<Reply, Dns01Error> {
        let path = format!(
            "/config-dns/v2/zones/{}/names/{}/types/TXT",
            encoded(&record.zone),
            encoded(&record.name)
        );
        let nonce = self.client.nonce(&path, now);
        let authorization =
            self.client.authorization(&method, &path, body.as_deref().unwrap_or(""), now, &nonce);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.client.host))
            .header(header::AUTHORIZATION, authorization);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(body.unwrap_or_default().into_bytes());
        let request = request.map_err(|error| self.api.unreadable(error.to_string()))?;
        self.api.send_request(request).await
    }
}

/// Signs requests as EdgeGrid wants it.
struct Client {
    host: String,
    client_token: String,
    client_secret: String,
    access_token: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Client {
    fn authorization(&self, method: &Method, path: &str, body: &str, now: Timestamp, nonce: &str) -> String {
        let time = now.strftime("%Y%m%dT%H:%M:%S+0000").to_string();
        let unsigned = format!(
            "EG1-HMAC-SHA256 client_token={};access_token={};timestamp={time};nonce={nonce};",
            self.client_token, self.access_token
        );
        let digest = match *method {
            // Only the bodies of POST are signed.
            Method::POST => STANDARD.encode(Sha256::digest(body)),
            _ => String::new(),
        };
        let signed = format!("{method}\thttps\t{}\t{path}\t\t{digest}\t{unsigned}", self.host);
        let key = STANDARD.encode(mac(self.client_secret.as_bytes(), &time));
        let signature = STANDARD.encode(mac(key.as_bytes(), &signed));
        format!("{unsigned}signature={signature}")
    }

    /// Never the same for two requests of a client, because neither are time and path.
    fn nonce(&self, path: &str, now: Timestamp) -> String {
        let seed = format!("{path} {}", now.as_nanosecond());
        let digest = mac(self.client_secret.as_bytes(), &seed);
        digest.iter().take(16).map(|octet| format!("{octet:02x}")).collect()
    }
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

/// Seconds.
const TTL: u32 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    /// "simple GET" of the test data that Akamai's own clients share.
    #[test]
    fn the_published_vector_is_reproduced() {
        let client = Client {
            host: "akaa-baseurl-xxxxxxxxxxx-xxxxxxxxxxxxx.luna.akamaiapis.net".to_owned(),
            client_token: "akab-client-token-xxx-xxxxxxxxxxxxxxxx".to_owned(),
            client_secret: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=".to_owned(),
            access_token: "akab-access-token-xxx-xxxxxxxxxxxxxxxx".to_owned(),
        };
        let now = "2014-03-21T19:34:21Z".parse().expect("a time");
        let nonce = "nonce-xx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
        let authorization = client.authorization(&Method::GET, "/", "", now, nonce);
        assert!(
            authorization.ends_with("signature=tL+y4hxyHxgWVD30X3pWnGKHcPzmrIF+LThiAOhMxYU="),
            "{authorization}"
        );
    }
}
