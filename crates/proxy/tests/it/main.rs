//! The proxy from outside: real sockets on loopback, scripted origins.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the tasks of a test end with its runtime")]

mod annotations;
mod balancing;
mod client_certificates;
mod clients;
mod compression;
mod error_pages;
mod exchanges;
mod forwarding;
mod frames;
mod grpc;
mod handshakes;
mod mirroring;
mod openssl;
mod origin;
mod plain;
mod proxy_protocol;
mod question;
mod resilience;
mod rolling;
mod shutdown;
mod slow_clients;
mod smuggling;
mod snippets;
mod stage;
mod streams;
mod tls;
mod tunnels;
mod upstream_tls;
