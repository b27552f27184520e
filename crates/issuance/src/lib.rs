//! What to do about certificates: policy, plans, issuers
