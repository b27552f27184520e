//! What `/metrics` says: the data plane's counters, those of the process, and those of the controller, under
//! ingress-nginx's names and with its constant labels.

pub(super) mod certificates;
mod controller;
mod process;
pub(super) mod reloads;
pub(super) mod speaker;

use jamul_proxy::metrics::families::label;
use prometheus::proto::MetricFamily;

use super::state::AdminState;
pub(crate) use speaker::Speaker;

/// Everything, for an encoder.
pub(super) fn gather(state: &AdminState) -> Vec<MetricFamily> {
    let mut families = state.metrics.gather();
    families.retain(|family| state.metrics.shows(family.name()));
    families.extend(process::families());
    families.extend(controller::families(state));
    let speaker = &state.speaker;
    let constant = [
        label("controller_class", &speaker.class),
        label("controller_namespace", &speaker.namespace),
        label("controller_pod", &speaker.pod),
    ];
    for family in &mut families {
        for metric in family.mut_metric() {
            let mut labels = metric.take_label();
            labels.extend(constant.iter().cloned());
            metric.set_label(labels);
        }
    }
    families.extend(controller::certificate_families(state));
    families
}
