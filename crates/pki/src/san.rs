//! Subject alternative names (RFC 5280 section 4.2.1.6).

use std::{fmt, net::IpAddr};

use const_oid::ObjectIdentifier;
use der::asn1::Ia5String;
use der::{Any, Tag, Tagged};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use crate::error::X509Error;

/// One name of a certificate. Kinds Jamul does not issue (directory names) are not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum San {
    /// A DNS name, perhaps with a leading `*.`.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
    /// A URI.
    Uri(String),
    /// An e-mail address (RFC 822 name).
    Email(String),
    /// A name of a kind that its OID tells, as UTF8String.
    Other {
        /// Dotted.
        oid: String,
        /// The name.
        value: String,
    },
}

impl San {
    pub(crate) fn to_general_name(&self) -> Result<GeneralName, X509Error> {
        let ascii =
            |value: &str| Ia5String::new(value).map_err(|_| X509Error::NotAscii { value: value.to_owned() });
        Ok(match self {
            Self::Dns(name) => GeneralName::DnsName(ascii(name)?),
            Self::Ip(address) => GeneralName::from(*address),
            Self::Uri(uri) => GeneralName::UniformResourceIdentifier(ascii(uri)?),
            Self::Email(address) => GeneralName::Rfc822Name(ascii(address)?),
            Self::Other { oid, value } => {
                let type_id = oid.parse().map_err(|_| X509Error::BadOid { value: oid.clone() })?;
                let failed = |source| X509Error::Encode { what: "other name", source };
                let value = Any::new(Tag::Utf8String, value.as_bytes()).map_err(failed)?;
                GeneralName::OtherName(OtherName { type_id, value })
            }
        })
    }

    pub(crate) fn from_general_name(name: &GeneralName) -> Option<Self> {
        match name {
            GeneralName::DnsName(name) => Some(Self::Dns(name.to_string())),
            GeneralName::UniformResourceIdentifier(uri) => Some(Self::Uri(uri.to_string())),
            GeneralName::Rfc822Name(address) => Some(Self::Email(address.to_string())),
            GeneralName::IpAddress(octets) => {
                let octets = octets.as_bytes();
                <[u8; 4]>::try_from(octets)
                    .map(IpAddr::from)
                    .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
                    .ok()
                    .map(Self::Ip)
            }
            GeneralName::OtherName(other) if other.value.tag() == Tag::Utf8String => Some(Self::Other {
                oid: other.type_id.to_string(),
                value: String::from_utf8_lossy(other.value.value()).into_owned(),
            }),
            GeneralName::OtherName(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EdiPartyName(_)
            | GeneralName::RegisteredId(_) => None,
        }
    }
}

/// Whether a text is an object identifier in dotted form.
#[must_use]
pub fn is_oid(text: &str) -> bool {
    text.parse::<ObjectIdentifier>().is_ok()
}

/// The bare value, without its kind.
impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(value) | Self::Uri(value) | Self::Email(value) => f.write_str(value),
            Self::Ip(address) => address.fmt(f),
            Self::Other { oid, value } => write!(f, "{oid};{value}"),
        }
    }
}
