//! Which Ingresses are ours.

use jamul_api::core::Ingress;
use jamul_api::{Object, names};

use crate::lookup::Recorder;
use crate::settings::{Settings, Watched};

/// Whether `ingress` is ours: `spec.ingressClassName` decides where it is set, else the old annotation, else
/// [`Settings::watch_without_class`]. `controller_of` says which controller the IngressClass of a name belongs to; it is
/// asked whenever there is a name, so that a change of the IngressClass is noticed.
///
/// # Errors
/// Why it is not: what names the class, and how it would become ours.
pub(crate) fn check(
    ingress: &Ingress,
    controller_of: impl FnOnce(&str) -> Option<String>,
    settings: &Settings,
) -> Result<(), NotOurs> {
    let written = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
    if let Some(name) = written.filter(|name| !name.is_empty()) {
        return check_class(name, controller_of(name), settings);
    }
    let annotation = ingress.annotation(names::INGRESS_CLASS).filter(|name| !name.is_empty());
    match annotation {
        Some(name) if name == settings.ingress_class => Ok(()),
        Some(name) => Err(NotOurs {
            reason: OTHER_CLASS,
            field: names::INGRESS_CLASS,
            message: format!("class {name:?} is not ours; expected {:?}", settings.ingress_class),
        }),
        None if settings.watch_without_class => Ok(()),
        None => Err(NotOurs {
            reason: OTHER_CLASS,
            field: "spec.ingressClassName",
            message: "no class is named; name an IngressClass, or start with --watch-ingress-without-class"
                .to_owned(),
        }),
    }
}

/// Whether `ingress` is ours, by its class and its namespace.
pub fn is_ours(
    ingress: &Ingress,
    controller_of: impl FnOnce(&str) -> Option<String>,
    settings: &Settings,
) -> bool {
    check(ingress, controller_of, settings).is_ok()
}

/// Why an Ingress is left to others.
#[derive(Debug)]
pub(crate) struct NotOurs {
    /// Stable CamelCase word.
    pub(crate) reason: &'static str,
    /// What names its class.
    pub(crate) field: &'static str,
    /// The class found and the one expected.
    pub(crate) message: String,
}

const OTHER_CLASS: &str = "OtherClass";

/// Whether the namespace of `ingress` is watched.
///
/// # Errors
/// Why it is not.
pub(crate) fn check_namespace(
    ingress: &Ingress,
    recorder: &Recorder<'_>,
    settings: &Settings,
) -> Result<(), NotOurs> {
    let namespace = ingress.key().namespace;
    let expected = match &settings.watched {
        Watched::All => return Ok(()),
        Watched::Namespace(watched) if *watched == namespace => return Ok(()),
        Watched::Namespace(watched) => format!("--watch-namespace names {watched:?}"),
        Watched::Selector(selector) => {
            let found = recorder.namespace(&namespace);
            if found.is_some_and(|found| selector.takes(found.metadata.labels.as_ref())) {
                return Ok(());
            }
            "its Namespace has not the labels of --watch-namespace-selector".to_owned()
        }
    };
    let message = format!("namespace {namespace:?} is not watched: {expected}");
    Err(NotOurs { reason: "OtherNamespace", field: "metadata.namespace", message })
}

fn check_class(name: &str, controller: Option<String>, settings: &Settings) -> Result<(), NotOurs> {
    if settings.ingress_class_by_name && name == settings.ingress_class {
        return Ok(());
    }
    let field = "spec.ingressClassName";
    let ours = &settings.controller_class;
    let Some(controller) = controller else {
        let message =
            format!("there is no IngressClass {name:?}; expected one whose spec.controller is {ours:?}");
        return Err(NotOurs { reason: OTHER_CLASS, field, message });
    };
    if controller == *ours {
        return Ok(());
    }
    let message = format!("IngressClass {name:?} belongs to controller {controller:?}; ours is {ours:?}");
    Err(NotOurs { reason: OTHER_CLASS, field, message })
}
