//! Objects of a store as a run on it would serve them.

use jamul_store::Store;
use jamul_translate::{Change, ObjectChange, Settings, Translator};

/// How objects of `store` are translated when nobody says otherwise: as by a run without flags.
pub(crate) fn settings(store: &Store) -> Settings {
    match store {
        Store::Cluster(_) => Settings::default(),
        Store::Folder(_) | Store::Memory(_) => Settings::folder(),
    }
}

/// Translates everything in `store`, as a run on it would.
pub(crate) fn translate(store: &Store, settings: Settings) -> Translator {
    let mut translator = Translator::new(settings);
    for change in [
        ObjectChange::IngressClass(Change::Restarted(store.list())),
        ObjectChange::ConfigMap(Change::Restarted(store.list())),
        ObjectChange::Secret(Change::Restarted(store.list())),
        ObjectChange::Namespace(Change::Restarted(store.list())),
        ObjectChange::Service(Change::Restarted(store.list())),
        ObjectChange::EndpointSlice(Change::Restarted(store.list())),
        ObjectChange::Endpoints(Change::Restarted(store.list())),
        ObjectChange::Challenge(Change::Restarted(store.list())),
        ObjectChange::Ingress(Change::Restarted(store.list())),
    ] {
        translator.apply(change);
    }
    translator.publish();
    translator
}
