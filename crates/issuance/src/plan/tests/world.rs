//! Objects as a store would keep them, an issuer, and a clock that only tests move.

use std::collections::BTreeMap;
use std::sync::Arc;

use jamul_api::certificate::{Certificate, CertificateStatus};
use jamul_api::condition::{self, Condition};
use jamul_api::core::Secret;
use jamul_api::issuer::{CaIssuer, IssuerSpec, IssuerStatus};
use jamul_api::{CertificateRequest, Object, names};
use jamul_pki::{Certificate as X509, PrivateKey};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ari::News;
use crate::issuers::{Outcome, ca};
use crate::outputs::Passwords;
use crate::plan::{Backoff, Inputs, Plan, Step, plan};
use crate::request::{self, Approval, RequestStep};
use crate::secret;
use crate::target::SecretOwner;
use crate::testing::{at, ca_secret};

/// What the issuer of the world does with an approved request.
#[derive(Clone, Copy)]
pub(super) enum Issuer {
    Signs,
    Refuses,
    Sleeps,
    /// Signs for requests to the issuer of this name, and refuses others.
    Only(&'static str),
    /// What it signs has ended already.
    SignsTooLate,
}

/// The namespace of one Certificate.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) certificate: Certificate,
    pub(super) secrets: BTreeMap<String, Secret>,
    pub(super) requests: BTreeMap<String, Arc<CertificateRequest>>,
    pub(super) ca: Secret,
    pub(super) issuer: Issuer,
    pub(super) is_secret_owner: bool,
    pub(super) passwords: Passwords,
    pub(super) owner: SecretOwner,
    pub(super) renewal_info: Option<News>,
    pub(super) requests_made: usize,
    pub(super) wake: Option<Timestamp>,
}

/// What a store gives back: times lose their fractions.
pub(super) fn stored<T: Serialize + DeserializeOwned>(object: &T) -> T {
    serde_json::from_value(serde_json::to_value(object).unwrap()).unwrap()
}

impl World {
    pub(super) fn new(certificate: Certificate) -> Self {
        Self {
            now: at("2026-01-01T00:00:00.7Z"),
            certificate,
            secrets: BTreeMap::new(),
            requests: BTreeMap::new(),
            ca: ca_secret(at("2025-01-01T00:00:00Z"), at("2035-01-01T00:00:00Z")),
            issuer: Issuer::Signs,
            is_secret_owner: true,
            passwords: Passwords::default(),
            owner: SecretOwner::Nobody,
            renewal_info: None,
            requests_made: 0,
            wake: None,
        }
    }

    pub(super) fn issued(certificate: Certificate) -> Self {
        let mut world = Self::new(certificate);
        world.settle();
        assert!(world.is_ready(), "{:?}", world.status());
        world
    }

    pub(super) fn plan(&self) -> Plan {
        let requests: Vec<_> = self.requests.values().cloned().collect();
        plan(&Inputs {
            certificate: &self.certificate,
            secret: self.secrets.get("web-tls"),
            next_key: self.secrets.get("web-next-key"),
            requests: &requests,
            is_secret_owner: self.is_secret_owner,
            passwords: &self.passwords,
            owner: self.owner,
            renewal_info: self.renewal_info.as_ref(),
            backoff: Backoff::default(),
            now: self.now,
        })
        .unwrap()
    }

    pub(super) fn perform(&mut self, step: Step) {
        match step {
            Step::MakeNextKey(algorithm) => {
                let key = PrivateKey::generate(algorithm).unwrap();
                let secret = secret::next_key(&self.certificate, &key).unwrap();
                self.secrets.insert(secret.key().name, stored(&secret));
            }
            Step::StoreNextKey(secret) | Step::StoreSecret(secret) => {
                self.secrets.insert(secret.key().name, stored(&secret));
            }
            Step::DeleteSecret(key) => assert!(self.secrets.remove(&key.name).is_some(), "{key} was there"),
            Step::CreateRequest(request) => {
                self.requests_made += 1;
                let old = self.requests.insert(request.key().name, Arc::new(stored(&request)));
                assert!(old.is_none(), "a request is never written over");
            }
            Step::DeleteRequest(key) => assert!(self.requests.remove(&key.name).is_some(), "{key} was there"),
            Step::SetStatus(status) => self.certificate.status = Some(stored(&status)),
            Step::Announce(_) => {}
        }
    }

    /// Plans and lets the issuer answer until nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..20 {
            let plan = self.plan();
            self.renewal_info = None;
            self.wake = plan.wake;
            let is_planned = plan.steps.is_empty();
            for step in plan.steps {
                self.perform(step);
            }
            if !self.answer() && is_planned {
                return;
            }
        }
        panic!("still not settled: {:?}", self.plan());
    }

    pub(super) fn answer(&mut self) -> bool {
        let issuer = CaIssuer { secret_name: "ca-pair".to_owned(), ..CaIssuer::default() };
        let spec = IssuerSpec { ca: Some(issuer.clone()), ..IssuerSpec::default() };
        let ready = Condition::new("Ready", true, "KeyPairVerified", "");
        let ready = IssuerStatus { conditions: vec![ready], ..IssuerStatus::default() };
        let signed =
            |request: &CertificateRequest, at, now| match ca::sign(request, &issuer, Some(&self.ca), at) {
                Outcome::Issued { chain, ca } => request::issued(request, chain, ca, now),
                outcome => panic!("{outcome:?}"),
            };
        let mut answered = false;
        for request in self.requests.values_mut() {
            let status =
                match request::step(request, Some((&spec, Some(&ready))), Approval::Automatic, self.now) {
                    RequestStep::Rest | RequestStep::Wait(_) => continue,
                    RequestStep::SetStatus(status, _) => *status,
                    RequestStep::Sign(_) => match self.issuer {
                        Issuer::Sleeps => continue,
                        Issuer::Refuses => request::failed(request, "the CA says no", self.now),
                        Issuer::Only(name) if request.spec.issuer_ref.name != name => {
                            request::failed(request, "the CA says no", self.now)
                        }
                        Issuer::Signs | Issuer::Only(_) => signed(request, self.now, self.now),
                        Issuer::SignsTooLate => {
                            signed(request, self.now - SignedDuration::from_hours(200), self.now)
                        }
                    },
                };
            answered = true;
            *request = Arc::new(stored(&CertificateRequest { status: Some(status), ..(**request).clone() }));
        }
        answered
    }

    pub(super) fn wait(&mut self, hours: i64) {
        self.now = self.now.checked_add(SignedDuration::from_hours(hours)).unwrap();
        self.settle();
    }

    pub(super) fn status(&self) -> CertificateStatus {
        self.certificate.status.clone().unwrap_or_default()
    }

    pub(super) fn condition(&self, type_: &str) -> Option<Condition> {
        condition::find(&self.status().conditions, type_).cloned()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|ready| ready.is_true())
    }

    pub(super) fn pem(&self, name: &str, item: &str) -> String {
        String::from_utf8(self.secrets[name].data.as_ref().unwrap()[item].0.clone()).unwrap()
    }

    pub(super) fn leaf(&self) -> X509 {
        X509::from_pem(&self.pem("web-tls", names::TLS_CRT)).unwrap()
    }

    pub(super) fn served(&self) -> Vec<String> {
        self.leaf().dns_names().map(str::to_owned).collect()
    }
}
