//! Writes DER of structures that are nested deeper than is readable as types: tag, length, content.

use const_oid::ObjectIdentifier;

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;

/// One value: its tag, the length of its content (X.690 section 8.1.3), its content.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|octet| *octet == 0).collect();
    match significant.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            out.extend(long);
        }
    }
    out.extend(content);
    out
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(OCTET_STRING, content)
}

/// A number that is not negative.
pub(super) fn integer(number: u32) -> Vec<u8> {
    let mut content: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
    if content.first().is_none_or(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    tlv(INTEGER, &content)
}

pub(super) fn oid(dotted: &str) -> Vec<u8> {
    tlv(OBJECT_IDENTIFIER, ObjectIdentifier::new_unwrap(dotted).as_bytes())
}

pub(super) fn null() -> Vec<u8> {
    tlv(NULL, &[])
}

pub(super) fn bmp_string(text: &str) -> Vec<u8> {
    tlv(BMP_STRING, &text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>())
}

/// `[0] EXPLICIT`.
pub(super) fn explicit(content: &[u8]) -> Vec<u8> {
    tlv(0xa0, content)
}
