//! Distinguished names as text: RFC 2253, in the letters of OpenSSL's `X509_NAME_print_ex`, which is what nginx gives
//! upstreams and compares with patterns.

use std::fmt::Write as _;

use const_oid::ObjectIdentifier;
use der::asn1::{BmpString, Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use der::{Any, Encode as _, Tag, Tagged as _};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::Name;

/// OpenSSL's short names of the attributes that subjects hold.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
];

/// The last part first, `,` between parts and `+` inside of one; ASCII only.
pub(crate) fn rfc2253(name: &Name) -> String {
    let parts = name.iter_rdn().map(|part| {
        let mut attributes: Vec<String> = part.iter().map(attribute).collect();
        attributes.reverse();
        attributes.join("+")
    });
    let mut parts: Vec<String> = parts.collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue) -> String {
    let dotted = attribute.oid.to_string();
    let known = SHORT_NAMES.iter().find(|(oid, _)| is_oid(attribute.oid, oid));
    match (known, text(&attribute.value)) {
        (Some((_, name)), Some(text)) => format!("{name}={}", escaped(&text)),
        (known, _) => {
            format!("{}={}", known.map_or(dotted.as_str(), |(_, name)| name), dumped(&attribute.value))
        }
    }
}

fn is_oid(oid: ObjectIdentifier, text: &str) -> bool {
    ObjectIdentifier::new(text).is_ok_and(|known| known == oid)
}

fn text(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::PrintableString => PrintableStringRef::try_from(value).ok().map(|text| text.to_string()),
        Tag::Utf8String => Utf8StringRef::try_from(value).ok().map(|text| text.to_string()),
        Tag::Ia5String => Ia5StringRef::try_from(value).ok().map(|text| text.to_string()),
        Tag::TeletexString => TeletexStringRef::try_from(value).ok().map(|text| text.to_string()),
        Tag::BmpString => value.decode_as::<BmpString>().ok().map(|text| text.to_string()),
        _ => None,
    }
}

/// RFC 2253 section 2.4; control characters and all beyond ASCII are octets in hexadecimal.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (index, byte) in text.bytes().enumerate() {
        let at_an_end = (index == 0 && matches!(byte, b' ' | b'#')) || (index == last && byte == b' ');
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => escaped.extend(['\\', char::from(byte)]),
            0x20..=0x7e if at_an_end => escaped.extend(['\\', char::from(byte)]),
            0x20..=0x7e => escaped.push(char::from(byte)),
            0..=0x1f | 0x7f..=0xff => write!(escaped, "\\{byte:02X}").unwrap_or_default(),
        }
    }
    escaped
}

fn dumped(value: &Any) -> String {
    let octets = value.to_der().unwrap_or_default();
    octets.iter().fold("#".to_owned(), |mut text, octet| {
        write!(text, "{octet:02X}").unwrap_or_default();
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::process::Command;

    use crate::Certificate;

    #[test]
    fn names_are_written_as_openssl_writes_them() {
        let folder = std::env::temp_dir().join(format!("jamul-dn-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
        for (index, subject) in [
            "/C=DE/O=Acme, Inc./OU=R+D/CN=Jane Doe",
            "/DC=org/DC=example/UID=jane/emailAddress=jane@example.org",
            "/CN=한글 <\"x\">;\\\\",
            "/O=One+OU=Two/CN=# leading and trailing ",
            "/1.3.6.1.4.1.99999.1=strange/serialNumber=42",
        ]
        .iter()
        .enumerate()
        {
            let made = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
                .args(["-utf8", "-multivalue-rdn", "-subj", subject, "-keyout"])
                .arg(&key)
                .arg("-out")
                .arg(&certificate)
                .output()
                .unwrap();
            if !made.status.success() {
                assert!(index == 4, "openssl: {}", String::from_utf8_lossy(&made.stderr));
                continue;
            }
            let told = Command::new("openssl")
                .args(["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in"])
                .arg(&certificate)
                .output()
                .unwrap();
            let told = String::from_utf8(told.stdout).unwrap();
            let read = Certificate::from_pem(&std::fs::read_to_string(&certificate).unwrap()).unwrap();
            assert_eq!(
                Some(read.subject_text().as_str()),
                told.trim_end_matches('\n').strip_prefix("subject=")
            );
            assert_eq!(read.issuer_text(), read.subject_text());
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
