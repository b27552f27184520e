//! The domain: what a Snapshot is and how a request finds its route
