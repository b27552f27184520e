//! The binary, started as users start it.

mod chart;
mod cli;
mod e2e;
