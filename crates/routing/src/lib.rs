//! The domain of the data plane: what a [`Snapshot`] is and how a request finds its way through it.
//!
//! No I/O, no clock, no async, no Kubernetes. `translate` makes Snapshots, `proxy` serves them.
//!
//! A [`Snapshot`] holds a [`Router`] (host -> path -> [`Route`]), the [`Upstream`]s that routes refer to, the
//! [`CertTable`] for TLS by SNI, and the [`Challenges`] that are answered before routing. A request is a
//! [`RequestHead`]; the router gives a [`Match`]; the route's [`Filter`]s decide what happens to it.

mod alphabet;
pub mod alternative;
pub mod annotation;
pub mod annotations;
pub mod balance;
pub mod carry;
pub mod challenges;
pub mod choice;
pub mod ciphers;
pub mod compression;
pub mod diagnostic;
pub mod draft;
pub mod edge;
mod endpoint;
pub mod error_pages;
pub mod explain;
pub mod filter;
#[cfg(test)]
mod fixtures;
pub mod globals;
mod hash_by;
pub mod head;
pub mod health;
pub mod host;
mod identity;
pub mod keepalive;
pub mod log_format;
pub mod mirror;
pub mod pace;
mod passwords;
pub mod path;
pub mod policy;
pub mod retry;
pub mod ring;
pub mod route;
pub mod router;
pub mod session;
mod setting_reader;
pub mod settings;
mod shards;
mod sizes;
pub mod snapshot;
pub mod snippet;
pub mod streams;
mod template;
pub mod tls;
pub mod tls_policy;
pub mod tls_settings;
pub mod upstream;
pub mod upstream_tls;

pub use alternative::{Alternative, Split};
pub use annotation::{Annotation, Invalid, Key, Lookup, Support, Values};
pub use balance::Balance;
pub use carry::Carry;
pub use challenges::Challenges;
pub use choice::Choice;
pub use ciphers::Cipher;
pub use diagnostic::{Diagnostic, Severity};
pub use draft::Draft;
pub use edge::Edge;
pub use error_pages::ErrorPages;
pub use filter::{Answer, Filter, Question, Scope, Verdict, Work};
pub use globals::Globals;
pub use hash_by::HashBy;
pub use head::{HeaderEdit, Reply, RequestHead, ResponseHead};
pub use health::{Health, Observation};
pub use host::{Host, HostPattern};
pub use keepalive::Keepalive;
pub use mirror::Mirror;
pub use pace::Pace;
pub use path::PathMatch;
pub use policy::{Cap, Check, Policy};
pub use retry::{Condition, Conditions, Retry};
pub use route::{Origin, Route, RouteId};
pub use router::{HostRoutes, Match, Router};
pub use session::{Session, SessionCookie};
pub use shards::Shards;
pub use snapshot::Snapshot;
pub use streams::{StreamPort, StreamService, Streams};
pub use tls::{CertEntry, CertTable};
pub use tls_policy::{Authorities, ClientAuth, ClientCertificate, Distrust, TlsPeer, TlsPolicy, TlsVersions};
pub use tls_settings::TlsSettings;
pub use upstream::{Endpoint, Protocol, Timeouts, Upstream, UpstreamId, Via};
pub use upstream_tls::{UpstreamTls, Verification};
