//! The bucket against a server.
