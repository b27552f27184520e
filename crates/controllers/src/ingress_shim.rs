//! ingress-shim: keeps the Certificates that Ingresses ask for.

use jamul_api::core::Ingress;
use jamul_api::{Certificate, Object, ObjectKey};
use jamul_issuance::{Note, shim};
use jiff::Timestamp;

use crate::context::Context;
use crate::index::Index;
use crate::runner::{self, Retry, owner_key, trigger};

pub(crate) async fn run(context: &Context) {
    let by_ingress = &Index::default();
    let triggers = |inbox: runner::Inbox| async move {
        tokio::join!(
            trigger::<Ingress>(&context.store, &inbox, |ingress, _| vec![ingress.key()]),
            trigger::<Certificate>(&context.store, &inbox, |certificate, deleted| {
                let ingress = owner_key("Ingress", certificate);
                by_ingress.note(certificate.key(), ingress.clone().filter(|_| !deleted));
                ingress.into_iter().collect()
            }),
        );
    };
    runner::run("ingress-shim", context, runner::FAST, triggers, |key| reconcile(context, by_ingress, key))
        .await;
}

async fn reconcile(
    context: &Context,
    by_ingress: &Index,
    key: ObjectKey,
) -> Result<Option<Timestamp>, Retry> {
    let Some(ingress) = context.store.get::<Ingress>(&key) else { return Ok(None) };
    let shim = shim::certificates(&ingress, &context.settings.shim);
    for note in &shim.warnings {
        context.announce(&*ingress, note);
    }
    let wanted: Vec<String> =
        shim.certificates.iter().map(|certificate| certificate.spec.secret_name.clone()).collect();
    for certificate in shim.certificates {
        apply(context, &ingress, certificate).await?;
    }
    // As upstream: only a Secret that spec.tls names no more loses its Certificate, not a removed annotation.
    let tls = ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten());
    let named: Vec<String> = tls.filter_map(|tls| tls.secret_name.clone()).chain(wanted).collect();
    let controlled = by_ingress.of(&key).into_iter().filter_map(|key| context.store.get::<Certificate>(&key));
    for certificate in controlled {
        if named.contains(&certificate.spec.secret_name) || !certificate.is_controlled_by(&*ingress) {
            continue;
        }
        context.store.delete::<Certificate>(&certificate.key()).await?;
        let message = format!("Successfully deleted unrequired Certificate {:?}", certificate.key().name);
        context.announce(&*ingress, &Note::normal("DeleteCertificate", message));
    }
    Ok(None)
}

async fn apply(context: &Context, ingress: &Ingress, wanted: Certificate) -> Result<(), Retry> {
    let name = wanted.key().name;
    let (wanted, reason, verb) = match context.store.get::<Certificate>(&wanted.key()) {
        None => (wanted, "CreateCertificate", "created"),
        Some(existing) if !existing.is_controlled_by(ingress) || !shim::needs_update(&existing, &wanted) => {
            return Ok(());
        }
        Some(existing) => (shim::merged(&existing, &wanted), "UpdateCertificate", "updated"),
    };
    context.store.apply(wanted).await?;
    context.announce(ingress, &Note::normal(reason, format!("Successfully {verb} Certificate {name:?}")));
    Ok(())
}
