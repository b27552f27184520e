//! Objects in, Snapshots out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod golden;
mod incremental;
mod settings;
