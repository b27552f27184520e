//! Where the commands that only look find their objects: a folder, the state of a run on it, or both; or a cluster.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use jamul_store::{Clock, Memory, Store};
use jiff::Timestamp;

use crate::cli::PlaceArgs;
use crate::{remote, state_folder};

/// Opens what `place` names: the manifests, and the state of the run on them (as `jamul run` chooses it), else a
/// cluster. Reads only, so it works while a run has the state locked, and after it ended.
///
/// # Errors
/// Nothing is named or found, or it cannot be read.
pub(crate) fn open(place: &PlaceArgs) -> anyhow::Result<Store> {
    if is_cluster(place)? {
        return remote::read(&place.way);
    }
    let state = state(place)?;
    if place.manifests.is_none() && state.is_none() {
        bail!(
            "no objects to look at; name a folder with --manifests DIR, the --state DIR of a standalone run, or a \
             cluster with --kubeconfig FILE or --context NAME"
        );
    }
    let clock = Clock::new(Timestamp::now);
    Ok(Store::Memory(Memory::of_run(place.manifests.as_deref(), state.as_deref(), clock)?))
}

/// Whether `place` means a cluster: one is named, or nothing is and there is no standalone run here but a kubeconfig.
///
/// # Errors
/// A state that is none.
pub(crate) fn is_cluster(place: &PlaceArgs) -> anyhow::Result<bool> {
    if place.manifests.is_some() || place.state.is_some() {
        return Ok(false);
    }
    Ok(place.way.is_given() || (state(place)?.is_none() && remote::has_default_way()))
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
