//! The `syncline` binary, built for the end-to-end tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    syncline::cli::main()
}
