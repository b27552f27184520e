//! Which Ingresses are ours.

use jamul_api::core::Ingress;
use jamul_api::{Object, names};

use crate::settings::Settings;

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
            field: names::INGRESS_CLASS,
            message: format!("class {name:?} is not ours; expected {:?}", settings.ingress_class),
        }),
        None if settings.watch_without_class => Ok(()),
        None => Err(NotOurs {
            field: "spec.ingressClassName",
            message: "no class is named; name an IngressClass, or start with --watch-ingress-without-class"
                .to_owned(),
        }),
    }
}

/// Whether `ingress` is ours; see [`check`].
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
    /// What names its class.
    pub(crate) field: &'static str,
    /// The class found and the one expected.
    pub(crate) message: String,
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
        return Err(NotOurs { field, message });
    };
    if controller == *ours {
        return Ok(());
    }
    let message = format!("IngressClass {name:?} belongs to controller {controller:?}; ours is {ours:?}");
    Err(NotOurs { field, message })
}
