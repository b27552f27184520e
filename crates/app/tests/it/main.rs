//! The binary, started as users start it.

mod acme;
mod chart;
mod cli;
mod client_certificates;
mod cluster;
mod e2e;
mod prometheus;
