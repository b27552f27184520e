//! Signatures of messages with a shared key (RFC 8945). The library has the message types; its own signer knows neither
//! HMAC-MD5, which cert-manager's default is, nor HMAC-SHA1.

use aws_lc_rs::hmac;
use hickory_proto::op::Message;
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::tsig::{TSIG, TsigAlgorithm, make_tsig_record, message_tbs};
use jiff::Timestamp;
use md5::{Digest as _, Md5};

/// A shared key, by the name the server knows it under. `Debug` hides it.
#[derive(Clone)]
pub(super) struct TsigKey {
    pub(super) name: Name,
    pub(super) algorithm: Algorithm,
    pub(super) secret: Vec<u8>,
}

impl std::fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TsigKey")
            .field("name", &self.name.to_ascii())
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    const ALL: [(&'static str, Self); 6] = [
        ("HMACMD5", Self::Md5),
        ("HMACSHA1", Self::Sha1),
        ("HMACSHA224", Self::Sha224),
        ("HMACSHA256", Self::Sha256),
        ("HMACSHA384", Self::Sha384),
        ("HMACSHA512", Self::Sha512),
    ];

    /// By cert-manager's name, in any case; MD5 if empty.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Ok(Self::Md5);
        }
        let found = Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
            let known = Self::ALL.map(|(known, _)| known).join(", ");
            format!("tsigAlgorithm is {name:?}; expected one of {known}")
        })
    }

    fn on_the_wire(self) -> TsigAlgorithm {
        match self {
            Self::Md5 => TsigAlgorithm::HmacMd5,
            Self::Sha1 => TsigAlgorithm::HmacSha1,
            Self::Sha224 => TsigAlgorithm::HmacSha224,
            Self::Sha256 => TsigAlgorithm::HmacSha256,
            Self::Sha384 => TsigAlgorithm::HmacSha384,
            Self::Sha512 => TsigAlgorithm::HmacSha512,
        }
    }

    fn mac(self, secret: &[u8], message: &[u8]) -> Vec<u8> {
        let by = |algorithm| hmac::sign(&hmac::Key::new(algorithm, secret), message).as_ref().to_vec();
        match self {
            Self::Md5 => hmac_md5(secret, message),
            Self::Sha1 => by(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha224 => by(hmac::HMAC_SHA224),
            Self::Sha256 => by(hmac::HMAC_SHA256),
            Self::Sha384 => by(hmac::HMAC_SHA384),
            Self::Sha512 => by(hmac::HMAC_SHA512),
        }
    }
}

impl TsigKey {
    /// Adds the signature of a request to it.
    ///
    /// # Errors
    /// The message cannot be written.
    pub(super) fn sign(&self, message: &mut Message, now: Timestamp) -> Result<(), String> {
        let time = u64::try_from(now.as_second()).map_err(|_| "the clock is before 1970".to_owned())?;
        let algorithm = self.algorithm.on_the_wire();
        let unsigned = TSIG::new(algorithm, time, FUDGE, Vec::new(), message.metadata.id, None, Vec::new());
        let signed = message_tbs(&*message, &unsigned, &self.name).map_err(|error| error.to_string())?;
        let mac = self.algorithm.mac(&self.secret, &signed);
        message.set_signature(Box::new(make_tsig_record(self.name.clone(), unsigned.set_mac(mac))));
        Ok(())
    }
}

/// RFC 2104 over MD5, whose blocks have 64 octets. Collisions of MD5 do not break it (RFC 6151), and old servers know
/// nothing else.
fn hmac_md5(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mut key = match secret.len() > 64 {
        true => Md5::digest(secret).to_vec(),
        false => secret.to_vec(),
    };
    key.resize(64, 0);
    let pad = |with: u8| key.iter().map(|octet| octet ^ with).collect::<Vec<u8>>();
    let inner = Md5::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Md5::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// Seconds by which the clocks may differ (RFC 8945 section 10).
const FUDGE: u16 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_2202_are_reproduced() {
        let hex = |octets: Vec<u8>| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        assert_eq!(hex(hmac_md5(&[0x0b; 16], b"Hi There")), "9294727a3638bb1c13f48ef8158bfc9d");
        assert_eq!(
            hex(hmac_md5(b"Jefe", b"what do ya want for nothing?")),
            "750c783e6ab0b503eaa86e310a5db738"
        );
        let long = hmac_md5(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(long), "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
    }

    #[test]
    fn names_of_algorithms_have_any_case_and_a_default() {
        assert_eq!(Algorithm::parse(""), Ok(Algorithm::Md5));
        assert_eq!(Algorithm::parse("hmacSHA512"), Ok(Algorithm::Sha512));
        assert!(Algorithm::parse("SHA3").is_err_and(|reason| reason.contains("HMACSHA256")));
    }
}
