//! The binary, started as users start it.

mod chart;
mod cli;
mod cluster;
mod e2e;
