//! `proxy-ssl-*`: certificates and names towards endpoints.
//!
//! ingress-nginx verifies nothing unless `proxy-ssl-secret` is there, even where `proxy-ssl-verify` says so; here such a
//! route is closed. A name that nobody says is that of the Service, where nginx takes one that no certificate has.

use std::sync::Arc;

use crate::annotation::{Annotation, Invalid, Key, Lookup, OnInvalid, Risk, Values};
use crate::ciphers;
use crate::draft::Draft;
use crate::host::Host;
use crate::tls_policy::TlsVersions;
use crate::upstream_tls::{UpstreamTls, Verification};

const SECRET: &str = "proxy-ssl-secret";
const VERIFY: &str = "proxy-ssl-verify";
const DEPTH: &str = "proxy-ssl-verify-depth";
const NAME: &str = "proxy-ssl-name";
const SERVER_NAME: &str = "proxy-ssl-server-name";
const PROTOCOLS: &str = "proxy-ssl-protocols";
const CIPHERS: &str = "proxy-ssl-ciphers";

/// ingress-nginx's.
const DEFAULT_DEPTH: u8 = 1;

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                SECRET,
                "",
                Risk::Medium,
                "Secret of the Ingress's namespace: tls.crt and tls.key are shown to endpoints that ask for a certificate; \
                 ca.crt vouches for theirs.",
                "default/endpoints",
            )
            .if_invalid(OnInvalid::Close),
            Key::route(
                VERIFY,
                "off",
                Risk::Low,
                "on: endpoints must show a certificate for their name that ca.crt of proxy-ssl-secret vouches for, else 502.",
                "on",
            )
            .if_invalid(OnInvalid::Close),
            Key::route(
                DEPTH,
                "1",
                Risk::Low,
                "How many certificates may stand between that of an endpoint and its root.",
                "2",
            ),
            Key::route(
                NAME,
                "SERVICE.NAMESPACE.svc, or the name of an ExternalName",
                Risk::High,
                "The name that certificates of endpoints must have, and that is sent; without variables.",
                "backend.example.org",
            )
            .if_invalid(OnInvalid::Close),
            Key::route(SERVER_NAME, "off", Risk::Low, "on: the name is sent to endpoints (SNI).", "on"),
            Key::route(
                PROTOCOLS,
                "TLSv1.2 TLSv1.3",
                Risk::Low,
                "Versions of TLS towards endpoints, TLSv1.2 and TLSv1.3; older ones are not spoken.",
                "TLSv1.3",
            ),
            Key::route(
                CIPHERS,
                "DEFAULT",
                Risk::Medium,
                "Cipher suites of TLS 1.2 towards endpoints in OpenSSL's words; unsafe ones are left out.",
                "HIGH:!aNULL:!MD5",
            ),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let written = Written {
            secret: values.take(SECRET),
            verify: values.take(VERIFY),
            depth: values.take(DEPTH),
            name: values.take(NAME),
            server_name: values.take(SERVER_NAME),
            protocols: values.take(PROTOCOLS),
            ciphers: values.take(CIPHERS),
        };
        if written == Written::default() {
            return Ok(());
        }
        let (tls, minor) = written.compile(lookup)?;
        if tls != UpstreamTls::default() {
            draft.route.upstream_tls = Some(Arc::new(tls));
        }
        minor
    }
}

#[derive(Debug, Default, PartialEq)]
struct Written<'a> {
    secret: Option<&'a str>,
    verify: Option<&'a str>,
    depth: Option<&'a str>,
    name: Option<&'a str>,
    server_name: Option<&'a str>,
    protocols: Option<&'a str>,
    ciphers: Option<&'a str>,
}

impl Written<'_> {
    /// The second is what is wrong without consequence for whom is believed.
    fn compile(&self, lookup: &dyn Lookup) -> Result<(UpstreamTls, Result<(), Invalid>), Invalid> {
        let mut minor = Ok(());
        let mut or_default = |invalid: Invalid| minor = minor.clone().and(Err(invalid));
        let depth = match self.depth.map(|text| text.parse::<u8>().map_err(|_| text)) {
            Some(Ok(depth)) => depth,
            Some(Err(text)) => {
                or_default(Invalid::new(DEPTH, text, "a number such as 1"));
                DEFAULT_DEPTH
            }
            None => DEFAULT_DEPTH,
        };
        let versions = self.protocols.and_then(|text| {
            let versions = TlsVersions::parse(text);
            if versions.is_none() {
                or_default(Invalid::new(PROTOCOLS, text, "TLSv1.2, TLSv1.3 or both"));
            }
            versions
        });
        let ciphers = self.ciphers.and_then(|text| {
            let ciphers = ciphers::parse(text);
            if ciphers.is_none() {
                or_default(Invalid::new(
                    CIPHERS,
                    text,
                    "a list with a suite of ephemeral keys, such as DEFAULT",
                ));
            }
            ciphers
        });
        let sends_name = switch(SERVER_NAME, self.server_name).unwrap_or_else(|invalid| {
            or_default(invalid);
            false
        });
        let tls = UpstreamTls {
            certificate: self.secret.map(|secret| self.certificate(secret, lookup)).transpose()?.flatten(),
            verify: self.verification(depth, lookup)?,
            name: self.name.map(parse_name).transpose()?,
            service: "".into(),
            sends_name,
            versions: versions.unwrap_or_default(),
            ciphers: ciphers.filter(|_| self.ciphers != Some("DEFAULT")),
        };
        Ok((tls, minor))
    }

    fn certificate(
        &self,
        secret: &str,
        lookup: &dyn Lookup,
    ) -> Result<Option<Arc<crate::tls::CertEntry>>, Invalid> {
        lookup.key_pair(secret).map_err(|expected| Invalid::new(SECRET, secret, expected))
    }

    fn verification(&self, depth: u8, lookup: &dyn Lookup) -> Result<Option<Verification>, Invalid> {
        if !switch(VERIFY, self.verify)? {
            return Ok(None);
        }
        let Some(secret) = self.secret else {
            return Err(Invalid::new(
                VERIFY,
                "on",
                "proxy-ssl-secret beside it, whose ca.crt says whom to believe",
            ));
        };
        let authorities = lookup.authorities(secret);
        let authorities = authorities.map_err(|expected| Invalid::new(SECRET, secret, expected))?;
        Ok(Some(Verification { authorities, depth }))
    }
}

fn switch(key: &'static str, word: Option<&str>) -> Result<bool, Invalid> {
    match word {
        Some("on") => Ok(true),
        Some("off") | None => Ok(false),
        Some(other) => Err(Invalid::new(key, other, "on or off")),
    }
}

fn parse_name(text: &str) -> Result<Arc<str>, Invalid> {
    let host = Host::parse(text).filter(|_| !text.contains([':', '_']));
    host.map(|host| host.as_str().into())
        .ok_or_else(|| Invalid::new(NAME, text, "a DNS name without variables"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fixtures::{Objects, compile_with};

    fn compiled(pairs: &[(&str, &str)]) -> Result<Option<Arc<UpstreamTls>>, &'static str> {
        let ca = BTreeMap::from([("ca.crt".to_owned(), b"a root".to_vec())]);
        let objects = Objects { secrets: BTreeMap::from([("ca".to_owned(), ca)]), ..Objects::default() };
        let draft = compile_with(&Family, pairs, &objects).map_err(|invalid| invalid.key)?;
        Ok(draft.route.upstream_tls)
    }

    #[test]
    fn verification_needs_to_know_whom_to_believe() {
        let tls = compiled(&[(VERIFY, "on"), (SECRET, "ca"), (DEPTH, "3")]).expect("valid").expect("some");
        assert_eq!(tls.verify.as_ref().map(|verify| verify.depth), Some(3));
        assert_eq!(compiled(&[(VERIFY, "on")]), Err(VERIFY));
        assert_eq!(compiled(&[(VERIFY, "true"), (SECRET, "ca")]), Err(VERIFY));
        assert_eq!(compiled(&[(SECRET, "missing")]), Err(SECRET));
        assert_eq!(compiled(&[(VERIFY, "off")]), Ok(None), "what is the default costs nothing");
    }

    #[test]
    fn names_have_no_variables_and_are_sent_when_asked_for() {
        let tls = compiled(&[(NAME, "Back.example"), (SERVER_NAME, "on")]).expect("valid").expect("some");
        assert_eq!((tls.name.as_deref(), tls.sends_name), (Some("back.example"), true));
        for name in ["$host", "a b", "a:443", ""] {
            assert!(name.is_empty() || compiled(&[(NAME, name)]) == Err(NAME), "{name}");
        }
    }
}
