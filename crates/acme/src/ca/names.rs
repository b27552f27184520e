//! For which names the CA issues, decided before any validation.
//!
//! A private CA serves private networks, so any suffix, single labels, private and loopback addresses are fine, the
//! opposite of a public CA. Addresses that could only be meant for harm are not.

use std::net::{IpAddr, Ipv6Addr};

use crate::problem::{Problem, ProblemType};
use crate::wire::Identifier;

/// The identifier in its only spelling (DNS names in lower case), if the CA issues for it.
///
/// # Errors
/// The problem to put into the answer: `malformed`, `rejectedIdentifier` or `unsupportedIdentifier`.
pub(super) fn check(identifier: &Identifier) -> Result<Identifier, Problem> {
    match identifier {
        Identifier::Dns(name) => check_dns(name).map(Identifier::Dns),
        Identifier::Ip(address) => check_ip(*address).map(Identifier::Ip),
        Identifier::Other { kind, .. } => Err(Problem::new(
            ProblemType::UnsupportedIdentifier,
            format!("identifiers of type {kind:?} are not known; there are dns and ip"),
        )),
    }
}

/// Whether the validator may connect to `address`. For whoever resolves names and dials, which must check what it dials
/// and not what it asked for: a name can resolve to anything.
///
/// Refused are link-local addresses (where clouds keep their credentials), unspecified and multicast ones.
pub fn may_be_dialled(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            !(v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast())
        }
        IpAddr::V6(v6) => !(is_link_local(v6) || v6.is_unspecified() || v6.is_multicast()),
    }
}

fn check_dns(name: &str) -> Result<String, Problem> {
    // A star stands for one whole label, the leftmost (RFC 8555 section 7.1.3).
    let (whole, name) = (name, name.strip_prefix("*.").unwrap_or(name));
    let malformed = |reason: &str| {
        Err(Problem::new(ProblemType::Malformed, format!("{whole:?} is not a DNS name: {reason}")))
    };
    if !name.is_ascii() {
        return malformed("write it in its ASCII form (xn--)");
    }
    if name.is_empty() || name.len() > LONGEST_NAME {
        return malformed("it must have 1 to 253 characters");
    }
    if name.ends_with('.') {
        return malformed("leave out the dot at its end");
    }
    if let Some(label) = name.split('.').find(|label| !is_label(label)) {
        return malformed(&format!(
            "the label {label:?} must have 1 to 63 letters, digits and inner hyphens"
        ));
    }
    // RFC 1123 section 2.1: a name whose last label is a number would be read as an address.
    if name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
        return malformed("its last label is a number; an address is an identifier of type ip");
    }
    Ok(whole.to_ascii_lowercase())
}

fn check_ip(address: IpAddr) -> Result<IpAddr, Problem> {
    let canonical = address.to_canonical();
    if !may_be_dialled(canonical) {
        let detail = format!("{address} is link-local, unspecified or multicast: it names no one server");
        return Err(Problem::new(ProblemType::RejectedIdentifier, detail));
    }
    Ok(canonical)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments().first().is_some_and(|segment| segment & 0xffc0 == 0xfe80)
}

const LONGEST_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn dns(name: &str) -> Result<Identifier, ProblemType> {
        check(&Identifier::Dns(name.to_owned())).map_err(|problem| problem.kind)
    }

    #[test]
    fn private_names_are_fine_in_any_case() {
        for name in ["Hello.localhost", "registry", "a-b.c3.internal", "xn--bcher-kva.example"] {
            assert_eq!(dns(name), Ok(Identifier::Dns(name.to_ascii_lowercase())), "{name}");
        }
    }

    #[test]
    fn what_is_no_host_name_is_malformed() {
        let long = ["a".repeat(63).as_str(); 4].join(".") + ".bc";
        let names =
            ["", ".", "a..b", "-a.b", "a-.b", "a_b.c", "a b", "a.b.", "b\u{fc}cher.de", "127.0.0.1", "a/b"];
        for name in names.into_iter().chain([long.as_str(), "a.*.b"]) {
            assert_eq!(dns(name), Err(ProblemType::Malformed), "{name}");
        }
    }

    #[test]
    fn a_star_is_the_leftmost_label_only_and_unknown_types_have_their_own_problem() {
        assert_eq!(dns("*.Example.com"), Ok(Identifier::Dns("*.example.com".to_owned())));
        for name in ["*", "*.", "a.*.b", "*.*.b", "*a.b", "*.1"] {
            assert_eq!(dns(name), Err(ProblemType::Malformed), "{name}");
        }
        let email = Identifier::Other { kind: "email".to_owned(), value: "a@b".to_owned() };
        assert_eq!(check(&email).map_err(|problem| problem.kind), Err(ProblemType::UnsupportedIdentifier));
    }

    #[test]
    fn loopback_and_private_addresses_are_fine_and_the_metadata_service_is_not() {
        let allowed = |text: &str| may_be_dialled(text.parse().expect("an address"));
        assert!(allowed("127.0.0.1") && allowed("::1") && allowed("10.1.2.3") && allowed("fd00::1"));
        for refused in ["169.254.169.254", "0.0.0.0", "::", "fe80::1", "224.0.0.1", "::ffff:169.254.169.254"]
        {
            assert!(!allowed(refused), "{refused}");
        }
    }
}
