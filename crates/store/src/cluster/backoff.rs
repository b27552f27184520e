//! How long to wait before the API server is asked again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// Doubles from attempt to attempt. Short, for a server that came back should be heard at once, and a watch costs it
/// little.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Waits before the next attempt.
    pub(super) async fn wait(&mut self) {
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.attempts)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        tokio::time::sleep(wait).await;
    }

    /// The last attempt worked.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}
