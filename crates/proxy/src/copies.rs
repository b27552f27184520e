//! How many copies of requests are under way.

use std::cell::Cell;
use std::rc::Rc;

/// Copies that a worker has under way.
const MOST: usize = 256;

/// The copies that a worker has under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copies(Rc<Cell<usize>>);

/// A place among them, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Copies);

impl Copies {
    /// A place for one more, if there is one.
    pub(crate) fn enter(&self) -> Option<Place> {
        if self.0.get() >= MOST {
            return None;
        }
        self.0.set(self.0.get() + 1);
        Some(Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get().saturating_sub(1));
    }
}
