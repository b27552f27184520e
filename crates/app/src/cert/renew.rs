//! `jamul cert renew`: asks the running process, which alone writes its state.

use std::path::Path;

use jamul_api::ObjectKey;

use crate::control::{self, Answer, Order};

/// Has one Certificate of a namespace issued anew, or all of them; yields which.
///
/// # Errors
/// Nobody runs on this state, or refuses.
pub(super) fn ask(state: &Path, namespace: &str, name: Option<&str>) -> anyhow::Result<Vec<String>> {
    let namespace = namespace.to_owned();
    let order = match name {
        Some(name) => Order::Renew(ObjectKey::new(namespace, name)),
        None => Order::RenewAll { namespace },
    };
    match control::ask(state, &order)? {
        Answer::Renewed(keys) => Ok(keys),
        Answer::Refused(why) => anyhow::bail!("{why}"),
    }
}
