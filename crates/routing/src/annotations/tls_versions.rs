//! `ssl-ciphers`, `ssl-prefer-server-ciphers`, and `ssl-protocols`, which ingress-nginx has for all hosts only.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::ciphers;
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};
use crate::tls_policy::{Preference, TlsPolicy, TlsVersions};

const CIPHERS: &str = "ssl-ciphers";
const PREFER: &str = "ssl-prefer-server-ciphers";
const PROTOCOLS: &str = "ssl-protocols";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                CIPHERS,
                "ssl-ciphers of the ConfigMap",
                Risk::Low,
                "Cipher suites of TLS 1.2 in OpenSSL's words; those without ephemeral keys or authenticated encryption \
                 are left out.",
                "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
            )
            .of_host(),
            Key::route(PREFER, "false", Risk::Low, "Our order of cipher suites counts, not the client's.", "true")
                .of_host(),
            Key::route(
                PROTOCOLS,
                "ssl-protocols of the ConfigMap",
                Risk::Low,
                "Versions of TLS, TLSv1.2 and TLSv1.3; older ones are not spoken. Not a key of ingress-nginx.",
                "TLSv1.3",
            )
            .of_host(),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let (list, prefer, versions) =
            (values.take(CIPHERS), values.take_bool(PREFER), values.take(PROTOCOLS));
        let mut result = Ok(());
        if let Some(list) = list {
            draft.host.tls.ciphers = ciphers::parse(list);
            if draft.host.tls.ciphers.is_none() {
                let expected = "a list with at least one of the suites ECDHE-{ECDSA,RSA}-{AES128-GCM-SHA256,\
                                AES256-GCM-SHA384,CHACHA20-POLY1305}";
                result = Err(Invalid::new(CIPHERS, list, expected));
            }
        }
        if let Some(text) = versions {
            draft.host.tls.versions = TlsVersions::parse(text);
            if draft.host.tls.versions.is_none() {
                let expected = "TLSv1.2, TLSv1.3 or both";
                result = result.and(Err(Invalid::new(PROTOCOLS, text, expected)));
            }
        }
        let preference = |prefer| if prefer { Preference::Server } else { Preference::Client };
        match prefer {
            Ok(prefer) => draft.host.tls.preference = prefer.map(preference),
            Err(invalid) => result = result.and(Err(invalid)),
        }
        result
    }
}

/// What keeps requests away that came by a handshake of another policy (RFC 9110 section 15.5.20): a client reuses a
/// connection to another name of the same certificate, or asks for one name in the handshake and another afterwards.
#[must_use]
pub fn only_under(policy: Arc<TlsPolicy>) -> Arc<dyn Filter> {
    Arc::new(OnlyUnder(policy))
}

#[derive(Debug)]
struct OnlyUnder(Arc<TlsPolicy>);

impl Filter for OnlyUnder {
    fn name(&self) -> &'static str {
        "misdirected"
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        // What a proxy in front says of TLS does not count beside a handshake with us.
        let is_right = match &head.tls {
            Some(peer) => peer.policy == self.0,
            None => !head.is_tls,
        };
        if is_right {
            return Verdict::Continue;
        }
        let mut reply = Reply::status(StatusCode::MISDIRECTED_REQUEST);
        // The next request shall have a handshake of its own.
        reply.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        Verdict::Reply(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ciphers::Cipher;
    use crate::fixtures::{compile, head, prefix, reply, route, scope};
    use crate::tls_policy::TlsPeer;

    #[test]
    fn what_is_said_becomes_the_policy_of_the_host() {
        let pairs = [(CIPHERS, "EECDH+aRSA+AES128:DES-CBC3-SHA"), (PREFER, "true"), (PROTOCOLS, "TLSv1.3")];
        let tls = compile(&Family, &pairs).expect("valid").host.tls;
        let expected = TlsPolicy {
            client_auth: None,
            versions: Some(TlsVersions::Only13),
            ciphers: Some(vec![Cipher::RsaAes128]),
            preference: Some(Preference::Server),
        };
        assert_eq!(tls, expected);
        for (key, value) in [(CIPHERS, "AES128-SHA"), (PREFER, "on"), (PROTOCOLS, "TLSv1.1")] {
            assert_eq!(compile(&Family, &[(key, value)]).map_err(|invalid| invalid.key).err(), Some(key));
        }
    }

    #[test]
    fn a_request_under_another_policy_is_misdirected() {
        let policy = |versions| TlsPolicy { versions: Some(versions), ..TlsPolicy::default() };
        let filter = only_under(Arc::new(policy(TlsVersions::Only13)));
        let route = route(prefix("/"));
        let status = |is_tls, under: Option<TlsPolicy>| {
            let mut request = head("/");
            request.is_tls = is_tls;
            request.tls =
                under.map(|policy| Arc::new(TlsPeer { policy: Arc::new(policy), certificate: None }));
            reply(filter.on_request(&mut request, &mut scope(&route))).map(|reply| reply.status.as_u16())
        };
        assert_eq!(status(true, Some(policy(TlsVersions::Only13))), None);
        assert_eq!(status(true, Some(policy(TlsVersions::Both))), Some(421));
        assert_eq!(status(true, None), Some(421), "under what holds for all hosts");
        assert_eq!(status(false, None), None);
    }
}
