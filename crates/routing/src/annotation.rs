//! What a user writes: annotations, their keys and values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::draft::Draft;
use crate::tls::CertEntry;
use crate::tls_policy::Authorities;

/// One family of annotations. Stateless; registered in [`crate::annotations::ANNOTATIONS`].
pub trait Annotation: Sync {
    /// The keys it understands.
    fn keys(&self) -> &'static [Key];

    /// Takes its values, checks them and edits the draft; nothing to take = nothing to do.
    ///
    /// # Errors
    /// [`Invalid`] names the key and what was expected; whether the route is closed or keeps its default is
    /// the key's [`Key::on_invalid`].
    fn compile(&self, values: &mut Values<'_>, draft: &mut Draft, lookup: &dyn Lookup)
    -> Result<(), Invalid>;

    /// How far its keys are supported.
    fn support(&self) -> Support {
        Support::Honoured
    }
}

/// How far a key is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what its summary says.
    Honoured,
    /// It is taken and changes nothing; the summary says why nothing is lost.
    WithoutEffect,
    /// It is reported as an error; the summary says why.
    Refused,
}

/// One annotation name without ingress-nginx's prefix, with what documentation needs.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name without prefix.
    pub name: &'static str,
    /// Default, as documentation says it.
    pub default: &'static str,
    /// ingress-nginx's own rating.
    pub risk: Risk,
    /// How far it reaches.
    pub scope: KeyScope,
    /// One sentence.
    pub summary: &'static str,
    /// A value that compiles.
    pub example: &'static str,
    /// What an invalid value does.
    pub on_invalid: OnInvalid,
}

impl Key {
    /// A key of route scope whose invalid values leave the default in force.
    #[must_use]
    pub const fn route(
        name: &'static str,
        default: &'static str,
        risk: Risk,
        summary: &'static str,
        example: &'static str,
    ) -> Self {
        let (scope, on_invalid) = (KeyScope::Route, OnInvalid::UseDefault);
        Self { name, default, risk, scope, summary, example, on_invalid }
    }

    /// The same with the scope of all paths of the host.
    #[must_use]
    pub const fn of_host(self) -> Self {
        Self { scope: KeyScope::Host, ..self }
    }

    /// The same with another outcome of invalid values.
    #[must_use]
    pub const fn if_invalid(self, on_invalid: OnInvalid) -> Self {
        Self { on_invalid, ..self }
    }
}

/// ingress-nginx's rating of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

/// How far an annotation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// The paths of the Ingress that carries it.
    Route,
    /// All paths of the host.
    Host,
}

/// What an invalid value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnInvalid {
    /// The default is used; a warning says so.
    UseDefault,
    /// What is wrong is left out, and the default does not take its place; an error says so.
    LeaveOut,
    /// The route answers 503; an error says so (security settings fail closed).
    Close,
    /// The same, and all paths of its hosts answer 403, also those of other Ingresses.
    CloseHost,
}

/// Why a value was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The key without prefix.
    pub key: &'static str,
    /// What was found.
    pub value: String,
    /// What was expected, as the end of "expected ...".
    pub expected: String,
}

impl Invalid {
    /// `value` of `key` is refused; `expected` ends the sentence "expected ...".
    pub fn new(key: &'static str, value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { key, value: value.into(), expected: expected.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?}; expected {}", self.key, self.value, self.expected)
    }
}

impl std::error::Error for Invalid {}

/// Read access to other objects by name; the implementation records what was asked for.
pub trait Lookup {
    /// Data of a ConfigMap of the Ingress's namespace; `name` or `namespace/name`, another namespace is
    /// `None`.
    fn config_map(&self, name: &str) -> Option<BTreeMap<String, String>>;
    /// Data of a ConfigMap that the controller's own ConfigMap names: `namespace/name`, of any namespace.
    fn controllers_config_map(&self, name: &str) -> Option<BTreeMap<String, String>>;
    /// Data of a Secret of the Ingress's namespace.
    fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>>;
    /// The CA certificates of a Secret (`ca.crt`) with its lists of revoked ones (`ca.crl`).
    ///
    /// # Errors
    /// What is expected instead.
    fn authorities(&self, secret: &str) -> Result<Authorities, String>;
    /// The certificate and key of a Secret (`tls.crt`, `tls.key`); `None` if it has a `ca.crt` only.
    ///
    /// # Errors
    /// What is expected instead.
    fn key_pair(&self, secret: &str) -> Result<Option<Arc<CertEntry>>, String>;
    /// Value of a key of the controller's ConfigMap.
    fn setting(&self, key: &str) -> Option<String>;
}

/// The annotations of one Ingress under our prefix; what nobody takes is unknown.
#[derive(Debug)]
pub struct Values<'a> {
    left: BTreeMap<&'a str, &'a str>,
}

impl<'a> Values<'a> {
    /// The annotations whose names begin with `prefix` and `/`, and Jamul's own ([`OWN_PREFIX`]), whose keys keep
    /// their prefix; empty values count as not set.
    pub fn new(prefix: &str, annotations: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let ours = annotations.into_iter().filter_map(|(name, value)| {
            let name = match name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) {
                Some(name) => name,
                None if is_own(name) => name.as_str(),
                None => return None,
            };
            Some((name, value.as_str()))
        });
        Self { left: ours.collect() }
    }

    /// The trimmed value of `key`, which thereby counts as known; `None` if it is not set or empty.
    pub fn take(&mut self, key: &str) -> Option<&'a str> {
        self.left.remove(key).map(str::trim).filter(|value| !value.is_empty())
    }

    /// A boolean in Go's `ParseBool` spellings.
    ///
    /// # Errors
    /// [`Invalid`] for any other word.
    pub fn take_bool(&mut self, key: &'static str) -> Result<Option<bool>, Invalid> {
        self.take(key).map(|value| parse_bool(key, value)).transpose()
    }

    /// [`Self::take_bool`], else the controller's setting of the same name.
    ///
    /// # Errors
    /// [`Invalid`] for any other word.
    pub fn take_bool_or_setting(
        &mut self,
        key: &'static str,
        lookup: &dyn Lookup,
    ) -> Result<Option<bool>, Invalid> {
        self.take_or_setting(key, lookup).map(|value| parse_bool(key, &value)).transpose()
    }

    /// The value of `key`, else the controller's setting of the same name.
    pub fn take_or_setting(&mut self, key: &str, lookup: &dyn Lookup) -> Option<String> {
        match self.take(key) {
            Some(value) => Some(value.to_owned()),
            None => {
                let setting = lookup.setting(key)?.trim().to_owned();
                (!setting.is_empty()).then_some(setting)
            }
        }
    }

    /// Whether `key` is set and was not taken; unlike [`Self::take`], this does not make it known.
    pub fn find(&self, key: &str) -> Option<&'a str> {
        self.left.get(key).copied().map(str::trim).filter(|value| !value.is_empty())
    }

    /// The keys that nobody took.
    #[must_use]
    pub fn unknown(&self) -> Vec<&'a str> {
        self.left.keys().copied().collect()
    }
}

/// What annotations that ingress-nginx does not know begin with.
pub const OWN_PREFIX: &str = "jamul.dev";

/// Whether `key` is one of ours and not of ingress-nginx.
#[must_use]
pub fn is_own(key: &str) -> bool {
    key.strip_prefix(OWN_PREFIX).is_some_and(|rest| rest.starts_with('/'))
}

/// `key` as a user writes it.
#[must_use]
pub fn full_name(prefix: &str, key: &str) -> String {
    if is_own(key) { key.to_owned() } else { format!("{prefix}/{key}") }
}

/// A boolean in Go's `ParseBool` spellings.
pub(crate) fn parse_bool(key: &'static str, value: &str) -> Result<bool, Invalid> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(Invalid::new(key, value, "\"true\" or \"false\"")),
    }
}
