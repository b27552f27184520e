//! Parts of a question.

use jamul_api::CertificateRequest;
use jamul_api::admission::AdmissionRequest;
use serde_json::Value;

/// Whether an update leaves this part as it is.
pub(super) fn is_same(question: &AdmissionRequest, pointer: &str) -> bool {
    question.operation == "UPDATE" && question.object.pointer(pointer) == question.old_object.pointer(pointer)
}

pub(super) fn typed(value: &Value) -> Option<CertificateRequest> {
    serde_json::from_value(value.clone()).ok()
}
