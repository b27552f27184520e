//! The client against the CA in memory: no sockets, no clock but the test's own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod chains;
mod challenges;
mod fixture;
mod peer;
mod policy;
mod renewal;
mod restart;
mod revocation;
mod round_trip;
mod wrong;
