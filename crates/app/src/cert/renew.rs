//! `jamul cert renew`: asks the running process, which alone writes its state; on a cluster it sets the condition that
//! cmctl sets.

use std::path::Path;

use jamul_api::ObjectKey;
use jiff::Timestamp;

use crate::cli::WayArgs;
use crate::control::{self, Answer, Order};
use crate::remote;

/// To have one Certificate of a namespace issued anew, or all of them.
pub(super) fn order(namespace: &str, name: Option<&str>) -> Order {
    match name {
        Some(name) => Order::Renew(ObjectKey::new(namespace, name)),
        None => Order::RenewAll { namespace: namespace.to_owned() },
    }
}

/// Asks who runs on `state`; yields the Certificates.
///
/// # Errors
/// Nobody runs on this state, or refuses.
pub(super) fn ask(state: &Path, order: &Order) -> anyhow::Result<Vec<String>> {
    renewed(control::ask(state, order)?)
}

/// Writes it to a cluster; yields the Certificates.
///
/// # Errors
/// The cluster cannot be reached, or refuses.
pub(super) fn on_cluster(way: &WayArgs, order: &Order) -> anyhow::Result<Vec<String>> {
    renewed(remote::on(way, async |store| Ok(control::obey(order, store, Timestamp::now()).await))?)
}

fn renewed(answer: Answer) -> anyhow::Result<Vec<String>> {
    match answer {
        Answer::Renewed(keys) => Ok(keys),
        Answer::Refused(why) => anyhow::bail!("{why}"),
    }
}
