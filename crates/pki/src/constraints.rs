//! nameConstraints as a user writes them (RFC 5280 section 4.2.1.10).

use std::net::IpAddr;

use const_oid::AssociatedOid;
use der::Encode;
use der::asn1::{Ia5String, OctetString};
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

use crate::error::X509Error;
use crate::raw_extension::RawExtension;

/// Names below which a CA may sign, or may not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subtrees {
    /// A domain and all below it; with a leading dot only what is below.
    pub dns_domains: Vec<String>,
    /// Networks: an address and the length of its prefix in bits.
    pub ip_ranges: Vec<(IpAddr, u8)>,
    /// A mailbox, a host, or with a leading dot all hosts of a domain.
    pub email_addresses: Vec<String>,
    /// Hosts of URIs, or with a leading dot all of a domain.
    pub uri_domains: Vec<String>,
}

impl Subtrees {
    /// Whether none is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn to_subtrees(&self) -> Result<Option<Vec<GeneralSubtree>>, X509Error> {
        let ascii =
            |value: &str| Ia5String::new(value).map_err(|_| X509Error::NotAscii { value: value.to_owned() });
        let mut bases = Vec::new();
        for name in &self.dns_domains {
            bases.push(GeneralName::DnsName(ascii(name)?));
        }
        for (address, prefix) in &self.ip_ranges {
            let octets = OctetString::new(network(*address, *prefix));
            bases.push(GeneralName::IpAddress(octets.map_err(failed)?));
        }
        for address in &self.email_addresses {
            bases.push(GeneralName::Rfc822Name(ascii(address)?));
        }
        for domain in &self.uri_domains {
            bases.push(GeneralName::UniformResourceIdentifier(ascii(domain)?));
        }
        let subtrees = bases.into_iter().map(|base| GeneralSubtree { base, minimum: 0, maximum: None });
        Ok((!self.is_empty()).then(|| subtrees.collect()))
    }
}

impl RawExtension {
    /// nameConstraints of a CA.
    ///
    /// # Errors
    /// [`X509Error::NotAscii`]; [`X509Error::Encode`].
    pub fn name_constraints(
        criticality: Criticality,
        permitted: &Subtrees,
        excluded: &Subtrees,
    ) -> Result<Self, X509Error> {
        let constraints = NameConstraints {
            permitted_subtrees: permitted.to_subtrees()?,
            excluded_subtrees: excluded.to_subtrees()?,
        };
        let value = constraints.to_der().map_err(failed)?;
        let is_critical = match criticality {
            Criticality::Critical => true,
            Criticality::Ignorable => false,
        };
        Ok(Self { oid: NameConstraints::OID, is_critical, value })
    }
}

/// What whoever does not know an extension has to do (RFC 5280 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criticality {
    /// Refuse the certificate.
    Critical,
    /// Go on without it.
    Ignorable,
}

/// Address and mask, the bits behind the prefix cleared.
fn network(address: IpAddr, prefix: u8) -> Vec<u8> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mask = (0..octets.len()).map(|index| {
        let bits = usize::from(prefix).saturating_sub(index * 8).min(8);
        0xff_u8.checked_shl(8 - u32::try_from(bits).unwrap_or(8)).unwrap_or(0)
    });
    let mask: Vec<u8> = mask.collect();
    octets.iter().zip(&mask).map(|(octet, mask)| octet & mask).chain(mask.iter().copied()).collect()
}

fn failed(source: der::Error) -> X509Error {
    X509Error::Encode { what: "extension", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_its_address_and_its_mask() {
        assert_eq!(network(IpAddr::from([10, 1, 2, 3]), 12), [10, 0, 0, 0, 255, 240, 0, 0]);
        assert_eq!(network(IpAddr::from([10, 1, 2, 3]), 0), [0; 8]);
        assert_eq!(network(IpAddr::from([10, 1, 2, 3]), 32), [10, 1, 2, 3, 255, 255, 255, 255]);
    }
}
