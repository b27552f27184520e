//! Where the commands that only look find their objects: a folder, the state of a run on it, or both.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use jamul_store::{Clock, Memory, Store};
use jamul_translate::{Change, ObjectChange, Settings, Translator};
use jiff::Timestamp;

use crate::cli::PlaceArgs;
use crate::state_folder;

/// Opens what `place` names: the manifests, and the state of the run on them (as `jamul run` chooses it). Reads
/// only, so it works while a run has the state locked, and after it ended.
///
/// # Errors
/// Nothing is named, or it cannot be read.
pub(crate) fn open(place: &PlaceArgs) -> anyhow::Result<Store> {
    let state = state(place)?;
    if place.manifests.is_none() && state.is_none() {
        bail!(
            "no objects to look at; name a folder with --manifests DIR, or the --state DIR of a standalone run"
        );
    }
    let clock = Clock::new(Timestamp::now);
    Ok(Store::Memory(Memory::of_run(place.manifests.as_deref(), state.as_deref(), clock)?))
}

/// The state folder with objects in it: the named one, else the default one if there is one.
fn state(place: &PlaceArgs) -> anyhow::Result<Option<PathBuf>> {
    let Some(state) = &place.state else {
        return Ok(state_folder::default().ok().filter(|state| state.join("objects").is_dir()));
    };
    if !state.is_dir() && place.manifests.is_none() {
        bail!("{} holds no objects; expected the --state of a standalone run", state.display());
    }
    Ok(Some(state.clone()))
}

/// The state folder of the run that `place` means, for what has to speak to the running process.
///
/// # Errors
/// None is named and there is no default.
pub(crate) fn running(place: &PlaceArgs) -> anyhow::Result<PathBuf> {
    match &place.state {
        Some(state) => Ok(state.clone()),
        None => state_folder::default().context("no --state DIR"),
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
