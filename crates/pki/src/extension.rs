//! The extensions requests and certificates have in common (RFC 5280 section 4.2): writing and finding them.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode, Encode, asn1::OctetString};
use x509_cert::ext::{
    Extension,
    pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName},
};

use crate::{error::X509Error, raw_extension::RawExtension, san::San, usage::Usage};

/// One extension, encoded.
pub(crate) fn encode<T: Encode + AssociatedOid>(critical: bool, value: &T) -> Result<Extension, X509Error> {
    let octets = value.to_der().and_then(OctetString::new);
    let extn_value = octets.map_err(|source| X509Error::Encode { what: "extension", source })?;
    Ok(Extension { extn_id: T::OID, critical, extn_value })
}

/// The extension of type `T`, None when absent. Errors when malformed or there twice.
pub(crate) fn find<T>(extensions: &[Extension]) -> Result<Option<T>, X509Error>
where
    T: for<'a> Decode<'a, Error = der::Error> + AssociatedOid,
{
    let mut found = extensions.iter().filter(|extension| extension.extn_id == T::OID);
    let Some(extension) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        let oid: ObjectIdentifier = T::OID;
        return Err(X509Error::RepeatedExtension { oid: oid.to_string() });
    }
    T::from_der(extension.extn_value.as_bytes())
        .map(Some)
        .map_err(|source| X509Error::Malformed { what: "extension", source })
}

/// Key usage (critical), extended key usage, and names; critical names when nothing else names the subject.
pub(crate) fn purposes_and_names(
    usages: &[Usage],
    is_ca: bool,
    sans: &[San],
    subject_is_empty: bool,
) -> Result<Vec<Extension>, X509Error> {
    let mut extensions = Vec::new();
    if let Some(bits) = Usage::key_usage(usages, is_ca) {
        extensions.push(encode(true, &bits)?);
    }
    if let Some(purposes) = Usage::extended_key_usage(usages) {
        extensions.push(encode(false, &purposes)?);
    }
    if !sans.is_empty() {
        let names = sans.iter().map(San::to_general_name).collect::<Result<Vec<_>, _>>()?;
        extensions.push(encode(subject_is_empty, &SubjectAltName(names))?);
    }
    Ok(extensions)
}

/// What the extensions of a request or a certificate say, read once.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) sans: Vec<San>,
    /// Any subject alternative name at all, also of kinds we do not read.
    pub(crate) has_san: bool,
    pub(crate) usages: Vec<Usage>,
    pub(crate) is_ca: bool,
    /// As it stands, to be passed on.
    pub(crate) name_constraints: Option<RawExtension>,
}

impl Facts {
    /// Errors when one of the extensions read here is malformed or repeated.
    pub(crate) fn read(extensions: &[Extension]) -> Result<Self, X509Error> {
        let names = find::<SubjectAltName>(extensions)?;
        let key = find::<KeyUsage>(extensions)?;
        let extended = find::<ExtendedKeyUsage>(extensions)?;
        Ok(Self {
            sans: names.iter().flat_map(|names| &names.0).filter_map(San::from_general_name).collect(),
            has_san: names.is_some(),
            usages: Usage::from_extensions(key.as_ref(), extended.as_ref()),
            is_ca: find::<BasicConstraints>(extensions)?.is_some_and(|constraints| constraints.ca),
            name_constraints: extensions
                .iter()
                .find(|extension| extension.extn_id == NameConstraints::OID)
                .map(RawExtension::read),
        })
    }
}
