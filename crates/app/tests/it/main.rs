//! The binary, started as users start it.

mod cli;
mod e2e;
