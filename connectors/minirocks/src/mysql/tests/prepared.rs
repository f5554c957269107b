//! Prepared statements: parameters are values, rows are binary.
