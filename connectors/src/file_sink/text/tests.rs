//! What is written reads back equal, or is named beforehand.
