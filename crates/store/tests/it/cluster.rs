//! A cluster as a store, against the API server of the lab (`cargo xtask test` names it).

use std::path::PathBuf;

use jamul_api::core::{ByteString, Secret};
use jamul_api::{CertificateRequest, Object, ObjectKey, crds};
use jamul_store::{Change, Clock, Cluster, ClusterSettings, Namespaces, Store};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use kube::{Client, Config};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use super::{PATIENCE, certificate, key, next, request, secret, until};

/// All tests share one API server, and the laws one namespace.
static LAB: Mutex<()> = Mutex::const_new(());

/// An empty cluster that is the test's alone, as long as it lives.
pub(crate) struct Lab {
    client: Client,
    running: JoinSet<()>,
    _alone: MutexGuard<'static, ()>,
}

impl Lab {
    /// `None` where there is none, which on CI is a failure.
    pub(crate) async fn take() -> Option<Self> {
        let Some(kubeconfig) = std::env::var_os("JAMUL_LAB_KUBECONFIG").map(PathBuf::from) else {
            assert!(std::env::var_os("CI").is_none(), "run the tests by `cargo xtask test`");
            eprintln!("not run: JAMUL_LAB_KUBECONFIG is not set; `cargo xtask test` sets it");
            return None;
        };
        let alone = LAB.lock().await;
        let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let lab = Self { client, running: JoinSet::new(), _alone: alone };
        for definition in crds::crds() {
            lab.apply("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).await;
        }
        for kind in [CERTIFICATES, REQUESTS, SECRETS] {
            lab.clear(kind).await;
        }
        Some(lab)
    }

    /// A store that has read everything and keeps itself in step.
    pub(crate) async fn store(&mut self) -> Store {
        let cluster = Cluster::new(ClusterSettings {
            client: self.client.clone(),
            // The binary's own tests leave objects in others.
            namespace: Some("default".to_owned()),
            namespaces: Namespaces::Unread,
            instance: "test".to_owned(),
            clock: Clock::new(Timestamp::now),
        });
        self.running.spawn(cluster.run(std::future::pending()));
        tokio::time::timeout(PATIENCE, cluster.synced()).await.expect("everything read in time");
        Store::Cluster(cluster)
    }

    async fn apply(&self, path: &str, object: &Value) {
        let name = object.pointer("/metadata/name").unwrap().as_str().unwrap();
        let parameters = PatchParams::apply("somebody-else").force();
        let request = Request::new(path).patch(name, &parameters, &Patch::Apply(object)).unwrap();
        self.client.request::<Value>(request).await.unwrap();
    }

    /// Each look is a request, and so takes its time. Deletes all of a kind and waits until they are gone (right after they came, CRDs are not served yet).
    async fn clear(&self, path: &str) {
        let left = async {
            loop {
                let request = Request::new(path).delete_collection(&Default::default(), &Default::default());
                let _not_served_yet = self.client.request::<Value>(request.unwrap()).await;
                let request = Request::new(path).list(&Default::default()).unwrap();
                let listed = self.client.request::<Value>(request).await.ok();
                if listed.is_some_and(|list| list["items"].as_array().is_some_and(Vec::is_empty)) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, left).await.expect("a clean namespace in time");
    }
}

const CERTIFICATES: &str = "/apis/cert-manager.io/v1/namespaces/default/certificates";
const REQUESTS: &str = "/apis/cert-manager.io/v1/namespaces/default/certificaterequests";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn written(name: &str, value: &str, kind: &str) -> Value {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": { "name": name, "namespace": "default" },
        "stringData": { "tls.crt": value, "tls.key": value },
    })
}

fn value(secret: &Secret) -> &ByteString {
    secret.data.as_ref().unwrap().get("tls.key").unwrap()
}

#[tokio::test]
async fn what_others_write_and_delete_is_seen() {
    let Some(mut lab) = Lab::take().await else { return };
    let store = lab.store().await;
    let mut watch = store.watch::<Secret>();
    next(&mut watch).await;
    lab.apply(SECRETS, &written("theirs", "a", "kubernetes.io/tls")).await;
    let Change::Applied(seen) = next(&mut watch).await else { panic!("expected an object") };
    assert_eq!(value(&seen).0, b"a");
    assert_eq!(seen.metadata.managed_fields, None);
    lab.clear(SECRETS).await;
    until(&mut watch, |change| matches!(change, Change::Deleted(gone) if gone.key() == key("theirs"))).await;
}

#[tokio::test]
async fn other_secrets_are_read_when_asked_for_and_kept_in_step() {
    let Some(mut lab) = Lab::take().await else { return };
    lab.apply(SECRETS, &written("asked-for", "a", "Opaque")).await;
    lab.apply(SECRETS, &written("unrelated", "a", "Opaque")).await;
    let store = lab.store().await;
    assert_eq!(store.get::<Secret>(&key("asked-for")), None);
    let mut watch = store.watch::<Secret>();
    next(&mut watch).await;

    let fetched = store.fetch::<Secret>(&key("asked-for")).await.unwrap().expect("it is there");
    assert_eq!(value(&fetched).0, b"a");
    assert_eq!(store.fetch::<Secret>(&key("missing")).await.unwrap(), None);
    store.want::<Secret>(&key("later"));
    for (name, text) in [("asked-for", "b"), ("missing", "c"), ("later", "d")] {
        lab.apply(SECRETS, &written(name, text, "Opaque")).await;
        until(&mut watch, |change| {
            matches!(change, Change::Applied(seen) if seen.key() == key(name) && value(seen).0 == text.as_bytes())
        })
        .await;
    }
    assert_eq!(store.list::<Secret>().len(), 3, "what nobody asked for is not kept");
    lab.clear(SECRETS).await;
    until(&mut watch, |change| matches!(change, Change::Deleted(gone) if gone.key() == key("later"))).await;
}

#[tokio::test]
async fn a_status_over_what_was_not_seen_is_a_conflict() {
    let Some(mut lab) = Lab::take().await else { return };
    let store = lab.store().await;
    let old = store.apply(certificate("web", "a.test")).await.unwrap();
    store.apply(certificate("web", "b.test")).await.unwrap();
    let mut reported = (*old).clone();
    reported.status.get_or_insert_default().revision = Some(1);
    let refused = store.set_status(&reported).await;
    assert!(matches!(refused, Err(jamul_store::StoreError::Conflict { .. })), "{refused:?}");
}

#[tokio::test]
async fn fields_of_others_stay_when_an_object_is_applied() {
    let Some(mut lab) = Lab::take().await else { return };
    let store = lab.store().await;
    store.apply(secret("shared", "ours", "1")).await.unwrap();
    let mut theirs = written("shared", "theirs", "Opaque");
    theirs["metadata"]["annotations"] = serde_json::json!({ "reflector": "yes" });
    lab.apply(SECRETS, &theirs).await;
    let kept = store.apply(secret("shared", "ours", "2")).await.unwrap();
    assert_eq!(kept.metadata.annotations.as_ref().unwrap().get("reflector").unwrap(), "yes");
    let data = kept.data.as_ref().unwrap();
    assert_eq!((data["ours"].0.as_slice(), data["tls.key"].0.as_slice()), (&b"2"[..], &b"theirs"[..]));
}

#[tokio::test]
async fn announcements_are_events_of_the_object_and_repetitions_are_counted() {
    let Some(mut lab) = Lab::take().await else { return };
    let store = lab.store().await;
    let object = store.apply(certificate("told", "a.test")).await.unwrap();
    store.announce(jamul_store::Announcement {
        kind: "Certificate".to_owned(),
        key: ObjectKey::new("default", "told"),
        event_type: jamul_store::EventType::Normal,
        reason: "Issuing".to_owned(),
        message: "x".repeat(2000),
    });
    let uid = object.metadata.uid.clone().unwrap();
    let selector = format!("involvedObject.kind=Certificate,involvedObject.uid={uid}");
    let request = || {
        let parameters = kube::api::ListParams::default().fields(&selector);
        Request::new("/api/v1/namespaces/default/events").list(&parameters).unwrap()
    };
    let found = async {
        loop {
            let list = lab.client.request::<Value>(request()).await.unwrap();
            if let Some(event) = list["items"].as_array().and_then(|items| items.first().cloned()) {
                return event;
            }
        }
    };
    let event = tokio::time::timeout(PATIENCE, found).await.expect("an event in time");
    assert_eq!(
        (&event["reason"], &event["count"], &event["type"]),
        (&"Issuing".into(), &1.into(), &"Normal".into())
    );
    assert_eq!(event["message"].as_str().unwrap().len(), 1024);
}

#[tokio::test]
async fn a_request_of_a_deleted_certificate_goes_with_it() {
    let Some(mut lab) = Lab::take().await else { return };
    let store = lab.store().await;
    let owner = store.apply(certificate("web", "a.test")).await.unwrap();
    let mut request = request("web-1");
    request.metadata.owner_references = Some(vec![owner.owner_reference()]);
    store.apply(request).await.unwrap();
    let mut watch = store.watch::<CertificateRequest>();
    next(&mut watch).await;
    lab.clear(CERTIFICATES).await;
    until(&mut watch, |change| matches!(change, Change::Deleted(_))).await;
}
