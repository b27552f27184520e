//! What this crate writes, judged by another implementation, and the other way round

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod openssl;
mod robust;
