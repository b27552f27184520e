//! `backend-protocol`: how endpoints are spoken to.

use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;
use crate::upstream::Protocol;

const BACKEND_PROTOCOL: &str = "backend-protocol";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        &[Key {
            name: BACKEND_PROTOCOL,
            default: "appProtocol of the Service's port, else HTTP",
            risk: Risk::Low,
            scope: KeyScope::Route,
            summary: "How endpoints are spoken to: HTTP, HTTPS (not verified), AUTO_HTTP (as the client came), \
                      GRPC (HTTP/2) or GRPCS.",
            example: "GRPC",
            on_invalid: OnInvalid::UseDefault,
        }]
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let Some(value) = values.take(BACKEND_PROTOCOL) else { return Ok(()) };
        draft.route.protocol = Some(match value.to_ascii_uppercase().as_str() {
            "HTTP" => Protocol::Http,
            "HTTPS" => Protocol::Https,
            "AUTO_HTTP" => Protocol::AutoHttp,
            "GRPC" => Protocol::Grpc,
            "GRPCS" => Protocol::Grpcs,
            _ => return Err(Invalid::new(BACKEND_PROTOCOL, value, "HTTP, HTTPS, AUTO_HTTP, GRPC or GRPCS")),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::compile;

    #[test]
    fn case_does_not_matter_and_other_protocols_are_refused() {
        let protocol =
            |value| compile(&Family, &[(BACKEND_PROTOCOL, value)]).map(|draft| draft.route.protocol);
        assert_eq!(protocol("grpcs"), Ok(Some(Protocol::Grpcs)));
        assert_eq!(protocol("HTTPS"), Ok(Some(Protocol::Https)));
        assert_eq!(protocol("Auto_Http"), Ok(Some(Protocol::AutoHttp)));
        assert!(protocol("FCGI").is_err());
    }
}
