//! The control loops: each gathers what it needs, asks a pure function for a plan, and performs it.
//!
//! [`run`] starts all of them; one that ends before it is told to ends the others, with its name.

mod accounts;
mod certificates;
mod challenges;
mod context;
mod index;
mod ingress_shim;
mod issuers;
mod key_maker;
mod orders;
mod requests;
mod routes;
mod runner;
mod schedule;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use context::{Clock, Context, Live, Settings, Transports, Trust};

/// Runs every loop until `shutdown`.
///
/// # Errors
/// The name of a loop that ended although nobody asked it to.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) -> Result<(), String> {
    let loops = async {
        tokio::select! {
            () = routes::run(&context) => "routes",
            () = ingress_shim::run(&context) => "ingress-shim",
            () = certificates::run(&context) => "certificates",
            () = requests::run(&context) => "certificaterequests",
            () = orders::run(&context) => "orders",
            () = challenges::run(&context) => "challenges",
            () = issuers::run_issuers(&context) => "issuers",
            () = issuers::run_cluster_issuers(&context) => "clusterissuers",
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        name = loops => Err(format!("the {name} controller ended")),
    }
}
