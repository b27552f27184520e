//! One loop each: gather, plan, act
