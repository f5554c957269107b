//! A file format of our own for text: lines, or fields between delimiters of any length, without quoting.
