//! The command line.

mod output;
