//! http-01 (RFC 8555 section 8.3): what the validator asks for and what it accepts.

use std::collections::HashSet;
use std::fmt::Debug;

use url::{Host, Url};

use super::names::may_be_dialled;
use super::settings::ValidationPorts;
use crate::problem::{Problem, ProblemType};
use crate::transport::BoxFuture;
use crate::wire::Identifier;

/// Largest answer that is read; a key authorization is shorter.
pub const PROBE_BODY_LIMIT: usize = 512;
/// How often the validator follows a redirect.
const MOST_REDIRECTS: usize = 10;
/// Longest path of a redirect.
const LONGEST_PATH: usize = 2000;

/// Fetches what a validator looks at. Implemented where sockets live.
pub trait Prober: Send + Sync + Debug {
    /// GETs `url` once, following no redirect, with `Accept: */*`, trusting any certificate, within 10 s. Of the body at
    /// most [`PROBE_BODY_LIMIT`] + 1 octets are read. Addresses that [`super::may_be_dialled`] refuses are not
    /// connected to, whatever the name resolves to.
    fn get<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<ProbeAnswer, ProbeError>>;
}

/// An answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Location`, if there is one.
    pub location: Option<String>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The name has no address that may be asked.
    #[error("{0}")]
    Dns(String),
    /// Nobody answers there.
    #[error("{0}")]
    Connect(String),
    /// It took too long.
    #[error("{0}")]
    Timeout(String),
}

/// Looks whether `identifier` serves `content` for `token`.
///
/// # Errors
/// The problem that the client is shown.
pub(super) async fn http01(
    identifier: &Identifier,
    token: &str,
    content: &str,
    ports: ValidationPorts,
    prober: &dyn Prober,
) -> Result<(), Problem> {
    let mut url = first_url(identifier, token, ports)?;
    let mut seen = HashSet::new();
    loop {
        let answer = prober.get(&url).await.map_err(|error| unreachable(&url, &error))?;
        match answer.status {
            200 => return judge(&url, &answer.body, content),
            301 | 302 | 307 | 308 => {
                let location = answer.location.unwrap_or_default();
                let next = redirect(&url, &location, ports)?;
                if !seen.insert(std::mem::replace(&mut url, next)) || seen.contains(&url) {
                    return Err(incorrect(&url, "it redirects to itself"));
                }
                if seen.len() > MOST_REDIRECTS {
                    return Err(incorrect(&url, "more than 10 redirects"));
                }
            }
            status => return Err(incorrect(&url, &format!("it answered {status} instead of 200"))),
        }
    }
}

/// Where the proof of `identifier` is looked for first.
fn first_url(identifier: &Identifier, token: &str, ports: ValidationPorts) -> Result<Url, Problem> {
    let host = match identifier {
        Identifier::Dns(name) => name.clone(),
        Identifier::Ip(std::net::IpAddr::V4(address)) => address.to_string(),
        Identifier::Ip(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        Identifier::Other { kind, .. } => {
            let detail = format!("identifiers of type {kind:?} cannot be validated");
            return Err(Problem::new(ProblemType::UnsupportedIdentifier, detail));
        }
    };
    let text = format!("http://{host}:{}/.well-known/acme-challenge/{token}", ports.http);
    Url::parse(&text).map_err(|error| Problem::new(ProblemType::Malformed, format!("{text}: {error}")))
}

fn redirect(from: &Url, location: &str, ports: ValidationPorts) -> Result<Url, Problem> {
    let refuse = |why: &str| Err(incorrect(from, &format!("it redirects to {location:?}: {why}")));
    let Ok(next) = from.join(location) else { return refuse("that is no URL") };
    let known = match next.scheme() {
        "http" => [80, ports.http],
        "https" => [443, ports.https],
        _ => return refuse("only http and https are followed"),
    };
    if !next.port_or_known_default().is_some_and(|port| known.contains(&port)) {
        return refuse("only the validation ports, 80 and 443 are followed");
    }
    let may_be_asked = match next.host() {
        Some(Host::Ipv4(address)) => may_be_dialled(address.into()),
        Some(Host::Ipv6(address)) => may_be_dialled(address.into()),
        Some(Host::Domain(name)) if name.ends_with(".well-known") => {
            return refuse("a slash is missing after the host name");
        }
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if !may_be_asked {
        return refuse("that address is not asked");
    }
    if next.path().len() > LONGEST_PATH {
        return refuse("the path is too long");
    }
    Ok(next)
}

fn judge(url: &Url, body: &[u8], content: &str) -> Result<(), Problem> {
    if body.len() > PROBE_BODY_LIMIT {
        return Err(incorrect(url, "the file is longer than a proof can be"));
    }
    let found = String::from_utf8_lossy(body);
    if found.len() <= content.len() + 16 && found.trim_end() == content {
        return Ok(());
    }
    let shown: String = found.chars().take(100).collect();
    Err(incorrect(url, &format!("the file should be {content:?} and is {shown:?}")))
}

fn incorrect(url: &Url, why: &str) -> Problem {
    Problem::new(ProblemType::IncorrectResponse, format!("fetching {url}: {why}"))
}

fn unreachable(url: &Url, error: &ProbeError) -> Problem {
    let kind = match error {
        ProbeError::Dns(_) => ProblemType::Dns,
        ProbeError::Connect(_) | ProbeError::Timeout(_) => ProblemType::Connection,
    };
    Problem::new(kind, format!("fetching {url}: {error}"))
}

#[cfg(test)]
mod tests;
