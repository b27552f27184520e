//! The data plane: sockets, TLS, HTTP
