//! `ssl-passthrough`: TLS of the host goes to its endpoints as it comes.

use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;

const PASSTHROUGH: &str = "ssl-passthrough";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[Key::route(
            PASSTHROUGH,
            "false",
            Risk::Low,
            "TLS connections for the host are not decrypted: their bytes go to the endpoints of its path /, whatever other \
             annotations say. Needs --enable-ssl-passthrough.",
            "true",
        )
        .of_host()];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        draft.host.passthrough = values.take_bool(PASSTHROUGH)?.unwrap_or_default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::compile;

    #[test]
    fn it_is_a_boolean() {
        let compiled = |value| compile(&Family, &[(PASSTHROUGH, value)]).map(|draft| draft.host.passthrough);
        assert_eq!((compiled("true"), compiled("false")), (Ok(true), Ok(false)));
        assert!(compiled("on").is_err());
    }
}
