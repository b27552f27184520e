//! The acme issuer against our CA, inside the process: its prober looks into what is being served.

use std::sync::Arc;

use http::{Request, Response};
use jamul_acme::ca::{AlpnAnswer, AlpnTarget, Ca, CaSettings, CaaRecord, ProbeAnswer, ProbeError, Prober};
use jamul_acme::{BoxFuture, Transport, TransportError};
use jamul_api::core::Time;
use jamul_api::{Certificate, Challenge, Order};
use jamul_controllers::Live;
use jamul_routing::Host;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use crate::stage::{Stage, World, certificate, issuer};

const BASE: &str = "https://ca.test:14000";

/// The CA and what its prober sees.
#[derive(Debug)]
struct Server {
    ca: Ca,
    site: Site,
    _state: TempDir,
}

/// What is served; names that begin with `broken` lead nowhere.
#[derive(Debug)]
struct Site(Arc<Live>);

impl Transport for Server {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        Box::pin(async move {
            let answer = self.ca.handle(&request, Timestamp::now());
            while let Some(job) = self.ca.take_job() {
                self.ca.perform(job, &[&self.site], &Timestamp::now).await.unwrap();
            }
            Ok(answer)
        })
    }
}

impl Prober for Site {
    fn get<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<ProbeAnswer, ProbeError>> {
        Box::pin(async move {
            let name = url.host_str().unwrap();
            let refused = || ProbeError::Connect("nobody listens".to_owned());
            if name.starts_with("broken") {
                return Err(refused());
            }
            let snapshot = self.0.snapshot.load();
            let found = snapshot.challenges.find(&Host::parse(name).unwrap(), url.path());
            let body = found.ok_or_else(refused)?.as_bytes().to_vec();
            Ok(ProbeAnswer { status: 200, location: None, body })
        })
    }

    fn alpn<'a>(&'a self, _: &'a AlpnTarget) -> BoxFuture<'a, Result<AlpnAnswer, ProbeError>> {
        Box::pin(async { Err(ProbeError::Connect("nobody listens".to_owned())) })
    }

    fn txt<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, ProbeError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn caa<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<CaaRecord>, ProbeError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

async fn stage() -> Stage {
    let live = Arc::new(Live::default());
    let state = tempfile::tempdir().unwrap();
    let ca = Ca::open(&state.path().join("ca"), CaSettings::new(BASE), Timestamp::now()).unwrap();
    let server: Arc<dyn Transport> = Arc::new(Server { ca, site: Site(Arc::clone(&live)), _state: state });
    let world = World { server: Some(server), ..World::default() };
    let stage = Stage::on("*", Arc::new(world), live);
    let acme = json!({ "acme": {
        "server": format!("{BASE}/directory"),
        "privateKeySecretRef": { "name": "account" },
        "solvers": [{ "http01": { "ingress": {} } }],
    } });
    stage.put(issuer("acme", &acme)).await;
    stage
}

#[tokio::test]
async fn renewal_follows_what_the_server_suggests() {
    let stage = stage().await;
    stage.put(certificate("web", "acme")).await;
    stage
        .play(async {
            let (ari, renewal) = stage
                .until::<Certificate, _>("web", |certificate| {
                    let status = certificate.status.as_ref()?;
                    Some((status.acme.clone()?.ari?, status.renewal_time.clone()?))
                })
                .await;
            let window = ari.suggested_window.unwrap();
            let Time(renewal) = renewal;
            assert!(window.start.0 <= renewal && renewal <= window.end.0, "{window:?} {renewal}");
            assert!(ari.next_check.unwrap().0 > Timestamp::now() && ari.last_error.is_empty());
        })
        .await;
}

#[tokio::test]
async fn two_hundred_broken_names_do_not_hold_a_good_one_up() {
    let stage = stage().await;
    for n in 0..200 {
        stage.put(certificate(&format!("broken-{n}"), "acme")).await;
    }
    stage.put(certificate("good", "acme")).await;
    stage
        .play(async {
            stage.certificate("good", "Ready", true).await;
            let failed = stage.certificate("broken-0", "Issuing", false).await;
            assert!(failed.message.contains("nobody listens"), "{failed:?}");
        })
        .await;
}

#[tokio::test]
async fn a_name_that_fails_in_one_certificate_is_not_tried_at_once_in_the_next() {
    let stage = stage().await;
    stage.put(certificate("broken", "acme")).await;
    stage
        .play(async {
            stage.certificate("broken", "Issuing", false).await;
            let mut again = certificate("again", "acme");
            again.spec.dns_names = vec!["good.localhost".to_owned(), "broken.localhost".to_owned()];
            stage.put(again).await;
            let reason = stage
                .until_one::<Order, _>(|order| {
                    let status = order.status.as_ref().filter(|status| status.url.is_empty())?;
                    Some(status.reason.clone()).filter(|reason| !reason.is_empty())
                })
                .await;
            assert!(reason.contains("\"broken.localhost\" failed"), "{reason}");
            assert!(reason.contains("the next attempt is at"), "{reason}");
            let challenges = stage.store.list::<Challenge>();
            assert!(challenges.iter().all(|challenge| challenge.spec.dns_name != "good.localhost"));
        })
        .await;
}
