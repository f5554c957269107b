//! What DataFusion's Parquet reader does with what it is told.

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow::array::{Int32Array, Int64Array, StringArray};
use arrow::datatypes::{Field, Schema};

use super::*;

/// A file of 10 row groups of 1000 rows, whose `id` counts up.
fn sorted_file(path: &Path) {
    let schema = Arc::new(Schema::new(vec![
        Field::new("ID", DataType::Int32, true),
        Field::new("twice", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
    ]));
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(1000))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).unwrap();
    for start in (0..10_000).step_by(1000) {
        let ids: Vec<i32> = (start..start + 1000).collect();
        let twice: Vec<i64> = ids.iter().map(|id| i64::from(*id) * 2).collect();
        let names: Vec<String> = ids.iter().map(|id| format!("name {id} {}", "x".repeat(50))).collect();
        let batch = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(Int32Array::from(ids)),
                Arc::new(Int64Array::from(twice)),
                Arc::new(StringArray::from(names)),
            ],
        );
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.close().unwrap();
}

/// Bytes that a query reads, and its rows.
async fn bytes_read(session: &SessionContext, query: &str) -> (usize, usize) {
    fn sum(plan: &Arc<dyn ExecutionPlan>) -> usize {
        let own = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_read")).map_or(0, |sum| sum.as_usize());
        own + plan.children().into_iter().map(sum).sum::<usize>()
    }
    let plan = plan(session, query).await.unwrap();
    let batches = collect(Arc::clone(&plan), session.task_ctx()).await.unwrap();
    (sum(&plan), batches.iter().map(RecordBatch::num_rows).sum())
}

#[tokio::test]
async fn statistics_leave_out_row_groups_and_projections_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sorted.parquet");
    sorted_file(&path);
    // a footer of its own for each range would blur the numbers
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    // the column is wider than the file's and spelled in another way: pruning works all the same
    table(&session, ColumnarFormat::Parquet, &path, &[("id", "BIGINT"), ("name", "STRING"), ("TWICE", "BIGINT")]);
    let (all, rows) = bytes_read(&session, "SELECT * FROM t").await;
    assert_eq!(rows, 10_000);
    let (pruned, rows) = bytes_read(&session, "SELECT * FROM t WHERE id BETWEEN 2500 AND 2510").await;
    assert_eq!(rows, 11);
    assert!(pruned * 3 < all, "{pruned} of {all}");
    let (projected, rows) = bytes_read(&session, "SELECT id FROM t").await;
    assert_eq!(rows, 10_000);
    assert!(projected * 2 < all, "{projected} of {all}");
    let (limited, rows) = bytes_read(&session, "SELECT * FROM t LIMIT 5").await;
    assert_eq!(rows, 5);
    assert!(limited < all, "{limited} of {all}");
}

#[tokio::test]
async fn datafusion_itself_would_cast_with_a_loss() {
    // why columns are found and converted by us: the same file through DataFusion's own table gives NULL or an error by the value
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sorted.parquet");
    sorted_file(&path);
    let session = SessionContext::new();
    let schema = Schema::new(vec![Field::new("twice", DataType::Utf8, true), Field::new("id", DataType::Int64, true)]);
    let options = datafusion::prelude::ParquetReadOptions::default().schema(&schema);
    session.register_parquet("t", path.to_str().unwrap(), options).await.unwrap();
    let found = super::rows(&session, "SELECT twice, id FROM t LIMIT 1").await.unwrap();
    // a number became a text, and a column of other case was not found
    assert_eq!(found, "0|NULL;");
}

#[tokio::test]
async fn a_case_that_only_one_name_has_is_no_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.parquet");
    let fields = ["x", "X"].map(|name| Field::new(name, DataType::Int32, true)).to_vec();
    let schema = Arc::new(Schema::new(fields));
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), None).unwrap();
    let columns: Vec<arrow::array::ArrayRef> =
        vec![Arc::new(Int32Array::from(vec![1])), Arc::new(Int32Array::from(vec![2]))];
    writer.write(&RecordBatch::try_new(schema, columns).unwrap()).unwrap();
    writer.close().unwrap();
    let session = session("UTC");
    table(&session, ColumnarFormat::Parquet, &path, &[("X", "INT")]);
    assert_eq!(rows(&session, "SELECT * FROM t").await.unwrap(), "2;");
}
