//! `proxy-body-size`: how large a request body may be.

use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;
use crate::sizes::parse_size;

const BODY_SIZE: &str = "proxy-body-size";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        &[Key {
            name: BODY_SIZE,
            default: "1m",
            risk: Risk::Medium,
            scope: KeyScope::Route,
            summary: "Largest request body in bytes, or with k, m or g; larger ones get 413. 0 = unlimited.",
            example: "8m",
            on_invalid: OnInvalid::UseDefault,
        }]
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let Some(value) = values.take_or_setting(BODY_SIZE, lookup) else { return Ok(()) };
        let expected = "bytes with an optional k, m or g, such as 8m, or 0 for unlimited";
        let size = parse_size(&value).ok_or_else(|| Invalid::new(BODY_SIZE, value, expected))?;
        draft.route.body_limit = (size > 0).then_some(size);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::compile;

    #[test]
    fn sizes_are_taken_and_zero_is_unlimited() {
        for (value, limit) in
            [("0", None), ("0m", None), ("5", Some(5)), ("8k", Some(8192)), ("1G", Some(1 << 30))]
        {
            let draft = compile(&Family, &[(BODY_SIZE, value)]).expect(value);
            assert_eq!(draft.route.body_limit, limit, "{value}");
        }
    }

    #[test]
    fn other_units_signs_and_overflow_are_refused() {
        for value in ["8mb", "1b", "+8m", "m", "8 m", "18446744073709551615g"] {
            assert!(compile(&Family, &[(BODY_SIZE, value)]).is_err(), "{value}");
        }
    }
}
