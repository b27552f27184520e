//! Problems as a refusal.

use jamul_api::admission::Decision;

use crate::validate::Problem;

pub(super) fn problem(field: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem { field: field.into(), message: message.into() }
}

/// One problem by itself, several in brackets, as Go's aggregates are written; `None` without any.
pub(super) fn refusal(problems: &[Problem]) -> Option<Decision> {
    let message = match problems {
        [] => return None,
        [problem] => problem.to_string(),
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("[{}]", several.join(", "))
        }
    };
    Some(Decision::refuse(406, "NotAcceptable", message))
}
