//! What the end-to-end tests stand on: servers, the binary, data that breaks naive tools.

pub(crate) mod cli;
pub(crate) mod files;
pub(crate) mod mariadb;
#[path = "../../../connectors/src/oss/test_server.rs"]
#[expect(dead_code, reason = "the connector's own tests use all of it")]
pub(crate) mod s3_server;
pub(crate) mod tap;
pub(crate) mod traps;
pub(crate) mod warehouse;

pub(crate) use cli::Cli;
pub(crate) use files::Files;
pub(crate) use mariadb::Database;
pub(crate) use s3_server::S3Server;
pub(crate) use tap::Tap;
pub(crate) use warehouse::Warehouse;
