//! The registry of annotations, in the order in which their filters run.

use crate::annotation::{Annotation, Key};

/// Every family, in execution order.
pub const ANNOTATIONS: &[&dyn Annotation] = &[];

/// All keys of all families.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    ANNOTATIONS.iter().flat_map(|annotation| annotation.keys())
}
