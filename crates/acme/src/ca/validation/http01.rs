//! http-01 (RFC 8555 section 8.3): what the validator asks for and what it accepts.

use std::collections::HashSet;

use url::{Host, Url};

use crate::ca::names::may_be_dialled;
use crate::ca::prober::{PROBE_BODY_LIMIT, Prober};
use crate::ca::settings::ValidationPorts;
use crate::problem::{Problem, ProblemType};
use crate::wire::Identifier;

/// Looks whether `identifier` serves `content` for `token`.
///
/// # Errors
/// The problem that the client is shown.
pub(super) async fn prove(
    identifier: &Identifier,
    token: &str,
    content: &str,
    ports: ValidationPorts,
    prober: &dyn Prober,
) -> Result<(), Problem> {
    let mut url = first_url(identifier, token, ports)?;
    let mut seen = HashSet::new();
    loop {
        let answer = prober.get(&url).await.map_err(|error| error.seen(&format!("fetching {url}")))?;
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

/// How often the validator follows a redirect.
const MOST_REDIRECTS: usize = 10;

/// Longest path of a redirect.
const LONGEST_PATH: usize = 2000;

#[cfg(test)]
mod tests;
