//! Both sides of ACME against programs that are not ours: our CA and their clients, our client and their CAs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ca;
mod clients;
mod dns;
mod host;
mod kills;
mod limits;
mod named;
mod pebble;
mod variants;
