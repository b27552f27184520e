//! Signatures of messages with a shared key (RFC 8945). The library has the message types; its own signer knows neither
//! HMAC-MD5, which cert-manager's default is, nor HMAC-SHA1.

use aws_lc_rs::{constant_time, hmac};
use hickory_proto::op::{Header, Message, Query};
use hickory_proto::rr::rdata::tsig::{TSIG, TsigAlgorithm, make_tsig_record, message_tbs};
use hickory_proto::rr::{Name, Record};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncodable as _, BinEncoder};
use jiff::Timestamp;
use md5::{Digest as _, Md5};

use super::lookup::plain;

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
    /// Adds the signature of a request to it, and yields it: the answer's is made over it, too.
    ///
    /// # Errors
    /// The message cannot be written.
    pub(super) fn sign(&self, message: &mut Message, now: Timestamp) -> Result<Vec<u8>, String> {
        let time = seconds(now)?;
        let algorithm = self.algorithm.on_the_wire();
        let unsigned = TSIG::new(algorithm, time, FUDGE, Vec::new(), message.metadata.id, None, Vec::new());
        let signed = message_tbs(&*message, &unsigned, &self.name).map_err(|error| error.to_string())?;
        let mac = self.algorithm.mac(&self.secret, &signed);
        let record = make_tsig_record(self.name.clone(), unsigned.set_mac(mac.clone()));
        message.set_signature(Box::new(record));
        Ok(mac)
    }

    /// Checks the signature of the answer to a request with the signature `request` (RFC 8945 section 5.3).
    ///
    /// # Errors
    /// There is none, it is another's, or it is of another time.
    pub(super) fn verify(&self, answer: &[u8], request: &[u8], now: Timestamp) -> Result<(), String> {
        let message = Message::from_vec(answer).map_err(|error| error.to_string())?;
        let record = message.signature().ok_or("the answer is not signed")?;
        let signature = &record.data;
        // By name: servers write it in another case than the library, which then does not know it.
        let is_ours = plain(&signature.algorithm.to_name()) == plain(&self.algorithm.on_the_wire().to_name());
        if plain(&record.name) != plain(&self.name) || !is_ours {
            let found = signature.algorithm.to_name();
            return Err(format!("the answer is signed by {} ({found}), not as the request", record.name));
        }
        let signed = signed_part(answer, request, record).map_err(|error| error.to_string())?;
        let expected = self.algorithm.mac(&self.secret, &signed);
        constant_time::verify_slices_are_equal(&expected, &signature.mac)
            .map_err(|_| "the signature of the answer is wrong".to_owned())?;
        match seconds(now)?.abs_diff(signature.time) <= u64::from(signature.fudge) {
            true => Ok(()),
            false => Err("the answer was signed at another time: one of the clocks is wrong".to_owned()),
        }
    }
}

fn seconds(now: Timestamp) -> Result<u64, String> {
    u64::try_from(now.as_second()).map_err(|_| "the clock is before 1970".to_owned())
}

/// What the signature of an answer is made over: the request's signature, the answer as it was before it was signed, and
/// what the signature says about itself (RFC 8945 section 4.3). The library has this only with all of DNSSEC.
fn signed_part(
    answer: &[u8],
    request: &[u8],
    signature: &Record<TSIG>,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut decoder = BinDecoder::new(answer);
    let mut header = Header::read(&mut decoder)?;
    let head = answer.len() - decoder.len();
    for _ in 0..header.counts.queries {
        Query::read(&mut decoder)?;
    }
    // The signature is the last record.
    header.counts.additionals = header.counts.additionals.checked_sub(1).ok_or("no signature")?;
    let records = [header.counts.answers, header.counts.authorities, header.counts.additionals];
    for _ in 0..records.into_iter().map(usize::from).sum() {
        Record::read(&mut decoder)?;
    }
    let body = answer.get(head..answer.len() - decoder.len()).ok_or("it is too short")?;
    header.metadata.id = signature.data.oid;

    let mut signed = Vec::new();
    signed.extend(u16::try_from(request.len())?.to_be_bytes());
    signed.extend(request);
    signed.extend(header.to_bytes()?);
    signed.extend(body);
    let mut variables = Vec::new();
    signature.data.emit_tsig_for_mac(&mut BinEncoder::new(&mut variables), &signature.name)?;
    signed.extend(variables);
    Ok(signed)
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
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::RecordType;

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

    /// The answer to a request with the signature `request`, signed by whoever has the key.
    fn answer(key: &TsigKey, request: &[u8], now: Timestamp) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Response, OpCode::Update);
        message.add_query(Query::query(Name::from_ascii("example.com.").unwrap(), RecordType::SOA));
        let time = seconds(now).unwrap();
        let unsigned = TSIG::new(key.algorithm.on_the_wire(), time, FUDGE, Vec::new(), 7, None, Vec::new());
        let own = message_tbs(&message, &unsigned, &key.name).unwrap();
        let length = u16::try_from(request.len()).unwrap().to_be_bytes();
        let mac = key.algorithm.mac(&key.secret, &[&length, request, &own].concat());
        message.set_signature(Box::new(make_tsig_record(key.name.clone(), unsigned.set_mac(mac))));
        message.to_vec().unwrap()
    }

    #[test]
    fn an_answer_is_believed_only_when_the_key_signed_it_for_this_request_and_now() {
        let name = Name::from_ascii("acme.").unwrap();
        let key = |secret: &[u8]| TsigKey {
            name: name.clone(),
            algorithm: Algorithm::Md5,
            secret: secret.to_vec(),
        };
        let (ours, theirs) = (key(b"ours"), key(b"theirs"));
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let good = answer(&ours, b"request", now);
        assert_eq!(ours.verify(&good, b"request", now), Ok(()));
        let refused = |answer: &[u8], request: &[u8], now| ours.verify(answer, request, now).unwrap_err();
        assert!(refused(&answer(&theirs, b"request", now), b"request", now).contains("is wrong"));
        assert!(refused(&good, b"another", now).contains("is wrong"));
        let later = now + jiff::SignedDuration::from_secs(301);
        assert!(refused(&good, b"request", later).contains("another time"));
        let mut changed = good.clone();
        changed[3] ^= 5;
        assert!(refused(&changed, b"request", now).contains("is wrong"), "another response code");
        let unsigned = Message::new(7, MessageType::Response, OpCode::Update).to_vec().unwrap();
        assert!(refused(&unsigned, b"request", now).contains("not signed"));
    }

    #[test]
    fn names_of_algorithms_have_any_case_and_a_default() {
        assert_eq!(Algorithm::parse(""), Ok(Algorithm::Md5));
        assert_eq!(Algorithm::parse("hmacSHA512"), Ok(Algorithm::Sha512));
        assert!(Algorithm::parse("SHA3").is_err_and(|reason| reason.contains("HMACSHA256")));
    }
}
