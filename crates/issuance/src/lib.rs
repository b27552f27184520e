//! What to do about certificates: pure decisions over cert-manager's objects.
//!
//! A Certificate's [`plan()`] tells which steps bring it nearer to what its spec wants; [`request`] and
//! [`order`] do the same for the objects below it. Nothing here waits, reads a clock or touches a store:
//! `controllers` gathers the inputs and performs the steps.

pub mod admission;
pub mod ari;
pub mod backoff;
mod cron;
pub mod dns01;
pub mod duration;
pub mod fallback;
#[cfg(test)]
mod fleet;
mod fnv;
pub mod injection;
pub mod issuer;
pub mod issuers;
pub mod keys;
mod managed;
pub mod note;
pub mod order;
pub mod outputs;
pub mod plan;
pub mod policy;
pub mod request;
pub mod secret;
pub mod serving;
pub mod shim;
mod target;
mod temporary;
#[cfg(test)]
mod testing;
pub mod validate;
mod windows;

pub use note::Note;
pub use plan::{Backoff, Inputs, Plan, PlanError, Step, plan};
pub use target::SecretOwner;
