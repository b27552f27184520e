//! Why a store could not be opened or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::api_failure::ApiFailure;

/// Why a store could not be opened or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The folder of manifests is not there, or is not a folder.
    #[error("could not read the manifests folder {}; create it or name another one", path.display())]
    Manifests {
        /// As it was given.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The state folder could not be created, read or written.
    #[error("could not use {} of the state folder; it must be writable for this user", path.display())]
    State {
        /// The file or folder that was refused.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Another process has the state folder.
    #[error("the state folder {} is in use by another process; stop it or use another one", path.display())]
    Locked {
        /// The state folder.
        path: PathBuf,
    },
    /// A name or namespace that could not be one in Kubernetes and would lead out of the state folder.
    #[error(
        "{kind} {namespace:?}/{name:?} has no usable {field}: expected 1 to 253 characters, no `/` or `..`"
    )]
    Name {
        /// Kind of the object.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// `metadata.name` or `metadata.namespace`.
        field: &'static str,
    },
    /// A status for an object that is not there (any more).
    #[error("{kind} {key} does not exist")]
    NotFound {
        /// Kind of the object.
        kind: &'static str,
        /// Its key.
        key: String,
    },
    /// Object and status do not fit together.
    #[error("{kind} {key} could not be put together")]
    Shape {
        /// Kind of the object.
        kind: &'static str,
        /// Its key.
        key: String,
        #[source]
        source: serde_json::Error,
    },
    /// The object could not be written as YAML.
    #[error("{kind} {key} could not be written as YAML")]
    Yaml {
        /// Kind of the object.
        kind: &'static str,
        /// Its key.
        key: String,
        #[source]
        source: serde_saphyr::SerializeError,
    },
    /// The API server did not do it.
    #[error("could not {verb} {kind} {key}")]
    Api {
        /// What was to be done.
        verb: &'static str,
        /// Kind of the object.
        kind: &'static str,
        /// Its key.
        key: String,
        #[source]
        source: ApiFailure,
    },
    /// Somebody else wrote to the object meanwhile.
    #[error("{kind} {key} was changed by somebody else meanwhile; it is looked at again")]
    Conflict {
        /// Kind of the object.
        kind: &'static str,
        /// Its key.
        key: String,
    },
    /// The write did not finish because the process is stopping.
    #[error("the write was given up because the process is stopping")]
    Stopping,
}
