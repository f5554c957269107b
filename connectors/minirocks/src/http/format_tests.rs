//! Formats of bodies, and what versions of the server make of them.

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, ListArray, StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use reqwest::Method;

use super::test_client::TestClient;
use super::tests::{exchange, rows, server, server_with, table};
use crate::storage::{ColumnDefinition, TableDefinition};
use crate::{Server, ServerConfig};

async fn emulating(version: &str) -> (Server, TestClient) {
    let config = ServerConfig { emulate_version: Some(version.to_owned()), ..ServerConfig::default() };
    let server = server_with(config).await;
    let client = TestClient::new(&server);
    (server, client)
}

fn zstd_of(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}

fn lz4_of(text: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn gzip_of(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn bzip2_of(text: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The stream of a batch with these columns.
fn arrow_of(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_read_in_every_compression() {
    let server = server().await;
    let client = TestClient::new(&server);
    let text = b"1,x,1\n2,y,2\n";
    type Compress = fn(&[u8]) -> Vec<u8>;
    let compressions: [(&str, Compress); 4] =
        [("zstd", zstd_of), ("lz4", lz4_of), ("gzip", gzip_of), ("bzip2", bzip2_of)];
    for (number, (name, compress)) in compressions.into_iter().enumerate() {
        let format = format!("format: {name}");
        let answer = client.load("users", &[&format], &compress(text)).await;
        assert_eq!(answer["NumberLoadedRows"], 2, "{name}: {answer}");
        let cut = compress(text);
        let answer = client.load("users", &[&format], &cut[..cut.len() - 3]).await;
        assert!(answer["Message"].as_str().unwrap().starts_with("cannot decompress the body"), "{name}: {answer}");
        assert_eq!(rows(&server, "users").len(), 2 * (number + 1));
    }
    client.call("begin", "a", &[], "").await;
    for text in [b"3,z,3\n", b"4,z,4\n"] {
        let answer = client.try_call("load", "a", &["format: zstd"], &zstd_of(text)).await.unwrap();
        assert_eq!(answer["Status"], "OK", "{answer}");
    }
    assert_eq!(client.call("commit", "a", &[], "").await["NumberLoadedRows"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_read_compressed_and_csv_ignores_the_header() {
    let (server, client) = emulating("4.2").await;
    let json = b"{\"id\":1,\"name\":\"x\"}";
    for (header, body) in [
        ("compression: zstd", zstd_of(json)),
        ("compression: LZ4_FRAME", lz4_of(json)),
        ("content-encoding: gzip", gzip_of(json)),
        ("compression: BZIP2", bzip2_of(json)),
    ] {
        let answer = client.load("users", &["format: json", header], &body).await;
        assert_eq!(answer["Status"], "Success", "{header}: {answer}");
    }
    assert_eq!(rows(&server, "users").len(), 4);
    assert_eq!(client.load("users", &["compression: zstd"], b"5,x,1\n").await["Status"], "Success");
    for (headers, message) in [
        (
            &["compression: zstd", "content-encoding: gzip"][..],
            "Only one of http header content-encoding and compression can be set",
        ),
        (&["compression: rar"], "Unsupported compression algorithm: RAR"),
        (&["compression: snappy"], "not supported by MiniRocks: compression SNAPPY of JSON"),
    ] {
        let headers: Vec<&str> = headers.iter().copied().chain(["format: json"]).collect();
        assert_eq!(client.load("users", &headers, json).await["Message"], message);
    }
    let (_server, client) = emulating("3.1").await;
    let answer = client.load("users", &["format: json", "compression: zstd"], &zstd_of(json)).await;
    assert_eq!(answer["Status"], "Fail", "a version that does not know the header reads the bytes: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_columns_are_found_by_name() {
    let server = server().await;
    let client = TestClient::new(&server);
    let names: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("name of eleven")]));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let body = arrow_of(vec![("NAME", names), ("extra", Arc::clone(&ids)), ("id", Arc::clone(&ids))]);
    let answer = client.load("users", &["format: arrow"], &body).await;
    assert_eq!(answer["NumberLoadedRows"], 3, "{answer}");
    assert_eq!(rows(&server, "users"), ["1|a|NULL", "2|NULL|NULL", "3|NULL|NULL"]);

    let answer = client.load("users", &["format: arrow", "columns: id, extra, score = 42"], &body).await;
    assert_eq!(answer["NumberLoadedRows"], 3, "{answer}");
    assert_eq!(rows(&server, "users").iter().filter(|row| row.ends_with("|42")).count(), 3);
    let answer = client.load("users", &["format: arrow", "strict_mode: true", "max_filter_ratio: 0.5"], &body).await;
    assert_eq!((&answer["NumberLoadedRows"], &answer["NumberFilteredRows"]), (&2.into(), &1.into()));
    let log = client.once(Method::GET, answer["ErrorURL"].as_str().unwrap(), &[], "").await.unwrap();
    let log = log.text().await.unwrap();
    assert!(
        log.starts_with("Error: Value 'name of eleven' is out of range. The type of 'name' is VARCHAR(10)."),
        "{log}"
    );

    let no_id = arrow_of(vec![("name", Arc::new(StringArray::from(vec!["x"])))]);
    let answer = client.load("users", &["format: arrow"], &no_id).await;
    assert_eq!(answer["Message"], "too many filtered rows", "a missing column is NULL, and id takes none");
    let cut = &body[..body.len() / 2];
    let answer = client.load("users", &["format: arrow"], cut).await;
    assert!(answer["Message"].as_str().unwrap().starts_with("Failed to read the Arrow stream"), "{answer}");
    let answer = client.load("users", &["format: arrow"], b"no arrow, but long enough to be something else").await;
    assert_eq!(answer["Status"], "Fail", "{answer}");
    let dictionary: DictionaryArray<Int32Type> = ["x"].into_iter().collect();
    let answer = client.load("users", &["format: arrow"], &arrow_of(vec![("name", Arc::new(dictionary))])).await;
    assert!(answer["Message"].as_str().unwrap().contains("is not supported, cast it first"), "{answer}");
    assert_eq!(client.load("users", &["format: arrow"], b"").await["Message"], "No rows were imported from upstream");
    assert_eq!(rows(&server, "users").len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_values_keep_what_they_are() {
    let server = server().await;
    let client = TestClient::new(&server);
    let columns = [
        ("k", "INT"),
        ("big", "LARGEINT"),
        ("d", "DOUBLE"),
        ("n", "DECIMAL(18,3)"),
        ("b", "BOOLEAN"),
        ("day", "DATE"),
        ("naive", "DATETIME"),
        ("moment", "DATETIME"),
        ("bin", "VARBINARY"),
        ("list", "ARRAY<INT>"),
        ("j", "JSON"),
        ("t", "VARCHAR(100)"),
    ];
    let columns = columns.map(|(name, kind)| ColumnDefinition::new(name, kind.parse().unwrap())).to_vec();
    let database = server.warehouse().database("ods").unwrap();
    database.create_table(TableDefinition::new("wide", columns), false).unwrap();
    let micros = 1_704_164_645_123_456; // 2024-01-02 03:04:05.123456 UTC
    let items = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None])]);
    let decimal = Decimal128Array::from(vec![123_456]).with_precision_and_scale(18, 3).unwrap();
    let body = arrow_of(vec![
        ("k", Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        ("big", Arc::new(UInt64Array::from(vec![u64::MAX]))),
        ("d", Arc::new(Float64Array::from(vec![0.1 + 0.2]))),
        ("n", Arc::new(decimal)),
        ("b", Arc::new(BooleanArray::from(vec![true]))),
        ("day", Arc::new(Date32Array::from(vec![19_724]))),
        ("naive", Arc::new(TimestampMicrosecondArray::from(vec![micros]))),
        ("moment", Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"))),
        ("bin", Arc::new(BinaryArray::from(vec![&b"\xff\x00"[..]]))),
        ("list", Arc::new(items)),
        ("j", Arc::new(StringArray::from(vec!["{\"a\":1}"]))),
        ("t", Arc::new(StringArray::from(vec!["\\N"]))),
    ]);
    let answer = client.load("wide", &["format: arrow", "strict_mode: true", "timezone: +08:00"], &body).await;
    assert_eq!(answer["NumberLoadedRows"], 1, "{answer}");
    assert_eq!(
        rows(&server, "wide"),
        [
            "1|18446744073709551615|0.30000000000000004|123.456|true|2024-01-02|2024-01-02T03:04:05.123456|2024-01-02T11:04:05.123456|ff00|[1, ]|{\"a\": 1}|\\N"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_batches_come_one_after_another() {
    let server = server().await;
    let client = TestClient::new(&server);
    let schema = Arc::new(Schema::new(vec![Field::new("id", arrow::datatypes::DataType::Int32, false)]));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    for batch in 0..100 {
        let ids = Int32Array::from_iter_values(batch * 1000..(batch + 1) * 1000);
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(ids)]).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    let answer = client.load("users", &["format: arrow"], &writer.into_inner().unwrap()).await;
    assert_eq!(answer["NumberLoadedRows"], 100_000, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_before_4_2_refuses_arrow_before_the_body() {
    let (server, _) = emulating("4.1.3").await;
    let head = "PUT /api/ods/users/_stream_load HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cm9vdDo=\r\nformat: arrow\r\n\
        Expect: 100-continue\r\nContent-Length: 100\r\n\r\n";
    let answer = exchange(server.be_addr(), head.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("\"Message\": \"unknown data format, format=arrow\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_differ_in_what_they_read_and_say() {
    for (version, quoted, reason, has_names) in [
        ("2.5.22", "\"x\"", "Value count does not match column count. Expect 3, but got 2. Row: 2,y", false),
        (
            "3.2.0",
            "x",
            "Value count does not match column count: expected = 3, actual = 2. Column separator: ','",
            false,
        ),
        ("3.3", "x", "Target column count: 3 doesn't match source value column count: 2. Column separator: ','", true),
        ("4.2", "x", "Target column count: 3 doesn't match source value column count: 2. Column separator: ','", true),
    ] {
        let (server, client) = emulating(version).await;
        let answer = client.load("users", &["enclose: \"", "max_filter_ratio: 0.5"], b"1,\"x\",1\n2,y\n").await;
        assert_eq!(answer["Status"], "Success", "{version}: {answer}");
        assert_eq!(rows(&server, "users"), [format!("1|{quoted}|1")], "{version}");
        assert_eq!(answer.get("Db").is_some(), has_names, "{version}");
        let log = client.once(Method::GET, answer["ErrorURL"].as_str().unwrap(), &[], "").await.unwrap();
        let log = log.text().await.unwrap();
        assert!(log.starts_with(&format!("Error: {reason}")), "{version}: {log}");
    }
    for version in ["nonsense", ""] {
        let config = ServerConfig { emulate_version: Some(version.to_owned()), ..ServerConfig::default() };
        assert!(Server::start(config).await.unwrap_err().to_string().contains("is no version of StarRocks"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_into_a_temporary_partition_is_seen_when_it_takes_the_place_of_the_other() {
    let server = server().await;
    let client = TestClient::new(&server);
    let logs = table(&server, "logs");
    assert_eq!(client.load("logs", &[], b"old,2024-08-07\n").await["Status"], "Success");
    logs.add_partition("tmp", vec![vec![Some("2024-08-07".to_owned())]], true, false).unwrap();
    let temporary = ["temporary_partitions: tmp"];
    assert_eq!(client.load("logs", &temporary, b"new,2024-08-07\n").await["Status"], "Success");
    client.call("begin", "a", &["table: logs"], "").await;
    let headers = ["table: logs", "temporary_partitions: tmp"];
    assert_eq!(client.call("load", "a", &headers, "newer,2024-08-07\n").await["Status"], "OK");
    assert_eq!(client.call("commit", "a", &[], "").await["Status"], "OK");
    assert_eq!(rows(&server, "logs"), ["old|2024-08-07"]);
    let both = ["partitions: p20240807", "temporary_partitions: tmp"];
    let answer = client.load("logs", &both, b"x,2024-08-07\n").await;
    assert_eq!(answer["Message"], "Can not specify both partitions and temporary partitions");
    logs.replace_partitions(&["p20240807".to_owned()], &["tmp".to_owned()], true, true).unwrap();
    assert_eq!(rows(&server, "logs"), ["newer|2024-08-07", "new|2024-08-07"]);
}
