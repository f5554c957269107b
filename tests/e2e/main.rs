//! End-to-end tests: the binary against a real MariaDB, MiniRocks, HTTP and S3 servers, as a user meets it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod buckets;
mod clients;
mod commands;
mod create_table;
mod failures;
mod faults;
mod file_resume;
mod file_writes;
mod job;
mod loads;
mod mysql_writes;
mod partitions;
mod resume;
mod slt;
mod spark_tutorial;
mod support;
