//! The object types that Jamul reads and writes: Kubernetes' own (re-exported in one place) and cert-manager's.
//!
//! Types only: no defaults beyond what upstream persists, no validation. An empty or missing field stays what the user
//! wrote; whoever interprets a field (`issuance`, `translate`) applies the default that upstream applies at run time.

pub mod acme;
pub mod admission;
pub mod certificate;
pub mod condition;
pub mod core;
pub mod crds;
pub mod injectable;
pub mod issuer;
pub mod names;
pub mod object;
pub mod request;
mod schema;
pub mod secret_key;
pub mod solver;

pub use acme::{Challenge, Order};
pub use certificate::Certificate;
pub use condition::Condition;
pub use issuer::{ClusterIssuer, Issuer};
pub use object::{Object, ObjectKey};
pub use request::CertificateRequest;
pub use secret_key::SecretKeySelector;
