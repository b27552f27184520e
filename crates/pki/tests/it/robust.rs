//! Whatever bytes come in, the answer is a value or an error

use std::sync::LazyLock;

use jamul_pki::{
    Certificate, CertificateTemplate, Csr, KeyAlgorithm, KeyEncoding, PrivateKey, RequestTemplate,
};
use jamul_pki::{San, Serial, Subject, Usage};
use jiff::Timestamp;
use proptest::prelude::*;

struct Samples {
    key: PrivateKey,
    csr: Csr,
    certificate: Certificate,
}

static SAMPLES: LazyLock<Samples> = LazyLock::new(|| {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let subject = Subject::with_common_name("a").to_name().unwrap();
    let (sans, usages) = (vec![San::Dns("a.example".into())], Usage::ALL.to_vec());
    let request =
        RequestTemplate { subject: subject.clone(), sans: sans.clone(), usages: usages.clone(), is_ca: true };
    let (start, end) = (Timestamp::from_second(1_800_000_000), Timestamp::from_second(1_900_000_000));
    let serial = Serial::random().unwrap();
    let template = CertificateTemplate::new(serial, key.public_key(), start.unwrap(), end.unwrap());
    let template = CertificateTemplate { subject, sans, usages, is_ca: true, ..template };
    Samples { csr: request.sign(&key).unwrap(), certificate: template.self_sign(&key).unwrap(), key }
});

fn damaged(der: &[u8], (position, byte, length): (usize, u8, usize)) -> Vec<u8> {
    let mut der = der.to_vec();
    let position = position % der.len();
    der[position] = byte;
    der.truncate(der.len() - length % 3);
    der
}

proptest! {
    #[test]
    fn damaged_der_never_panics_and_never_passes_for_signed(damage: (usize, u8, usize)) {
        let der = damaged(SAMPLES.certificate.der(), damage);
        if let Ok(certificate) = Certificate::from_der(&der) && der != SAMPLES.certificate.der() {
            prop_assert!(!certificate.is_self_signed());
        }
        let der = damaged(SAMPLES.csr.der(), damage);
        if Csr::from_der(&der).is_ok() {
            prop_assert_eq!(&der[..], SAMPLES.csr.der());
        }
        let _ = PrivateKey::from_der(&damaged(SAMPLES.key.pkcs8_der(), damage));
    }

    #[test]
    fn any_text_is_read_or_refused(text: String, before in "[^-]*\n", after in "\n[^-]*") {
        let _ = (Certificate::chain_from_pem(&text), Csr::from_pem(&text), PrivateKey::from_pem(&text));
        let key = SAMPLES.key.to_pem(KeyEncoding::Pkcs1);
        let read = PrivateKey::from_pem(&format!("{before}{key}{after}")).unwrap();
        prop_assert_eq!(read.public_key(), SAMPLES.key.public_key());
    }
}
