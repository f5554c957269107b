//! Syncline's benchmarks: `benches/` holds the criterion benches.
