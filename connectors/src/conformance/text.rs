//! The suite against text files: on this machine, compressed, and behind an HTTP server.

use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use datafusion::catalog::TableProvider;
use parking_lot::Mutex;

use super::{Cell, Column, ColumnType, SourceUnderTest, bytes_of, run_all};
use crate::catalog::{CatalogConfig, CatalogKind};
use crate::http::test_server::{Server, good};
use crate::object_store::FileLocation;
use crate::oss::test_server::S3Server;
use crate::registry;
use crate::text::{TextTable, TextTableOptions, hive_type};

/// Hive's default, which none of the suite's texts holds.
const DELIMITER: &str = "\u{1}";

fn hive_name(kind: ColumnType) -> Option<&'static str> {
    Some(match kind {
        // Hive has no unsigned numbers and no decimal beyond 38 digits.
        ColumnType::Int128
        | ColumnType::UInt8
        | ColumnType::UInt16
        | ColumnType::UInt32
        | ColumnType::UInt64
        | ColumnType::WideDecimal => return None,
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Int8 => "TINYINT",
        ColumnType::Int16 => "SMALLINT",
        ColumnType::Int32 => "INT",
        ColumnType::Int64 => "BIGINT",
        ColumnType::Float32 => "FLOAT",
        ColumnType::Float64 => "DOUBLE",
        ColumnType::Decimal => "DECIMAL(38,10)",
        ColumnType::Date => "DATE",
        ColumnType::DateTime => "TIMESTAMP",
        ColumnType::Text => "STRING",
        ColumnType::Binary => "BINARY",
    })
}

fn field(kind: ColumnType, value: &str) -> String {
    match kind {
        ColumnType::DateTime => value.replace('T', " "),
        ColumnType::Binary => BASE64.encode(bytes_of(value)),
        ColumnType::Text => value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r"),
        _ => value.to_owned(),
    }
}

fn file(columns: &[Column], rows: &[Vec<Cell>]) -> Vec<u8> {
    let mut text = String::new();
    for row in rows {
        let fields: Vec<String> = columns
            .iter()
            .zip(row)
            .map(|(column, cell)| cell.as_ref().map_or("\\N".to_owned(), |value| field(column.kind, value)))
            .collect();
        text.push_str(&fields.join(DELIMITER));
        text.push('\n');
    }
    text.into_bytes()
}

fn table(location: FileLocation, columns: &[Column]) -> Arc<dyn TableProvider> {
    let typed = |column: &Column| (column.name.clone(), hive_type(hive_name(column.kind).unwrap()).unwrap());
    let mut options = TextTableOptions::new(columns.iter().map(typed).collect());
    options.fields_delimiter = Some(DELIMITER.into());
    options.escape = Some(b'\\');
    TextTable::try_new(location, options).unwrap()
}

/// Each table is a folder of files.
struct Folder {
    root: tempfile::TempDir,
    compressed: bool,
}

#[async_trait]
impl SourceUnderTest for Folder {
    fn type_name(&self, kind: ColumnType) -> Option<&'static str> {
        hive_name(kind)
    }

    async fn table(&self, name: &str, columns: &[Column], rows: &[Vec<Cell>]) -> Arc<dyn TableProvider> {
        let folder = self.root.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        // Two files, and one without a row.
        let (first, second) = rows.split_at(rows.len() / 2);
        for (number, rows) in [first, &[], second].into_iter().enumerate() {
            let bytes = file(columns, rows);
            if self.compressed {
                let file = std::fs::File::create(folder.join(format!("{number}.txt.gz"))).unwrap();
                let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                encoder.write_all(&bytes).unwrap();
                encoder.finish().unwrap();
            } else {
                std::fs::write(folder.join(format!("{number}.txt")), bytes).unwrap();
            }
        }
        table(FileLocation::Local(folder), columns)
    }
}

/// Each table is a file behind a server of its own.
#[derive(Default)]
struct Http {
    servers: Mutex<Vec<Server>>,
}

#[async_trait]
impl SourceUnderTest for Http {
    fn type_name(&self, kind: ColumnType) -> Option<&'static str> {
        hive_name(kind)
    }

    async fn table(&self, name: &str, columns: &[Column], rows: &[Vec<Cell>]) -> Arc<dyn TableProvider> {
        let bytes = file(columns, rows);
        let server = Server::start(move |request, _| good(request, &bytes)).await;
        let url = server.url("/files");
        let options = [("url", url.as_str())].into_iter().collect();
        let config = CatalogConfig { name: "web".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
        let files = registry::open(CatalogKind::Http, config).unwrap().files().expect("it holds files");
        self.servers.lock().push(server);
        table(files.location(&format!("/{name}.txt")).unwrap(), columns)
    }
}

/// Each table is a folder of objects in a bucket.
struct Objects(S3Server);

#[async_trait]
impl SourceUnderTest for Objects {
    fn type_name(&self, kind: ColumnType) -> Option<&'static str> {
        hive_name(kind)
    }

    async fn table(&self, name: &str, columns: &[Column], rows: &[Vec<Cell>]) -> Arc<dyn TableProvider> {
        let (first, second) = rows.split_at(rows.len() / 2);
        for (number, rows) in [first, &[], second].into_iter().enumerate() {
            self.0.put("lake", &format!("{name}/{number}.txt"), &file(columns, rows));
        }
        let options = self.0.options("lake").into_iter().collect();
        let config = CatalogConfig { name: "lake".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
        let files = registry::open(CatalogKind::Oss, config).unwrap().files().expect("it holds files");
        table(files.location(&format!("/{name}")).unwrap(), columns)
    }
}

#[tokio::test]
async fn text_in_a_bucket_passes_the_conformance_suite() {
    run_all(&Objects(S3Server::start(&["lake"])), "t").await;
}

#[tokio::test]
async fn local_text_files_pass_the_conformance_suite() {
    run_all(&Folder { root: tempfile::tempdir().unwrap(), compressed: false }, "t").await;
}

#[tokio::test]
async fn compressed_text_files_pass_the_conformance_suite() {
    run_all(&Folder { root: tempfile::tempdir().unwrap(), compressed: true }, "t").await;
}

#[tokio::test]
async fn text_behind_http_passes_the_conformance_suite() {
    run_all(&Http::default(), "t").await;
}
