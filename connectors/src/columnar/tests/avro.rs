//! Avro files of fastavro, and files with faults.

use super::*;

#[tokio::test]
async fn a_file_is_cut_into_ranges_and_each_row_is_read_once() {
    let session = session("UTC");
    table(&session, ColumnarFormat::Avro, &fixtures().join("many.avro"), &[("id", "BIGINT"), ("v", "STRING")]);
    let plan = plan(&session, "SELECT id FROM t").await.unwrap();
    assert_eq!(plan.properties().output_partitioning().partition_count(), 4);
    assert_eq!(
        rows(&session, "SELECT count(*), count(DISTINCT id), sum(id) FROM t").await.unwrap(),
        "20000|20000|199990000;"
    );
    assert_eq!(rows(&session, "SELECT count(*) FROM (SELECT v FROM t LIMIT 17)").await.unwrap(), "17;");
}

#[tokio::test]
async fn a_file_that_ends_within_a_block_is_an_error_not_a_short_result() {
    let session = session("UTC");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.avro");
    let bytes = std::fs::read(fixtures().join("many.avro")).unwrap();
    table(&session, ColumnarFormat::Avro, &path, &[("id", "BIGINT"), ("v", "STRING")]);
    for query in ["SELECT count(*), sum(id) FROM t", "SELECT count(*) FROM t"] {
        for end in [bytes.len() - 1, bytes.len() - 20, bytes.len() / 2, 300, 10, 3] {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let error = rows(&session, query).await.unwrap_err();
            assert!(error.message().contains("cut.avro"), "{end}: {error}");
        }
    }
    // damage anywhere is an error or rows, never a panic
    for at in (0..bytes.len()).step_by(bytes.len() / 150 + 1) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, damaged).unwrap();
        one_row_or_an_error_of(rows(&session, "SELECT sum(id), max(v) FROM t").await, "cut.avro");
    }
}

#[tokio::test]
async fn types_that_a_column_does_not_hold_are_refused() {
    let session = session("UTC");
    let path = fixtures().join("all_null.avro");
    for (column, data_type) in [("name", "INT"), ("either", "STRING"), ("amount", "FLOAT"), ("price", "DECIMAL(9,1)")] {
        table(&session, ColumnarFormat::Avro, &path, &[("id", "INT"), (column, data_type)]);
        let error = rows(&session, &format!("SELECT {column} FROM t")).await.unwrap_err();
        for part in ["all_null.avro", &format!("\"{column}\"")] {
            assert!(error.message().contains(part), "{error}");
        }
        assert_eq!(rows(&session, "SELECT sum(id) FROM t").await.unwrap(), "6;");
    }
}
