//! The world behind one port: what the controllers read, watch and write, wherever it is kept.
//!
//! [`Store`] is a closed enum: [`Folder`] reads a user's manifests and keeps what the controllers make in a
//! folder of its own, [`Cluster`] is a copy of what a Kubernetes API server has, [`Memory`] forgets. All keep their objects in the same typed tables, so that they
//! report the same [`Change`]s; the laws that hold for each of them are in `tests/it`.

mod any;
mod api_failure;
mod change;
mod clock;
mod cluster;
mod diagnostic;
mod error;
mod event;
mod folder;
mod kind;
mod memory;
mod merge;
mod place;
mod port;
mod tables;

pub use api_failure::ApiFailure;
pub use change::Change;
pub use clock::Clock;
pub use cluster::{Cluster, ClusterSettings, Holder, Lease, LeaseSettings, Namespaces, Right, ServedKind};
pub use diagnostic::{Severity, SourceDiagnostic};
pub use error::StoreError;
pub use event::{Announcement, Event, EventType};
pub use folder::{Folder, FolderSettings};
pub use memory::Memory;
pub use port::Store;
pub use tables::Watch;
