//! Questions to name servers: where a record belongs, and who sees it already.

use std::collections::HashSet;
use std::net::SocketAddr;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use super::provider::{Dns, DnsError, Protocol, Witnesses};

/// Where the record for `name` is looked for in the end: CNAMEs are followed, as every CA does.
///
/// # Errors
/// No answer, or CNAMEs that go round in a circle.
pub async fn follow(dns: &dyn Dns, name: &str) -> Result<String, DnsError> {
    let mut seen = HashSet::new();
    let mut name = name.trim_end_matches('.').to_ascii_lowercase();
    loop {
        if !seen.insert(name.clone()) || seen.len() > MOST_ALIASES {
            let reason = format!("the CNAME records of {name} go round in a circle");
            return Err(DnsError { server: "the DNS".to_owned(), reason });
        }
        let answer = ask_recursive(dns, &name, RecordType::CNAME).await?;
        let asked = parse(&name)?;
        let target = answer.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == asked => Some(plain(&target.0)),
            _ => None,
        });
        match target {
            Some(target) => name = target,
            None => return Ok(name),
        }
    }
}

/// The zone that `name` is in: the nearest name at or above it that has an SOA record.
///
/// # Errors
/// No answer, or no zone at all.
pub async fn zone_of(dns: &dyn Dns, name: &str) -> Result<String, DnsError> {
    let mut climbed = Some(name.trim_end_matches('.'));
    while let Some(candidate) = climbed {
        let answer = ask_recursive(dns, candidate, RecordType::SOA).await?;
        let asked = parse(candidate)?;
        // An answer through a CNAME is about another name, and one in the authority section about a name above.
        let is_zone = answer
            .answers
            .iter()
            .any(|record| record.name == asked && record.record_type() == RecordType::SOA);
        if is_zone {
            return Ok(candidate.to_ascii_lowercase());
        }
        climbed = candidate.split_once('.').map(|(_, parent)| parent);
    }
    Err(DnsError { server: "the DNS".to_owned(), reason: format!("no zone holds {name}") })
}

/// Whether every witness sees `value` at `name`; if not, who does not.
///
/// # Errors
/// A witness that does not answer.
pub async fn unseen_by(dns: &dyn Dns, name: &str, value: &str) -> Result<Option<String>, DnsError> {
    let name = follow(dns, name).await?;
    let witnesses = match dns.witnesses() {
        Witnesses::Recursive => dns.recursive().to_vec(),
        Witnesses::Authoritative => authorities(dns, &zone_of(dns, &name).await?).await?,
    };
    for witness in witnesses {
        let answer = ask(dns, witness, &name, RecordType::TXT).await?;
        let has_value = answer.answers.iter().any(|record| match &record.data {
            RData::TXT(text) => text.txt_data.concat() == value.as_bytes(),
            _ => false,
        });
        if !has_value {
            return Ok(Some(format!(
                "name server {witness} does not have the TXT record {value:?} at {name} yet"
            )));
        }
    }
    Ok(None)
}

/// The name servers of a zone, one address of each.
async fn authorities(dns: &dyn Dns, zone: &str) -> Result<Vec<SocketAddr>, DnsError> {
    let answer = ask_recursive(dns, zone, RecordType::NS).await?;
    let mut servers = Vec::new();
    for record in &answer.answers {
        let RData::NS(server) = &record.data else { continue };
        let host = plain(&server.0);
        let addresses = dns.addresses(&host).await?;
        match addresses.first() {
            Some(address) => servers.push(SocketAddr::new(*address, 53)),
            None => {
                let reason = format!("the name server {host} of {zone} has no address");
                return Err(DnsError { server: "the DNS".to_owned(), reason });
            }
        }
    }
    if servers.is_empty() {
        let reason = format!("the zone {zone} has no name servers");
        return Err(DnsError { server: "the DNS".to_owned(), reason });
    }
    Ok(servers)
}

/// Asks the recursive servers in turn, until one answers.
async fn ask_recursive(dns: &dyn Dns, name: &str, kind: RecordType) -> Result<Message, DnsError> {
    let mut failure = DnsError { server: "the DNS".to_owned(), reason: "there is no name server".to_owned() };
    for server in dns.recursive() {
        match ask(dns, *server, name, kind).await {
            Ok(answer) => return Ok(answer),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// One question. That the name does not exist is an answer.
async fn ask(dns: &dyn Dns, server: SocketAddr, name: &str, kind: RecordType) -> Result<Message, DnsError> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(parse(name)?, kind));
    let mut answer = send(dns, server, &question, Protocol::Udp).await?;
    if answer.metadata.truncation {
        answer = send(dns, server, &question, Protocol::Tcp).await?;
    }
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer),
        code => Err(DnsError {
            server: server.to_string(),
            reason: format!("it answered {code} when asked for {kind} of {name}"),
        }),
    }
}

async fn send(
    dns: &dyn Dns,
    server: SocketAddr,
    message: &Message,
    over: Protocol,
) -> Result<Message, DnsError> {
    Ok(exchange(dns, server, message, over).await?.1)
}

/// Sends a message and reads the answer to it; with its octets, which a signature is over.
pub(super) async fn exchange(
    dns: &dyn Dns,
    server: SocketAddr,
    message: &Message,
    over: Protocol,
) -> Result<(Vec<u8>, Message), DnsError> {
    let failed = |reason: String| DnsError { server: server.to_string(), reason };
    let octets = message.to_vec().map_err(|error| failed(error.to_string()))?;
    let octets = dns.exchange(server, &octets, over).await?;
    let answer = Message::from_vec(&octets).map_err(|error| failed(error.to_string()))?;
    if answer.metadata.id != message.metadata.id {
        return Err(failed("the answer is to another question".to_owned()));
    }
    Ok((octets, answer))
}

/// A name as messages have it, absolute.
pub(super) fn parse(name: &str) -> Result<Name, DnsError> {
    let mut parsed = Name::from_ascii(name)
        .map_err(|error| DnsError { server: "the DNS".to_owned(), reason: format!("{name:?}: {error}") })?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

/// In small letters, without a dot at the end.
pub(super) fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// More than any sane zone has in a row.
const MOST_ALIASES: usize = 16;
