//! Serial numbers of certificates (RFC 5280 section 4.1.2.2)

use std::fmt;

use aws_lc_rs::rand;
use x509_cert::serial_number::SerialNumber;

/// A serial number, held as the content of its DER INTEGER: big-endian, first bit clear when positive
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Serial(Vec<u8>);

/// A serial number that cannot be made
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    #[error("the system has no random numbers for a serial number")]
    Random,
    #[error("a serial number must be positive and at most 20 bytes long, found {found}")]
    Range { found: String },
}

impl Serial {
    /// A positive number of exactly 16 bytes, 126 bits of them by chance. Public CAs must have 64.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<Self, SerialError> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| SerialError::Random)?;
        if let Some(first) = bytes.first_mut() {
            *first = *first & 0x7f | 0x40;
        }
        Ok(Self(bytes.to_vec()))
    }

    /// A serial number from the bytes of an unsigned big-endian number; leading zeros do not matter.
    ///
    /// # Errors
    /// When it is zero, or longer than a certificate may hold.
    pub fn from_unsigned(bytes: &[u8]) -> Result<Self, SerialError> {
        let range = || SerialError::Range { found: hex(bytes) };
        let serial = SerialNumber::new(bytes).map_err(|_| range())?;
        let serial = Self::from_x509(&serial);
        if serial.0.iter().all(|byte| *byte == 0) { Err(range()) } else { Ok(serial) }
    }

    /// The content bytes of the DER INTEGER, with the zero before a first bit that is set. An ARI
    /// certificate identifier is made of these (RFC 9773 section 4.1).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Lower-case hexadecimal of the number, two digits a byte
    #[must_use]
    pub fn to_hex(&self) -> String {
        match self.0.as_slice() {
            [0, rest @ ..] if !rest.is_empty() => hex(rest),
            all => hex(all),
        }
    }

    pub(crate) fn from_x509(serial: &SerialNumber) -> Self {
        Self(serial.as_bytes().to_vec())
    }

    pub(crate) fn to_x509(&self) -> der::Result<SerialNumber> {
        SerialNumber::new(&self.0)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn random_serials_are_positive_16_bytes_and_differ() {
        let (one, other) = (Serial::random().unwrap(), Serial::random().unwrap());
        assert_ne!(one, other);
        assert!(one.as_bytes().len() == 16 && one.as_bytes()[0] & 0xc0 == 0x40);
    }

    #[test]
    fn the_sign_byte_is_in_the_bytes_and_not_in_the_text() {
        let serial = Serial::from_unsigned(&[0, 0, 0x87, 0x65]).unwrap();
        assert_eq!((serial.as_bytes(), serial.to_hex()), (&[0, 0x87, 0x65][..], "8765".to_owned()));
    }

    #[test]
    fn zero_and_too_long_numbers_are_refused() {
        assert!(Serial::from_unsigned(&[0, 0]).is_err());
        assert!(Serial::from_unsigned(&[0x80; 20]).is_err());
        assert!(Serial::from_unsigned(&[0x7f; 20]).is_ok());
    }
}
