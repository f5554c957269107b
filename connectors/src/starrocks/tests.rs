//! Tests of the connector as a whole.
