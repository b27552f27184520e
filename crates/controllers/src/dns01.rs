//! DNS-01 challenges: the record is written by the solver's provider, and looked at before the CA is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jamul_api::Challenge;
use jamul_api::core::Secret;
use jamul_api::secret_key::SecretKeySelector;
use jamul_api::{Object, ObjectKey};
use jamul_issuance::dns01::{self, Dns01Error, Secrets, Surroundings, TxtRecord};
use jamul_store::StoreError;

use crate::context::{Context, Trust};
use crate::runner::chain;

/// The Secrets that a solver names, fetched before it is built.
#[derive(Debug)]
struct FetchedSecrets(HashMap<String, Arc<Secret>>);

impl FetchedSecrets {
    async fn fetch(context: &Context, challenge: &Challenge) -> Result<Self, StoreError> {
        let reference = &challenge.spec.issuer_ref;
        let namespace = context.issuer_namespace(reference, &challenge.key().namespace);
        let mut names = BTreeSet::new();
        challenge.spec.solver.dns01.iter().for_each(|block| secret_names(block, &mut names));
        let mut found = HashMap::new();
        for name in names {
            let key = ObjectKey::new(namespace.clone(), name.to_owned());
            if let Some(secret) = context.store.fetch::<Secret>(&key).await? {
                found.insert(name.to_owned(), secret);
            }
        }
        Ok(Self(found))
    }
}

/// The names in all references of a block, by the names of the fields: `apiTokenSecretRef` and so on.
fn secret_names<'a>(block: &'a serde_json::Value, names: &mut BTreeSet<&'a str>) {
    let Some(fields) = block.as_object() else { return };
    for (field, value) in fields {
        match value.get("name").and_then(serde_json::Value::as_str) {
            Some(name) if field.ends_with("SecretRef") => _ = names.insert(name),
            Some(_) | None => secret_names(value, names),
        }
    }
}

/// Whether the solver of a Challenge names this Secret.
pub(crate) fn uses(context: &Context, challenge: &Challenge, secret: &ObjectKey) -> bool {
    let reference = &challenge.spec.issuer_ref;
    let mut names = BTreeSet::new();
    challenge.spec.solver.dns01.iter().for_each(|block| secret_names(block, &mut names));
    names.contains(secret.name.as_str())
        && context.issuer_namespace(reference, &challenge.key().namespace) == secret.namespace
}

impl Secrets for FetchedSecrets {
    fn value(&self, selector: &SecretKeySelector) -> Option<Vec<u8>> {
        let secret = self.0.get(&selector.name)?;
        secret.data.as_ref()?.get(&selector.key).map(|value| value.0.clone())
    }
}

/// Writes the record.
///
/// # Errors
/// What went wrong, for people; it is worth another try.
pub(crate) async fn present(context: &Context, challenge: &Challenge) -> Result<(), String> {
    change(context, challenge, Change::Present).await.map_err(|error| chain(&error))
}

/// Takes the record away.
///
/// # Errors
/// As for [`present`].
pub(crate) async fn clean_up(context: &Context, challenge: &Challenge) -> Result<(), String> {
    change(context, challenge, Change::CleanUp).await.map_err(|error| chain(&error))
}

/// Who does not see the record yet.
pub(crate) async fn unseen(context: &Context, challenge: &Challenge) -> Option<String> {
    let dns = match dns01::name_servers(&challenge.spec.solver) {
        Ok(servers) => context.transports.dns(&servers),
        Err(error) => return Some(error.to_string()),
    };
    let name = own_name(challenge);
    match dns01::unseen_by(&*dns, &name, &challenge.spec.key).await {
        Ok(unseen) => unseen,
        Err(error) => Some(error.to_string()),
    }
}

#[derive(Clone, Copy)]
enum Change {
    Present,
    CleanUp,
}

async fn change(context: &Context, challenge: &Challenge, change: Change) -> Result<(), Dns01Error> {
    let spec = &challenge.spec;
    let dns = context.transports.dns(&dns01::name_servers(&spec.solver)?);
    let trust = Trust::default();
    let http =
        context.transports.transport(&trust).map_err(|reason| Dns01Error::Config { provider: "", reason })?;
    let secrets = FetchedSecrets::fetch(context, challenge).await.map_err(|error| Dns01Error::Config {
        provider: "",
        reason: format!("its Secrets cannot be read: {}", chain(&error)),
    })?;
    let api_server = context.transports.api_server();
    let namespace = context.issuer_namespace(&spec.issuer_ref, &challenge.key().namespace);
    let surroundings = Surroundings {
        secrets: &secrets,
        http: &http,
        dns: &dns,
        api_server: api_server.as_ref(),
        namespace: &namespace,
    };
    let provider = dns01::build(&spec.solver, &surroundings)?;
    let own = own_name(challenge);
    let name = match dns01::follows_aliases(&spec.solver) {
        true => dns01::follow(&*dns, &own).await?,
        false => own,
    };
    let zone = dns01::zone_of(&*dns, &name).await?;
    let record = TxtRecord { domain: spec.dns_name.clone(), name, zone, value: spec.key.clone() };
    let _one_at_a_time = context.names.lock(&record.name).await;
    match change {
        Change::Present => provider.present(&record, context.now()).await,
        Change::CleanUp => provider.clean_up(&record, context.now()).await,
    }
}

fn own_name(challenge: &Challenge) -> String {
    format!("_acme-challenge.{}", challenge.spec.dns_name.trim_start_matches("*."))
}
