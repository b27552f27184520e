//! Distinguished names as octets, and from text (RFC 4514): cert-manager's `literalSubject`.

use std::collections::BTreeSet;
use std::fmt;

use const_oid::ObjectIdentifier;
use der::{Any, Decode, Encode, Tag};
use x509_cert::{
    attr::AttributeTypeAndValue,
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

use crate::attribute::{COMMON_NAME, directory_string, text};
use crate::error::X509Error;

/// Attribute types by the names of RFC 4514 and of openssl; upper case.
const TYPES: [(&str, &str); 16] = [
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("T", "2.5.4.12"),
    ("POSTALCODE", "2.5.4.17"),
    ("GN", "2.5.4.42"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("DC", DOMAIN_COMPONENT),
    ("E", EMAIL),
    ("EMAILADDRESS", EMAIL),
];
const DOMAIN_COMPONENT: &str = "0.9.2342.19200300.100.1.25";
const EMAIL: &str = "1.2.840.113549.1.9.1";

/// A subject exactly as it is to be written, whatever attributes and grouping it has. Equal when the octets are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LiteralName(Vec<u8>);

impl fmt::Debug for LiteralName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_name() {
            Ok(name) => write!(f, "LiteralName({name})"),
            Err(_) => f.write_str("LiteralName(malformed)"),
        }
    }
}

impl LiteralName {
    /// Reads `CN=web,OU=one+OU=two,DC=example`. The last of the text comes first in the name (RFC 4514 section 2.1).
    /// Blanks around separators, quoted values and `\`-escapes are taken.
    ///
    /// # Errors
    /// The part that cannot be read.
    pub fn parse(literal: &str) -> Result<Self, X509Error> {
        let refuse = |why: String| X509Error::BadName { value: literal.to_owned(), why };
        let mut sequence = RdnSequence::default();
        for rdn in split(literal, ',').into_iter().rev() {
            let mut attributes = Vec::new();
            for part in split(rdn, '+') {
                attributes.push(attribute(part).map_err(refuse)?);
            }
            let rdn = RelativeDistinguishedName::try_from(attributes);
            sequence.push(rdn.map_err(|error| refuse(error.to_string()))?);
        }
        sequence.to_der().map(Self).map_err(|error| refuse(error.to_string()))
    }

    /// Whether both have the same attributes in the same order and groups, however the values are encoded.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let parts = |name: &Self| -> Option<Vec<BTreeSet<(ObjectIdentifier, String)>>> {
            let sequence = RdnSequence::from_der(&name.0).ok()?;
            let rdns = sequence.iter();
            Some(rdns.map(|rdn| rdn.iter().map(|part| (part.oid, text(&part.value))).collect()).collect())
        };
        parts(self) == parts(other)
    }

    /// The last common name in it.
    #[must_use]
    pub fn common_name(&self) -> Option<String> {
        let name = self.to_name().ok()?;
        name.iter().filter(|part| part.oid == COMMON_NAME).map(|part| text(&part.value)).last()
    }

    pub(crate) fn from_name(name: &Name) -> Option<Self> {
        name.to_der().ok().map(Self)
    }

    pub(crate) fn to_name(&self) -> Result<Name, der::Error> {
        Name::from_der(&self.0)
    }
}

/// The parts between separators that are neither escaped nor quoted, without blanks around them.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if c == '"' {
            is_quoted = !is_quoted;
        } else if c == separator && !is_quoted {
            parts.push(text.get(start..at).unwrap_or_default());
            start = at + c.len_utf8();
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts.into_iter().map(str::trim_start).map(trim_end).collect()
}

/// Without trailing blanks, but those that are escaped.
fn trim_end(text: &str) -> &str {
    let trimmed = text.trim_end();
    let escapes = trimmed.chars().rev().take_while(|c| *c == '\\').count();
    let kept = trimmed.len() + usize::from(escapes % 2 == 1 && trimmed.len() < text.len());
    text.get(..kept).unwrap_or(trimmed)
}

fn attribute(part: &str) -> Result<AttributeTypeAndValue, String> {
    let Some((name, value)) = part.split_once('=') else {
        return Err(format!("{part:?} has no \"=\"; expected an attribute such as CN=web"));
    };
    let name = name.trim();
    let known = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, oid)| *oid);
    let oid = known.unwrap_or_else(|| name.strip_prefix("OID.").unwrap_or(name));
    let oid: ObjectIdentifier = oid.parse().map_err(|_| {
        let names: Vec<_> = TYPES.iter().map(|(known, _)| *known).collect();
        format!("attribute type {name:?} is unknown; expected one of {} or a dotted OID", names.join(", "))
    })?;
    let value = trim_end(value.trim_start());
    if let Some(hex) = value.strip_prefix('#') {
        let der = octets(hex).ok_or_else(|| format!("{value:?} is not hexadecimal"))?;
        let value = Any::from_der(&der).map_err(|error| format!("{value:?}: {error}"))?;
        return Ok(AttributeTypeAndValue { oid, value });
    }
    let value = unescape(value)?;
    let is_ascii_only = [DOMAIN_COMPONENT, EMAIL].iter().any(|ascii| oid.to_string() == *ascii);
    let value = if is_ascii_only && value.is_ascii() {
        Any::new(Tag::Ia5String, value.as_bytes())
    } else {
        directory_string(&value)
    };
    Ok(AttributeTypeAndValue { oid, value: value.map_err(|error| error.to_string())? })
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    pairs.collect()
}

fn unescape(value: &str) -> Result<String, String> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let (mut text, mut rest) = (Vec::new(), inner);
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c != '\\' {
            text.extend(c.to_string().as_bytes());
            continue;
        }
        if let Some([octet]) = rest.get(..2).and_then(octets).as_deref() {
            text.push(*octet);
            rest = rest.get(2..).unwrap_or_default();
        } else if let Some(c) = rest.chars().next() {
            text.extend(c.to_string().as_bytes());
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        } else {
            return Err(format!("{value:?} ends with a lone backslash"));
        }
    }
    String::from_utf8(text).map_err(|_| format!("{value:?} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn shown(literal: &str) -> String {
        LiteralName::parse(literal).unwrap().to_name().unwrap().to_string()
    }

    #[test]
    fn names_are_read_as_rfc_4514_writes_them() {
        for (literal, expected) in [
            (
                "CN=web, OU=one + OU=two , O=A\\, Inc.,DC=example",
                "CN=web,OU=one+OU=two,O=A\\, Inc.,DC=example",
            ),
            ("cn=\"A, B\",1.2.3.4=x", "CN=A\\, B,1.2.3.4=#130178"),
            ("CN=\\ec\\84\\b1\\20", "CN=성\\ "),
            ("UID=42,C=#13024b52", "UID=42,C=KR"),
        ] {
            let (found, expected) =
                (LiteralName::parse(literal).unwrap(), LiteralName::parse(expected).unwrap());
            assert!(found.same(&expected), "{literal}: {found:?} {expected:?}");
        }
        assert_eq!(shown("CN=leaf,O=Zoo"), "CN=leaf,O=Zoo");
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_part() {
        for (literal, part) in [
            ("web", "no \"=\""),
            ("CN=a,,O=b", "no \"=\""),
            ("XX=a", "XX"),
            ("C=#1", "#1"),
            ("CN=a\\", "lone"),
        ] {
            let error = LiteralName::parse(literal).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
