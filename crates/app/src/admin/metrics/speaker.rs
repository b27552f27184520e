//! Who says what metrics say.

/// Who says so: the constant labels of ingress-nginx's metrics.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    /// `controller_namespace`
    pub(crate) namespace: String,
    /// `controller_class`
    pub(crate) class: String,
    /// `controller_pod`
    pub(crate) pod: String,
    /// The Lease that decides who leads.
    pub(crate) lease: String,
}
