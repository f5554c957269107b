//! The conformance suite of sources, against a server.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;

use super::TestDatabase;
use crate::conformance::{Cell, Column, ColumnType, SourceUnderTest, insert, run_all};

struct MariaDb {
    database: TestDatabase,
    /// The definition of a text column: its collation decides what is asked of the server.
    text: &'static str,
}

#[async_trait]
impl SourceUnderTest for MariaDb {
    fn type_name(&self, kind: ColumnType) -> Option<&'static str> {
        Some(match kind {
            // BOOL is TINYINT(1), a number; LARGEINT is StarRocks's.
            ColumnType::Boolean | ColumnType::Int128 => return None,
            ColumnType::Int8 => "TINYINT",
            ColumnType::Int16 => "SMALLINT",
            ColumnType::Int32 => "INT",
            ColumnType::Int64 => "BIGINT",
            ColumnType::UInt8 => "TINYINT UNSIGNED",
            ColumnType::UInt16 => "SMALLINT UNSIGNED",
            ColumnType::UInt32 => "INT UNSIGNED",
            ColumnType::UInt64 => "BIGINT UNSIGNED",
            ColumnType::Float32 => "FLOAT",
            ColumnType::Float64 => "DOUBLE",
            ColumnType::Decimal => "DECIMAL(38,10)",
            ColumnType::WideDecimal => "DECIMAL(65,30)",
            ColumnType::Date => "DATE",
            ColumnType::DateTime => "DATETIME(6)",
            ColumnType::Text => self.text,
            ColumnType::Binary => "LONGBLOB",
        })
    }

    async fn table(&self, name: &str, columns: &[Column], rows: &[Vec<Cell>]) -> Arc<dyn TableProvider> {
        let define = |column: &Column| format!("`{}` {} NULL", column.name, self.type_name(column.kind).unwrap());
        let definitions: Vec<String> = columns.iter().map(define).collect();
        self.database.run(&[&format!("CREATE TABLE `{name}` ({})", definitions.join(", "))]).await;
        if !rows.is_empty() {
            self.database.run(&[&insert(&format!("`{name}`"), columns, rows)]).await;
        }
        self.database.table(name).await
    }
}

#[tokio::test]
async fn the_conformance_suite_passes() {
    let source = MariaDb { database: TestDatabase::new().await, text: "LONGTEXT COLLATE utf8mb4_general_ci" };
    run_all(&source, "ci").await;
}

#[tokio::test]
async fn the_conformance_suite_passes_where_the_server_compares_text_exactly() {
    let source = MariaDb { database: TestDatabase::new().await, text: "LONGTEXT COLLATE utf8mb4_nopad_bin" };
    run_all(&source, "bin").await;
}
