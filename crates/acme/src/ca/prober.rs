//! The port through which the CA looks at the world.

use std::fmt::Debug;

use url::Url;

use crate::problem::{Problem, ProblemType};
use crate::transport::BoxFuture;

/// Largest answer that is read; a key authorization is shorter.
pub const PROBE_BODY_LIMIT: usize = 512;

/// One view of the world: a place, or a name server, from which proofs are looked at. Implemented where sockets live.
///
/// Every call is over within half a minute. Addresses that `may_be_dialled` refuses are not connected to,
/// whatever a name resolves to.
pub trait Prober: Send + Sync + Debug {
    /// GETs `url` once, following no redirect, with `Accept: */*`, trusting any certificate, within 10 s. Of the body at
    /// most [`PROBE_BODY_LIMIT`] + 1 octets are read.
    fn get<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<ProbeAnswer, ProbeError>>;

    /// A TLS handshake that offers `acme-tls/1` and nothing else, trusting any certificate (RFC 8737 section 3).
    fn alpn<'a>(&'a self, target: &'a AlpnTarget) -> BoxFuture<'a, Result<AlpnAnswer, ProbeError>>;

    /// The TXT records at `name`, the strings of each joined; following CNAMEs. No name or no records: none.
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ProbeError>>;

    /// The CAA records at `name` itself or at the end of its CNAMEs (RFC 8659 section 3). No name or no records: none.
    fn caa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<CaaRecord>, ProbeError>>;
}

/// An answer to a probe over http.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Location`, if there is one.
    pub location: Option<String>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

/// Where a tls-alpn-01 proof is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlpnTarget {
    /// A name to resolve, or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The server name to send: for addresses the one of RFC 8738 section 6.
    pub server_name: String,
}

/// What a server showed in a tls-alpn-01 handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlpnAnswer {
    /// The protocol it chose.
    pub protocol: Option<Vec<u8>>,
    /// Its leaf certificate, DER.
    pub certificate: Vec<u8>,
}

/// A CAA record (RFC 8659 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaRecord {
    /// Whether who does not know the tag must not issue.
    pub is_critical: bool,
    /// The property, in any case.
    pub tag: String,
    /// Its value.
    pub value: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The name has no address that may be asked, or the name server did not answer.
    #[error("{0}")]
    Dns(String),
    /// Nobody answers there.
    #[error("{0}")]
    Connect(String),
    /// The TLS handshake failed.
    #[error("{0}")]
    Tls(String),
    /// It took too long.
    #[error("{0}")]
    Timeout(String),
}

impl ProbeError {
    /// The problem to show to a client, while `doing` something.
    pub(super) fn seen(&self, doing: &str) -> Problem {
        let kind = match self {
            Self::Dns(_) => ProblemType::Dns,
            Self::Tls(_) => ProblemType::Tls,
            Self::Connect(_) | Self::Timeout(_) => ProblemType::Connection,
        };
        Problem::new(kind, format!("{doing}: {self}"))
    }
}

#[cfg(test)]
pub(crate) mod fixtures {
    use super::{AlpnAnswer, AlpnTarget, BoxFuture, CaaRecord, ProbeAnswer, ProbeError, Prober, Url};

    /// A view that sees nothing.
    #[derive(Debug)]
    pub(crate) struct Nothing;

    impl Prober for Nothing {
        fn get<'a>(&'a self, _url: &'a Url) -> BoxFuture<'a, Result<ProbeAnswer, ProbeError>> {
            Box::pin(async { Err(ProbeError::Connect("nobody listens".to_owned())) })
        }

        fn alpn<'a>(&'a self, _target: &'a AlpnTarget) -> BoxFuture<'a, Result<AlpnAnswer, ProbeError>> {
            Box::pin(async { Err(ProbeError::Connect("nobody listens".to_owned())) })
        }

        fn txt<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ProbeError>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn caa<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Vec<CaaRecord>, ProbeError>> {
            Box::pin(async { Ok(Vec::new()) })
        }
    }
}
