//! External tables and their partitions, as Hive and Spark define them.

use super::*;

#[test]
fn external_tables_of_hive_and_spark_parse_in_any_spacing() {
    let sql = "CREATE EXTERNAL TABLE IF NOT EXISTS ods_user_info_d_spark
(
    `uid`        STRING COMMENT 'The user ID'
    ,`gender`    STRING COMMENT 'The gender'
    ,tags ARRAY<STRING>, m MAP<STRING,ARRAY<INT>>, amount DECIMAL(10,2)
)
COMMENT 'users'
PARTITIONED BY
(
    dt           STRING
)
ROW FORMAT DELIMITED
FIELDS
TERMINATED
BY'|'
ESCAPED BY '\\\\' COLLECTION ITEMS TERMINATED BY '\\002' MAP KEYS TERMINATED BY '\\u0003' LINES TERMINATED BY '\\n' NULL DEFINED AS '\\N'
STORED AS TEXTFILE
LOCATION'oss://dw-emr-demo/ods_user_info_d/user_${bizdate}/' TBLPROPERTIES('encoding'='gbk')";
    let SessionStatement::CreateExternalTable(table) = session_of(sql) else { panic!() };
    let columns: Vec<_> =
        table.columns.iter().map(|c| (c.name.to_string(), c.data_type.to_string(), c.comment.clone())).collect();
    assert_eq!(columns[0], ("uid".to_owned(), "STRING".to_owned(), Some("The user ID".to_owned())));
    assert_eq!(columns.len(), 5);
    assert_eq!(table.partition_columns[0].name.to_string(), "dt");
    assert_eq!(table.comment.as_deref(), Some("users"));
    assert_eq!(table.format.format, StorageFormat::Text);
    assert_eq!(table.location, "oss://dw-emr-demo/ods_user_info_d/user_20240807/");
    assert_eq!(table.format.properties[0].name, "encoding");
    assert!(table.text.contains("user_20240807"));
    let format = &table.format.row_format;
    let read =
        [&format.fields, &format.escape, &format.collection_items, &format.map_keys, &format.lines, &format.null];
    assert_eq!(
        read.map(|bytes| bytes.clone().unwrap()),
        [&b"|"[..], b"\\", b"\x02", b"\x03", b"\n", b"\\N"].map(<[u8]>::to_vec)
    );
}

#[test]
fn a_table_with_a_location_is_external_without_the_word() {
    for sql in [
        "CREATE TABLE t (a STRING) LOCATION 'x'",
        "CREATE TABLE t (a STRING) STORED AS PARQUET LOCATION 'x'",
        "CREATE TABLE t (a STRING) USING csv OPTIONS (header 'true', path 'x')",
        "CREATE EXTERNAL TABLE ods_raw_log_d_spark\n(\n  `col` STRING\n)\nPARTITIONED BY (\n  dt STRING\n)\nLOCATION 'oss://dw-emr-demo/ods_raw_log_d/log_${bizdate}/'",
        "CREATE TABLE t (a STRING, dt STRING) PARTITIONED BY (dt) LOCATION 'x'",
    ] {
        assert!(matches!(session_of(sql), SessionStatement::CreateExternalTable(_)), "{sql}");
    }
}

#[test]
fn external_tables_that_cannot_be_built_say_so() {
    for (sql, code) in [
        ("CREATE EXTERNAL TABLE t (a STRING)", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING, A INT) LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING) LOCATION 'x' LOCATION 'y'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING) PARTITIONED BY (a STRING) LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a) LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING) ROW FORMAT SERDE 'x' LOCATION 'x'", ErrorCode::NotYet),
        ("CREATE EXTERNAL TABLE t (a STRING) STORED BY 'x' LOCATION 'x'", ErrorCode::NotYet),
        ("CREATE EXTERNAL TABLE t (a STRING) STORED AS SEQUENCEFILE LOCATION 'x'", ErrorCode::NotYet),
        (
            "CREATE EXTERNAL TABLE t (a STRING) STORED AS INPUTFORMAT 'x' OUTPUTFORMAT 'y' LOCATION 'x'",
            ErrorCode::NotYet,
        ),
        ("CREATE EXTERNAL TABLE t (a STRING) STORED AS CSV USING csv LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE TABLE t (a STRING) USING csv ROW FORMAT DELIMITED LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING) ROW FORMAT DELIMITED STORED AS JSON LOCATION 'x'", ErrorCode::Syntax),
        (
            "CREATE EXTERNAL TABLE t (a STRING) ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.orc.OrcSerde' STORED AS PARQUET LOCATION 'x'",
            ErrorCode::Syntax,
        ),
        ("CREATE EXTERNAL TABLE t (a STRING) LOCATION 'x' LIFECYCLE 7", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t LIKE other LOCATION 'x'", ErrorCode::NotYet),
        ("CREATE EXTERNAL TABLE t LOCATION 'x' AS SELECT 1", ErrorCode::NotYet),
        (
            "CREATE EXTERNAL TABLE t (a STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '' LOCATION 'x'",
            ErrorCode::Option,
        ),
        ("CREATE EXTERNAL TABLE t (a STRING) LOCATION 'x' TBLPROPERTIES ('k' = '$${env:X}')", ErrorCode::Reference),
    ] {
        assert_eq!(parse_one(sql, &scope()).unwrap_err().code, code, "{sql}");
    }
}

/// The nodes that define external tables in the tutorial "Synchronize data" for Spark, as printed there.
const SPARK_NODES: &str =
    concat!(include_str!("../ods_raw_log_d_spark.sql"), include_str!("../ods_user_info_d_spark.sql"));

#[test]
fn the_tutorial_s_external_tables_and_their_partitions_parse_as_printed() {
    let statements: Vec<SessionStatement> = split_in(&SourceFile::new("nodes.sql", SPARK_NODES), SqlDialect::Mysql)
        .unwrap()
        .iter()
        .map(|piece| {
            let prepared = substitute(piece, &parameters(), SqlDialect::Mysql).unwrap();
            match parse(&prepared, &scope(), SqlDialect::Mysql).unwrap() {
                Statement::Session(session) => *session,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let [
        SessionStatement::CreateExternalTable(log),
        SessionStatement::AddPartitions { table, if_not_exists: true, partitions },
        SessionStatement::CreateExternalTable(user),
        SessionStatement::AddPartitions { partitions: user_partitions, .. },
    ] = statements.as_slice()
    else {
        panic!("{statements:?}")
    };
    let names = |columns: &[crate::statement::ColumnDefinition]| -> Vec<String> {
        columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect()
    };
    assert!(log.if_not_exists && user.if_not_exists);
    assert_eq!(
        (names(&log.columns), names(&log.partition_columns)),
        (vec!["col STRING".into()], vec!["dt STRING".into()])
    );
    assert_eq!((&log.format.row_format.fields, log.format.format), (&None, StorageFormat::Text));
    assert_eq!(log.location, "oss://dw-emr-demo/ods_raw_log_d/log_20240807/");
    assert_eq!(table.to_string(), "ods_raw_log_d_spark");
    assert_eq!(shown(partitions), ["dt=20240807 at oss://dw-emr-demo/ods_raw_log_d/log_20240807/"]);
    assert_eq!(names(&user.columns), ["uid STRING", "gender STRING", "age_range STRING", "zodiac STRING"]);
    assert_eq!(user.columns[0].comment.as_deref(), Some("The user ID"));
    assert_eq!(user.format.row_format.fields.as_deref(), Some(&b"|"[..]));
    assert_eq!(shown(user_partitions), ["dt=20240807 at oss://dw-emr-demo/ods_user_info_d/user_20240807/"]);
}

/// Partitions in one line each.
fn shown(partitions: &[crate::statement::PartitionDefinition]) -> Vec<String> {
    let location = |text: &Option<String>| text.as_ref().map(|text| format!(" at {text}")).unwrap_or_default();
    partitions
        .iter()
        .map(|partition| format!("{}{}", shown_values(&partition.values), location(&partition.location)))
        .collect()
}

fn shown_values(values: &[crate::statement::PartitionValue]) -> String {
    let value = |value: &crate::statement::PartitionValue| {
        format!("{}={}", value.column, value.value.as_deref().unwrap_or("NULL"))
    };
    values.iter().map(value).collect::<Vec<_>>().join("/")
}

#[test]
fn partitions_of_external_tables_are_added_dropped_repaired_and_shown() {
    for (sql, expected) in [
        ("ALTER TABLE user_log ADD PARTITION(dt=20240807)", "add user_log false: dt=20240807"),
        (
            "alter table user_log add if not exists partition (dt = '1', h = -1) partition (dt = date '2024-08-07', h = null) location 'x/y' PARTITION (dt=a, `h`=2)",
            "add user_log true: dt=1/h=-1, dt=2024-08-07/h=NULL at x/y, dt=a/h=2",
        ),
        ("ALTER EXTERNAL TABLE t ADD PARTITION (dt='1')", "add t false: dt=1"),
        ("ALTER TABLE syncline.default.t ADD PARTITION (dt='1')", "add syncline.default.t false: dt=1"),
        ("ALTER TABLE user_log DROP PARTITION (dt = '1')", "drop user_log false: dt=1"),
        (
            "ALTER TABLE user_log DROP IF EXISTS PARTITION (dt = '1'), PARTITION (dt = '2', h = 1) PURGE",
            "drop user_log true: dt=1, dt=2/h=1",
        ),
        ("MSCK REPAIR TABLE user_log", "repair user_log"),
        ("MSCK TABLE t ADD PARTITIONS", "repair t"),
        ("SHOW PARTITIONS user_log", "show user_log: "),
        ("SHOW PARTITIONS t PARTITION (dt='1')", "show t: dt=1"),
    ] {
        let text = match session_of(sql) {
            SessionStatement::AddPartitions { table, if_not_exists, partitions } => {
                format!("add {table} {if_not_exists}: {}", shown(&partitions).join(", "))
            }
            SessionStatement::DropPartitions { table, if_exists, partitions } => {
                let values: Vec<String> = partitions.iter().map(|values| shown_values(values)).collect();
                format!("drop {table} {if_exists}: {}", values.join(", "))
            }
            SessionStatement::RepairTable(table) => format!("repair {table}"),
            SessionStatement::ShowPartitions { table, partition } => {
                format!("show {table}: {}", shown_values(&partition))
            }
            other => panic!("{sql}: {other:?}"),
        };
        assert_eq!(text, expected, "{sql}");
    }
    for sql in [
        "ALTER TABLE user_log ADD PARTITION (dt)",
        "ALTER TABLE user_log ADD PARTITION (dt='1', DT='2')",
        "ALTER TABLE user_log ADD PARTITION (dt='1'), PARTITION (dt='2')",
        "ALTER TABLE user_log DROP PARTITION ()",
        "MSCK REPAIR TABLE user_log now",
        "SHOW PARTITIONS user_log dt='1'",
    ] {
        assert_eq!(parse_one(sql, &scope()).unwrap_err().code, ErrorCode::Syntax, "{sql}");
    }
}

#[test]
fn partitions_of_a_remote_table_are_the_remote_system_s() {
    let mut in_use = scope();
    in_use.current = Some(crate::scope::Place { catalog: "starrocks".into(), database: None });
    for sql in [
        "ALTER TABLE t ADD PARTITION (dt = '1')",
        "ALTER TABLE starrocks.t DROP PARTITION (dt = '1')",
        "SHOW PARTITIONS FROM t",
        "SHOW PARTITIONS t",
        "MSCK REPAIR TABLE t",
    ] {
        assert!(matches!(parse_one(sql, &in_use), Ok(Statement::Native(_))), "{sql}");
    }
    for sql in
        ["ALTER TABLE user_log ADD PARTITION (dt = '1')", "SHOW PARTITIONS user_log", "MSCK REPAIR TABLE user_log"]
    {
        assert!(matches!(parse_one(sql, &in_use), Ok(Statement::Session(_))), "{sql}");
    }
}

#[test]
fn complex_types_parse_as_hive_and_spark_write_them() {
    let sql = "CREATE EXTERNAL TABLE t (a ARRAY<INT>, m MAP<STRING, ARRAY<INT>>, s struct<x:int,y:string>, n STRUCT<x INT, y: ARRAY<STRUCT<p:DECIMAL(10,2), `q r`:string COMMENT 'it''s'>>>,
        z array<map<string,struct<a:bigint,b:array<double>>>>, w STRUCT<x: INT NOT NULL, `date`: DATE, timestamp: TIMESTAMP>) LOCATION 'x'";
    let SessionStatement::CreateExternalTable(table) = session_of(sql) else { panic!() };
    let types: Vec<String> = table.columns.iter().map(|column| column.data_type.to_string()).collect();
    let expected = [
        "ARRAY<INT>",
        "Map(STRING, ARRAY<INT>)",
        "STRUCT<x INT, y STRING>",
        "STRUCT<x INT, y ARRAY<STRUCT<p DECIMAL(10,2), `q r` STRING>>>",
        "ARRAY<Map(STRING, STRUCT<a BIGINT, b ARRAY<DOUBLE>>)>",
        "STRUCT<x INT, `date` DATE, timestamp TIMESTAMP>",
    ];
    assert_eq!(types, expected);
}

#[test]
fn the_format_of_files_is_named_by_stored_as_using_and_serde() {
    for (clauses, format) in [
        ("", StorageFormat::Text),
        ("STORED AS textfile", StorageFormat::Text),
        ("STORED AS CSV", StorageFormat::Csv),
        ("STORED AS JSONFILE", StorageFormat::Json),
        ("STORED AS json", StorageFormat::Json),
        ("STORED AS AVRO", StorageFormat::Avro),
        ("STORED AS ORC", StorageFormat::Orc),
        ("USING csv", StorageFormat::SparkCsv),
        ("USING com.databricks.spark.csv", StorageFormat::SparkCsv),
        ("USING `text`", StorageFormat::SparkText),
        ("USING JSON", StorageFormat::SparkJson),
        ("USING parquet", StorageFormat::Parquet),
        ("ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'", StorageFormat::Text),
        ("ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' STORED AS TEXTFILE", StorageFormat::OpenCsv),
        (
            "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe' WITH SERDEPROPERTIES ('a'='b')",
            StorageFormat::Json,
        ),
        (
            "ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat' OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'",
            StorageFormat::Parquet,
        ),
        ("ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.avro.AvroSerDe' STORED AS AVRO", StorageFormat::Avro),
        (
            "STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.orc.OrcInputFormat' OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat'",
            StorageFormat::Orc,
        ),
    ] {
        let sql = format!("CREATE EXTERNAL TABLE t (a STRING) {clauses} LOCATION 'x'");
        let SessionStatement::CreateExternalTable(table) = session_of(&sql) else { panic!() };
        assert_eq!(table.format.format, format, "{clauses}");
    }
}

#[test]
fn options_have_names_and_values_in_any_spelling() {
    let sql = r"CREATE TABLE t (a INT, dt STRING) USING csv OPTIONS (path 'x/y', sep ',', header true, 'quote' '\'', a.b.c = 1, escape = '\\', samplingRatio 0.5) PARTITIONED BY (dt) TBLPROPERTIES ('header' = 'true')";
    let SessionStatement::CreateExternalTable(table) = session_of(sql) else { panic!() };
    assert_eq!((table.location.as_str(), table.partition_columns.len(), table.columns.len()), ("x/y", 1, 1));
    let shown: Vec<String> = table
        .format
        .properties
        .iter()
        .map(|property| match &property.value {
            PropertyValue::Text { value, .. } => format!("{}={value}", property.name),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, ["sep=,", "header=true", "quote='", "a.b.c=1", r"escape=\", "samplingRatio=0.5"]);
    let twice = "CREATE TABLE t (a INT) USING csv OPTIONS (path 'x', header true) TBLPROPERTIES ('header' = 'false')";
    assert_eq!(parse_one(twice, &scope()).unwrap_err().code, ErrorCode::Option);
}

#[test]
fn a_table_of_a_file_format_is_ours_unless_its_name_leads_elsewhere() {
    let used = in_use("starrocks", Some("ods"));
    let ours = "CREATE TABLE t (a INT) USING csv OPTIONS (path 'x')";
    assert!(matches!(parse_one(ours, &used), Ok(Statement::Session(_))));
    for sql in [
        "CREATE TABLE t (a INT, INDEX i (a) USING BITMAP) DUPLICATE KEY (a)",
        "CREATE TABLE t (a INT) COMMENT 'stored as text' PROPERTIES ('location' = 'x')",
    ] {
        assert_eq!(kind_of(sql, &used), format!("native starrocks: {sql}"));
    }
}
