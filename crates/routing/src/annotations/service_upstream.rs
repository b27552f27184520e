//! `service-upstream`: connections lead to the Service's cluster IP instead of its endpoints, as service meshes
//! want it. A Service without a cluster IP keeps its endpoints. Affinity and hashes then mean nothing.

use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values, parse_bool};
use crate::draft::Draft;
use crate::upstream::Via;

const SERVICE_UPSTREAM: &str = "service-upstream";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        &[Key {
            name: SERVICE_UPSTREAM,
            default: "false",
            risk: Risk::Low,
            scope: KeyScope::Route,
            summary: "Connects to the Service's cluster IP instead of its endpoints.",
            example: "true",
            on_invalid: OnInvalid::UseDefault,
        }]
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let Some(word) = values.take_or_setting(SERVICE_UPSTREAM, lookup) else { return Ok(()) };
        let is_wanted = parse_bool(SERVICE_UPSTREAM, &word)?;
        draft.route.via = if is_wanted { Via::ClusterIp } else { Via::Endpoints };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Objects, compile, compile_with};

    #[test]
    fn the_annotation_beats_the_setting() {
        let settings = [(SERVICE_UPSTREAM.to_owned(), "true".to_owned())].into();
        let objects = Objects { settings, ..Objects::default() };
        let via = |pairs| compile_with(&Family, pairs, &objects).map(|draft| draft.route.via);
        assert_eq!(via(&[]), Ok(Via::ClusterIp));
        assert_eq!(via(&[(SERVICE_UPSTREAM, "false")]), Ok(Via::Endpoints));
        assert!(compile(&Family, &[(SERVICE_UPSTREAM, "yes")]).is_err());
    }
}
