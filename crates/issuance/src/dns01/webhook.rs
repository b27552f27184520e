//! A provider that somebody else runs on the cluster, behind an aggregated API (`ChallengePayload` of
//! `webhook.acme.cert-manager.io/v1alpha1`).
//!
//! ```yaml
//! dns01:
//!   webhook:
//!     groupName: acme.example.com
//!     solverName: my-provider
//!     config: { anything: that the provider takes }
//! ```
//! It is asked through the API server, which wants to see that we may `create` the resource `solverName` of the API group
//! `groupName`.

use std::sync::Arc;

use http::Method;
use jamul_acme::{BoxFuture, Transport};
use jamul_api::solver;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Api, config};
use super::provider::{Dns01Error, Dns01Provider, ProviderKind, Surroundings, TxtRecord};

/// The kind.
#[derive(Debug)]
pub(super) struct Kind;

impl ProviderKind for Kind {
    fn name(&self) -> &'static str {
        NAME
    }

    fn example(&self) -> Value {
        json!({"groupName": "acme.example.com", "solverName": "my-provider", "config": {"region": "north"}})
    }

    fn build(
        &self,
        value: &Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
        let wanted: solver::Webhook = config(NAME, value)?;
        let wrong = |reason: String| Dns01Error::Config { provider: NAME, reason };
        for (field, name) in [("groupName", &wanted.group_name), ("solverName", &wanted.solver_name)] {
            let is_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.');
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(wrong(format!("{field} is {name:?}; expected a name like acme.example.com")));
            }
        }
        let server: &Arc<dyn Transport> = surroundings.api_server.ok_or_else(|| {
            wrong("it is asked through the API server of a cluster, and here is none".to_owned())
        })?;
        Ok(Box::new(Webhook {
            api: Api::new(NAME, server),
            path: format!("/apis/{}/{VERSION}/{}", wanted.group_name, wanted.solver_name),
            namespace: surroundings.namespace.to_owned(),
            config: wanted.config.unwrap_or(Value::Null),
        }))
    }
}

const NAME: &str = "webhook";
const VERSION: &str = "v1alpha1";

#[derive(Debug)]
struct Webhook {
    api: Api,
    path: String,
    namespace: String,
    config: Value,
}

impl Dns01Provider for Webhook {
    fn present<'a>(&'a self, record: &'a TxtRecord, _: Timestamp) -> BoxFuture<'a, Result<(), Dns01Error>> {
        Box::pin(self.ask("Present", record))
    }

    fn clean_up<'a>(&'a self, record: &'a TxtRecord, _: Timestamp) -> BoxFuture<'a, Result<(), Dns01Error>> {
        Box::pin(self.ask("CleanUp", record))
    }
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
    code: u16,
}

impl Webhook {
    async fn ask(&self, action: &str, record: &TxtRecord) -> Result<(), Dns01Error> {
        let payload = json!({
            "apiVersion": format!("webhook.acme.cert-manager.io/{VERSION}"),
            "kind": "ChallengePayload",
            "request": {
                // Nobody else asks for this value.
                "uid": record.value,
                "action": action,
                "type": "dns-01",
                "dnsName": record.domain,
                "key": record.value,
                "resourceNamespace": self.namespace,
                "resolvedFQDN": format!("{}.", record.name),
                "resolvedZone": format!("{}.", record.zone),
                "allowAmbientCredentials": false,
                "config": self.config,
            },
        });
        let reply = self.api.send(Method::POST, &self.path, Some(&payload)).await?.success(&[])?;
        let answer: Payload = reply.json()?;
        let Some(response) = answer.response else {
            return Err(self.api.unreadable("there is no response in its payload".to_owned()));
        };
        if response.success {
            return Ok(());
        }
        let Status { message, reason, code } = response.status.unwrap_or_default();
        let reason = if message.is_empty() { reason } else { message };
        Err(Dns01Error::Refused { provider: NAME, status: code, reason })
    }
}
