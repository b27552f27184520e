//! RFC 8555: wire types, client and certificate authority
