//! Whose DNS records are being changed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

/// Providers may read all values of a name, change them and write them back: for one name that is done by one at a time.
#[derive(Debug, Default)]
pub(crate) struct NameLocks([Mutex<()>; 32]);

impl NameLocks {
    /// Waits until nobody else changes `name`.
    pub(crate) async fn lock(&self, name: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let count = u64::try_from(self.0.len()).unwrap_or(1);
        let index = usize::try_from(hasher.finish() % count).unwrap_or(0);
        let [first, ..] = &self.0;
        self.0.get(index).unwrap_or(first).lock().await
    }
}
