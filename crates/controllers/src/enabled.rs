//! Which of cert-manager's controllers run (`--controllers`).

use std::collections::BTreeSet;

use jamul_issuance::issuer::IssuerKind;
use jamul_issuance::request::Approval;

/// The names that cert-manager's flag knows.
const KNOWN: [&str; 26] = [
    "issuers",
    "clusterissuers",
    "certificates-metrics",
    "ingress-shim",
    "gateway-shim",
    "listenerset",
    "orders",
    "challenges",
    "certificaterequests-approver",
    "certificaterequests-issuer-acme",
    "certificaterequests-issuer-ca",
    "certificaterequests-issuer-selfsigned",
    "certificaterequests-issuer-vault",
    "certificaterequests-issuer-venafi",
    "certificates-trigger",
    "certificates-issuing",
    "certificates-key-manager",
    "certificates-request-manager",
    "certificates-readiness",
    "certificates-revision-manager",
    "certificatesigningrequests-issuer-acme",
    "certificatesigningrequests-issuer-ca",
    "certificatesigningrequests-issuer-selfsigned",
    "certificatesigningrequests-issuer-vault",
    "certificatesigningrequests-issuer-venafi",
    "certificates",
];

/// The controllers that do not run; by default all do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enabled {
    off: BTreeSet<&'static str>,
}

impl Enabled {
    /// Reads a list as cert-manager's flag takes it: `*` for all, `name`, and `-name` for all but this one.
    ///
    /// # Errors
    /// The name that is none, with those that are.
    pub fn parse(list: &str) -> Result<Self, String> {
        let (mut named, mut without, mut all) = (BTreeSet::new(), BTreeSet::new(), false);
        for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if item == "*" {
                all = true;
                continue;
            }
            let bare = item.strip_prefix('-').unwrap_or(item);
            let known = KNOWN.iter().find(|known| **known == bare).ok_or_else(|| {
                format!("{bare:?} is not in the list of known controllers: *, {}", KNOWN.join(", "))
            })?;
            if item.starts_with('-') {
                without.insert(*known)
            } else {
                named.insert(*known)
            };
        }
        let is_off = |name: &&'static str| without.contains(*name) || !(all || named.contains(*name));
        // A list of exceptions alone is about all the others.
        let all_but = named.is_empty() && !all;
        let off =
            KNOWN.into_iter().filter(|name| if all_but { without.contains(name) } else { is_off(name) });
        Ok(Self { off: off.collect() })
    }

    /// Whether the controller of that name runs.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        !self.off.contains(name)
    }

    /// Whether Certificates are taken care of: one loop of ours does the work of six of cert-manager's.
    pub(crate) fn has_certificates(&self) -> bool {
        self.has("certificates-trigger") && self.has("certificates-issuing")
    }

    /// Who approves requests.
    pub(crate) fn approval(&self) -> Approval {
        if self.has("certificaterequests-approver") { Approval::Automatic } else { Approval::ByOthers }
    }

    /// Whether requests to issuers of that kind are signed.
    pub(crate) fn signs(&self, kind: IssuerKind) -> bool {
        self.has(match kind {
            IssuerKind::Acme => "certificaterequests-issuer-acme",
            IssuerKind::Ca => "certificaterequests-issuer-ca",
            IssuerKind::SelfSigned => "certificaterequests-issuer-selfsigned",
            IssuerKind::Vault => "certificaterequests-issuer-vault",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled(list: &str) -> Enabled {
        Enabled::parse(list).expect(list)
    }

    #[test]
    fn a_star_is_all_a_name_is_itself_and_a_dash_is_all_but() {
        let all_but = enabled("*,-certificaterequests-approver");
        assert_eq!(all_but.approval(), Approval::ByOthers);
        assert!(all_but.has("orders") && all_but.has_certificates());
        assert_eq!(enabled("-certificaterequests-approver"), all_but);
        let two = enabled("orders, challenges");
        assert!(two.has("orders") && !two.has("issuers") && !two.signs(IssuerKind::Acme));
        assert_eq!(enabled("*"), Enabled::default());
        let error = Enabled::parse("*,foo").expect_err("foo is none");
        assert!(error.contains("\"foo\" is not in the list of known controllers"), "{error}");
    }
}
