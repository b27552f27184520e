//! The URLs of the CA, in both directions.

use std::fmt;

use super::records::{AccountId, AuthorizationId, OrderId};
use crate::wire::ChallengeType;

/// What a URL stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Directory,
    /// The root's certificate, not part of ACME.
    Root,
    NewNonce,
    NewAccount,
    NewOrder,
    NewAuthz,
    RevokeCert,
    KeyChange,
    /// The root that the alternate chains end at, not part of ACME either.
    AlternateRoot,
    /// The list of what the intermediate with this mark signed and was revoked.
    RevocationList(String),
    /// When to renew the certificate with this identifier (RFC 9773); empty: where all of them are.
    RenewalInfo(String),
    Account(AccountId),
    /// The orders of an account from this position on.
    Orders(AccountId, usize),
    Order(OrderId),
    Finalize(OrderId),
    Certificate(OrderId),
    /// The same certificate with the chain to the alternate root.
    AlternateCertificate(OrderId),
    Authorization(AuthorizationId),
    Challenge(AuthorizationId, ChallengeType),
}

impl Resource {
    /// The resource at a path and query below the base URL.
    pub(super) fn parse(path_and_query: &str) -> Option<Self> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let resource = match segments.as_slice() {
            ["directory"] => Self::Directory,
            ["root.pem"] => Self::Root,
            ["root-alternate.pem"] => Self::AlternateRoot,
            ["crl", file] => Self::RevocationList(file.strip_suffix(".crl")?.to_owned()),
            ["acme", "renewal-info", id] => Self::RenewalInfo((*id).to_owned()),
            ["acme", "new-authz"] => Self::NewAuthz,
            ["acme", "new-nonce"] => Self::NewNonce,
            ["acme", "new-account"] => Self::NewAccount,
            ["acme", "new-order"] => Self::NewOrder,
            ["acme", "revoke-cert"] => Self::RevokeCert,
            ["acme", "key-change"] => Self::KeyChange,
            ["acme", "account", id] => Self::Account(AccountId::from_url(id)),
            ["acme", "account", id, "orders"] => {
                let from = query.strip_prefix("from=").map_or(Some(0), |number| number.parse().ok());
                return Some(Self::Orders(AccountId::from_url(id), from?));
            }
            ["acme", "order", id] => Self::Order(OrderId::from_url(id)),
            ["acme", "order", id, "finalize"] => Self::Finalize(OrderId::from_url(id)),
            ["acme", "certificate", id] => Self::Certificate(OrderId::from_url(id)),
            ["acme", "certificate", id, "alternate"] => Self::AlternateCertificate(OrderId::from_url(id)),
            ["acme", "authorization", id] => Self::Authorization(AuthorizationId::from_url(id)),
            ["acme", "challenge", id, kind] => {
                Self::Challenge(AuthorizationId::from_url(id), ChallengeType::from((*kind).to_owned()))
            }
            _ => return None,
        };
        query.is_empty().then_some(resource)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("/directory"),
            Self::Root => f.write_str("/root.pem"),
            Self::AlternateRoot => f.write_str("/root-alternate.pem"),
            Self::RevocationList(mark) => write!(f, "/crl/{mark}.crl"),
            Self::RenewalInfo(id) if id.is_empty() => f.write_str("/acme/renewal-info"),
            Self::RenewalInfo(id) => write!(f, "/acme/renewal-info/{id}"),
            Self::NewAuthz => f.write_str("/acme/new-authz"),
            Self::NewNonce => f.write_str("/acme/new-nonce"),
            Self::NewAccount => f.write_str("/acme/new-account"),
            Self::NewOrder => f.write_str("/acme/new-order"),
            Self::RevokeCert => f.write_str("/acme/revoke-cert"),
            Self::KeyChange => f.write_str("/acme/key-change"),
            Self::Account(id) => write!(f, "/acme/account/{id}"),
            Self::Orders(id, 0) => write!(f, "/acme/account/{id}/orders"),
            Self::Orders(id, from) => write!(f, "/acme/account/{id}/orders?from={from}"),
            Self::Order(id) => write!(f, "/acme/order/{id}"),
            Self::Finalize(id) => write!(f, "/acme/order/{id}/finalize"),
            Self::Certificate(id) => write!(f, "/acme/certificate/{id}"),
            Self::AlternateCertificate(id) => write!(f, "/acme/certificate/{id}/alternate"),
            Self::Authorization(id) => write!(f, "/acme/authorization/{id}"),
            Self::Challenge(id, kind) => write!(f, "/acme/challenge/{id}/{kind}"),
        }
    }
}

/// The URL everything of the CA begins with, from its settings: what a request says about its host is not trusted.
#[derive(Clone, Debug)]
pub(super) struct BaseUrl {
    url: String,
    /// The path within `url`, without a slash at its end.
    path: String,
}

impl BaseUrl {
    /// A base URL: `http` or `https`, a host, no query.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = url::Url::parse(text).ok()?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.has_host();
        if !is_plain || !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let path = url.path().trim_end_matches('/').to_owned();
        Some(Self { url: url.as_str().trim_end_matches('/').to_owned(), path })
    }

    /// The URL of a resource.
    pub(super) fn of(&self, resource: &Resource) -> String {
        format!("{}{resource}", self.url)
    }

    /// The resource a request is for.
    pub(super) fn resource(&self, request_target: &http::Uri) -> Option<Resource> {
        let path_and_query = request_target.path_and_query()?.as_str();
        Resource::parse(path_and_query.strip_prefix(self.path.as_str())?)
    }

    /// The resource a URL inside a message names, if it is one of ours.
    pub(super) fn parse_url(&self, url: &str) -> Option<Resource> {
        Resource::parse(url.strip_prefix(self.url.as_str())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_is_found_at_its_own_url() {
        let base = BaseUrl::parse("https://ca.example:14000/ca/").expect("a base URL");
        let (account, order, authorization) =
            (AccountId::from_url("1a"), OrderId::from_url("2b"), AuthorizationId::from_url("3c"));
        for resource in [
            Resource::Directory,
            Resource::Root,
            Resource::NewNonce,
            Resource::NewAccount,
            Resource::NewOrder,
            Resource::RevokeCert,
            Resource::KeyChange,
            Resource::Account(account.clone()),
            Resource::Orders(account.clone(), 0),
            Resource::Orders(account, 200),
            Resource::NewAuthz,
            Resource::AlternateRoot,
            Resource::RevocationList("ab12".to_owned()),
            Resource::RenewalInfo("a.b".to_owned()),
            Resource::AlternateCertificate(order.clone()),
            Resource::Order(order.clone()),
            Resource::Finalize(order.clone()),
            Resource::Certificate(order),
            Resource::Authorization(authorization.clone()),
            Resource::Challenge(authorization, ChallengeType::Http01),
        ] {
            let url = base.of(&resource);
            assert_eq!(base.parse_url(&url), Some(resource.clone()), "{url}");
            let target: http::Uri = url.parse().expect("a URL");
            assert_eq!(base.resource(&target), Some(resource));
        }
        assert_eq!(base.of(&Resource::Directory), "https://ca.example:14000/ca/directory");
    }

    #[test]
    fn other_paths_and_unexpected_queries_are_nothing() {
        let found = ["/", "/acme", "/directory/", "/directory?x=1", "/acme/order/a/b", "directory"];
        assert!(found.into_iter().all(|path| Resource::parse(path).is_none()));
        assert!(BaseUrl::parse("ca.example").is_none() && BaseUrl::parse("https://a/?q").is_none());
    }
}
