//! The addresses under which Ingresses are reached, in their status: external-dns and people read it there.

use std::net::IpAddr;

use jamul_api::core::{
    Ingress, IngressClass, IngressLoadBalancerIngress, IngressLoadBalancerStatus, IngressStatus, Service,
};
use jamul_api::{Object, ObjectKey};
use jiff::Timestamp;

use crate::context::Context;
use crate::runner::{self, Retry, trigger};

/// Where the addresses come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusSource {
    /// `--publish-status-address`: as written.
    Addresses(Vec<String>),
    /// `--publish-service`: those of a Service.
    Service(ObjectKey),
}

/// Keeps the status of our Ingresses, until it is dropped.
pub async fn publish_status(context: &Context, source: &StatusSource) {
    let triggers = |inbox: runner::Inbox| async move {
        let all = || context.store.list::<Ingress>().iter().map(|ingress| ingress.key()).collect();
        tokio::join!(
            trigger::<Ingress>(&context.store, &inbox, |ingress, _| vec![ingress.key()]),
            trigger::<IngressClass>(&context.store, &inbox, |_, _| all()),
            trigger::<Service>(&context.store, &inbox, |service, _| {
                let is_named = matches!(source, StatusSource::Service(named) if *named == service.key());
                if is_named { all() } else { Vec::new() }
            }),
        );
    };
    runner::run("ingress-status", context, runner::FAST, triggers, |key| async move {
        if let Some(addresses) = addresses(context, source) {
            write(context, &key, &addresses).await?;
        }
        Ok::<Option<Timestamp>, Retry>(None)
    })
    .await;
}

/// Takes our addresses out of all of them: nobody serves them any more.
pub async fn clear_status(context: &Context) {
    for ingress in context.store.list::<Ingress>() {
        if let Err(error) = write(context, &ingress.key(), &[]).await {
            tracing::warn!(ingress = %ingress.key(), "the status was not cleared: {}", runner::chain(&error));
        }
    }
}

async fn write(
    context: &Context,
    key: &ObjectKey,
    addresses: &[IngressLoadBalancerIngress],
) -> Result<(), Retry> {
    let Some(ingress) = context.store.get::<Ingress>(key) else { return Ok(()) };
    let controller_of = |class: &str| {
        let class = context.store.get::<IngressClass>(&ObjectKey::new("", class))?;
        Some(class.spec.as_ref().and_then(|spec| spec.controller.clone()).unwrap_or_default())
    };
    if !jamul_translate::is_ours(&ingress, controller_of, &context.settings.translate) {
        return Ok(());
    }
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    if status.and_then(|status| status.ingress.as_deref()).unwrap_or_default() == addresses {
        return Ok(());
    }
    let mut ingress = (*ingress).clone();
    let listed = (!addresses.is_empty()).then(|| addresses.to_vec());
    ingress.status =
        Some(IngressStatus { load_balancer: Some(IngressLoadBalancerStatus { ingress: listed }) });
    context.store.set_status(&ingress).await?;
    Ok(())
}

/// Sorted; `None` while the Service is not there, for then nobody knows better than what is written.
fn addresses(context: &Context, source: &StatusSource) -> Option<Vec<IngressLoadBalancerIngress>> {
    let names = match source {
        StatusSource::Addresses(addresses) => addresses.clone(),
        StatusSource::Service(key) => of_service(&*context.store.get::<Service>(key)?),
    };
    Some(entries(names))
}

/// As ingress-nginx chooses them, by the type of the Service.
fn of_service(service: &Service) -> Vec<String> {
    let spec = service.spec.clone().unwrap_or_default();
    let external = spec.external_ips.unwrap_or_default();
    match spec.type_.as_deref().unwrap_or("ClusterIP") {
        "LoadBalancer" => {
            let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
            let given = balancer.and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
            let given = given.iter().filter_map(|entry| entry.ip.clone().or_else(|| entry.hostname.clone()));
            given.chain(external).collect()
        }
        "ExternalName" => spec.external_name.into_iter().collect(),
        "NodePort" if !external.is_empty() => external,
        _ => spec.cluster_ip.into_iter().filter(|ip| ip != "None").collect(),
    }
}

fn entries(mut names: Vec<String>) -> Vec<IngressLoadBalancerIngress> {
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    let entry = |name: String| {
        let is_address = name.parse::<IpAddr>().is_ok();
        IngressLoadBalancerIngress {
            ip: is_address.then(|| name.clone()),
            hostname: (!is_address).then_some(name),
            ports: None,
        }
    };
    names.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use jamul_api::core::{LoadBalancerIngress, LoadBalancerStatus, ServiceSpec, ServiceStatus};

    use super::*;

    fn service(kind: &str, given: &[(&str, &str)], external: &[&str]) -> Service {
        let entry = |(ip, hostname): &(&str, &str)| LoadBalancerIngress {
            ip: (!ip.is_empty()).then(|| (*ip).to_owned()),
            hostname: (!hostname.is_empty()).then(|| (*hostname).to_owned()),
            ..LoadBalancerIngress::default()
        };
        let balancer = LoadBalancerStatus { ingress: Some(given.iter().map(entry).collect()) };
        Service {
            spec: Some(ServiceSpec {
                type_: Some(kind.to_owned()),
                cluster_ip: Some("10.96.0.7".to_owned()),
                external_ips: Some(external.iter().map(|ip| (*ip).to_owned()).collect()),
                external_name: Some("lb.example".to_owned()),
                ..ServiceSpec::default()
            }),
            status: Some(ServiceStatus { load_balancer: Some(balancer), ..ServiceStatus::default() }),
            ..Service::default()
        }
    }

    #[test]
    fn the_type_of_the_service_decides_which_addresses_are_published() {
        for (kind, external, expected) in [
            ("LoadBalancer", &["192.0.2.9"][..], &["192.0.2.1", "192.0.2.9", "b.example"][..]),
            ("NodePort", &["192.0.2.9"], &["192.0.2.9"]),
            ("NodePort", &[], &["10.96.0.7"]),
            ("ClusterIP", &[], &["10.96.0.7"]),
            ("ExternalName", &[], &["lb.example"]),
        ] {
            let service = service(kind, &[("", "b.example"), ("192.0.2.1", "")], external);
            let found = entries(of_service(&service));
            let names: Vec<_> =
                found.iter().filter_map(|e| e.ip.as_deref().or(e.hostname.as_deref())).collect();
            assert_eq!(names, expected, "{kind}");
        }
    }
}
