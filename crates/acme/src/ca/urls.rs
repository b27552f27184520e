//! The CA's URLs, written and read in one place.

/// Builds URLs below the configured origin; the `Host` of a request has no say.
#[derive(Clone, Debug)]
pub(super) struct Urls {
    /// Scheme and authority, without a slash at the end.
    pub(super) base: String,
}

/// What a path names. Ids are as the client sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Directory,
    Root,
    NewNonce,
    NewAccount,
    NewOrder,
    RevokeCert,
    KeyChange,
    Account(&'a str),
    Orders(&'a str),
    Order(&'a str),
    Finalize(&'a str),
    Certificate(&'a str),
    Authorization(&'a str, usize),
    Challenge(&'a str, usize),
}

impl<'a> Resource<'a> {
    /// Reads a path; `None` if nothing is there.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        Some(match *segments.as_slice() {
            ["directory"] => Self::Directory,
            ["root.pem"] => Self::Root,
            ["new-nonce"] => Self::NewNonce,
            ["new-account"] => Self::NewAccount,
            ["new-order"] => Self::NewOrder,
            ["revoke-cert"] => Self::RevokeCert,
            ["key-change"] => Self::KeyChange,
            ["account", id] => Self::Account(id),
            ["account", id, "orders"] => Self::Orders(id),
            ["order", id] => Self::Order(id),
            ["order", id, "finalize"] => Self::Finalize(id),
            ["certificate", id] => Self::Certificate(id),
            ["authorization", id, index] => Self::Authorization(id, index.parse().ok()?),
            ["challenge", id, index] => Self::Challenge(id, index.parse().ok()?),
            _ => return None,
        })
    }
}

impl Urls {
    pub(super) fn of(&self, resource: Resource<'_>) -> String {
        let base = &self.base;
        match resource {
            Resource::Directory => format!("{base}/directory"),
            Resource::Root => format!("{base}/root.pem"),
            Resource::NewNonce => format!("{base}/new-nonce"),
            Resource::NewAccount => format!("{base}/new-account"),
            Resource::NewOrder => format!("{base}/new-order"),
            Resource::RevokeCert => format!("{base}/revoke-cert"),
            Resource::KeyChange => format!("{base}/key-change"),
            Resource::Account(id) => format!("{base}/account/{id}"),
            Resource::Orders(id) => format!("{base}/account/{id}/orders"),
            Resource::Order(id) => format!("{base}/order/{id}"),
            Resource::Finalize(id) => format!("{base}/order/{id}/finalize"),
            Resource::Certificate(id) => format!("{base}/certificate/{id}"),
            Resource::Authorization(id, index) => format!("{base}/authorization/{id}/{index}"),
            Resource::Challenge(id, index) => format!("{base}/challenge/{id}/{index}"),
        }
    }

    /// The account id in a `kid`, if the URL is one of ours.
    pub(super) fn account_id<'a>(&self, kid: &'a str) -> Option<&'a str> {
        match Resource::parse(kid.strip_prefix(self.base.as_str())?)? {
            Resource::Account(id) => Some(id),
            _ => None,
        }
    }
}
