//! What a dashboard is told each second: how far the process is, how much it does, and which lists have changed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jamul_api::{Certificate, Object as _};
use prometheus::proto::MetricFamily;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::state::{AdminState, Phase};
use super::traffic::traffic;

/// How often it is told.
const BEAT: Duration = Duration::from_secs(1);

/// One beat.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pulse {
    phase: &'static str,
    generation: u64,
    /// Since the start.
    requests: u64,
    /// Those answered with 5xx.
    failures: u64,
    connections: u64,
    /// Tells one version of each list from the next; a reader fetches what differs.
    versions: Versions,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Versions {
    routes: String,
    certificates: String,
    diagnostics: String,
    events: String,
}

/// Beats while somebody listens, until `shutdown`.
pub(super) async fn beat(state: &AdminState, pulses: &watch::Sender<Pulse>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if pulses.receiver_count() > 0 {
            pulses.send_replace(take(state));
        }
    }
}

/// The state now.
pub(super) fn take(state: &AdminState) -> Pulse {
    let snapshot = state.live.snapshot.load();
    let families = state.metrics.gather();
    let failures = traffic(&families).routes.iter().map(|route| route.by_class[4]).sum();
    let certificates = version(|hasher| {
        for certificate in state.store.list::<Certificate>() {
            (certificate.key(), &certificate.metadata.resource_version).hash(hasher);
        }
    });
    let diagnostics = version(|hasher| {
        state.diagnostics().hash(hasher);
        for found in state.store.diagnostics() {
            (found.object, found.field, found.reason, found.message).hash(hasher);
        }
    });
    let events = version(|hasher| {
        for event in state.store.events() {
            (event.object, event.reason, event.count, event.last_seen).hash(hasher);
        }
    });
    Pulse {
        phase: name(*state.phase.borrow()),
        generation: snapshot.generation,
        requests: sum(&families, "nginx_process_requests_total"),
        failures,
        connections: sum(&families, "nginx_process_connections"),
        versions: Versions { routes: snapshot.generation.to_string(), certificates, diagnostics, events },
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Serving => "serving",
        Phase::Draining => "draining",
        Phase::Stopped => "stopped",
    }
}

fn version(write: impl FnOnce(&mut DefaultHasher)) -> String {
    let mut hasher = DefaultHasher::new();
    write(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Over all series of a family whose name ends so.
fn sum(families: &[MetricFamily], name: &str) -> u64 {
    let family = families.iter().filter(|family| family.name().ends_with(name));
    let values = family.flat_map(MetricFamily::get_metric).map(|metric| {
        // One of them is 0: a metric has a value of one type.
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    });
    values.sum::<f64>() as u64
}
