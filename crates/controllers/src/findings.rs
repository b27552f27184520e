//! What a user has to mend, told as events of the objects.

use std::collections::BTreeSet;
use std::time::Duration;

use jamul_api::ObjectKey;
use jamul_routing::{Diagnostic, Severity};
use jamul_store::{Announcement, EventType};

use crate::context::Context;

/// Findings come in bursts while objects are written one by one; what is mended within this time is not told.
const SETTLES: Duration = Duration::from_secs(1);

/// Announces every error and warning once for as long as it stands. Runs until it is dropped.
pub async fn announce_findings(context: &Context) {
    let mut published = context.live.published.subscribe();
    let mut told: BTreeSet<Diagnostic> = BTreeSet::new();
    loop {
        let found: BTreeSet<Diagnostic> = context.live.diagnostics().into_iter().collect();
        for diagnostic in found.difference(&told) {
            if let Some(announcement) = announcement(diagnostic) {
                context.store.announce(announcement);
            }
        }
        told = found;
        if published.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(SETTLES).await;
    }
}

/// `None` where nothing is wrong, or what is wrong is no object.
fn announcement(diagnostic: &Diagnostic) -> Option<Announcement> {
    match diagnostic.severity {
        Severity::Error | Severity::Warning => {}
        Severity::Info => return None,
    }
    let (kind, key) = diagnostic.object.split_once(' ')?;
    let key = match key.split_once('/') {
        Some((namespace, name)) => ObjectKey::new(namespace, name),
        None => ObjectKey::new("", key),
    };
    let message = if diagnostic.field.is_empty() {
        diagnostic.message.clone()
    } else {
        format!("{}: {}", diagnostic.field, diagnostic.message)
    };
    let reason = diagnostic.reason.to_string();
    Some(Announcement { kind: kind.to_owned(), key, event_type: EventType::Warning, reason, message })
}
