//! TLS of the https ports: the ClientHello is read first, since the name in it says what the handshake is to be like.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use jamul_pki::Trust;
use jamul_routing::{Host, Snapshot, TlsPeer, TlsPolicy, TlsSettings, UpstreamId};
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;

use super::resolver::CertResolver;
use super::suites::{provider_with, versions};
use super::{BadCertificate, ServerStream, client_certificates, sessions};
use crate::recorded::Recorded;
use crate::snapshots::Snapshots;

/// TLS with the certificates and policies of Snapshots; h2 and http/1.1.
pub(crate) struct Terminator {
    snapshots: Snapshots,
    resolver: Arc<CertResolver>,
    handshakes: RwLock<Handshakes>,
}

/// The handshakes that were needed so far, of one set of settings.
struct Handshakes {
    settings: TlsSettings,
    usual: Arc<Handshake>,
    by_policy: HashMap<Arc<TlsPolicy>, Arc<Handshake>, foldhash::fast::RandomState>,
    /// At this size, those of policies that no host has are dropped.
    sweep_at: usize,
}

const MIN_SWEEP: usize = 64;

/// What handshakes of one policy share.
struct Handshake {
    config: Arc<ServerConfig>,
    trust: Option<Trust>,
}

/// A connection whose ClientHello was read.
pub(crate) enum Arrived<T> {
    /// Decrypted, with what the client showed under a policy of its host.
    Decrypted(Box<ServerStream<Recorded<T>>>, Option<Arc<TlsPeer>>),
    /// To go to this upstream as it came, from the first octet.
    Through(Recorded<T>, UpstreamId),
}

impl fmt::Debug for Terminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminator").finish_non_exhaustive()
    }
}

impl Terminator {
    /// # Errors
    /// [`BadCertificate::Setup`].
    pub(crate) fn new(snapshots: Snapshots) -> Result<Self, BadCertificate> {
        let resolver = Arc::new(CertResolver::new(Arc::clone(&snapshots)));
        let settings = snapshots.load().globals.tls.clone();
        let handshakes = RwLock::new(Handshakes::new(settings, &resolver)?);
        Ok(Self { snapshots, resolver, handshakes })
    }

    /// The handshake. The caller sets a limit to the wait.
    ///
    /// # Errors
    /// It fails, or was refused.
    pub(crate) async fn accept<T>(&self, stream: Recorded<T>) -> io::Result<Arrived<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let name = start.client_hello().server_name().and_then(Host::parse);
        let snapshot = self.snapshots.load_full();
        let host = snapshot.router.served(name.as_ref());
        if start.io.is_recording() {
            match host.and_then(|host| host.passthrough.clone()) {
                Some(upstream) => return Ok(Arrived::Through(start.io, upstream)),
                None => start.io.forget(),
            }
        }
        let policy = host.and_then(|host| host.tls.clone());
        let handshake = self.handshake(policy.as_ref(), &snapshot).map_err(io::Error::other)?;
        let stream = start.into_stream(Arc::clone(&handshake.config)).await?;
        let peer = policy.map(|policy| {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let trust = handshake.trust.as_ref();
            let certificate =
                trust.and_then(|trust| client_certificates::judge(trust, chain, Timestamp::now()));
            Arc::new(TlsPeer { policy, certificate })
        });
        Ok(Arrived::Decrypted(Box::new(stream), peer))
    }

    fn handshake(
        &self,
        policy: Option<&Arc<TlsPolicy>>,
        snapshot: &Snapshot,
    ) -> Result<Arc<Handshake>, BadCertificate> {
        let settings = &snapshot.globals.tls;
        let known = self.handshakes.read().unwrap_or_else(PoisonError::into_inner).find(policy, settings);
        if let Some(known) = known {
            return Ok(known);
        }
        let mut handshakes = self.handshakes.write().unwrap_or_else(PoisonError::into_inner);
        if handshakes.settings != *settings {
            *handshakes = Handshakes::new(settings.clone(), &self.resolver)?;
        }
        if let Some(known) = handshakes.find(policy, settings) {
            return Ok(known);
        }
        let Some(policy) = policy else { return Ok(Arc::clone(&handshakes.usual)) };
        let made = Arc::new(Handshake::new(policy, settings, &self.resolver)?);
        handshakes.insert(Arc::clone(policy), Arc::clone(&made), snapshot);
        Ok(made)
    }
}

impl Handshakes {
    fn new(settings: TlsSettings, resolver: &Arc<CertResolver>) -> Result<Self, BadCertificate> {
        let usual = Arc::new(Handshake::new(&TlsPolicy::default(), &settings, resolver)?);
        Ok(Self { settings, usual, by_policy: HashMap::default(), sweep_at: 0 })
    }

    fn find(&self, policy: Option<&Arc<TlsPolicy>>, settings: &TlsSettings) -> Option<Arc<Handshake>> {
        if self.settings != *settings {
            return None;
        }
        match policy {
            None => Some(Arc::clone(&self.usual)),
            Some(policy) => self.by_policy.get(policy).cloned(),
        }
    }

    fn insert(&mut self, policy: Arc<TlsPolicy>, made: Arc<Handshake>, snapshot: &Snapshot) {
        if self.by_policy.len() >= self.sweep_at.max(MIN_SWEEP) {
            let live: std::collections::HashSet<_> =
                snapshot.router.iter().filter_map(|(_, routes)| routes.tls.as_ref()).collect();
            self.by_policy.retain(|policy, _| live.contains(policy));
            self.sweep_at = self.by_policy.len() * 2;
        }
        self.by_policy.insert(policy, made);
    }
}

impl Handshake {
    fn new(
        policy: &TlsPolicy,
        settings: &TlsSettings,
        resolver: &Arc<CertResolver>,
    ) -> Result<Self, BadCertificate> {
        let provider =
            provider_with(policy.ciphers.as_ref().or(settings.ciphers.as_ref()).map(Vec::as_slice));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(policy.versions.unwrap_or(settings.versions)))
            .map_err(BadCertificate::Setup)?;
        let trust = policy.client_auth.as_ref().map(client_certificates::trust).transpose();
        let trust = trust.map_err(BadCertificate::Authorities)?;
        let builder = match &trust {
            Some(trust) => {
                builder.with_client_cert_verifier(Arc::new(client_certificates::Asking::new(provider, trust)))
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(resolver) as Arc<_>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ignore_client_order = policy.preference == Some(jamul_routing::tls_policy::Preference::Server);
        sessions::install(&mut config, &settings.sessions, policy).map_err(BadCertificate::Setup)?;
        Ok(Self { config: Arc::new(config), trust })
    }
}
