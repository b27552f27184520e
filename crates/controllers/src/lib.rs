//! The control loops: each gathers what it needs, asks a pure function for a plan, and performs it.
//!
//! [`run`] starts all of them; one that ends before it is told to ends the others, with its name.

mod account_error;
mod account_key;
mod accounts;
mod admission;
mod certificates;
mod challenges;
mod context;
mod dns01;
mod domains;
mod enabled;
mod findings;
mod held;
mod index;
mod ingress_shim;
mod ingress_status;
mod injection;
mod issuers;
mod key_maker;
mod metrics;
mod name_locks;
mod orders;
mod pauses;
mod polling;
mod renewal_info;
mod requests;
mod routes;
mod runner;
mod schedule;
mod serving;
mod vault;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use admission::answer;
pub use context::{
    ClientIdentity, Clock, Context, Injection, InjectionTargets, Live, Settings, Transports, Trust,
};
pub use enabled::Enabled;
pub use findings::announce_findings;
pub use ingress_status::{StatusSource, clear_status, publish_status};
pub use injection::keep_bundles;
pub use metrics::ControllerMetrics;
pub use serving::{Served, ServedCertificate, keep_served};

/// Translates and publishes until `shutdown`, and while `duty` says so also does what only one of several replicas may
/// do: everything that writes.
///
/// # Errors
/// The name of a loop that ended although nobody asked it to.
pub async fn run(
    context: Arc<Context>,
    duty: watch::Receiver<bool>,
    shutdown: CancellationToken,
) -> Result<(), String> {
    let loops = async {
        tokio::select! {
            () = routes::run(&context) => "routes",
            name = write_on_duty(&context, duty) => name,
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        name = loops => Err(format!("the {name} controller ended")),
    }
}

/// Begins anew whenever it is our duty; what was under way when it ended is found again in the objects.
async fn write_on_duty(context: &Context, mut duty: watch::Receiver<bool>) -> &'static str {
    loop {
        until(&mut duty, true).await;
        tokio::select! {
            name = write(context) => return name,
            () = until(&mut duty, false) => tracing::info!("issuing is not our duty any more"),
        }
    }
}

/// Never resolves when nobody is left who could say so.
async fn until(duty: &mut watch::Receiver<bool>, wanted: bool) {
    if duty.wait_for(|is_ours| *is_ours == wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn write(context: &Context) -> &'static str {
    let enabled = &context.settings.enabled;
    tokio::select! {
        () = ingress_shim::run(context), if enabled.has("ingress-shim") => "ingress-shim",
        () = certificates::run(context), if enabled.has_certificates() => "certificates",
        () = requests::run(context) => "certificaterequests",
        () = orders::run(context), if enabled.has("orders") => "orders",
        () = challenges::run(context), if enabled.has("challenges") => "challenges",
        () = issuers::run_issuers(context), if enabled.has("issuers") => "issuers",
        () = issuers::run_cluster_issuers(context), if enabled.has("clusterissuers") => "clusterissuers",
    }
}
