//! Objects to a Snapshot and its Diagnostics
