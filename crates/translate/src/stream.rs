//! ConfigMaps of TCP and UDP services to ports: lines of `PORT: NAMESPACE/SERVICE:PORT[:PROXY][:PROXY]`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jamul_api::ObjectKey;
use jamul_routing::streams::{Preamble, StreamPort, StreamService, Streams, Transport};
use jamul_routing::{Diagnostic, Severity, Via};

use crate::backend::{self, Backend, Port};
use crate::objects::Objects;
use crate::settings::Settings;

/// What the last translation of them found.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    services: BTreeSet<ObjectKey>,
    /// What is wrong with their lines.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl StreamState {
    /// Whether a line names this Service.
    pub(crate) fn uses(&self, service: &ObjectKey) -> bool {
        self.services.contains(service)
    }
}

/// One line that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    port: StreamPort,
    backend: Backend,
    receives: Preamble,
    sends: Preamble,
}

const SHAPE: &str = "NAMESPACE/SERVICE:PORT, with :PROXY after it if clients send the PROXY protocol, and another :PROXY \
                     (or ::PROXY) if the Service wants it";

/// Reads all lines again. There are few, and a wrong one costs nothing but itself.
pub(crate) fn translate(objects: &Objects, settings: &Settings) -> (StreamState, Streams) {
    let (mut state, mut streams) = (StreamState::default(), Streams::new());
    for (transport, key) in &settings.streams {
        let told = |severity, field: &str, reason, message| Diagnostic {
            severity,
            object: format!("ConfigMap {key}"),
            field: if field.is_empty() { String::new() } else { format!("data[{field}]") },
            reason,
            message,
        };
        let Some(config) = objects.config_maps.get(key) else {
            let name = transport.name();
            let message =
                format!("there is no such ConfigMap, so there are no {name} services; it may still be made");
            state.diagnostics.push(told(Severity::Warning, "", "ConfigMapMissing", message));
            continue;
        };
        for (name, text) in config.data.as_ref().unwrap_or(&BTreeMap::new()) {
            let line = match Line::parse(*transport, name, text, settings) {
                Ok(line) => line,
                Err(message) => {
                    state.diagnostics.push(told(Severity::Error, name, "InvalidStreamService", message));
                    continue;
                }
            };
            state.services.insert(line.backend.service.clone());
            let endpoints = line.endpoints(objects, settings).unwrap_or_else(|(reason, message)| {
                let message = format!("{message}; until then what comes to the port is not taken");
                state.diagnostics.push(told(Severity::Warning, name, reason, message));
                Vec::new()
            });
            let Line { port, backend, receives, sends } = line;
            let backend = format!("{}:{}", backend.service, backend.port).into();
            streams.insert(port, Arc::new(StreamService { backend, endpoints, receives, sends }));
        }
    }
    (state, streams)
}

impl Line {
    fn parse(transport: Transport, name: &str, text: &str, settings: &Settings) -> Result<Self, String> {
        let number = name.trim().parse::<u16>().ok().filter(|number| *number != 0);
        let number =
            number.ok_or_else(|| format!("{name:?} is no port; expected a number from 1 to 65535"))?;
        if transport == Transport::Tcp && settings.taken_ports.contains(&number) {
            return Err(format!("port {number} is one of Jamul's own; expected another"));
        }
        let wrong = || format!("{text:?} is no service; expected {SHAPE}");
        let mut parts = text.trim().split(':').map(str::trim);
        let (service, port) = (parts.next().unwrap_or_default(), parts.next().ok_or_else(wrong)?);
        let (namespace, service) = service.split_once('/').ok_or_else(wrong)?;
        if [namespace, service, port].contains(&"") || service.contains('/') {
            return Err(wrong());
        }
        let mut preamble = || match parts.next() {
            None | Some("") => Ok(Preamble::Nothing),
            Some(word) if word.eq_ignore_ascii_case("PROXY") => Ok(Preamble::ProxyProtocol),
            Some(_) => Err(wrong()),
        };
        let (receives, sends) = (preamble()?, preamble()?);
        if parts.next().is_some() {
            return Err(wrong());
        }
        if transport == Transport::Udp && (receives, sends) != (Preamble::Nothing, Preamble::Nothing) {
            return Err(format!(
                "{text:?}: datagrams have no PROXY protocol here; expected NAMESPACE/SERVICE:PORT"
            ));
        }
        let port = match port.parse() {
            Ok(number) => Port::Number(number),
            Err(_) => Port::Name(port.to_owned()),
        };
        let service = ObjectKey::new(namespace, service);
        let backend = Backend { service, port, transport, via: Via::Endpoints };
        Ok(Self { port: StreamPort { transport, number }, backend, receives, sends })
    }

    fn endpoints(
        &self,
        objects: &Objects,
        settings: &Settings,
    ) -> Result<Vec<jamul_routing::Endpoint>, (&'static str, String)> {
        if objects.services.get(&self.backend.service).is_none() {
            return Err(("ServiceMissing", format!("there is no Service {}", self.backend.service)));
        }
        backend::endpoints(&self.backend, objects, settings).map_err(|fault| (fault.reason, fault.message))
    }
}
