//! A Lease: of several processes one holds it, and another takes it when that one is gone.
//!
//! As client-go does it: whether a holder is alive is told by its record changing, timed by our own clock. What another
//! machine's clock says in `renewTime` does not count.

use std::time::Duration;

use jamul_api::ObjectKey;
use jiff::Timestamp;
use kube::api::{GetParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api_failure::ApiFailure;
use crate::clock::Clock;

use super::api::Api;

/// How a Lease is held.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Who we are; unique among those who want it.
    pub identity: String,
    /// How long a holder that does not renew keeps it.
    pub duration: Duration,
    /// A holder that could not renew for so long stops acting as one; shorter than `duration`.
    pub renew_within: Duration,
    /// How often to renew or try.
    pub every: Duration,
}

/// Who holds a Lease, as far as we know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Holder {
    /// Not known yet, or the API server does not say.
    #[default]
    Unknown,
    /// We do.
    Us,
    /// Somebody else, by identity.
    Other(String),
}

/// A Lease that we want. Ends nothing when dropped: it is [`Self::hold`] that gives it up.
pub struct Lease {
    api: Api,
    clock: Clock,
    settings: LeaseSettings,
    holder: watch::Sender<Holder>,
}

impl Lease {
    pub(super) fn new(api: Api, clock: Clock, settings: LeaseSettings) -> Self {
        Self { api, clock, settings, holder: watch::Sender::default() }
    }

    /// Who holds it.
    #[must_use]
    pub fn holder(&self) -> watch::Receiver<Holder> {
        self.holder.subscribe()
    }

    /// Takes the Lease whenever it is free and keeps it, until `shutdown`; then gives it up, so that the next one need
    /// not wait.
    pub async fn hold(&self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = shutdown => {}
            () = self.keep() => {}
        }
        if *self.holder.borrow() == Holder::Us {
            self.become_known(Holder::Unknown);
            if let Err(failure) = self.release().await {
                tracing::warn!(lease = %self.settings.key, "was not given up: {failure}");
            }
        }
    }

    async fn keep(&self) {
        let mut observed = Observed::default();
        let mut renewed = Instant::now();
        loop {
            match self.attempt(&mut observed).await {
                Ok(holder) => {
                    if holder == Holder::Us {
                        renewed = Instant::now();
                    }
                    self.become_known(holder);
                }
                Err(failure) => {
                    tracing::warn!(lease = %self.settings.key, "could not be looked at: {failure}");
                    if renewed.elapsed() >= self.settings.renew_within {
                        self.become_known(Holder::Unknown);
                    }
                }
            }
            tokio::time::sleep(self.settings.every).await;
        }
    }

    fn become_known(&self, holder: Holder) {
        self.holder.send_if_modified(|before| {
            let differs = *before != holder;
            if differs {
                tracing::info!(lease = %self.settings.key, ?holder, "lease");
            }
            *before = holder;
            differs
        });
    }

    /// Looks, and takes or renews if it may.
    async fn attempt(&self, observed: &mut Observed) -> Result<Holder, ApiFailure> {
        let ObjectKey { namespace, name } = &self.settings.key;
        let path = leases(namespace);
        let found = match self.in_time(path.get(name, &GetParams::default())?).await {
            Ok(found) => Some(found),
            Err(failure) if failure.code() == Some(404) => None,
            Err(failure) => return Err(failure),
        };
        let now = Instant::now();
        let written = match &found {
            None => {
                let body =
                    self.record(&json!({ "metadata": { "namespace": namespace, "name": name } }), true);
                path.create(&PostParams::default(), body)
            }
            Some(lease) => {
                observed.note(lease, now);
                match decide(observed, &self.settings, now) {
                    Decision::Leave(other) => return Ok(Holder::Other(other)),
                    Decision::Renew => path.replace(name, &PostParams::default(), self.record(lease, false)),
                    Decision::Take => path.replace(name, &PostParams::default(), self.record(lease, true)),
                }
            }
        };
        match self.in_time(written?).await {
            Ok(lease) => {
                observed.note(&lease, now);
                Ok(Holder::Us)
            }
            // Somebody was quicker; the next look says who.
            Err(failure) if failure.code() == Some(409) => Ok(Holder::Unknown),
            Err(failure) => Err(failure),
        }
    }

    async fn release(&self) -> Result<(), ApiFailure> {
        let ObjectKey { namespace, name } = &self.settings.key;
        let mut lease = self.in_time(leases(namespace).get(name, &GetParams::default())?).await?;
        if holder(&lease) != self.settings.identity {
            return Ok(());
        }
        lease["spec"]["holderIdentity"] = "".into();
        lease["spec"]["leaseDurationSeconds"] = 1.into();
        let body = serde_json::to_vec(&lease).unwrap_or_default();
        self.in_time(leases(namespace).replace(name, &PostParams::default(), body)?).await.map(|_| ())
    }

    /// A silent API server must not keep us believing.
    async fn in_time(&self, request: http::Request<Vec<u8>>) -> Result<Value, ApiFailure> {
        let answer = tokio::time::timeout(self.settings.every, self.api.ask(request)).await;
        answer.unwrap_or(Err(ApiFailure::Silent))
    }

    /// The Lease with us as its holder.
    fn record(&self, lease: &Value, is_taken: bool) -> Vec<u8> {
        let now = self.clock.now();
        let mut lease = lease.clone();
        let transitions = lease.pointer("/spec/leaseTransitions").and_then(Value::as_i64);
        lease["apiVersion"] = "coordination.k8s.io/v1".into();
        lease["kind"] = "Lease".into();
        lease["spec"]["holderIdentity"] = self.settings.identity.as_str().into();
        lease["spec"]["leaseDurationSeconds"] = self.settings.duration.as_secs().max(1).into();
        lease["spec"]["renewTime"] = micro(now).into();
        if is_taken {
            lease["spec"]["acquireTime"] = micro(now).into();
            lease["spec"]["leaseTransitions"] = transitions.map_or(0, |count| count + 1).into();
        }
        serde_json::to_vec(&lease).unwrap_or_default()
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What the record said when it last changed, and when that was by our clock.
#[derive(Debug, Default)]
struct Observed {
    spec: Value,
    since: Option<Instant>,
}

impl Observed {
    fn note(&mut self, lease: &Value, now: Instant) {
        let spec = lease.get("spec").cloned().unwrap_or_default();
        if self.since.is_none() || self.spec != spec {
            *self = Self { spec, since: Some(now) };
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// It is somebody else's.
    Leave(String),
    Renew,
    Take,
}

fn decide(observed: &Observed, settings: &LeaseSettings, now: Instant) -> Decision {
    let holder = observed.spec.get("holderIdentity").and_then(Value::as_str).unwrap_or_default();
    if holder == settings.identity {
        return Decision::Renew;
    }
    let seconds = observed.spec.get("leaseDurationSeconds").and_then(Value::as_u64);
    let duration = seconds.map_or(settings.duration, Duration::from_secs);
    let is_alive = observed.since.is_some_and(|since| now.duration_since(since) < duration);
    if !holder.is_empty() && is_alive { Decision::Leave(holder.to_owned()) } else { Decision::Take }
}

fn holder(lease: &Value) -> &str {
    lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default()
}

fn leases(namespace: &str) -> Request {
    Request::new(format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"))
}

/// `metav1.MicroTime`
fn micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> LeaseSettings {
        LeaseSettings {
            key: ObjectKey::new("default", "leader"),
            identity: "us".to_owned(),
            duration: Duration::from_secs(30),
            renew_within: Duration::from_secs(15),
            every: Duration::from_secs(7),
        }
    }

    fn record(holder: &str, renewed: &str) -> Value {
        json!({ "spec": { "holderIdentity": holder, "leaseDurationSeconds": 20, "renewTime": renewed } })
    }

    #[test]
    fn a_holder_whose_record_does_not_change_for_its_duration_has_lost() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut observed = Observed::default();
        // Its clock may be wrong by years: only the change counts.
        observed.note(&record("them", "1999-01-01T00:00:00.000000Z"), start);
        assert_eq!(decide(&observed, &settings(), after(19)), Decision::Leave("them".to_owned()));
        observed.note(&record("them", "1999-01-01T00:00:07.000000Z"), after(19));
        assert_eq!(decide(&observed, &settings(), after(38)), Decision::Leave("them".to_owned()));
        observed.note(&record("them", "1999-01-01T00:00:07.000000Z"), after(38));
        assert_eq!(decide(&observed, &settings(), after(39)), Decision::Take);
    }

    #[test]
    fn what_is_ours_is_renewed_and_what_was_given_up_is_taken() {
        let now = Instant::now();
        for (holder, expected) in [("us", Decision::Renew), ("", Decision::Take)] {
            let mut observed = Observed::default();
            observed.note(&record(holder, "2026-01-01T00:00:00.000000Z"), now);
            assert_eq!(decide(&observed, &settings(), now), expected);
        }
    }
}
