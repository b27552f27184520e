//! tls-alpn-01 (RFC 8737): a certificate that only who answers on the port of https can show.

use std::net::IpAddr;

use jamul_pki::{Certificate, San};
use sha2::{Digest as _, Sha256};

use crate::ca::prober::{AlpnTarget, Prober};
use crate::ca::settings::ValidationPorts;
use crate::problem::{Problem, ProblemType};
use crate::tls_alpn::PROTOCOL;
use crate::wire::Identifier;

/// Looks whether the server of `identifier` shows the certificate for `content`, as strictly as RFC 8737 section 3 has
/// it: the protocol is chosen, the certificate self-signed, for this one name, with the digest in a critical extension.
///
/// # Errors
/// The problem that the client is shown.
pub(super) async fn prove(
    identifier: &Identifier,
    content: &str,
    ports: ValidationPorts,
    view: &dyn Prober,
) -> Result<(), Problem> {
    let (target, name) = match identifier {
        Identifier::Dns(name) => {
            let target = AlpnTarget { host: name.clone(), port: ports.https, server_name: name.clone() };
            (target, San::Dns(name.clone()))
        }
        Identifier::Ip(address) => {
            let server_name = reverse_name(*address);
            (AlpnTarget { host: address.to_string(), port: ports.https, server_name }, San::Ip(*address))
        }
        Identifier::Other { kind, .. } => {
            let detail = format!("identifiers of type {kind:?} cannot be validated");
            return Err(Problem::new(ProblemType::UnsupportedIdentifier, detail));
        }
    };
    let place = format!("{}:{}", target.host, target.port);
    let answer = view.alpn(&target).await.map_err(|error| error.seen(&format!("TLS with {place}")))?;
    let refuse =
        |why: String| Err(Problem::new(ProblemType::IncorrectResponse, format!("TLS with {place}: {why}")));
    if answer.protocol.as_deref() != Some(PROTOCOL) {
        return refuse("the server did not choose the protocol acme-tls/1".to_owned());
    }
    let Ok(certificate) = Certificate::from_der(&answer.certificate) else {
        return refuse("the server shows a certificate that cannot be read".to_owned());
    };
    if !certificate.is_self_signed() {
        return refuse("the certificate is not self-signed".to_owned());
    }
    let is_name = |san: &San| match (san, &name) {
        (San::Dns(found), San::Dns(wanted)) => found.eq_ignore_ascii_case(wanted),
        (found, wanted) => found == wanted,
    };
    if !matches!(certificate.sans(), [only] if is_name(only)) {
        let names: Vec<String> = certificate.sans().iter().map(San::to_string).collect();
        return refuse(format!("the certificate is for {names:?} and not for {name} alone"));
    }
    let expected: [u8; 32] = Sha256::digest(content).into();
    match certificate.acme_digest() {
        Some(found) if found == expected => Ok(()),
        Some(_) => refuse("the certificate is for another key authorization".to_owned()),
        None => refuse("the certificate has no critical acmeIdentifier extension".to_owned()),
    }
}

/// The name below which an address is looked up in reverse, as tls-alpn-01 sends it (RFC 8738 section 6).
fn reverse_name(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address
                .octets()
                .into_iter()
                .rev()
                .map(|octet| format!("{:x}.{:x}.", octet & 0x0f, octet >> 4));
            format!("{}ip6.arpa", nibbles.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::prober::{AlpnAnswer, CaaRecord, ProbeAnswer, ProbeError, fixtures::Nothing};
    use crate::tls_alpn;
    use crate::transport::BoxFuture;
    use url::Url;

    /// Shows one certificate to everybody.
    #[derive(Debug)]
    struct Server(Option<&'static [u8]>, Vec<u8>);

    impl Prober for Server {
        fn get<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<ProbeAnswer, ProbeError>> {
            Nothing.get(url)
        }

        fn alpn<'a>(&'a self, target: &'a AlpnTarget) -> BoxFuture<'a, Result<AlpnAnswer, ProbeError>> {
            assert_eq!(target.port, 5003);
            let answer = AlpnAnswer { protocol: self.0.map(<[u8]>::to_vec), certificate: self.1.clone() };
            Box::pin(async move { Ok(answer) })
        }

        fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ProbeError>> {
            Nothing.txt(name)
        }

        fn caa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<CaaRecord>, ProbeError>> {
            Nothing.caa(name)
        }
    }

    async fn judged(
        identifier: &str,
        protocol: Option<&'static [u8]>,
        certificate: Vec<u8>,
    ) -> Result<(), String> {
        let ports = ValidationPorts { http: 5002, https: 5003 };
        let server = Server(protocol, certificate);
        prove(&Identifier::from_host(identifier), "tok.thumb", ports, &server)
            .await
            .map_err(|problem| problem.detail)
    }

    fn certificate(identifier: &str, content: &str) -> Vec<u8> {
        tls_alpn::certificate(&Identifier::from_host(identifier), content).expect("a certificate").certificate
    }

    #[tokio::test]
    async fn the_certificate_that_our_own_side_makes_is_accepted_for_names_and_addresses() {
        for identifier in ["a.localhost", "127.0.0.1", "::1"] {
            let shown = certificate(identifier, "tok.thumb");
            assert_eq!(judged(identifier, Some(b"acme-tls/1"), shown).await, Ok(()), "{identifier}");
        }
    }

    #[tokio::test]
    async fn whatever_is_not_exactly_that_is_refused_with_the_reason() {
        let alpn: Option<&'static [u8]> = Some(b"acme-tls/1");
        let good = || certificate("a.localhost", "tok.thumb");
        for (protocol, shown, reason) in [
            (None, good(), "did not choose the protocol"),
            (
                alpn,
                certificate("b.localhost", "tok.thumb"),
                "[\"b.localhost\"] and not for a.localhost alone",
            ),
            (alpn, certificate("a.localhost", "tok.other"), "another key authorization"),
            (alpn, b"none".to_vec(), "cannot be read"),
        ] {
            let refusal = judged("a.localhost", protocol, shown).await.expect_err("a refusal");
            assert!(refusal.contains(reason), "{refusal}");
        }
    }

    #[test]
    fn addresses_are_named_in_reverse() {
        assert_eq!(reverse_name("192.0.2.1".parse().expect("an address")), "1.2.0.192.in-addr.arpa");
        let six = reverse_name("2001:db8::1".parse().expect("an address"));
        assert!(six.starts_with("1.0.0.0.") && six.ends_with("8.b.d.0.1.0.0.2.ip6.arpa"), "{six}");
        assert_eq!(six.len(), 32 * 2 + 8);
    }
}
