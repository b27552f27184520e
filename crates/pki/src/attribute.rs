//! Values of attributes of a distinguished name.

use const_oid::ObjectIdentifier;
use der::{Any, Tag, Tagged};

pub(crate) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// PrintableString where the characters allow it, else UTF8String (RFC 5280 section 4.1.2.4).
pub(crate) fn directory_string(value: &str) -> Result<Any, der::Error> {
    let printable = value.bytes().all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b));
    let tag = if printable { Tag::PrintableString } else { Tag::Utf8String };
    Any::new(tag, value.as_bytes())
}

/// Any string type as text; octets that are none become U+FFFD.
pub(crate) fn text(value: &Any) -> String {
    if value.tag() == Tag::BmpString {
        let units = value.value().chunks_exact(2).map(|pair| match pair {
            [high, low] => u16::from_be_bytes([*high, *low]),
            _ => 0xfffd,
        });
        return char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    String::from_utf8_lossy(value.value()).into_owned()
}
