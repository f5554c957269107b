//! End-to-end tests: the binary against a real MariaDB, MiniRocks and HTTP servers, as a user meets it.

mod commands;
mod failures;
mod job;
mod slt;
mod support;
