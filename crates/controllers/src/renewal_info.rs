//! Asks ACME servers when certificates should be renewed (RFC 9773), beside the loop that plans with the answers: one
//! that is slow holds no plan up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jamul_acme::client::ClientError;
use jamul_api::condition::{self, Condition};
use jamul_api::{Certificate, Object, ObjectKey};
use jamul_issuance::ari::{self, News};
use jiff::{SignedDuration, Timestamp};

use crate::accounts;
use crate::context::Context;
use crate::held::Held;
use crate::runner::{self, Inbox, Retry, chain, trigger};

/// How long until a server that gives no renewal information is looked at again: it may have learned it.
const UNSUPPORTED_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Answers that are not in a status yet.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<HashMap<ObjectKey, Posted>>);

#[derive(Clone, Debug, PartialEq)]
struct Posted {
    /// Of which certificate.
    identifier: String,
    news: News,
}

impl Board {
    /// What is new about the certificate that is in the Secret now.
    pub(crate) fn news(&self, context: &Context, certificate: &Certificate) -> Option<News> {
        let posted =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&certificate.key()).cloned()?;
        let held = Held::of(context, certificate);
        held.is_some_and(|held| held.identifier == posted.identifier).then_some(posted.news)
    }

    /// It is in the status now.
    pub(crate) fn told(&self, certificate: &ObjectKey, news: &News) {
        let mut posted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if posted.get(certificate).is_some_and(|posted| posted.news == *news) {
            posted.remove(certificate);
        }
    }

    fn post(&self, certificate: ObjectKey, posted: Posted) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(certificate, posted);
    }

    fn forget(&self, certificate: &ObjectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(certificate);
    }
}

/// Asks when it is time to, and tells `plans` of each answer.
pub(crate) async fn run(context: &Context, board: &Board, plans: &Inbox) {
    let triggers = |inbox: Inbox| async move {
        trigger::<Certificate>(&context.store, &inbox, |certificate, _| vec![certificate.key()]).await;
    };
    runner::run("certificates-renewal-info", context, runner::REMOTE, triggers, |key| {
        reconcile(context, board, plans, key)
    })
    .await;
}

async fn reconcile(
    context: &Context,
    board: &Board,
    plans: &Inbox,
    key: ObjectKey,
) -> Result<Option<Timestamp>, Retry> {
    let Some(certificate) = context.store.get::<Certificate>(&key) else {
        board.forget(&key);
        return Ok(None);
    };
    let conditions = certificate.status.as_ref().map(|status| status.conditions.as_slice());
    let issuing = conditions.and_then(|conditions| condition::find(conditions, "Issuing"));
    if issuing.is_some_and(Condition::is_true) {
        return Ok(None);
    }
    let Some(issued_by) = Held::issued_by(context, &certificate) else { return Ok(None) };
    let issuer = context.issuer(&issued_by, &key.namespace).and_then(|(spec, _)| spec.acme);
    let Some(issuer) = issuer.filter(|issuer| issuer.renewal_information_source != "None") else {
        return Ok(None);
    };
    let Some(held) = Held::of(context, &certificate) else { return Ok(None) };
    let now = context.now();
    let due = ari::next_check(&certificate, held.not_before, now);
    if due > now {
        return Ok(Some(due));
    }
    let client = accounts::client(context, &issuer).await.map_err(accounts::into_retry)?;
    let news = match client.renewal_info(&held.identifier).await {
        Ok(answer) => News::Answer {
            info: answer.object,
            retry_after: answer.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()),
            at: context.now(),
        },
        Err(ClientError::Unsupported { .. }) => News::Unsupported,
        Err(error) => News::Failure { reason: chain(&error), at: context.now() },
    };
    if news == News::Unsupported && ari::status(&certificate).is_none() {
        return Ok(now.checked_add(UNSUPPORTED_WAIT).ok());
    }
    board.post(key.clone(), Posted { identifier: held.identifier, news });
    // Nobody is left to plan if it cannot be sent.
    let _ = plans.send(key).await;
    Ok(None)
}
