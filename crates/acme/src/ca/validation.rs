//! How the CA looks whether an account controls a name: http-01 (RFC 8555 section 8.3).
//!
//! The rules are here, the sockets behind [`Prober`]. They are those of the large CAs: plain HTTP first, few redirects
//! to few ports, status 200, a short body, an exact match. Private addresses are fine (see `names`).

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::names;
use super::settings::ValidationPorts;
use crate::problem::{Problem, ProblemType};
use crate::transport::BoxFuture;
use crate::wire::Identifier;

/// Fetches one URL for the validator, without following redirects.
///
/// The implementation resolves the host itself and dials an address that [`may_be_dialled`](super::may_be_dialled)
/// allows; it tries IPv6 first and IPv4 when dialling fails; it sends `Accept: */*`; it does not verify the certificate
/// of an `https` URL, as RFC 8555 section 8.3 lets redirects lead to one that is yet to be replaced; each connection has
/// ten seconds. It goes through no proxy.
pub trait Prober: fmt::Debug + Send + Sync {
    /// GETs `url`.
    ///
    /// # Errors
    /// [`ProbeError`] when there was no HTTP response.
    fn get<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<ProbeAnswer, ProbeError>>;
}

/// What a server answered to the validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Location` header.
    pub location: Option<String>,
    /// The beginning of the body: [`PROBE_BODY_LIMIT`] bytes and at most one more, which shows that it is too long.
    pub body: Vec<u8>,
}

/// Why a server gave no answer to the validator. The texts end up in what the user reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The name does not resolve, or to nothing that may be dialled.
    #[error("cannot resolve the name: {0}")]
    Dns(String),
    /// Nobody listens, or the network does not lead there.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The TLS handshake of a redirect's target failed.
    #[error("no TLS session: {0}")]
    Tls(String),
    /// Nothing came in time.
    #[error("no answer in time; {0}")]
    Timeout(String),
    /// The connection broke, or what came is not HTTP.
    #[error("no HTTP answer: {0}")]
    Http(String),
}

/// Proves `identifier` by fetching the token's file.
///
/// # Errors
/// The problem for the challenge: what was looked for, where, and what was found.
pub(super) async fn http01(
    identifier: &Identifier,
    token: &str,
    key_authorization: &str,
    ports: ValidationPorts,
    prober: &dyn Prober,
) -> Result<(), Problem> {
    let looking = follow(identifier, token, key_authorization, ports, prober);
    match tokio::time::timeout(VALIDATION_LIMIT, looking).await {
        Ok(result) => result,
        Err(_) => {
            let detail = format!("the validation of {identifier} took longer than {VALIDATION_LIMIT:?}");
            Err(Problem::new(ProblemType::Connection, detail))
        }
    }
}

async fn follow(
    identifier: &Identifier,
    token: &str,
    key_authorization: &str,
    ports: ValidationPorts,
    prober: &dyn Prober,
) -> Result<(), Problem> {
    let mut url = first_url(identifier, token, ports)?;
    let mut seen = HashSet::from([url.clone()]);
    loop {
        let answer = prober.get(&url).await.map_err(|error| unreachable(&url, &error))?;
        match answer.status {
            200 => return compare(&url, &answer.body, key_authorization),
            301 | 302 | 307 | 308 => {
                url = redirect(&url, answer.location.as_deref(), ports)?;
                if seen.len() > MOST_REDIRECTS || !seen.insert(url.clone()) {
                    return Err(wrong(&url, &format!("a loop, or more than {MOST_REDIRECTS} redirects")));
                }
            }
            status => return Err(wrong(&url, &format!("it answered {status} instead of 200"))),
        }
    }
}

fn first_url(identifier: &Identifier, token: &str, ports: ValidationPorts) -> Result<Url, Problem> {
    let host = match identifier {
        Identifier::Ip(IpAddr::V6(address)) => format!("[{address}]"),
        Identifier::Dns(_) | Identifier::Ip(IpAddr::V4(_)) | Identifier::Other { .. } => identifier.to_string(),
    };
    let text = format!("http://{host}:{}/.well-known/acme-challenge/{token}", ports.http);
    Url::parse(&text).map_err(|error| {
        Problem::new(ProblemType::Malformed, format!("{text} is not a URL that can be asked: {error}"))
    })
}

/// Where a redirect leads, if the validator may go there.
fn redirect(from: &Url, location: Option<&str>, ports: ValidationPorts) -> Result<Url, Problem> {
    let Some(location) = location else {
        return Err(wrong(from, "it redirects without a Location"));
    };
    let refused = |reason: &str| Err(wrong(from, &format!("it redirects to {location:?}: {reason}")));
    let Ok(target) = from.join(location) else { return refused("not a URL") };
    if !matches!(target.scheme(), "http" | "https") {
        return refused("only http and https are followed");
    }
    match target.port_or_known_default() {
        Some(port) if [80, 443, ports.http, ports.https].contains(&port) => {}
        Some(_) | None => return refused("only the ports of web servers are followed"),
    }
    if target.path().len() > LONGEST_PATH {
        return refused("the path is too long");
    }
    match target.host() {
        Some(Host::Ipv4(address)) if !names::may_be_dialled(address.into()) => refused("a forbidden address"),
        Some(Host::Ipv6(address)) if !names::may_be_dialled(address.into()) => refused("a forbidden address"),
        Some(Host::Domain(host)) if host.ends_with(".well-known") => {
            refused("a slash is missing after the host in the redirect rule")
        }
        Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) => Ok(target),
        None => refused("it has no host"),
    }
}

fn compare(url: &Url, body: &[u8], key_authorization: &str) -> Result<(), Problem> {
    if body.len() > PROBE_BODY_LIMIT {
        return Err(wrong(url, &format!("the file is longer than {PROBE_BODY_LIMIT} bytes")));
    }
    let found = body.trim_ascii_end();
    if found == key_authorization.as_bytes() {
        return Ok(());
    }
    let found = String::from_utf8_lossy(found);
    Err(wrong(url, &format!("the file should be {key_authorization:?} and is {found:?}")))
}

fn unreachable(url: &Url, error: &ProbeError) -> Problem {
    let kind = match error {
        ProbeError::Dns(_) => ProblemType::Dns,
        ProbeError::Tls(_) => ProblemType::Tls,
        ProbeError::Connect(_) | ProbeError::Timeout(_) | ProbeError::Http(_) => ProblemType::Connection,
    };
    Problem::new(kind, format!("fetching {url}: {error}"))
}

fn wrong(url: &Url, reason: &str) -> Problem {
    Problem::new(ProblemType::IncorrectResponse, format!("fetching {url}: {reason}"))
}

/// A key authorization has 66 bytes; the rest is for line ends.
pub const PROBE_BODY_LIMIT: usize = 128;

/// All redirects together.
const VALIDATION_LIMIT: Duration = Duration::from_secs(30);

const MOST_REDIRECTS: usize = 10;

const LONGEST_PATH: usize = 2_000;

#[cfg(test)]
mod tests;
