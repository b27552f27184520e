//! What a DNS-01 provider is, and what it may use.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jamul_acme::{BoxFuture, Transport, TransportError};
use jamul_api::secret_key::SecretKeySelector;
use jiff::Timestamp;

/// One provider that a solver may name. A file and a line in `DNS01_PROVIDERS` each.
pub trait ProviderKind: Debug + Sync {
    /// The field of `dns01` that chooses it.
    fn name(&self) -> &'static str;

    /// A block that builds with every Secret there; for tests and documentation.
    fn example(&self) -> serde_json::Value;

    /// The provider of one issuer.
    ///
    /// # Errors
    /// [`Dns01Error::Config`] or [`Dns01Error::Secret`]: what the user has to mend.
    fn build(
        &self,
        config: &serde_json::Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<Box<dyn Dns01Provider>, Dns01Error>;
}

/// Writes TXT records, and takes them away again.
///
/// Contract: several values may stand at one name at the same time. Both calls are idempotent: presenting what is there and
/// cleaning up what is not succeed. A call for one name is over before the next for the same name begins.
pub trait Dns01Provider: Debug + Send + Sync {
    /// Adds the value, leaving others at the name alone.
    fn present<'a>(&'a self, record: &'a TxtRecord, now: Timestamp) -> BoxFuture<'a, Result<(), Dns01Error>>;

    /// Takes this value away and no other.
    fn clean_up<'a>(&'a self, record: &'a TxtRecord, now: Timestamp)
    -> BoxFuture<'a, Result<(), Dns01Error>>;
}

/// A value to be found at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtRecord {
    /// The name that is proved, without `_acme-challenge`: `acmeDNS` finds its account by it.
    pub domain: String,
    /// Where the record stands, without a dot at the end.
    pub name: String,
    /// The zone it is in, without a dot at the end.
    pub zone: String,
    /// The text.
    pub value: String,
}

impl TxtRecord {
    /// The name within the zone; `@` for the zone itself.
    pub fn relative_name(&self) -> &str {
        match self.name.strip_suffix(&self.zone) {
            Some("") => "@",
            Some(rest) => rest.trim_end_matches('.'),
            None => &self.name,
        }
    }
}

/// What a provider is given.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Its credentials.
    pub secrets: &'a dyn Secrets,
    /// To its API.
    pub http: &'a Arc<dyn Transport>,
    /// To name servers.
    pub dns: &'a Arc<dyn Dns>,
    /// To the API server of the cluster, whose URLs begin at its paths; none in a folder.
    pub api_server: Option<&'a Arc<dyn Transport>>,
    /// Where the issuer's Secrets are.
    pub namespace: &'a str,
}

/// Finds values of Secrets in the issuer's namespace.
pub trait Secrets: Debug {
    /// The value, if the Secret and the key are there.
    fn value(&self, selector: &SecretKeySelector) -> Option<Vec<u8>>;
}

impl Surroundings<'_> {
    /// A value of a Secret as text without blanks around it.
    ///
    /// # Errors
    /// [`Dns01Error::Secret`].
    pub fn text(&self, selector: &SecretKeySelector) -> Result<String, Dns01Error> {
        let missing = || Dns01Error::Secret { name: selector.name.clone(), key: selector.key.clone() };
        let value = self.secrets.value(selector).ok_or_else(missing)?;
        let text = String::from_utf8(value).map_err(|_| missing())?;
        Ok(text.trim().to_owned())
    }
}

/// Messages to name servers (RFC 1035, RFC 2136) as octets. Implemented where sockets live.
pub trait Dns: Debug + Send + Sync {
    /// Sends `message` and waits some seconds for the answer with its identifier.
    fn exchange<'a>(
        &'a self,
        server: SocketAddr,
        message: &'a [u8],
        over: Protocol,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsError>>;

    /// The addresses of a host, for name servers that are written as names.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>>;

    /// Who resolves names: never none.
    fn recursive(&self) -> &[SocketAddr];

    /// Who has to see a record before the CA is asked to look.
    fn witnesses(&self) -> Witnesses;
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One datagram each way.
    Udp,
    /// A connection.
    Tcp,
}

/// Who has to see a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witnesses {
    /// Every name server of the zone, on port 53.
    Authoritative,
    /// The recursive ones (`--dns01-recursive-nameservers-only`).
    Recursive,
}

/// A name server that did not answer, or said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{server}: {reason}")]
pub struct DnsError {
    /// Who was asked.
    pub server: String,
    /// What happened.
    pub reason: String,
}

/// Why a record could not be written or taken away.
#[derive(Debug, thiserror::Error)]
pub enum Dns01Error {
    /// The block of the solver is wrong.
    #[error("dns01.{provider}: {reason}")]
    Config {
        /// Which block.
        provider: &'static str,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// A Secret is missing.
    #[error("Secret {name} has no key {key:?} that could be used")]
    Secret {
        /// Its name.
        name: String,
        /// The key in it.
        key: String,
    },
    /// The provider said no.
    #[error("{provider} answered {status}: {reason}")]
    Refused {
        /// Who.
        provider: &'static str,
        /// The HTTP status.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// The provider has no such zone.
    #[error("{provider} has no zone for {name}")]
    NoZone {
        /// Who.
        provider: &'static str,
        /// The record's name.
        name: String,
    },
    /// The provider answered something unexpected.
    #[error("{provider} gave an answer that cannot be read: {reason}")]
    Unreadable {
        /// Who.
        provider: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answered.
    #[error("the provider cannot be reached")]
    Transport(#[from] TransportError),
    /// A name server.
    #[error("a name server refused or did not answer")]
    Dns(#[from] DnsError),
}
