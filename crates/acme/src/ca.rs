//! An ACME certificate authority: HTTP requests in, HTTP responses and work out; state in a folder.
//!
//! [`Ca::handle`] answers requests and [`Ca::work`] does what was promised meanwhile. Neither touches a socket: the
//! listener belongs to the caller, and the validator looks through a [`Prober`]. Every change is on disk before it is
//! answered, so a CA that is killed and opened again goes on where it was.

mod accounts;
mod authority;
mod authorizations;
mod caa;
mod context;
mod directory;
mod external_keys;
mod files;
mod issuing;
mod jobs;
mod journal;
mod ledger;
mod limits;
mod names;
mod nonces;
mod ordering;
mod orders;
mod prober;
mod profiles;
mod random;
mod records;
mod renewal;
mod reply;
mod request;
mod requested;
mod resource;
mod revocation;
mod settings;
mod validation;

use std::convert::Infallible;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{Request, Response};
use jamul_pki::{Certificate, PrivateKey, San};
use jiff::Timestamp;

use authority::Authority;
pub use authority::{AuthorityError, rotate_intermediate};
use caa::Issuance;
use context::Context;
pub use external_keys::{ExternalKey, ExternalKeyError, create_external_key};
use issuing::Rules;
pub use jobs::Job;
use jobs::{Jobs, Work};
pub use journal::JournalError;
use ledger::Ledger;
pub use names::may_be_dialled;
use nonces::Nonces;
use orders::AuthorizationEvent;
pub use prober::{AlpnAnswer, AlpnTarget, CaaRecord, PROBE_BODY_LIMIT, ProbeAnswer, ProbeError, Prober};
use records::{AuthorizationId, AuthorizationState, OrderId, Record};
use resource::{BaseUrl, Resource};
pub use settings::{CaSettings, CaaPolicy, Finalization, Quota, RateLimits, Registration, ValidationPorts};
use validation::Proof;

use crate::jose;
use crate::problem::{Problem, ProblemType};
use crate::wire::{ChallengeType, Identifier};

/// A certificate authority with its state. One per folder and process.
#[derive(Debug)]
pub struct Ca {
    settings: CaSettings,
    state: PathBuf,
    base: BaseUrl,
    authority: Authority,
    ledger: Mutex<Ledger>,
    nonces: Nonces,
    jobs: Jobs,
    /// Keeps a second process off the folder as long as this one lives.
    _lock: File,
}

impl Ca {
    /// Opens the CA in the folder `state`, or founds one there, and takes up unfinished work.
    ///
    /// # Errors
    /// [`CaError`]: settings that make no sense, a folder in use or not writable, damaged files.
    pub fn open(state: &Path, settings: CaSettings, now: Timestamp) -> Result<Self, CaError> {
        let Some(base) = BaseUrl::parse(&settings.base_url) else {
            return Err(CaError::BaseUrl { url: settings.base_url });
        };
        if !settings.validity.is_positive() || settings.validity > LONGEST_VALIDITY {
            return Err(CaError::Validity { validity: settings.validity });
        }
        let folder = |source| CaError::Folder { path: state.to_owned(), source };
        files::create_folder(state).map_err(folder)?;
        let lock = files::open_private(&state.join(LOCK)).map_err(folder)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => CaError::InUse { path: state.to_owned() },
            TryLockError::Error(source) => folder(source),
        })?;
        let authority = Authority::open(state, &settings.name, &settings.permitted, now)?;
        let ledger = Ledger::open(state, now)?;
        let jobs = unfinished(&ledger);
        let (ledger, nonces) = (Mutex::new(ledger), Nonces::default());
        let state = state.to_owned();
        Ok(Self { settings, state, base, authority, ledger, nonces, jobs, _lock: lock })
    }

    /// The URL clients begin with.
    pub fn directory_url(&self) -> String {
        self.base.of(&Resource::Directory)
    }

    /// The root's certificate as PEM: what has to be trusted.
    pub fn root_pem(&self) -> String {
        self.authority.root().to_pem().unwrap_or_default()
    }

    /// A chain (leaf, intermediate) and a key for the CA's own HTTPS listener, valid as long as other certificates: ask
    /// again in time.
    ///
    /// # Errors
    /// [`AuthorityError`] when it cannot be made.
    pub fn server_certificate(
        &self,
        names: &[San],
        now: Timestamp,
    ) -> Result<(Vec<Certificate>, PrivateKey), AuthorityError> {
        self.authority.server_certificate(names, self.settings.validity, now)
    }

    /// Answers one request. Whatever is wrong with it is in the answer.
    ///
    /// This waits for the disk (some milliseconds), so an async caller may want a thread for it.
    pub fn handle(&self, request: &Request<Vec<u8>>, now: Timestamp) -> Response<Vec<u8>> {
        let mut ledger = self.ledger();
        let mut context = Context {
            settings: &self.settings,
            state: &self.state,
            base: &self.base,
            authority: &self.authority,
            ledger: &mut ledger,
            jobs: &self.jobs,
            now,
        };
        directory::handle(request, &self.nonces, &mut context)
    }

    /// Does the work that requests leave, until dropped: several validations at once, each within half a minute. A name is
    /// proved when all of `views` see the proof.
    ///
    /// What is under way when this is dropped is taken up when the CA is opened again.
    pub async fn work(
        &self,
        views: &[&dyn Prober],
        clock: &(dyn Fn() -> Timestamp + Send + Sync),
    ) -> Infallible {
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                job = self.next_job(), if running.len() < MOST_RUNNING => {
                    running.push(self.see_through(job, views, clock));
                }
                Some(()) = running.next(), if !running.is_empty() => {}
            }
        }
    }

    /// Waits for work; for a caller that schedules it itself.
    pub async fn next_job(&self) -> Job {
        self.jobs.next().await
    }

    /// Work that waits already.
    pub fn take_job(&self) -> Option<Job> {
        self.jobs.take()
    }

    /// Does one piece of work.
    ///
    /// # Errors
    /// [`JournalError`] when the outcome could not be kept: do it again later.
    pub async fn perform(
        &self,
        job: Job,
        views: &[&dyn Prober],
        clock: &(dyn Fn() -> Timestamp + Send + Sync),
    ) -> Result<(), JournalError> {
        match job.0 {
            Work::Validate(id) => self.validate(&id, views, clock).await,
            Work::Issue(id) => {
                if let Err(problem) = self.check_order(&id, views).await {
                    return issuing::refuse(&mut self.ledger(), &id, problem, clock());
                }
                let rules = Rules { settings: &self.settings, base: &self.base };
                issuing::issue(&mut self.ledger(), &self.authority, &rules, &id, clock())
            }
        }
    }

    async fn see_through(
        &self,
        job: Job,
        views: &[&dyn Prober],
        clock: &(dyn Fn() -> Timestamp + Send + Sync),
    ) {
        if let Err(error) = self.perform(job.clone(), views, clock).await {
            tracing::error!(%error, "cannot keep the outcome of a validation or an issue; trying again");
            tokio::time::sleep(RETRY_DELAY).await;
            self.jobs.add(job);
        }
    }

    async fn validate(
        &self,
        id: &AuthorizationId,
        views: &[&dyn Prober],
        clock: &(dyn Fn() -> Timestamp + Send + Sync),
    ) -> Result<(), JournalError> {
        let Some(proof) = self.wanted_proof(id) else { return Ok(()) };
        let looking = async {
            validation::prove(&proof, self.settings.ports, views).await?;
            self.check_caa(&proof.identifier, &proof.account, Some(&proof.method), views).await
        };
        let result = tokio::time::timeout(VALIDATION_LIMIT, looking).await.unwrap_or_else(|_| {
            let detail = format!("looking at {} took longer than {VALIDATION_LIMIT:?}", proof.identifier);
            Err(Problem::new(ProblemType::Connection, detail))
        });
        self.record(id, result, clock())
    }

    /// Whether CAA records still permit all names of an order (RFC 8659 section 3: at the time of issuance).
    async fn check_order(&self, id: &OrderId, views: &[&dyn Prober]) -> Result<(), Problem> {
        let (identifiers, account) = {
            let ledger = self.ledger();
            let Some(order) = ledger.objects().order(id) else { return Ok(()) };
            let methods = order.authorizations.iter().map(|id| ledger.objects().authorization(id)?.method());
            let named: Vec<_> =
                order.identifiers.iter().cloned().zip(methods.map(|one| one.cloned())).collect();
            (named, order.account.clone())
        };
        let account = self.base.of(&Resource::Account(account));
        for (identifier, method) in identifiers {
            self.check_caa(&identifier, &account, method.as_ref(), views)
                .await
                .map_err(|problem| problem.about(identifier.clone()))?;
        }
        Ok(())
    }

    async fn check_caa(
        &self,
        identifier: &Identifier,
        account: &str,
        method: Option<&ChallengeType>,
        views: &[&dyn Prober],
    ) -> Result<(), Problem> {
        let CaaPolicy::Heeded { identities } = &self.settings.caa else { return Ok(()) };
        let issuance = Issuance { identities, account, method };
        for view in views {
            caa::check(identifier, &issuance, *view).await?;
        }
        Ok(())
    }

    /// What the proof of an authorization has to be, if it is still wanted.
    fn wanted_proof(&self, id: &AuthorizationId) -> Option<Proof> {
        let ledger = self.ledger();
        let record = ledger.objects().authorization(id)?;
        let method = match &record.state {
            AuthorizationState::Validating(method) => method.clone(),
            AuthorizationState::Pending
            | AuthorizationState::Valid { .. }
            | AuthorizationState::Invalid { .. }
            | AuthorizationState::Deactivated => return None,
        };
        let account = ledger.objects().account(&record.account)?;
        Some(Proof {
            identifier: record.identifier.clone(),
            account: self.base.of(&Resource::Account(account.id.clone())),
            method,
            token: record.token.clone(),
            content: jose::key_authorization(&record.token, &account.key),
        })
    }

    fn record(
        &self,
        id: &AuthorizationId,
        result: Result<(), Problem>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let mut ledger = self.ledger();
        let Some(record) = ledger.objects().authorization(id).cloned() else { return Ok(()) };
        let event = match result {
            Ok(()) => AuthorizationEvent::Proved { expires: now + VALID_AUTHORIZATION_LIFETIME },
            Err(problem) => AuthorizationEvent::Refuted(problem),
        };
        ledger.commit(vec![Record::Authorization(record.step(event, now))], now)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work that an earlier run left.
fn unfinished(ledger: &Ledger) -> Jobs {
    let jobs = Jobs::default();
    let (validating, processing) = ledger.objects().unfinished();
    validating.for_each(|record| jobs.add_validation(record.id.clone()));
    processing.for_each(|record| jobs.add_issuing(record.id.clone()));
    jobs
}

/// Why a CA cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The base URL is none.
    #[error("the base URL {url:?} must be like https://127.0.0.1:14000, without a query")]
    BaseUrl {
        /// The text.
        url: String,
    },
    /// Certificates would be over before they begin, or outlive the CA.
    #[error("certificates cannot be valid for {validity:#}; choose at most ten years, for instance 90d")]
    Validity {
        /// The setting.
        validity: jiff::SignedDuration,
    },
    /// The folder cannot be made or written to.
    #[error("cannot use {path} for the state of the CA")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has this CA open.
    #[error("another process uses the CA in {path}; stop it, or choose another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The keys or certificates of the CA are unusable.
    #[error("the CA has no usable keys")]
    Authority(#[from] AuthorityError),
    /// The state is unusable.
    #[error("the CA has no usable state")]
    Journal(#[from] JournalError),
}

const LOCK: &str = "lock";

/// The intermediate does not live longer; and far beyond, times could no longer be told.
const LONGEST_VALIDITY: jiff::SignedDuration = jiff::SignedDuration::from_hours(10 * 365 * 24);

/// How long a proved name stays proved.
const VALID_AUTHORIZATION_LIFETIME: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// Validations at once. One that hangs holds a place for half a minute at most.
const MOST_RUNNING: usize = 32;

/// For one validation with all its redirects.
const VALIDATION_LIMIT: Duration = Duration::from_secs(30);

/// When the disk is full, there is no use in trying at once.
const RETRY_DELAY: Duration = Duration::from_secs(5);
