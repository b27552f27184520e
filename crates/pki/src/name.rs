//! Distinguished names: exact, as certificates hold them, and in the parts `spec.subject` has

use std::collections::BTreeSet;
use std::fmt;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519;
use der::asn1::SetOfVec;
use der::{Any, Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

/// A distinguished name, attribute for attribute (RFC 5280 section 4.1.2.4). `Display` is RFC 4514.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name(x509_cert::name::Name);

/// The attributes of a name that a Certificate's `spec.commonName` and `spec.subject` can set
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub common_name: Option<String>,
    pub organizations: Vec<String>,
    pub countries: Vec<String>,
    pub organizational_units: Vec<String>,
    pub localities: Vec<String>,
    pub provinces: Vec<String>,
    pub street_addresses: Vec<String>,
    pub postal_codes: Vec<String>,
    /// The attribute serialNumber of the name, not the serial number of a certificate
    pub serial_number: Option<String>,
}

/// A name that DER cannot hold
#[derive(Debug, thiserror::Error)]
#[error("the subject cannot be encoded as a distinguished name")]
pub struct NameError(#[source] der::Error);

impl Name {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The last common name, which is the most specific one and the one Go's libraries see
    #[must_use]
    pub fn common_name(&self) -> Option<String> {
        self.texts(rfc4519::CN).last()
    }

    /// The parts a [`Subject`] has. Other attributes, and the order of the parts, are left behind.
    #[must_use]
    pub fn to_subject(&self) -> Subject {
        let all = |oid| self.texts(oid).collect::<Vec<_>>();
        Subject {
            common_name: self.common_name(),
            organizations: all(rfc4519::O),
            countries: all(rfc4519::COUNTRY_NAME),
            organizational_units: all(rfc4519::OU),
            localities: all(rfc4519::LOCALITY_NAME),
            provinces: all(rfc4519::ST),
            street_addresses: all(rfc4519::STREET),
            postal_codes: all(rfc4519::POSTAL_CODE),
            serial_number: self.texts(rfc4519::SERIAL_NUMBER).last(),
        }
    }

    pub(crate) fn from_x509(name: &x509_cert::name::Name) -> Self {
        Self(name.clone())
    }

    pub(crate) fn as_x509(&self) -> &x509_cert::name::Name {
        &self.0
    }

    fn texts(&self, oid: ObjectIdentifier) -> impl Iterator<Item = String> + '_ {
        self.0.iter().filter(move |attribute| attribute.oid == oid).map(|attribute| text(&attribute.value))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Subject {
    /// A subject that is only a common name
    #[must_use]
    pub fn with_common_name(common_name: impl Into<String>) -> Self {
        Self { common_name: Some(common_name.into()), ..Self::default() }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes().iter().all(|(_, values)| values.iter().all(|value| value.is_empty()))
    }

    /// The name these parts make, the same bytes cert-manager makes: one RDN per attribute type, which holds
    /// all its values. Empty values count as absent, and repeated ones once.
    ///
    /// # Errors
    /// When a value is longer than DER can hold.
    pub fn to_name(&self) -> Result<Name, NameError> {
        let mut sequence = RdnSequence::default();
        for (oid, values) in self.attributes() {
            let values: BTreeSet<_> = values.into_iter().filter(|value| !value.is_empty()).collect();
            if !values.is_empty() {
                sequence.push(rdn(oid, values).map_err(NameError)?);
            }
        }
        let der = sequence.to_der().map_err(NameError)?;
        Ok(Name(x509_cert::name::Name::from_der(&der).map_err(NameError)?))
    }

    /// In the order they stand in a name
    fn attributes(&self) -> [(ObjectIdentifier, Vec<&str>); 9] {
        [
            (rfc4519::COUNTRY_NAME, many(&self.countries)),
            (rfc4519::O, many(&self.organizations)),
            (rfc4519::OU, many(&self.organizational_units)),
            (rfc4519::LOCALITY_NAME, many(&self.localities)),
            (rfc4519::ST, many(&self.provinces)),
            (rfc4519::STREET, many(&self.street_addresses)),
            (rfc4519::POSTAL_CODE, many(&self.postal_codes)),
            (rfc4519::CN, self.common_name.as_deref().into_iter().collect()),
            (rfc4519::SERIAL_NUMBER, self.serial_number.as_deref().into_iter().collect()),
        ]
    }
}

fn many(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

fn rdn(oid: ObjectIdentifier, values: BTreeSet<&str>) -> der::Result<RelativeDistinguishedName> {
    let mut set = SetOfVec::new();
    for value in values {
        let tag = if value.bytes().all(is_printable) { Tag::PrintableString } else { Tag::Utf8String };
        set.insert(AttributeTypeAndValue { oid, value: Any::new(tag, value.as_bytes())? })?;
    }
    Ok(RelativeDistinguishedName::from(set))
}

/// The alphabet of PrintableString (X.680 section 41.4)
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

/// The text of an attribute. Old certificates use BMPString (UTF-16) and TeletexString; what cannot be read
/// shows as replacement characters rather than making the certificate unreadable.
fn text(value: &Any) -> String {
    if value.tag() != Tag::BmpString {
        return String::from_utf8_lossy(value.value()).into_owned();
    }
    let (units, _) = value.value().as_chunks::<2>();
    char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn strings(values: &[&str]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_subject_with_everything_comes_back_from_its_name() {
        let subject = Subject {
            common_name: Some("example.com".into()),
            organizations: strings(&["A, Inc.", "B+C"]),
            countries: strings(&["KR"]),
            organizational_units: strings(&["one", "two"]),
            localities: strings(&["서울"]),
            provinces: strings(&["Jung-gu"]),
            street_addresses: strings(&["1 Main St"]),
            postal_codes: strings(&["04524"]),
            serial_number: Some("42".into()),
        };
        let name = subject.to_name().unwrap();
        let read = x509_cert::name::Name::from_der(&name.as_x509().to_der().unwrap()).unwrap();
        assert_eq!(
            Name(read).to_subject(),
            Subject { organizations: strings(&["B+C", "A, Inc."]), ..subject }
        );
    }

    #[test]
    fn values_of_one_attribute_share_an_rdn_in_upstreams_order() {
        let subject = Subject {
            organizations: strings(&["b", "a", "b"]),
            countries: strings(&["KR"]),
            ..Subject::with_common_name("x")
        };
        assert_eq!(subject.to_name().unwrap().to_string(), "CN=x,O=a+O=b,C=KR");
    }

    #[test]
    fn text_outside_the_printable_alphabet_is_utf8() {
        let tag = |value: &str| {
            let name = Subject::with_common_name(value).to_name().unwrap();
            name.as_x509().iter().next().unwrap().value.tag()
        };
        assert_eq!(tag("example.com"), Tag::PrintableString);
        assert_eq!(tag("*.example.com"), Tag::Utf8String);
        assert_eq!(tag("예"), Tag::Utf8String);
    }

    #[test]
    fn empty_parts_make_an_empty_name() {
        let subject = Subject { organizations: strings(&[""]), ..Subject::with_common_name("") };
        assert!(subject.is_empty() && subject.to_name().unwrap().is_empty());
    }

    #[test]
    fn utf16_attributes_are_read() {
        assert_eq!(text(&Any::new(Tag::BmpString, &[0, b'h', 0xC6, 0x08][..]).unwrap()), "h예");
    }
}
