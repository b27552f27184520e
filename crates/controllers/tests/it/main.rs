//! The loops over a store that forgets, with a CA and a Vault inside the test: what each object says at its end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acme;
mod requests;
mod stage;
mod vault;
