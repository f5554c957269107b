//! What Spark 3.5.6 wrote, and the rows that it read from it: `tests/spark/columnar.py` made both.

use super::*;

fn case_columns(text: &str) -> Vec<(String, String)> {
    let mut columns = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in text.char_indices().chain([(text.len(), ',')]) {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                let column = text[start..at].trim();
                let quoted = column.strip_prefix('`').and_then(|rest| rest.split_once('`'));
                let (name, data_type) = quoted.or_else(|| column.split_once(' ')).unwrap();
                columns.push((name.to_owned(), data_type.trim().to_owned()));
                start = at + 1;
            }
            _ => {}
        }
    }
    columns
}

fn format_of(name: &str) -> ColumnarFormat {
    let formats = [ColumnarFormat::Parquet, ColumnarFormat::Avro, ColumnarFormat::Orc];
    formats.into_iter().find(|format| format.name() == name).unwrap()
}

#[tokio::test]
async fn every_case_gives_the_rows_of_spark() {
    assert!(every_case("cases.tsv").await >= 30);
}

#[tokio::test]
async fn every_case_gives_the_rows_of_pyarrow_and_fastavro() {
    assert!(every_case("python_cases.tsv").await >= 10);
}

async fn every_case(file: &str) -> usize {
    let cases = std::fs::read_to_string(fixtures().join(file)).unwrap();
    let session = session("Asia/Shanghai");
    let mut wrong = Vec::new();
    for case in cases.lines() {
        let [format, file, list, query, expected] = case.split('\t').collect::<Vec<_>>()[..] else { panic!("{case}") };
        let list = case_columns(list);
        let list: Vec<_> = list.iter().map(|(name, data_type)| (name.as_str(), data_type.as_str())).collect();
        table(&session, format_of(format), &fixtures().join(file), &list);
        match rows(&session, query).await {
            Ok(found) if found == expected => {}
            found => wrong.push(format!("{file}: {query}\n  expected {expected}\n  found    {found:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    cases.lines().count()
}

#[tokio::test]
async fn a_moment_is_shown_in_the_session_s_zone_and_a_wall_clock_as_it_is() {
    let session = session("America/New_York");
    let query = "SELECT at FROM t WHERE at IS NOT NULL ORDER BY at DESC LIMIT 1";
    for file in ["all_snappy.parquet", "all_micros.parquet"] {
        table(&session, ColumnarFormat::Parquet, &fixtures().join(file), &[("at", "TIMESTAMP")]);
        assert_eq!(rows(&session, query).await.unwrap(), "2024-08-07T00:34:56.123456;", "{file}");
    }
    table(&session, ColumnarFormat::Parquet, &fixtures().join("ntz.parquet"), &[("at", "TIMESTAMP")]);
    assert_eq!(rows(&session, query).await.unwrap(), "2024-08-07T12:34:56.500;");
    table(&session, ColumnarFormat::Orc, &fixtures().join("all_zstd.orc"), &[("at", "TIMESTAMP")]);
    assert_eq!(rows(&session, query).await.unwrap(), "2024-08-07T12:34:56.123456;");
}

#[tokio::test]
async fn dates_that_may_be_of_the_old_calendar_are_refused() {
    let session = session("UTC");
    table(&session, ColumnarFormat::Parquet, &fixtures().join("julian.parquet"), &[("id", "INT"), ("day", "DATE")]);
    let error = rows(&session, "SELECT day FROM t").await.unwrap_err();
    for part in ["julian.parquet", "\"day\"", "1582"] {
        assert!(error.message().contains(part), "{error}");
    }
    assert_eq!(rows(&session, "SELECT id FROM t").await.unwrap(), "1;");
}

#[tokio::test]
async fn a_type_that_would_lose_values_is_an_error_that_names_file_column_and_types() {
    let session = session("UTC");
    for (format, file) in [(ColumnarFormat::Parquet, "all_snappy.parquet"), (ColumnarFormat::Orc, "all_zstd.orc")] {
        for (column, data_type, in_file) in [
            ("name", "INT", "Utf8"),
            ("id", "STRING", "Int32"),
            ("amount", "FLOAT", "Float64"),
            ("total", "DECIMAL(18,2)", "Decimal"),
        ] {
            table(&session, format, &fixtures().join(file), &[("small", "INT"), (column, data_type)]);
            let error = rows(&session, &format!("SELECT {column} FROM t")).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::Value, "{error}");
            for part in [file, &format!("\"{column}\""), in_file] {
                assert!(error.message().contains(part), "{error}");
            }
            // a column that is not asked for does no harm
            assert_eq!(rows(&session, "SELECT small FROM t WHERE small > 0 ORDER BY 1").await.unwrap(), "7;32767;");
        }
    }
}

#[tokio::test]
async fn wider_types_and_checked_narrower_integers_are_read() {
    let session = session("UTC");
    let list = [
        ("id", "TINYINT"),
        ("small", "BIGINT"),
        ("ratio", "DOUBLE"),
        ("price", "DECIMAL(20,4)"),
        ("tiny", "DECIMAL(5,2)"),
    ];
    for (format, file) in [(ColumnarFormat::Parquet, "all_snappy.parquet"), (ColumnarFormat::Orc, "all_zstd.orc")] {
        table(&session, format, &fixtures().join(file), &list);
        let found = rows(&session, "SELECT * FROM t WHERE small > 5 AND id < 4").await.unwrap();
        assert_eq!(found, "1|32767|1.5|12345.6700|-128.00;", "{file}");
        table(&session, format, &fixtures().join(file), &[("small", "TINYINT")]);
        let error = rows(&session, "SELECT small FROM t").await.unwrap_err();
        assert!(error.message().contains("\"small\"") && error.message().contains(file), "{error}");
    }
}

#[tokio::test]
async fn an_ambiguous_column_is_an_error_and_damage_names_the_file() {
    let session = session("UTC");
    let folder = tempfile::tempdir().unwrap();
    for (format, file) in [(ColumnarFormat::Parquet, "dictionary.parquet"), (ColumnarFormat::Orc, "many.orc")] {
        let bytes = std::fs::read(fixtures().join(file)).unwrap();
        let path = folder.path().join(file);
        table(&session, format, &path, &[("id", "BIGINT"), ("v", "STRING")]);
        for (what, damaged) in [
            ("cut", bytes[..bytes.len() - 1].to_vec()),
            ("half", bytes[..bytes.len() / 2].to_vec()),
            ("text", b"hello, this is no such file at all".to_vec()),
            ("short", b"x".to_vec()),
        ] {
            std::fs::write(&path, damaged).unwrap();
            let error = rows(&session, "SELECT sum(id), max(v) FROM t").await.unwrap_err();
            assert!(error.message().contains(file), "{what}: {error}");
        }
        // damage anywhere is an error or rows, never a panic
        for at in (0..bytes.len()).step_by(bytes.len() / 150 + 1) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            std::fs::write(&path, damaged).unwrap();
            one_row_or_an_error_of(rows(&session, "SELECT sum(id), max(v) FROM t").await, file);
        }
    }
}

#[tokio::test]
async fn partitions_lie_anywhere_and_are_pruned() {
    let session = session("UTC");
    let mut partitions = Partitions::new(columns(&[("dt", "STRING"), ("h", "INT")])).unwrap();
    let place = |file: &str| FileLocation::Local(fixtures().join(file));
    partitions.add(&["2024".to_owned(), "1".to_owned()], place("names.parquet")).unwrap();
    partitions.add(&["2025".to_owned(), "2".to_owned()], place("all_zstd.parquet")).unwrap();
    partitions.add(&["__HIVE_DEFAULT_PARTITION__".to_owned(), "3".to_owned()], place("ntz.parquet")).unwrap();
    partitions.add(&["gone".to_owned(), "4".to_owned()], place("nowhere.parquet")).unwrap();
    let table = ColumnarTable::partitioned(
        FileLocation::Local("/nowhere".into()),
        ColumnarFormat::Parquet,
        columns(&[("id", "INT")]),
        partitions,
    );
    session.register_table("t", table.unwrap()).unwrap();
    let query = "SELECT dt, h, sum(id), count(*) FROM t WHERE h < 4 GROUP BY dt, h ORDER BY h";
    assert_eq!(rows(&session, query).await.unwrap(), "2024|1|1|1;2025|2|10|4;NULL|3|1|1;");
    assert_eq!(rows(&session, "SELECT h FROM t WHERE dt IS NULL").await.unwrap(), "3;");
    assert_eq!(rows(&session, "SELECT count(*) FROM t WHERE h = 9").await.unwrap(), "0;");
    let plan = plan(&session, "SELECT id FROM t WHERE dt = '2024'").await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(true).to_string();
    assert!(text.contains("location=/nowhere, partitions=1/4"), "{text}");
    assert!(text.contains("names.parquet") && !text.contains("all_zstd"), "{text}");
    let error = rows(&session, "SELECT id FROM t").await.unwrap_err();
    assert!(error.code() == ErrorCode::Io && error.message().contains("nowhere.parquet"), "{error}");
}

#[tokio::test]
async fn files_are_cut_into_ranges_for_all_cores_and_rows_stay_the_same() {
    let session = session("UTC");
    for (format, file) in [(ColumnarFormat::Parquet, "dictionary.parquet"), (ColumnarFormat::Orc, "many.orc")] {
        table(&session, format, &fixtures().join(file), &[("id", "BIGINT"), ("v", "STRING")]);
        let plan = plan(&session, "SELECT id FROM t WHERE v <> 'x'").await.unwrap();
        let leaf = leaf(&plan);
        let groups = leaf.properties().output_partitioning().partition_count();
        assert_eq!(groups, 4, "{file}");
        let plan_rows: usize = collect(plan, session.task_ctx()).await.unwrap().iter().map(RecordBatch::num_rows).sum();
        assert_eq!(plan_rows, if format == ColumnarFormat::Orc { 20_000 } else { 5_000 });
        let metrics = leaf.metrics().unwrap();
        assert!(metrics.sum_by_name("bytes_read").unwrap().as_usize() > 1000, "{metrics}");
        assert_eq!(metrics.output_rows().unwrap(), plan_rows);
    }
}

fn leaf(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.children().first() {
        Some(child) => leaf(child),
        None => Arc::clone(plan),
    }
}

#[tokio::test]
async fn files_of_no_bytes_have_no_rows() {
    let session = session("UTC");
    let folder = tempfile::tempdir().unwrap();
    for (format, file) in [(ColumnarFormat::Parquet, "names.parquet"), (ColumnarFormat::Orc, "names.orc")] {
        std::fs::remove_dir_all(folder.path()).unwrap();
        std::fs::create_dir(folder.path()).unwrap();
        std::fs::write(folder.path().join("000000_0"), b"").unwrap();
        table(&session, format, folder.path(), &[("id", "INT")]);
        assert_eq!(rows(&session, "SELECT * FROM t").await.unwrap(), "");
        std::fs::copy(fixtures().join(file), folder.path().join("000001_0")).unwrap();
        std::fs::write(folder.path().join("_SUCCESS"), b"x").unwrap();
        assert_eq!(rows(&session, "SELECT * FROM t").await.unwrap(), "1;");
    }
}

#[test]
fn columns_that_do_not_fit_are_refused() {
    let place = || FileLocation::Local("/x".into());
    let make = |list| ColumnarTable::try_new(place(), ColumnarFormat::Orc, columns(list));
    assert!(make(&[]).is_err());
    assert!(make(&[("a", "INT"), ("A", "INT")]).unwrap_err().message().contains("twice"));
    let partitions = Partitions::new(columns(&[("A", "INT")])).unwrap();
    assert!(ColumnarTable::partitioned(place(), ColumnarFormat::Orc, columns(&[("a", "INT")]), partitions).is_err());
}
