//! Makes private keys beside the loops, a few at a time.

use std::sync::Arc;

use jamul_pki::{KeyAlgorithm, KeyError, PrivateKey};
use tokio::sync::Semaphore;

/// Where keys are made: searching primes takes a core for up to seconds, and the loops share one thread.
#[derive(Debug)]
pub(crate) struct KeyMaker {
    /// How many RSA keys are searched at once. Other keys take less than a millisecond and never wait.
    rsa: Arc<Semaphore>,
}

impl Default for KeyMaker {
    /// As many RSA keys at once as there are cores, but one: requests are served meanwhile.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { rsa: Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))) }
    }
}

impl KeyMaker {
    /// A new key.
    ///
    /// # Errors
    /// A size that cannot be made, or the machine cannot make keys.
    pub(crate) async fn make(&self, algorithm: KeyAlgorithm) -> Result<PrivateKey, KeyError> {
        let turn = match algorithm {
            KeyAlgorithm::Rsa { .. } => Arc::clone(&self.rsa).acquire_owned().await.ok(),
            KeyAlgorithm::EcdsaP256
            | KeyAlgorithm::EcdsaP384
            | KeyAlgorithm::EcdsaP521
            | KeyAlgorithm::Ed25519 => None,
        };
        // The turn goes along: whoever stops waiting for the key does not stop the search.
        let search = tokio::task::spawn_blocking(move || (PrivateKey::generate(algorithm), turn));
        match search.await {
            Ok((key, _)) => key,
            Err(_) => Err(KeyError::Crypto("finish a key")),
        }
    }
}
