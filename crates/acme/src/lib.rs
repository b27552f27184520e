//! RFC 8555 (ACME), both sides of it: the wire types, a [`client`] and a certificate authority ([`ca`]).
//!
//! The crate opens no socket and reads no clock. The client speaks through a [`Transport`], the CA answers `http`
//! requests as values and fetches http-01 answers through a port; both are implemented where sockets live. Only the CA
//! touches files, in the one folder it is given.

#![warn(missing_docs)]

pub mod ca;
pub mod client;
mod encoding;
mod identifier;
pub mod jose;
pub mod problem;
pub mod tls_alpn;
mod transport;
pub mod wire;

pub use client::{Client, ClientError, Session};
pub use identifier::Identifier;
pub use jose::{AccountKey, ExternalBinding};
pub use problem::{Problem, ProblemType};
pub use transport::{BoxFuture, Transport, TransportError};
