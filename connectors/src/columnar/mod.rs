//! Files that hold columns: Parquet, Avro and ORC.

/// A format of files that hold columns and their types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnarFormat {
    /// Apache Parquet.
    Parquet,
    /// Apache Avro object container files.
    Avro,
    /// Apache ORC.
    Orc,
}

impl ColumnarFormat {
    /// The name in `STORED AS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "PARQUET",
            Self::Avro => "AVRO",
            Self::Orc => "ORC",
        }
    }
}
