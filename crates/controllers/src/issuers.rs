//! Issuers and ClusterIssuers: whether they can sign.

use jamul_api::core::Secret;
use jamul_api::issuer::{AcmeIssuer, AcmeIssuerStatus, IssuerRef, IssuerSpec, IssuerStatus};
use jamul_api::{ClusterIssuer, Issuer, Object, ObjectKey, names};
use jamul_issuance::Note;
use jamul_issuance::issuer::{self, IssuerKind};
use jamul_issuance::issuers::ca;
use jamul_issuance::issuers::vault::{self as vault_issuer, VaultError};
use jiff::Timestamp;

use crate::account_error::AccountError;
use crate::accounts;
use crate::context::Context;
use crate::runner::{self, Retry, chain, trigger};
use crate::vault;

/// What both kinds have in common.
trait AnyIssuer: Object {
    fn spec(&self) -> &IssuerSpec;
    fn status(&self) -> Option<&IssuerStatus>;
    fn with_status(&self, status: IssuerStatus) -> Self;
}

macro_rules! any_issuer {
    ($kind:ty) => {
        impl AnyIssuer for $kind {
            fn spec(&self) -> &IssuerSpec {
                &self.spec
            }
            fn status(&self) -> Option<&IssuerStatus> {
                self.status.as_ref()
            }
            fn with_status(&self, status: IssuerStatus) -> Self {
                Self { status: Some(status), ..self.clone() }
            }
        }
    };
}
any_issuer!(Issuer);
any_issuer!(ClusterIssuer);

pub(crate) async fn run_issuers(context: &Context) {
    run::<Issuer>(context, "issuers").await;
}

pub(crate) async fn run_cluster_issuers(context: &Context) {
    run::<ClusterIssuer>(context, "clusterissuers").await;
}

async fn run<K: AnyIssuer>(context: &Context, name: &'static str) {
    let triggers = |inbox: runner::Inbox| async move {
        tokio::join!(
            trigger::<K>(&context.store, &inbox, |issuer, _| vec![issuer.key()]),
            trigger::<Secret>(&context.store, &inbox, |secret, _| users_of::<K>(context, secret)),
        );
    };
    runner::run(name, context, runner::REMOTE, triggers, |key| reconcile::<K>(context, key)).await;
}

/// The issuers that refer to a Secret; there are few issuers, so all are looked at.
fn users_of<K: AnyIssuer>(context: &Context, secret: &Secret) -> Vec<ObjectKey> {
    let changed = secret.key();
    let issuers = context.store.list::<K>();
    let uses = issuers.iter().filter(|issuer| {
        let namespace = context.issuer_namespace(&reference(&***issuer), &issuer.key().namespace);
        let spec = issuer.spec();
        let named = spec.ca.iter().map(|ca| &ca.secret_name);
        let named = named.chain(spec.acme.iter().map(|acme| &acme.private_key_secret_ref.name));
        let bindings = spec.acme.iter().filter_map(|acme| acme.external_account_binding.as_ref());
        let mut named = named.chain(bindings.map(|binding| &binding.key_secret_ref.name));
        let of_vault = spec.vault.as_ref().map(vault_issuer::secret_names).unwrap_or_default();
        namespace == changed.namespace
            && (named.any(|name| *name == changed.name) || of_vault.contains(&changed.name))
    });
    uses.map(|issuer| issuer.key()).collect()
}

fn reference<K: AnyIssuer>(issuer: &K) -> IssuerRef {
    IssuerRef { name: issuer.key().name, kind: K::KIND.to_owned(), group: String::new() }
}

async fn reconcile<K: AnyIssuer>(context: &Context, key: ObjectKey) -> Result<Option<Timestamp>, Retry> {
    let Some(object) = context.store.get::<K>(&key) else { return Ok(None) };
    let namespace = context.issuer_namespace(&reference(&*object), &key.namespace);
    let (note, is_ready, account, retry) = match issuer::validate(object.spec()) {
        Err(note) => (note, false, None, None),
        Ok(IssuerKind::SelfSigned) => (Note::normal("IsReady", ""), true, None, None),
        Ok(IssuerKind::Ca) => {
            let name = object.spec().ca.as_ref().map(|ca| ca.secret_name.clone()).unwrap_or_default();
            let secret = context.store.fetch::<Secret>(&ObjectKey::new(namespace, name.clone())).await?;
            match ca::verify(&name, secret.as_deref(), context.now()) {
                Ok(_) => (Note::normal("KeyPairVerified", "Signing CA verified"), true, None, None),
                Err(note) => (note, false, None, None),
            }
        }
        Ok(IssuerKind::Acme) => acme(context, &*object, &namespace).await?,
        Ok(IssuerKind::Vault) => vault(context, &*object).await?,
    };
    let generation = object.metadata().generation;
    let mut status = issuer::with_ready(object.status(), is_ready, &note, generation, context.now());
    if let Some(account) = account {
        status.acme = Some(account);
    }
    if object.status() != Some(&status) {
        context.store.set_status(&object.with_status(status)).await?;
        context.announce(&*object, &note);
    }
    match retry {
        Some(retry) => Err(retry),
        None => Ok(None),
    }
}

type Readiness = (Note, bool, Option<AcmeIssuerStatus>, Option<Retry>);

async fn acme<K: AnyIssuer>(context: &Context, object: &K, namespace: &str) -> Result<Readiness, Retry> {
    let Some(spec) = object.spec().acme.as_ref() else {
        return Ok((Note::warning("InvalidConfig", "spec.acme is missing"), false, None, None));
    };
    let known = object.status().and_then(|status| status.acme.clone());
    let was_ready = object.status().is_some_and(|status| {
        jamul_api::condition::find(&status.conditions, "Ready").is_some_and(|ready| ready.is_true())
    });
    let annotation = |name: &str| object.metadata().annotations.as_ref()?.get(name).map(String::as_str);
    if annotation(names::ACCOUNT) == Some("deactivated") {
        return deactivated(context, spec, namespace, known).await;
    }
    let rollover = annotation(names::ACCOUNT_KEY_ROLLOVER);
    // A change of the key goes on whether or not the issuer is ready.
    let known_now = known.as_ref().filter(|_| was_ready || rollover.is_some());
    match accounts::register(context, spec, namespace, known_now, rollover).await {
        Ok(account) => {
            let note =
                Note::normal("ACMEAccountRegistered", "The ACME account was registered with the ACME server");
            Ok((note, true, Some(account), None))
        }
        Err(AccountError::Key(note)) => Ok((note, false, None, None)),
        Err(AccountError::Store(error)) => Err(error.into()),
        Err(AccountError::Refused(message)) => {
            Ok((Note::warning("ErrRegisterACMEAccount", message), false, None, None))
        }
        // The next look registers it anew, for there is no account in the status then.
        Err(AccountError::Unknown(message)) => {
            let note = Note::warning("ErrVerifyACMEAccount", message.clone());
            Ok((note, false, Some(AcmeIssuerStatus::default()), Some(Retry::Later { message, after: None })))
        }
        Err(AccountError::Away { message, after }) => {
            let note = Note::warning("ErrRegisterACMEAccount", message.clone());
            // An account that worked goes on working while its server is away.
            Ok((note, false, known, Some(Retry::Later { message, after })))
        }
    }
}

async fn vault<K: AnyIssuer>(context: &Context, object: &K) -> Result<Readiness, Retry> {
    let issuer = object.spec().vault.clone().unwrap_or_default();
    let own = reference(object);
    let verified = vault::verify(context, &issuer, &own, &object.key().namespace).await?;
    let Err(error) = verified else {
        return Ok((Note::normal("VaultVerified", "Vault verified"), true, None, None));
    };
    let message = chain(&error);
    let note = Note::warning("VaultError", message.clone());
    let retry = match error {
        // A change of the issuer or of its Secrets is what helps.
        VaultError::Config(_) | VaultError::Secret(_) => None,
        VaultError::Refused(_) => Some(Retry::Later { message, after: None }),
        VaultError::Away { after, .. } => Some(Retry::Later { message, after }),
    };
    Ok((note, false, None, retry))
}

/// The account is closed, once, and stays so as long as the annotation is there.
async fn deactivated(
    context: &Context,
    spec: &AcmeIssuer,
    namespace: &str,
    known: Option<AcmeIssuerStatus>,
) -> Result<Readiness, Retry> {
    let note =
        Note::warning("AccountDeactivated", "The ACME account was deactivated, as jamul.dev/account asks");
    let Some(known) = known.filter(|known| !known.uri.is_empty()) else {
        return Ok((note, false, None, None));
    };
    match accounts::deactivate(context, spec, namespace, &known).await {
        Ok(()) => Ok((note, false, Some(AcmeIssuerStatus::default()), None)),
        Err(AccountError::Store(error)) => Err(error.into()),
        Err(AccountError::Key(note)) => Ok((note, false, None, None)),
        Err(AccountError::Refused(message) | AccountError::Unknown(message)) => {
            Ok((Note::warning("ErrUpdateACMEAccount", message), false, None, None))
        }
        Err(AccountError::Away { message, after }) => {
            let note = Note::warning("ErrUpdateACMEAccount", message.clone());
            Ok((note, false, Some(known), Some(Retry::Later { message, after })))
        }
    }
}
