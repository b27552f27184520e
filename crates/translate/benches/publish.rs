//! What it costs to publish one change, by how much else there is. The aim: below 5 ms at any size.

use std::cell::RefCell;
use std::sync::Arc;

use divan::{Bencher, black_box};
use jamul_api::core::{EndpointSlice, Ingress, Service};
use jamul_routing::Snapshot;
use jamul_translate::{Change, ObjectChange, Settings, Translator};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Routes, each with its own host and Service.
const SIZES: [usize; 3] = [100, 10_000, 100_000];

fn main() {
    divan::main();
}

/// An endpoint comes or goes.
#[divan::bench(args = SIZES)]
fn endpoint(bencher: Bencher<'_, '_>, size: usize) {
    measure(bencher, size, |round| ObjectChange::EndpointSlice(Change::Applied(object(slice(7, round)))));
}

/// An annotation of an Ingress changes.
#[divan::bench(args = SIZES)]
fn annotation(bencher: Bencher<'_, '_>, size: usize) {
    measure(bencher, size, |round| ObjectChange::Ingress(Change::Applied(object(ingress(7, "host", round)))));
}

/// A host goes and another one comes.
#[divan::bench(args = SIZES)]
fn host(bencher: Bencher<'_, '_>, size: usize) {
    measure(bencher, size, |round| {
        ObjectChange::Ingress(Change::Applied(object(ingress(7, &format!("other-{round}"), round))))
    });
}

/// An Ingress is tried before it is written (the admission webhook). The aim: below 20 ms at any size.
#[divan::bench(args = SIZES)]
fn admission(bencher: Bencher<'_, '_>, size: usize) {
    let translator = translator(size);
    let candidate = object::<Ingress>(ingress(size + 1, "new", 0));
    bencher.bench_local(|| black_box(translator.admit(&candidate)));
}

/// Applies and publishes what `change` yields, while somebody still holds the Snapshot of before, as workers do.
fn measure(bencher: Bencher<'_, '_>, size: usize, change: impl Fn(usize) -> ObjectChange) {
    let translator = RefCell::new(translator(size));
    let served: RefCell<Arc<Snapshot>> = RefCell::new(translator.borrow().snapshot());
    let mut round = 0;
    bencher
        .with_inputs(|| {
            round += 1;
            change(round)
        })
        .bench_local_values(|change| {
            let mut translator = translator.borrow_mut();
            translator.apply(change);
            let next = translator.publish().expect("something is different");
            black_box(translator.take_findings());
            *served.borrow_mut() = next;
        });
}

fn translator(size: usize) -> Translator {
    let mut translator = Translator::new(Settings::folder());
    translator.apply(ObjectChange::Ingress(Change::Restarted(
        (0..size).map(|number| object::<Ingress>(ingress(number, "host", 0))).collect(),
    )));
    translator.apply(ObjectChange::Service(Change::Restarted(
        (0..size).map(|number| object::<Service>(service(number))).collect(),
    )));
    translator.apply(ObjectChange::EndpointSlice(Change::Restarted(
        (0..size).map(|number| object::<EndpointSlice>(slice(number, 0))).collect(),
    )));
    translator.publish().expect("a first Snapshot");
    translator
}

fn object<K: DeserializeOwned>(value: Value) -> Arc<K> {
    Arc::new(serde_json::from_value(value).expect("an object of that kind"))
}

fn ingress(number: usize, host: &str, round: usize) -> Value {
    let name = format!("app-{number}");
    let backend = json!({"service": {"name": name, "port": {"number": 80}}});
    json!({
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {"nginx.ingress.kubernetes.io/proxy-read-timeout": (60 + round).to_string()},
        },
        "spec": {"rules": [{
            "host": format!("{host}-{number}.example.com"),
            "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
        }]},
    })
}

fn service(number: usize) -> Value {
    json!({
        "metadata": {"name": format!("app-{number}"), "namespace": "default"},
        "spec": {"ports": [{"port": 80}]},
    })
}

fn slice(number: usize, round: usize) -> Value {
    let (high, low) = (round / 250 % 250, round % 250);
    json!({
        "metadata": {
            "name": format!("app-{number}-1"),
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": format!("app-{number}")},
        },
        "addressType": "IPv4",
        "ports": [{"port": 8080}],
        "endpoints": [{"addresses": [format!("10.0.{high}.{low}")]}],
    })
}
