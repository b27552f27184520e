//! The certificate of our own webhooks: the CA in a Secret that all replicas share, and what this one had signed by it.

use std::time::Duration;

use jamul_api::core::Secret;
use jamul_api::{Object, ObjectKey};
use jamul_issuance::serving::{Leaf, ServingCa};
use jamul_store::{Change, Watch};
use tokio::sync::watch;

use crate::context::Context;
use crate::runner::chain;

/// What is served, and where its CA is.
#[derive(Clone, Debug)]
pub struct Served {
    /// The Secret of the CA.
    pub ca: ObjectKey,
    /// Names and addresses under which the webhooks are called.
    pub names: Vec<String>,
}

/// A chain and its key, in DER and PKCS#8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedCertificate {
    /// Leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The leaf's.
    pub key: Vec<u8>,
}

/// When to look again after a failure.
const AGAIN: Duration = Duration::from_secs(1);
/// How often the clock is looked at; it may be set.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60);

/// Keeps `shown` in step with the CA and the clock until it is dropped. A CA that is missing, unusable or nearing its end
/// is made anew by whoever sees that first; whoever writes last is followed by all.
pub async fn keep_served(
    context: &Context,
    served: &Served,
    shown: &watch::Sender<Option<ServedCertificate>>,
) {
    let mut news = context.store.watch::<Secret>();
    let mut signed: Option<(ServingCa, Leaf)> = None;
    loop {
        let wait = match renew(context, served, &mut signed).await {
            Ok(None) => LOOK_AT_CLOCK,
            Ok(Some(leaf)) => {
                shown.send_replace(Some(leaf));
                LOOK_AT_CLOCK
            }
            Err(message) => {
                tracing::warn!(secret = %served.ca, "the webhooks' CA cannot be had: {message}");
                AGAIN
            }
        };
        tokio::select! {
            () = of_ca(&mut news, &served.ca) => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// What is to be shown from now on; `None` if it is shown already.
async fn renew(
    context: &Context,
    served: &Served,
    signed: &mut Option<(ServingCa, Leaf)>,
) -> Result<Option<ServedCertificate>, String> {
    let now = context.now();
    let found = context.store.fetch::<Secret>(&served.ca).await.map_err(|error| chain(&error))?;
    let ca = match ServingCa::of(found.as_deref(), now) {
        Some(ca) => ca,
        None => {
            let made = ServingCa::secret(&served.ca, now).map_err(|error| chain(&error))?;
            let kept = context.store.apply(made).await.map_err(|error| chain(&error))?;
            tracing::info!(secret = %served.ca, "a CA for the webhooks was made");
            ServingCa::of(Some(&kept), now).ok_or("what was just made cannot be read")?
        }
    };
    if signed.as_ref().is_some_and(|(known, leaf)| *known == ca && now < leaf.renewal) {
        return Ok(None);
    }
    let leaf = ca.leaf(&served.names, now).map_err(|error| chain(&error))?;
    let certificate = ServedCertificate {
        chain: leaf.chain.iter().map(|one| one.der().to_vec()).collect(),
        key: leaf.key.pkcs8_der().to_vec(),
    };
    *signed = Some((ca, leaf));
    Ok(Some(certificate))
}

/// Resolves at news of the Secret; never once the store is closed.
async fn of_ca(news: &mut Watch<Secret>, ca: &ObjectKey) {
    while let Some(change) = news.next().await {
        match change {
            Change::Applied(secret) | Change::Deleted(secret) if secret.key() != *ca => {}
            Change::Applied(_) | Change::Deleted(_) | Change::Restarted(_) => return,
        }
    }
    std::future::pending::<()>().await;
}
