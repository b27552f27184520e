//! Objects from YAML.

use std::sync::Arc;

use jamul_translate::{Change, ObjectChange, Settings, Translator};
use serde::de::DeserializeOwned;

/// The objects of a YAML text, as changes.
pub(crate) fn objects(yaml: &str) -> Vec<ObjectChange> {
    let mut reader = yaml.as_bytes();
    serde_saphyr::read::<_, serde_json::Value>(&mut reader)
        .map(|document| document.expect("a YAML document"))
        .filter(|document| !document.is_null())
        .map(|document| applied(&document))
        .collect()
}

/// News that the object of this news is gone.
pub(crate) fn deleted(change: &ObjectChange) -> ObjectChange {
    fn gone<K>(change: &Change<K>) -> Change<K> {
        match change {
            Change::Applied(object) | Change::Deleted(object) => Change::Deleted(Arc::clone(object)),
            Change::Restarted(_) => panic!("news of one object"),
        }
    }
    match change {
        ObjectChange::Ingress(change) => ObjectChange::Ingress(gone(change)),
        ObjectChange::IngressClass(change) => ObjectChange::IngressClass(gone(change)),
        ObjectChange::Namespace(change) => ObjectChange::Namespace(gone(change)),
        ObjectChange::Service(change) => ObjectChange::Service(gone(change)),
        ObjectChange::EndpointSlice(change) => ObjectChange::EndpointSlice(gone(change)),
        ObjectChange::Endpoints(change) => ObjectChange::Endpoints(gone(change)),
        ObjectChange::Secret(change) => ObjectChange::Secret(gone(change)),
        ObjectChange::ConfigMap(change) => ObjectChange::ConfigMap(gone(change)),
        ObjectChange::Challenge(change) => ObjectChange::Challenge(gone(change)),
    }
}

/// The one object of a YAML text.
pub(crate) fn object<K: DeserializeOwned>(yaml: &str) -> Arc<K> {
    Arc::new(serde_saphyr::from_str(yaml).expect("an object of this kind"))
}

/// A Translator for a folder that was told of these objects; nothing is published yet.
pub(crate) fn translator(yaml: &str) -> Translator {
    let config = Some(jamul_api::ObjectKey::new("ingress-nginx", "ingress-nginx-controller"));
    let mut translator = Translator::new(Settings { config, ssl_passthrough: true, ..Settings::folder() });
    for change in objects(yaml) {
        translator.apply(change);
    }
    translator
}

fn applied(document: &serde_json::Value) -> ObjectChange {
    fn change<K: DeserializeOwned>(document: &serde_json::Value) -> Change<K> {
        Change::Applied(Arc::new(serde_json::from_value(document.clone()).expect("an object of its kind")))
    }
    match document["kind"].as_str().expect("a kind") {
        "Ingress" => ObjectChange::Ingress(change(document)),
        "IngressClass" => ObjectChange::IngressClass(change(document)),
        "Namespace" => ObjectChange::Namespace(change(document)),
        "Service" => ObjectChange::Service(change(document)),
        "EndpointSlice" => ObjectChange::EndpointSlice(change(document)),
        "Endpoints" => ObjectChange::Endpoints(change(document)),
        "Secret" => ObjectChange::Secret(change(document)),
        "ConfigMap" => ObjectChange::ConfigMap(change(document)),
        "Challenge" => ObjectChange::Challenge(change(document)),
        other => panic!("no such kind is translated: {other}"),
    }
}
