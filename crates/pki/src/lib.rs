//! Keys, certificate requests and certificates (RFC 5280, RFC 2986), without I/O
