//! DNS-01 (RFC 8555 section 8.4): who writes the TXT record, where it belongs, and whether it is seen.
//!
//! A provider is one file below this module and one line in [`DNS01_PROVIDERS`].

mod acme_dns;
mod akamai;
mod api;
mod azure_dns;
mod cloud_dns;
mod cloudflare;
mod digitalocean;
mod lookup;
mod provider;
mod rfc2136;
mod route53;
mod sigv4;
mod tsig;
mod webhook;

use std::net::SocketAddr;

use jamul_api::issuer::Solver;

pub use lookup::{follow, unseen_by, zone_of};
pub use provider::{
    Dns, Dns01Error, Dns01Provider, DnsError, Protocol, ProviderKind, Secrets, Surroundings, TxtRecord,
    Witnesses,
};

/// All providers.
pub static DNS01_PROVIDERS: &[&dyn ProviderKind] = &[
    &acme_dns::Kind,
    &akamai::Kind,
    &azure_dns::Kind,
    &cloud_dns::Kind,
    &cloudflare::Kind,
    &digitalocean::Kind,
    &rfc2136::Kind,
    &route53::Kind,
    &webhook::Kind,
];

/// The provider that a solver names.
///
/// # Errors
/// [`Dns01Error::Config`] when it names none, several or an unknown one; and those of the provider.
pub fn build(solver: &Solver, surroundings: &Surroundings<'_>) -> Result<Box<dyn Dns01Provider>, Dns01Error> {
    let wrong = |reason: String| Dns01Error::Config { provider: "", reason };
    let block = solver.dns01.as_ref().and_then(serde_json::Value::as_object);
    let block = block.ok_or_else(|| wrong("the solver has no dns01 block".to_owned()))?;
    let named: Vec<(&String, &serde_json::Value)> =
        block.iter().filter(|(name, _)| !OTHER_FIELDS.contains(&name.as_str())).collect();
    let known = || DNS01_PROVIDERS.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    let [(name, config)] = named.as_slice() else {
        let found: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
        return Err(wrong(format!("there is {found:?}; expected exactly one of {}", known())));
    };
    let kind = DNS01_PROVIDERS.iter().find(|kind| kind.name() == name.as_str());
    let kind = kind.ok_or_else(|| wrong(format!("{name} is not supported; expected one of {}", known())))?;
    kind.build(config, surroundings)
}

/// Whether the record is written where CNAMEs lead (`cnameStrategy: Follow`) rather than at its own name.
pub fn follows_aliases(solver: &Solver) -> bool {
    let strategy = solver.dns01.as_ref().and_then(|block| block.get("cnameStrategy"));
    strategy.and_then(serde_json::Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case("follow"))
}

/// The name servers that a solver wants to be asked instead of all others (`dns01.nameservers`).
///
/// # Errors
/// [`Dns01Error::Config`] when one is no address.
pub fn name_servers(solver: &Solver) -> Result<Vec<SocketAddr>, Dns01Error> {
    let written = solver.dns01.as_ref().and_then(|block| block.get("nameservers"));
    let written = written.and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
    let address = |value: &serde_json::Value| {
        let text = value.as_str().unwrap_or_default();
        let with_port = text.parse().ok();
        with_port.or_else(|| text.parse().ok().map(|address| SocketAddr::new(address, 53))).ok_or_else(|| {
            let expected =
                "expected ADDRESS:PORT, for instance 192.0.2.53:53; DNS over HTTPS is not supported";
            Dns01Error::Config { provider: "nameservers", reason: format!("there is {value}; {expected}") }
        })
    };
    written.iter().map(address).collect()
}

/// What may stand beside the provider.
const OTHER_FIELDS: [&str; 2] = ["cnameStrategy", "nameservers"];

#[cfg(test)]
mod tests;
