//! The names a certificate is for (RFC 8555 section 9.7.7, RFC 8738).

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One name of an order. Ordered so that sets of names compare.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub enum Identifier {
    /// A DNS name, perhaps with a leading `*.` in an order.
    Dns(String),
    /// An IP address (RFC 8738).
    Ip(IpAddr),
    /// A type we do not know.
    Other {
        /// The type as written.
        kind: String,
        /// The value as written.
        value: String,
    },
}

impl Identifier {
    /// The identifier for a host as users write it: an address becomes `ip`, anything else `dns` in lower case.
    pub fn from_host(host: &str) -> Self {
        match host.parse() {
            Ok(address) => Self::Ip(address),
            Err(_) => Self::Dns(host.to_ascii_lowercase()),
        }
    }

    /// Whether it stands for all names one label below another.
    pub fn is_wildcard(&self) -> bool {
        match self {
            Self::Dns(name) => name.starts_with("*."),
            Self::Ip(_) | Self::Other { .. } => false,
        }
    }

    /// The name that is proved for it: as an authorization shows it (RFC 8555 section 7.1.4).
    #[must_use]
    pub fn without_star(&self) -> Self {
        match self {
            Self::Dns(name) => Self::Dns(name.strip_prefix("*.").unwrap_or(name).to_owned()),
            Self::Ip(_) | Self::Other { .. } => self.clone(),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Other { kind, value } => write!(f, "{kind}:{value}"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

/// An identifier of type `ip` whose value is none.
#[derive(Debug, thiserror::Error)]
#[error("identifier of type ip has the value {0:?}, which is not an IP address")]
pub struct NotAnAddress(String);

impl TryFrom<Raw> for Identifier {
    type Error = NotAnAddress;

    fn try_from(raw: Raw) -> Result<Self, NotAnAddress> {
        Ok(match raw.kind.as_str() {
            "dns" => Self::Dns(raw.value),
            "ip" => Self::Ip(raw.value.parse().map_err(|_| NotAnAddress(raw.value))?),
            _ => Self::Other { kind: raw.kind, value: raw.value },
        })
    }
}

impl From<Identifier> for Raw {
    fn from(identifier: Identifier) -> Self {
        match identifier {
            Identifier::Dns(value) => Self { kind: "dns".to_owned(), value },
            Identifier::Ip(address) => Self { kind: "ip".to_owned(), value: address.to_string() },
            Identifier::Other { kind, value } => Self { kind, value },
        }
    }
}
