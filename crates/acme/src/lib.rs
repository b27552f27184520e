//! RFC 8555 (ACME), both sides of it: the wire types, a [`client`] and a certificate authority ([`ca`]).
//!
//! The crate opens no socket and reads no clock. The client speaks through a [`transport::Transport`], the CA
//! answers `http` requests as values and fetches http-01 answers through a [`ca::Prober`]; both ports are
//! implemented where sockets live. Only the CA touches files, in the one folder it is given.

pub mod ca;
pub mod client;
pub mod identifier;
pub mod jose;
pub mod problem;
pub mod transport;
pub mod wire;
