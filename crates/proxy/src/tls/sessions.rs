//! Sessions that clients resume: kept by them (tickets) or by us. Each policy has its own of both, so a session that
//! began without a certificate is never resumed where one is asked for.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hkdf};
use jamul_routing::TlsPolicy;
use jamul_routing::tls_settings::{Sessions, Tickets};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, ProducesTickets, StoresServerSessions};
use rustls_pki_types::UnixTime;

/// Makes `config`, of `policy`, resume sessions as `sessions` says.
///
/// # Errors
/// No randomness.
pub(super) fn install(
    config: &mut ServerConfig,
    sessions: &Sessions,
    policy: &TlsPolicy,
) -> Result<(), rustls::Error> {
    let lifetime = sessions.lifetime;
    let sealing: Option<Arc<dyn ProducesTickets>> = match &sessions.tickets {
        Tickets::Off => None,
        Tickets::Rotating => Some(Ticketer::new()?),
        Tickets::Shared(secret) => Some(Arc::new(SharedKey::new(secret, policy)?)),
    };
    if let Some(sealing) = sealing {
        config.ticketer = Arc::new(Timed { sealing, lifetime });
    }
    config.session_storage = if sessions.kept == 0 {
        Arc::new(NoServerSessionStorage {})
    } else {
        Arc::new(Kept { most: sessions.kept, lifetime, sessions: Mutex::default() })
    };
    if sessions.kept == 0 && sessions.tickets == Tickets::Off {
        config.send_tls13_tickets = 0;
    }
    Ok(())
}

/// Tickets that end, whatever the key that sealed them.
#[derive(Debug)]
struct Timed {
    sealing: Arc<dyn ProducesTickets>,
    lifetime: Duration,
}

impl ProducesTickets for Timed {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.sealing.encrypt(&[&UnixTime::now().as_secs().to_be_bytes(), plain].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let opened = self.sealing.decrypt(ticket)?;
        let (made, plain) = opened.split_first_chunk()?;
        let age = UnixTime::now().as_secs().checked_sub(u64::from_be_bytes(*made))?;
        (age <= self.lifetime.as_secs()).then(|| plain.to_vec())
    }
}

/// AES-256-GCM with a key that replicas share. Every policy has a key of its own that follows from the shared one.
struct SharedKey {
    /// Tells tickets of this key from others without trying.
    name: [u8; NAME],
    key: RandomizedNonceKey,
}

const NAME: usize = 16;
const KEY: usize = 32;

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKey").finish_non_exhaustive()
    }
}

impl SharedKey {
    fn new(secret: &[u8], policy: &TlsPolicy) -> Result<Self, rustls::Error> {
        let failed = |_| rustls::Error::General("no key follows from ssl-session-ticket-key".to_owned());
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"jamul session tickets");
        let followed = salt.extract(secret);
        let of_policy = identity(policy);
        let mut derived = [0; NAME + KEY];
        let info = [of_policy.as_slice()];
        let okm = followed.expand(&info, Length(derived.len())).map_err(failed)?;
        okm.fill(&mut derived).map_err(failed)?;
        let (name, key) = derived.split_at(NAME);
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(failed)?;
        Ok(Self { name: name.try_into().unwrap_or_default(), key })
    }
}

/// SHA-256 over all that makes handshakes of a policy what they are.
fn identity(policy: &TlsPolicy) -> Vec<u8> {
    let mut digest = Digesting(digest::Context::new(&digest::SHA256));
    policy.hash(&mut digest);
    digest.0.finish().as_ref().to_vec()
}

/// Feeds what a value hashes to a digest.
struct Digesting(digest::Context);

impl Hasher for Digesting {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl ProducesTickets for SharedKey {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        // Whoever holds it says when tickets end.
        u32::MAX
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(self.name), &mut sealed).ok()?;
        Some([self.name.as_slice(), nonce.as_ref(), &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *name != self.name {
            return None;
        }
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.key.open_in_place(nonce, Aad::from(self.name), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

/// Sessions that we keep: the youngest `most`, for `lifetime`.
struct Kept {
    most: usize,
    lifetime: Duration,
    sessions: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    /// When it was put there, in seconds, and the session.
    by_key: HashMap<Vec<u8>, (u64, Vec<u8>), foldhash::fast::RandomState>,
    /// The oldest first. Some may have been taken.
    order: VecDeque<Vec<u8>>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Kept {
    fn is_fresh(&self, since: u64) -> bool {
        UnixTime::now().as_secs().saturating_sub(since) <= self.lifetime.as_secs()
    }
}

impl StoresServerSessions for Kept {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let mut shelf = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = &mut *shelf;
        if shelf.order.len() >= self.most
            && let Some(oldest) = shelf.order.pop_front()
        {
            shelf.by_key.remove(&oldest);
        }
        shelf.order.push_back(key.clone());
        shelf.by_key.insert(key, (UnixTime::now().as_secs(), value));
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let shelf = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = shelf.by_key.get(key)?;
        self.is_fresh(*since).then(|| value.clone())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut shelf = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = shelf.by_key.remove(key)?;
        self.is_fresh(since).then_some(value)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use jamul_routing::TlsVersions;

    use super::*;

    fn shared(secret: u8, policy: &TlsPolicy) -> SharedKey {
        SharedKey::new(&[secret; 48], policy).unwrap()
    }

    #[test]
    fn replicas_with_the_same_key_open_each_others_tickets_and_policies_do_not() {
        let (usual, other) =
            (TlsPolicy::default(), TlsPolicy { versions: Some(TlsVersions::Only13), ..TlsPolicy::default() });
        let ticket = shared(1, &usual).encrypt(b"session").unwrap();
        assert_eq!(shared(1, &usual).decrypt(&ticket).as_deref(), Some(b"session".as_slice()));
        assert_eq!(shared(1, &other).decrypt(&ticket), None);
        assert_eq!(shared(2, &usual).decrypt(&ticket), None);
        for index in 0..ticket.len() {
            let mut broken = ticket.clone();
            broken[index] ^= 1;
            assert_eq!(shared(1, &usual).decrypt(&broken), None, "octet {index}");
        }
        assert_eq!(shared(1, &usual).decrypt(&ticket[..20]), None);
    }

    #[test]
    fn a_ticket_ends_with_its_lifetime() {
        let sealing: Arc<dyn ProducesTickets> = Arc::new(shared(1, &TlsPolicy::default()));
        let timed = Timed { sealing: Arc::clone(&sealing), lifetime: Duration::from_secs(60) };
        let made_before = |seconds: u64| {
            let made = UnixTime::now().as_secs() - seconds;
            sealing.encrypt(&[made.to_be_bytes().as_slice(), b"session"].concat()).unwrap()
        };
        assert_eq!(
            timed.decrypt(&timed.encrypt(b"session").unwrap()).as_deref(),
            Some(b"session".as_slice())
        );
        assert!(timed.decrypt(&made_before(50)).is_some());
        assert_eq!(timed.decrypt(&made_before(70)), None);
    }

    #[test]
    fn as_many_sessions_are_kept_as_there_may_be_and_each_is_taken_once() {
        let kept = Kept { most: 2, lifetime: Duration::from_secs(60), sessions: Mutex::default() };
        for name in [b"a", b"b", b"c"] {
            kept.put(name.to_vec(), name.to_vec());
        }
        assert_eq!(kept.get(b"a"), None, "the oldest has gone");
        assert_eq!(kept.take(b"b"), Some(b"b".to_vec()));
        assert_eq!(kept.take(b"b"), None);
        assert_eq!(kept.get(b"c"), Some(b"c".to_vec()));
        for number in 0..100u8 {
            kept.put(vec![number], Vec::new());
        }
        let shelf = kept.sessions.lock().unwrap();
        assert!(shelf.by_key.len() <= 2 && shelf.order.len() <= 2);
    }
}
