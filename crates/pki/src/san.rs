//! Subject alternative names (RFC 5280 section 4.2.1.6).

use std::{fmt, net::IpAddr};

use der::asn1::Ia5String;
use x509_cert::ext::pkix::name::GeneralName;

use crate::error::X509Error;

/// One name of a certificate. Kinds Jamul does not issue (directory names, other names) are not read.
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
            GeneralName::OtherName(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EdiPartyName(_)
            | GeneralName::RegisteredId(_) => None,
        }
    }
}

/// The bare value, without its kind.
impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(value) | Self::Uri(value) | Self::Email(value) => f.write_str(value),
            Self::Ip(address) => address.fmt(f),
        }
    }
}
