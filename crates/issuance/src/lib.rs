//! What to do about certificates: pure decisions over cert-manager's objects.
//!
//! A Certificate's [`plan()`] tells which steps bring it nearer to what its spec wants; [`request`] and
//! [`order`] do the same for the objects below it. Nothing here waits, reads a clock or touches a store:
//! `controllers` gathers the inputs and performs the steps.

pub mod backoff;
pub mod duration;
mod fnv;
pub mod issuer;
pub mod issuers;
pub mod keys;
pub mod note;
pub mod order;
pub mod plan;
pub mod policy;
pub mod request;
pub mod secret;
pub mod shim;
#[cfg(test)]
mod testing;

pub use note::Note;
pub use plan::{Backoff, Inputs, Plan, PlanError, Step, plan};
