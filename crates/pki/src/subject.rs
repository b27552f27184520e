//! The distinguished name of a subject, as cert-manager's fields.

use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use x509_cert::{
    attr::AttributeTypeAndValue,
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

use crate::attribute::{COMMON_NAME, directory_string, text};
use crate::{error::X509Error, literal::LiteralName};

const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
const LOCALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.7");
const PROVINCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.8");
const STREET_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.9");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const POSTAL_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.17");

/// A subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subject {
    /// CN
    pub common_name: Option<String>,
    /// O
    pub organizations: Vec<String>,
    /// C
    pub countries: Vec<String>,
    /// OU
    pub organizational_units: Vec<String>,
    /// L
    pub localities: Vec<String>,
    /// ST
    pub provinces: Vec<String>,
    /// STREET
    pub street_addresses: Vec<String>,
    /// postalCode
    pub postal_codes: Vec<String>,
    /// serialNumber (of the subject, not of the certificate)
    pub serial_number: Option<String>,
    /// The name as a whole, where it has what the fields do not tell: other attributes, or another order. It is
    /// what is written then.
    pub literal: Option<LiteralName>,
}

impl Subject {
    /// A subject that has nothing but a common name.
    pub fn with_common_name(common_name: impl Into<String>) -> Self {
        Self { common_name: Some(common_name.into()), ..Self::default() }
    }

    /// Whether no attribute is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The name as it would be written; `None` if that cannot be.
    pub fn to_literal(&self) -> Option<LiteralName> {
        LiteralName::from_name(&self.to_name().ok()?)
    }

    /// In the order and grouping cert-manager writes: one set for each field, the common name near the end.
    pub(crate) fn to_name(&self) -> Result<Name, X509Error> {
        if let Some(literal) = &self.literal {
            return literal.to_name().map_err(|source| X509Error::Encode { what: "subject", source });
        }
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let fields = [
            (COUNTRY, self.countries.clone()),
            (ORGANIZATION, self.organizations.clone()),
            (ORGANIZATIONAL_UNIT, self.organizational_units.clone()),
            (LOCALITY, self.localities.clone()),
            (PROVINCE, self.provinces.clone()),
            (STREET_ADDRESS, self.street_addresses.clone()),
            (POSTAL_CODE, self.postal_codes.clone()),
            (COMMON_NAME, one(&self.common_name)),
            (SERIAL_NUMBER, one(&self.serial_number)),
        ];
        let failed = |source| X509Error::Encode { what: "subject", source };
        let mut sequence = RdnSequence::default();
        for (oid, mut values) in fields {
            values.sort();
            values.dedup();
            let attributes = values
                .iter()
                .map(|value| Ok(AttributeTypeAndValue { oid, value: directory_string(value)? }))
                .collect::<Result<Vec<_>, der::Error>>()
                .map_err(failed)?;
            if !attributes.is_empty() {
                sequence.push(RelativeDistinguishedName::try_from(attributes).map_err(failed)?);
            }
        }
        // A Name is only made from text or from DER.
        Name::from_der(&sequence.to_der().map_err(failed)?).map_err(failed)
    }

    pub(crate) fn from_name(name: &Name) -> Self {
        let mut subject = Self::default();
        for attribute in name.iter() {
            let value = text(&attribute.value);
            match attribute.oid {
                COMMON_NAME => subject.common_name = Some(value),
                SERIAL_NUMBER => subject.serial_number = Some(value),
                COUNTRY => subject.countries.push(value),
                LOCALITY => subject.localities.push(value),
                PROVINCE => subject.provinces.push(value),
                STREET_ADDRESS => subject.street_addresses.push(value),
                ORGANIZATION => subject.organizations.push(value),
                ORGANIZATIONAL_UNIT => subject.organizational_units.push(value),
                POSTAL_CODE => subject.postal_codes.push(value),
                _ => {}
            }
        }
        if subject.to_name().ok().as_ref() != Some(name) {
            subject.literal = LiteralName::from_name(name);
        }
        subject
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_subject_survives_the_way_to_a_name_and_back() {
        let subject = Subject {
            common_name: Some("한글 *.example.com".into()),
            organizations: vec!["A, Inc.".into(), "B".into()],
            countries: vec!["KR".into()],
            serial_number: Some("42".into()),
            ..Subject::default()
        };
        let mut read = Subject::from_name(&subject.to_name().unwrap());
        read.organizations.sort();
        assert_eq!(read, subject);
    }
}
