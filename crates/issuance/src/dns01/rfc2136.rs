//! Dynamic update of a name server (RFC 2136), signed with a shared key (RFC 8945).
//!
//! ```yaml
//! dns01:
//!   rfc2136:
//!     nameserver: ns1.example.com:53
//!     tsigKeyName: acme
//!     tsigAlgorithm: HMACSHA256
//!     tsigSecretSecretRef: { name: tsig, key: secret }
//! ```
//! A success counts only with the signature of the same key (RFC 8945 section 5.3).

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::op::{ResponseCode, update_message};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, Record, RecordSet};
use jamul_acme::BoxFuture;
use jamul_api::solver;
use jiff::Timestamp;

use super::api::config;
use super::lookup::{exchange, parse};
use super::provider::{
    Dns, Dns01Error, Dns01Provider, DnsError, Protocol, ProviderKind, Surroundings, TxtRecord,
};
use super::tsig::{Algorithm, TsigKey};

/// The kind.
#[derive(Debug)]
pub(super) struct Kind;

impl ProviderKind for Kind {
    fn name(&self) -> &'static str {
        NAME
    }

    fn example(&self) -> serde_json::Value {
        serde_json::json!({
            "nameserver": "192.0.2.53", "tsigKeyName": "acme", "tsigAlgorithm": "HMACSHA256",
            "tsigSecretSecretRef": {"name": "tsig", "key": "secret"},
        })
    }

    fn build(
        &self,
        value: &serde_json::Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
        let wanted: solver::Rfc2136 = config(NAME, value)?;
        let wrong = |reason: String| Dns01Error::Config { provider: NAME, reason };
        let (host, port) = server(&wanted.nameserver).map_err(wrong)?;
        let protocol = match wanted.protocol.to_ascii_uppercase().as_str() {
            "" | "UDP" => Protocol::Udp,
            "TCP" => Protocol::Tcp,
            other => return Err(wrong(format!("protocol is {other:?}; expected UDP or TCP"))),
        };
        let key = match (&wanted.tsig_secret_secret_ref, wanted.tsig_key_name.is_empty()) {
            (None, true) => None,
            (Some(reference), false) => {
                let text = surroundings.text(reference)?;
                let secret = STANDARD.decode(&text).map_err(|error| {
                    wrong(format!("the key in Secret {} is not base64: {error}", reference.name))
                })?;
                let mut name = parse(&wanted.tsig_key_name)?;
                name = name.to_lowercase();
                Some(TsigKey {
                    name,
                    algorithm: Algorithm::parse(&wanted.tsig_algorithm).map_err(wrong)?,
                    secret,
                })
            }
            (Some(_), true) | (None, false) => {
                return Err(wrong(
                    "tsigKeyName and tsigSecretSecretRef go together; one is missing".to_owned(),
                ));
            }
        };
        Ok(Box::new(NameServer { host, port, protocol, key, dns: Arc::clone(surroundings.dns) }))
    }
}

#[derive(Debug)]
struct NameServer {
    host: String,
    port: u16,
    protocol: Protocol,
    key: Option<TsigKey>,
    dns: Arc<dyn Dns>,
}

impl Dns01Provider for NameServer {
    fn present<'a>(&'a self, record: &'a TxtRecord, now: Timestamp) -> BoxFuture<'a, Result<(), Dns01Error>> {
        Box::pin(async move { self.update(record, Change::Add, now).await })
    }

    fn clean_up<'a>(
        &'a self,
        record: &'a TxtRecord,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), Dns01Error>> {
        Box::pin(async move { self.update(record, Change::Remove, now).await })
    }
}

/// Both are idempotent by themselves (RFC 2136 sections 3.4.2.2 and 3.4.2.4).
#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
}

impl NameServer {
    async fn update(&self, record: &TxtRecord, change: Change, now: Timestamp) -> Result<(), Dns01Error> {
        let (name, zone) = (parse(&record.name)?, parse(&record.zone)?);
        let server = self.address().await?;
        let failed = |reason: String| DnsError { server: server.to_string(), reason };
        if !zone.zone_of(&name) {
            return Err(failed(format!("{} is not in the zone {}", record.name, record.zone)).into());
        }
        let text = Record::from_rdata(name, TTL, RData::TXT(TXT::new(vec![record.value.clone()])));
        let set = RecordSet::from(text);
        let mut message = match change {
            Change::Add => update_message::append(set, zone, false, false),
            Change::Remove => update_message::delete_by_rdata(set, zone, false),
        };
        let signature = match &self.key {
            Some(key) => Some((key, key.sign(&mut message, now).map_err(failed)?)),
            None => None,
        };
        let (octets, answer) = exchange(&*self.dns, server, &message, self.protocol).await?;
        match answer.metadata.response_code {
            ResponseCode::NoError => match signature {
                Some((key, request)) => Ok(key.verify(&octets, &request, now).map_err(failed)?),
                None => Ok(()),
            },
            code => {
                let why = answer.signature().and_then(|signature| signature.data.error.as_ref());
                let why = why.map(|error| format!(" ({error:?})")).unwrap_or_default();
                let reason = format!("it refuses to update {}: {code}{why}", record.zone);
                Err(failed(reason).into())
            }
        }
    }

    async fn address(&self) -> Result<SocketAddr, DnsError> {
        if let Ok(address) = self.host.parse() {
            return Ok(SocketAddr::new(address, self.port));
        }
        let found = self.dns.addresses(&self.host).await?;
        let first = found
            .first()
            .ok_or_else(|| DnsError { server: self.host.clone(), reason: "it has no address".to_owned() })?;
        Ok(SocketAddr::new(*first, self.port))
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn server(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("nameserver is {text:?}; expected HOST or HOST:PORT, for instance 192.0.2.53:53");
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok((address.ip().to_string(), address.port()));
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Ok((inside.to_owned(), 53));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
        None => (text, 53),
    };
    if host.is_empty() || host.contains(':') {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

const NAME: &str = "rfc2136";
/// Seconds; nobody is to keep it for long.
const TTL: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_have_a_port_or_get_one() {
        for (text, expected) in [
            ("192.0.2.53", ("192.0.2.53", 53)),
            ("192.0.2.53:5353", ("192.0.2.53", 5353)),
            ("ns.example.com", ("ns.example.com", 53)),
            ("ns.example.com:54", ("ns.example.com", 54)),
            ("[2001:db8::1]:54", ("2001:db8::1", 54)),
            ("[2001:db8::1]", ("2001:db8::1", 53)),
        ] {
            assert_eq!(server(text), Ok((expected.0.to_owned(), expected.1)));
        }
        for wrong in ["", ":53", "ns:x", "2001:db8::1"] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }
}
