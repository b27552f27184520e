//! What a request meets on its way: filters decide, the exchange acts.

pub use crate::route::{Answer, Filter, Question, Scope, Verdict, Work};
