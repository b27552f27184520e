//! Extensions that few certificates have, added to a template or read by their identifier.

use std::net::IpAddr;

use const_oid::{AssociatedOid as _, ObjectIdentifier};
use der::asn1::OctetString;
use der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

use crate::error::X509Error;
use crate::san::San;

/// One extension as it stands in a certificate (RFC 5280 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawExtension {
    pub(crate) oid: ObjectIdentifier,
    pub(crate) is_critical: bool,
    /// The DER inside of the octet string.
    pub(crate) value: Vec<u8>,
}

impl RawExtension {
    /// acmeIdentifier: the SHA-256 of a key authorization, critical (RFC 8737 section 3).
    ///
    /// # Errors
    /// [`X509Error::Encode`].
    pub fn acme_identifier(digest: [u8; 32]) -> Result<Self, X509Error> {
        let value = OctetString::new(digest).and_then(|octets| octets.to_der()).map_err(failed)?;
        Ok(Self { oid: ACME_IDENTIFIER, is_critical: true, value })
    }

    /// nameConstraints that permit these names and, of the two kinds DNS and IP, no others (RFC 5280 section 4.2.1.10).
    /// A DNS name permits itself and what is below it; an address itself.
    ///
    /// # Errors
    /// [`X509Error::NotAscii`]; [`X509Error::Encode`].
    pub fn permitting(names: &[San]) -> Result<Self, X509Error> {
        let mut bases = names.iter().map(San::to_general_name).collect::<Result<Vec<_>, _>>()?;
        for (base, name) in bases.iter_mut().zip(names) {
            if let San::Ip(address) = name {
                *base = GeneralName::IpAddress(OctetString::new(network(*address)).map_err(failed)?);
            }
        }
        let is_subtree = |base| GeneralSubtree { base, minimum: 0, maximum: None };
        let mut excluded = Vec::new();
        // RFC 5280 restricts a kind only where a subtree of the kind is named, so the kind without one is excluded.
        if !names.iter().any(|name| matches!(name, San::Ip(_))) {
            for everything in [vec![0; 8], vec![0; 32]] {
                excluded.push(GeneralName::IpAddress(OctetString::new(everything).map_err(failed)?));
            }
        }
        let excluded: Vec<_> = excluded.into_iter().map(is_subtree).collect();
        let constraints = NameConstraints {
            permitted_subtrees: Some(bases.into_iter().map(is_subtree).collect()),
            excluded_subtrees: (!excluded.is_empty()).then_some(excluded),
        };
        let value = constraints.to_der().map_err(failed)?;
        Ok(Self { oid: NameConstraints::OID, is_critical: true, value })
    }

    /// The digest in an acmeIdentifier; `None` for another extension, or one that is not critical or malformed.
    pub fn acme_digest(&self) -> Option<[u8; 32]> {
        if self.oid != ACME_IDENTIFIER || !self.is_critical {
            return None;
        }
        OctetString::from_der(&self.value).ok()?.as_bytes().try_into().ok()
    }

    /// The names that a nameConstraints extension permits; `None` for another extension.
    pub fn permitted(&self) -> Option<Vec<San>> {
        if self.oid != NameConstraints::OID {
            return None;
        }
        let constraints = NameConstraints::from_der(&self.value).ok()?;
        let subtrees = constraints.permitted_subtrees.unwrap_or_default();
        Some(subtrees.iter().filter_map(|subtree| permitted(&subtree.base)).collect())
    }

    pub(crate) fn read(extension: &Extension) -> Self {
        Self {
            oid: extension.extn_id,
            is_critical: extension.critical,
            value: extension.extn_value.as_bytes().to_vec(),
        }
    }

    pub(crate) fn to_extension(&self) -> Result<Extension, X509Error> {
        let extn_value = OctetString::new(self.value.clone()).map_err(failed)?;
        Ok(Extension { extn_id: self.oid, critical: self.is_critical, extn_value })
    }
}

fn permitted(base: &GeneralName) -> Option<San> {
    match base {
        GeneralName::IpAddress(octets) => match octets.as_bytes() {
            [a, b, c, d, ..] if octets.as_bytes().len() == 8 => Some(San::Ip([*a, *b, *c, *d].into())),
            address => {
                let address: [u8; 16] = address.get(..16)?.try_into().ok()?;
                Some(San::Ip(address.into()))
            }
        },
        other => San::from_general_name(other),
    }
}

/// The address with a mask of ones.
fn network(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => [address.octets(), [0xff; 4]].concat(),
        IpAddr::V6(address) => [address.octets(), [0xff; 16]].concat(),
    }
}

fn failed(source: der::Error) -> X509Error {
    X509Error::Encode { what: "extension", source }
}

/// id-pe-acmeIdentifier (RFC 8737 section 6.1).
const ACME_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.31");
