//! Objects in, Snapshots out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod certificates;
mod conformance;
mod fixture;
mod golden;
mod incremental;
mod settings;
mod streams;
