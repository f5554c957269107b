//! The suite that every sink passes.

use std::collections::HashMap;

use super::*;
use crate::sink::conformance::{ColumnType, SinkUnderTest, run_all};

struct Files {
    root: FileLocation,
    tables: Mutex<HashMap<String, FileTarget>>,
}

#[async_trait]
impl SinkUnderTest for Files {
    fn database(&self) -> String {
        "default".into()
    }

    async fn create_table(&self, name: &str, columns: &[(&str, ColumnType)]) {
        let column = |(name, column_type): &(&str, ColumnType)| {
            let data_type = match column_type {
                ColumnType::Int => DataType::Int32,
                ColumnType::Bigint => DataType::Int64,
                ColumnType::Decimal => DataType::Decimal128(10, 2),
                ColumnType::Date => DataType::Date32,
                ColumnType::Text | ColumnType::TextWithDefault => DataType::Utf8,
            };
            ((*name).to_owned(), data_type)
        };
        let columns: Vec<_> = columns.iter().map(column).collect();
        let mut options = hive(columns.clone());
        options.set_escape(b"\\").unwrap();
        let target = table(self.root.below(name).unwrap());
        let target = FileTarget { columns, format: FileFormat::Text(Box::new(options)), ..target };
        self.tables.lock().insert(name.to_owned(), target);
    }

    async fn plan_write(&self, request: WriteRequest) -> Result<PlannedWrite> {
        let target = self.tables.lock()[&request.table].clone();
        plan_write(target, request).await
    }

    async fn read(&self, table: &str) -> Vec<Vec<Option<String>>> {
        let target = self.tables.lock()[table].clone();
        if target.location.list().await.is_err() {
            return vec![];
        }
        let FileFormat::Text(options) = &target.format else { panic!() };
        let context = SessionContext::new();
        let provider = TextTable::try_new(target.location.clone(), options.as_ref().clone()).unwrap();
        let batches = context.read_table(provider).unwrap().collect().await.unwrap();
        let mut rows = vec![];
        for batch in batches {
            for row in 0..batch.num_rows() {
                let value = |array: &ArrayRef| {
                    array.is_valid(row).then(|| arrow::util::display::array_value_to_string(array, row).unwrap())
                };
                rows.push(batch.columns().iter().map(value).collect());
            }
        }
        rows
    }

    fn has_defaults(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_on_this_machine_pass_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files { root: FileLocation::Local(folder.path().to_owned()), tables: Mutex::default() };
    run_all(&files, "t").await;
    assert!(names(folder.path()).iter().all(|name| !name.contains("/.")), "{:?}", names(folder.path()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_a_bucket_pass_the_suite() {
    let server = crate::oss::test_server::S3Server::start(&["lake"]);
    let files = Files { root: super::buckets::location(&server, "/root"), tables: Mutex::default() };
    run_all(&files, "t").await;
    assert_eq!(server.open_uploads(), 0);
}
