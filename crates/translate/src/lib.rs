//! Objects to a Snapshot and its Diagnostics.
//!
//! Pure: no I/O, no clock. A [`Translator`] is told of each [`ObjectChange`], and [`Translator::publish`]
//! yields the next [`jamul_routing::Snapshot`] by translating again only what depends on what changed:
//!
//! ```text
//! Ingress (+ IngressClass, ConfigMaps, Secrets) -> CompiledIngress  ingress.rs, class.rs, lookup.rs
//! the CompiledIngresses of one host            -> HostRoutes       host.rs
//! the Secrets that spec.tls names for it       -> CertEntry        tls.rs
//! Service + EndpointSlices / Endpoints         -> Upstream         backend.rs, upstreams.rs
//! Challenges                                   -> HTTP-01 answers  challenge.rs
//! ```
//!
//! [`Translator::admit`] tries an Ingress before it is written, by the same functions (admission.rs).
//!
//! What a user got wrong never fails a translation: it becomes a [`jamul_routing::Diagnostic`].

mod admission;
mod backend;
mod canary;
mod challenge;
mod change;
mod class;
mod controller;
mod default_backend;
mod findings;
mod host;
mod index;
mod ingress;
mod lookup;
mod objects;
mod selector;
mod settings;
mod stream;
mod tls;
mod translator;
mod trust;
mod upstreams;
mod wishes;

pub use admission::Admission;
pub use change::{Change, ObjectChange};
pub use class::is_ours;
pub use findings::Finding;
pub use lookup::Missing;
pub use selector::Selector;
pub use settings::{Settings, Watched};
pub use translator::{Translator, Work};
pub use trust::cert_entry;
