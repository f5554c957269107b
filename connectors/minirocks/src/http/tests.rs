//! The HTTP interfaces from the outside: with curl, as the documentation of StarRocks uses them, and byte by byte.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::storage::{ColumnDefault, ColumnDefinition, KeyModel, LabelState, PartitionScheme, Table, TableDefinition};
use crate::types::ColumnType;
use crate::{Server, ServerConfig};

/// A server with a database `ods` and three tables.
pub(super) async fn server() -> Server {
    server_with(ServerConfig::default()).await
}

pub(super) async fn server_with(config: ServerConfig) -> Server {
    let server = Server::start(config).await.unwrap();
    let warehouse = server.warehouse();
    warehouse.create_database("ods", false).unwrap();
    let database = warehouse.database("ods").unwrap();
    let users = vec![
        ColumnDefinition::new("id", ColumnType::Int).not_null(),
        ColumnDefinition::new("name", ColumnType::Varchar(10)),
        ColumnDefinition {
            default: ColumnDefault::Value("7".to_owned()),
            ..ColumnDefinition::new("score", ColumnType::Int)
        },
    ];
    database.create_table(TableDefinition::new("users", users.clone()), false).unwrap();
    let mut keyed = TableDefinition::new("keyed", users);
    keyed.key_model = KeyModel::Primary;
    keyed.key_columns = vec!["id".to_owned()];
    database.create_table(keyed, false).unwrap();
    let mut logs = TableDefinition::new(
        "logs",
        vec![
            ColumnDefinition::new("col", ColumnType::STRING),
            ColumnDefinition::new("dt", ColumnType::Date).not_null(),
        ],
    );
    logs.partitioning = PartitionScheme::List { columns: vec!["dt".to_owned()], automatic: true };
    database.create_table(logs, false).unwrap();
    server
}

pub(super) fn table(server: &Server, name: &str) -> Arc<Table> {
    server.warehouse().table("ods", name).unwrap()
}

/// The rows as text, sorted.
pub(super) fn rows(server: &Server, name: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in table(server, name).snapshot().batches() {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                if column.is_null(row) {
                    return "NULL".to_owned();
                }
                arrow::util::display::array_value_to_string(column, row).unwrap()
            });
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    rows.sort();
    rows
}

/// Runs curl with a body on its standard input; returns what it printed.
async fn curl(arguments: &[&str], body: &[u8]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    let body = body.to_vec();
    let run = move || {
        let mut child = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"])
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl is needed by this test: install the package curl");
        let mut stdin = child.stdin.take().unwrap();
        // curl may end before it has read everything.
        let _ = stdin.write_all(&body);
        drop(stdin);
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// A Stream Load as the documentation writes it: to the FE, with `--location-trusted` and `Expect: 100-continue`.
async fn load(server: &Server, table: &str, headers: &[&str], body: &[u8]) -> Json {
    let url = format!("http://{}/api/ods/{table}/_stream_load", server.http_addr());
    let mut arguments = vec!["--location-trusted", "-u", "root:", "-H", "Expect:100-continue", "-T", "-"];
    for header in headers {
        arguments.extend(["-H", header]);
    }
    arguments.extend(["-X", "PUT", &url]);
    let printed = curl(&arguments, body).await;
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

async fn get(server: &Server, path: &str) -> String {
    curl(&["-u", "root:", &format!("http://{}{path}", server.http_addr())], b"").await
}

/// Writes a request to an address and returns everything that comes back until the server closes, or `None` after a while.
pub(super) async fn exchange(address: std::net::SocketAddr, request: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    read.ok()?.ok()?;
    Some(String::from_utf8(answer).unwrap())
}

const AUTH: &str = "Authorization: Basic cm9vdDo=\r\n";

fn put(headers: &str) -> String {
    format!("PUT /api/ods/users/_stream_load HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_loads_csv_as_the_documentation_does() {
    let server = server().await;
    let answer =
        load(&server, "users", &["label:123", "column_separator:,", "columns: id, name"], b"1,Lily\n2,Rose\n3,\\N\n")
            .await;
    let keys: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "TxnId",
            "Label",
            "Db",
            "Table",
            "Status",
            "Message",
            "NumberTotalRows",
            "NumberLoadedRows",
            "NumberFilteredRows",
            "NumberUnselectedRows",
            "LoadBytes",
            "LoadTimeMs",
            "BeginTxnTimeMs",
            "StreamLoadPlanTimeMs",
            "ReadDataTimeMs",
            "WriteDataTimeMs",
            "CommitAndPublishTimeMs",
        ]
    );
    assert_eq!((answer["Status"].as_str(), answer["Message"].as_str()), (Some("Success"), Some("OK")));
    assert_eq!((answer["NumberTotalRows"].as_u64(), answer["LoadBytes"].as_u64()), (Some(3), Some(19)));
    assert_eq!(rows(&server, "users"), ["1|Lily|7", "2|Rose|7", "3|NULL|7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_loads_json_arrays_lines_and_paths() {
    let server = server().await;
    let headers = ["format: json", "strip_outer_array: true"];
    let answer = load(&server, "users", &headers, br#"[{"id":1,"name":"a"},{"id":"2","name":null,"score":3}]"#).await;
    assert_eq!(answer["NumberLoadedRows"], 2, "{answer}");
    let answer = load(&server, "users", &["format: JSON"], b"{\"id\":3}\n{\"id\":4,\"name\":\"x\"}").await;
    assert_eq!(answer["NumberLoadedRows"], 2, "{answer}");
    let headers = ["format: json", "jsonpaths: [\"$.a.b\",\"$.c[1]\"]", "columns: id,name", "json_root: $.r"];
    let answer = load(&server, "users", &headers, br#"{"r":{"a":{"b":5},"c":["x","y"]}}"#).await;
    assert_eq!(answer["NumberLoadedRows"], 1, "{answer}");
    assert_eq!(rows(&server, "users"), ["1|a|NULL", "2|NULL|3", "3|NULL|NULL", "4|x|NULL", "5|y|7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_not_what_the_headers_say_fails() {
    let server = server().await;
    for (headers, body, message) in [
        (&["format: json"][..], "[{\"id\":1}]", "strip_outer_array=true"),
        (&["format: json"], "{\"id\":", "Failed to iterate document stream"),
        (&["format: json", "strip_outer_array: true"], "{\"id\":1}", "Failed to iterate document stream as array"),
    ] {
        let answer = load(&server, "users", headers, body.as_bytes()).await;
        assert_eq!(answer["Status"], "Fail");
        assert!(answer["Message"].as_str().unwrap().contains(message), "{answer}");
    }
    assert!(rows(&server, "users").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_is_loaded_once() {
    let server = server().await;
    let headers = ["label:once", "column_separator:,", "columns:id"];
    load(&server, "users", &headers, b"1\n").await;
    let again = load(&server, "users", &headers, b"1\n").await;
    assert_eq!(again["TxnId"], -1);
    assert_eq!(again["Status"], "Label Already Exists");
    assert_eq!(again["ExistingJobStatus"], "FINISHED");
    assert_eq!(again["Message"], "Label [once] has already been used.");
    assert_eq!(rows(&server, "users"), ["1|NULL|7"]);
    let state = get(&server, "/api/ods/get_load_state?label=once").await;
    assert_eq!(state, r#"{"state":"VISIBLE","reason":"","status":"OK","code":"0","msg":"Success","message":"OK"}"#);
    assert!(get(&server, "/api/ods/get_load_state?label=never").await.starts_with(r#"{"state":"UNKNOWN""#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_load_frees_its_label() {
    let server = server().await;
    let headers = ["label:twice", "column_separator:,", "columns:id,name"];
    assert_eq!(load(&server, "users", &headers, b"x,y\n").await["Status"], "Fail");
    let state = get(&server, "/api/ods/get_load_state?label=twice").await;
    assert!(state.starts_with(r#"{"state":"ABORTED","reason":"too many filtered rows""#), "{state}");
    assert_eq!(load(&server, "users", &headers, b"1,y\n").await["Status"], "Success");
}

#[tokio::test(flavor = "multi_thread")]
async fn filtered_rows_are_counted_and_shown_with_their_reason() {
    let server = server().await;
    let body = b"1,ok,1\nx,bad,1\n2,name of eleven,1\n3,few\n\\N,null,1\n\xff,utf8,1\n";
    let mut headers = vec!["column_separator:,", "strict_mode:true"];
    let failed = load(&server, "users", &headers, body).await;
    assert_eq!(failed["Message"], "too many filtered rows");
    assert!(rows(&server, "users").is_empty());
    headers.push("max_filter_ratio:0.9");
    let answer = load(&server, "users", &headers, body).await;
    assert_eq!(answer["Status"], "Success", "{answer}");
    assert_eq!(
        (&answer["NumberTotalRows"], &answer["NumberLoadedRows"], &answer["NumberFilteredRows"]),
        (&Json::from(6), &Json::from(1), &Json::from(5))
    );
    assert_eq!(rows(&server, "users"), ["1|ok|1"]);
    let url = answer["ErrorURL"].as_str().unwrap();
    assert!(url.starts_with(&format!("http://{}/api/_load_error_log?file=error_log_", server.be_addr())), "{url}");
    let log = curl(&[url], b"").await;
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(
        lines,
        [
            "Error: The field (name = id, pos = 0) is out of range. Type: INT, Value length: 1, Value: x. Row: [x, bad, 1]",
            "Error: The field (name = name, pos = 1) is out of range. Type: VARCHAR(10), Value length: 14, Value: name of eleven. Row: [2, name of eleven, 1]",
            "Error: Target column count: 3 doesn't match source value column count: 2. Column separator: ',', Row delimiter: '\\n'. Row: 3,few",
            "Error: NULL value in non-nullable column 'id'. Row: [NULL, null, 1]",
            "Error: Invalid UTF-8 row. Row: \u{fffd},utf8,1",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_strict_mode_a_bad_value_is_null() {
    let server = server().await;
    let answer = load(&server, "users", &["column_separator:,"], b"1,name of eleven,x\n").await;
    assert_eq!(answer["Status"], "Success");
    assert_eq!(rows(&server, "users"), ["1|NULL|NULL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_fifty_rows_are_shown() {
    let server = server().await;
    let answer = load(&server, "users", &["column_separator:,"], "x\n".repeat(1000).as_bytes()).await;
    assert_eq!(answer["NumberFilteredRows"], 1000);
    assert_eq!(curl(&[answer["ErrorURL"].as_str().unwrap()], b"").await.lines().count(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_log_is_a_name_and_never_a_path() {
    let server = server().await;
    for file in ["../../etc/passwd", "/etc/passwd", "%2e%2e%2fetc%2fpasswd", "", "error_log_0_0"] {
        let url = format!("http://{}/api/_load_error_log?file={file}", server.be_addr());
        assert_eq!(curl(&["--path-as-is", &url], b"").await, "Not Found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_without_rows_is_an_error() {
    let server = server().await;
    for body in [&b""[..], b"\n\n\n"] {
        let answer = load(&server, "users", &["column_separator:,"], body).await;
        assert_eq!(answer["Status"], "Fail");
        assert_eq!(answer["Message"], "No rows were imported from upstream");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_made_unless_they_are_named() {
    let server = server().await;
    let options = ["column_separator:0x01", "row_delimiter:\\x02"];
    let answer = load(&server, "logs", &options, b"a\x012024-08-07\x02b\x0120240808\x02c\nd\x012024-08-07").await;
    assert_eq!(answer["NumberLoadedRows"], 3, "{answer}");
    let names: Vec<_> = table(&server, "logs").snapshot().visible().map(|p| p.name.clone()).collect();
    assert_eq!(names, ["p20240807", "p20240808"]);

    let options = ["column_separator:,", "partitions: p20240807", "max_filter_ratio:0.5"];
    let answer = load(&server, "logs", &options, b"e,2024-08-07\nf,2024-08-09\n").await;
    assert_eq!((&answer["NumberLoadedRows"], &answer["NumberFilteredRows"]), (&Json::from(1), &Json::from(1)));
    let log = curl(&[answer["ErrorURL"].as_str().unwrap()], b"").await;
    assert!(log.starts_with("Error: The row is out of partition ranges. Please add a new partition."), "{log}");
    let answer = load(&server, "logs", &["partitions: p1"], b"x\n").await;
    assert_eq!(answer["Message"], "Unknown partition 'p1' in table 'logs'");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_key_keeps_its_last_row() {
    let server = server().await;
    load(&server, "keyed", &["column_separator:,"], b"1,a,1\n2,b,2\n1,c,3\n").await;
    load(&server, "keyed", &["column_separator:,"], b"2,d,4\n").await;
    assert_eq!(rows(&server, "keyed"), ["1|c|3", "2|d|4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_mapped_dropped_and_filled() {
    let server = server().await;
    let headers = ["column_separator:,", "columns: NAME, tmp, `id`, score = 42"];
    let answer = load(&server, "users", &headers, b"a,ignored,1\n").await;
    assert_eq!(answer["Status"], "Success", "{answer}");
    assert_eq!(rows(&server, "users"), ["1|a|42"]);
    for (columns, message) in [
        ("columns: name", "Column has no default value. column: id"),
        ("columns: id, id", "Duplicate column: id"),
        ("columns: id, x = 1", "Mapping column is not in table. column: x"),
        ("columns: a, id = b + 1", "unknown reference column, reference=b"),
        ("columns: id, __op = 'delete'", "only a primary key table has the column __op"),
    ] {
        assert_eq!(load(&server, "users", &[columns], b"1\n").await["Message"], message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_would_change_the_rows_are_refused_not_ignored() {
    let server = server().await;
    for (header, message) in [
        ("where: x > 1", "unknown column reference in where statement, reference=x"),
        ("merge_condition: score", "Conditional update only support primary key table users"),
        ("partial_update: true", "Only primary key table support partial update"),
        ("negative: true", "not supported by MiniRocks: header negative: true"),
        ("format: parquet", "unknown data format, format=parquet"),
        ("strict_mode: maybe", "Invalid strict mode format. Must be bool type"),
        ("trim_space: 1", "Invalid trim space format. Must be bool type"),
        ("skip_header: x", "Invalid csv load skip_header format"),
        ("skip_header: -1", "skip_header must be equal or greater than 0"),
        ("timeout: soon", "Invalid timeout format"),
        ("column_separator: 0x", "Invalid delimiter '0x': empty hex string"),
        ("label: a b", "Label format error. regex: ^[-\\w]{1,128}$, label: a b"),
    ] {
        let answer = load(&server, "users", &[header], b"1\ta\t1\n").await;
        assert_eq!((answer["Status"].as_str(), answer["Message"].as_str()), (Some("Fail"), Some(message)), "{header}");
    }
    assert!(rows(&server, "users").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_and_tables_that_are_not_there_are_named() {
    let server = server().await;
    let answer = load(&server, "nothing", &[], b"1\n").await;
    assert_eq!(answer["Message"], "unknown table \"ods.nothing\"");
    let url = format!("http://{}/api/nowhere/t/_stream_load", server.be_addr());
    let answer = curl(&["-u", "root:", "-T", "-", &url], b"1\n").await;
    assert!(answer.contains("unknown database, database=nowhere"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_and_zlib_bodies_are_decompressed() {
    let server = server().await;
    let mut gzip = Vec::new();
    for member in [b"1,a,1\n2,".as_slice(), b"b,2\n"] {
        let mut encoder = flate2::write::GzEncoder::new(&mut gzip, flate2::Compression::default());
        encoder.write_all(member).unwrap();
        encoder.finish().unwrap();
    }
    let answer = load(&server, "users", &["format: gzip", "column_separator:,"], &gzip).await;
    assert_eq!(answer["NumberLoadedRows"], 2, "{answer}");
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"3,c,3\n").unwrap();
    let answer = load(&server, "users", &["format: deflate", "column_separator:,"], &encoder.finish().unwrap()).await;
    assert_eq!(answer["NumberLoadedRows"], 1, "{answer}");
    let cut = &gzip[..gzip.len() - 4];
    for broken in [&b"no gzip"[..], cut] {
        let answer = load(&server, "users", &["format: gzip", "column_separator:,"], broken).await;
        assert!(answer["Message"].as_str().unwrap().starts_with("cannot decompress the body"), "{answer}");
    }
    assert_eq!(rows(&server, "users").len(), 3);
    let answer = load(&server, "users", &["format: gzip"], b"no gzip").await;
    assert!(answer["Message"].as_str().unwrap().starts_with("cannot decompress the body"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frontend_redirects_without_reading_the_body() {
    let server = server().await;
    let request = put(&format!("{AUTH}Expect: 100-continue\r\nContent-Length: 5\r\n"));
    let answer = exchange(server.http_addr(), request.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 307 Temporary Redirect\r\n"), "{answer}");
    let location = format!("location: http://{}/api/ods/users/_stream_load\r\n", server.be_addr());
    assert!(answer.contains(&location) && answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_names_the_address_that_the_client_has_reached() {
    let config = ServerConfig {
        listen: "0.0.0.0".parse().unwrap(),
        password: Some("p w:x".to_owned()),
        ..ServerConfig::default()
    };
    let server = server_with(config).await;
    let url = format!("http://127.0.0.1:{}/api/ods/users/_stream_load?x=%2F", server.http_addr().port());
    let arguments = ["-u", "root:p w:x", "-H", "Expect:100-continue", "-T", "-", "-D", "-", "-o", "/dev/null", &url];
    let head = curl(&arguments, b"1\n").await;
    let location = format!("http://127.0.0.1:{}/api/ods/users/_stream_load?x=%2F\r\n", server.be_addr().port());
    assert!(head.contains(&location), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frontend_requires_expect_of_http_1_1() {
    let server = server().await;
    let request = put(&format!("{AUTH}Content-Length: 4\r\n")) + "1\ta\n";
    let answer = exchange(server.http_addr(), request.as_bytes()).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(
        body,
        "{\n  \"Status\": \"FAILED\",\n  \"Message\": \"class com.starrocks.common.DdlException: There is no 100-continue header\"\n}"
    );
    let request = put(AUTH).replace("HTTP/1.1", "HTTP/1.0");
    let answer = exchange(server.http_addr(), request.as_bytes()).await.unwrap();
    assert!(answer.contains(" 307 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_by_both_interfaces() {
    let config = ServerConfig { password: Some("secret".to_owned()), ..ServerConfig::default() };
    let server = server_with(config).await;
    let expect = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    let answer = exchange(server.http_addr(), put(&format!("{AUTH}{expect}")).as_bytes()).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{head}");
    assert!(head.contains("www-authenticate: Basic realm=\"\""), "{head}");
    let denied = "Access denied for root@127.0.0.1";
    assert_eq!(body, format!(r#"{{"status":"FAILED","code":"1","msg":"{denied}","message":"{denied}"}}"#));
    let missing = exchange(server.http_addr(), put(expect).as_bytes()).await.unwrap();
    assert!(missing.contains("Need auth information."), "{missing}");
    let missing = exchange(server.be_addr(), put(expect).as_bytes()).await.unwrap();
    assert!(missing.starts_with("HTTP/1.1 200 OK") && missing.contains("no valid Basic authorization"), "{missing}");
    let wrong = exchange(server.be_addr(), put(&format!("{AUTH}{expect}")).as_bytes()).await.unwrap();
    assert!(wrong.contains("Access denied for root"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_asks_for_the_body_only_when_the_headers_are_right() {
    let server = server().await;
    let headers = format!("{AUTH}Expect: 100-continue\r\nContent-Length: 6\r\ncolumn_separator: ,\r\n");
    let refused = put(&format!("{headers}columns: nothing\r\n"));
    let answer = exchange(server.be_addr(), refused.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("Column has no default value. column: id"), "{answer}");

    let mut stream = TcpStream::connect(server.be_addr()).await.unwrap();
    stream.write_all(put(&headers).as_bytes()).await.unwrap();
    let mut buffer = [0; 25];
    stream.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(rows(&server, "users").is_empty());
    stream.write_all(b"1,a,1\n").await.unwrap();
    let mut answer = vec![0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200 OK");
    assert_eq!(rows(&server, "users"), ["1|a|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_reaches_a_client_that_sends_without_waiting() {
    let server = server().await;
    let length = 32 << 20;
    for address in [server.be_addr(), server.http_addr()] {
        let head = put(&format!("{AUTH}Expect: 100-continue\r\nContent-Length: {length}\r\ncolumns: nothing\r\n"));
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let send = async {
            write.write_all(head.as_bytes()).await.unwrap();
            let piece = vec![b'x'; 1 << 20];
            for _ in 0..length / piece.len() {
                write.write_all(&piece).await.expect("the server must not reset a client that is still sending");
            }
        };
        let mut answer = Vec::new();
        let (_, received) = tokio::join!(send, read.read_to_end(&mut answer));
        received.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("Column has no default value") || answer.contains("307"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_leaves_nothing() {
    let server = server().await;
    let head = put(&format!("{AUTH}Content-Length: 100\r\ncolumn_separator: ,\r\nlabel: broken\r\n"));
    let mut stream = TcpStream::connect(server.be_addr()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"1,a,1\n2,b,2\n").await.unwrap();
    let database = server.warehouse().database("ods").unwrap();
    let state = || database.transaction("broken").map(|info| info.state);
    wait_for(|| state() == Some(LabelState::Prepare)).await;
    drop(stream);
    wait_for(|| state() == Some(LabelState::Aborted)).await;
    assert!(rows(&server, "users").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_takes_too_long_fails_and_a_cancelled_one_does_not_commit() {
    let server = server().await;
    let database = server.warehouse().database("ods").unwrap();
    let state = |label: &str| database.transaction(label).map(|info| info.state);
    let head = put(&format!("{AUTH}Content-Length: 100\r\ncolumn_separator: ,\r\nlabel: slow\r\ntimeout: 1\r\n"));
    let answer = exchange(server.be_addr(), (head + "1,a,1\n").as_bytes()).await;
    assert!(answer.is_none_or(|a| a.contains("load timed out after 1 seconds")));
    assert_eq!(state("slow"), Some(LabelState::Aborted));

    let head = put(&format!("{AUTH}Content-Length: 6\r\ncolumn_separator: ,\r\nlabel: gone\r\nConnection: close\r\n"));
    let mut stream = TcpStream::connect(server.be_addr()).await.unwrap();
    stream.write_all((head + "1,a,").as_bytes()).await.unwrap();
    wait_for(|| state("gone") == Some(LabelState::Prepare)).await;
    let url = format!("http://{}/api/ods/users/_cancel?label=gone", server.http_addr());
    let cancelled = curl(&["-u", "root:", "-X", "POST", &url], b"").await;
    assert_eq!(cancelled, r#"{"status":"OK","code":"0","msg":"Success","message":"OK"}"#);
    stream.write_all(b"1\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\"Status\": \"Fail\"") && answer.contains("was cancelled"), "{answer}");
    assert!(rows(&server, "users").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_bodies_are_read_and_counted() {
    let server = server().await;
    let head = put(&format!("{AUTH}Transfer-Encoding: chunked\r\ncolumn_separator: ,\r\nConnection: close\r\n"));
    let request = head + "4\r\n1,a,\r\n2\r\n1\n\r\n0\r\n\r\n";
    let answer = exchange(server.be_addr(), request.as_bytes()).await.unwrap();
    assert!(answer.contains("\"NumberLoadedRows\": 1") && answer.contains("\"LoadBytes\": 6"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_body_beyond_its_limit_is_refused_before_it_is_sent() {
    let server = server().await;
    let length = 100 * 1024 * 1024 + 1;
    let head = put(&format!("{AUTH}Expect: 100-continue\r\nformat: json\r\nContent-Length: {length}\r\n"));
    let answer = exchange(server.be_addr(), head.as_bytes()).await.unwrap();
    assert!(answer.contains("The size of this batch exceed the max size [104857600]"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_are_answered_plainly() {
    let server = server().await;
    for path in ["/", "/api", "/api/ods/users", "/api/a/b/c/d", "/%ff"] {
        assert_eq!(get(&server, path).await, "Not Found", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_at_the_same_time_all_arrive_and_a_shared_label_only_once() {
    let server = server().await;
    let own = (0..6).map(|writer| {
        let body: String = (0..500).map(|row| format!("{},w\n", writer * 1000 + row)).collect();
        let label = format!("label:own-{writer}");
        let server = &server;
        async move { load(server, "users", &[&label, "column_separator:,", "columns:id,name"], body.as_bytes()).await }
    });
    for answer in futures::future::join_all(own).await {
        assert_eq!((&answer["Status"], &answer["NumberLoadedRows"]), (&"Success".into(), &500.into()));
    }
    let shared = (0..6).map(|_| load(&server, "users", &["label:shared", "columns:id"], b"9999\n"));
    let answers = futures::future::join_all(shared).await;
    assert_eq!(answers.iter().filter(|a| a["Status"] == "Success").count(), 1);
    assert_eq!(answers.iter().filter(|a| a["Status"] == "Label Already Exists").count(), 5);
    assert_eq!(rows(&server, "users").len(), 3001);
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_and_their_labels_outlive_the_server_with_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = ServerConfig { data_dir: Some(folder.path().to_owned()), ..ServerConfig::default() };
    let first = server_with(config.clone()).await;
    let options = ["label:kept", "column_separator:,"];
    assert_eq!(load(&first, "logs", &options, b"a,2024-08-07\nb,2024-08-08\n").await["Status"], "Success");
    first.stop().await;
    let second = Server::start(config).await.unwrap();
    assert_eq!(rows(&second, "logs"), ["a|2024-08-07", "b|2024-08-08"]);
    assert_eq!(load(&second, "logs", &options, b"a,2024-08-07\n").await["Status"], "Label Already Exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarding_server_counts_rows_and_keeps_none() {
    let server = server_with(ServerConfig { discard: true, ..ServerConfig::default() }).await;
    let answer = load(&server, "users", &["label:counted"], b"1\n2\n3").await;
    assert_eq!((&answer["Status"], &answer["NumberLoadedRows"]), (&"Success".into(), &3.into()));
    assert!(rows(&server, "users").is_empty());
    assert!(get(&server, "/api/ods/get_load_state?label=counted").await.contains("VISIBLE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_closes_its_ports() {
    let server = server().await;
    let address = server.http_addr();
    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn without_a_password_only_a_loopback_address_is_listened_on() {
    let config = ServerConfig { listen: "0.0.0.0".parse().unwrap(), ..ServerConfig::default() };
    let error = Server::start(config).await.unwrap_err();
    assert!(error.to_string().contains("without a password"), "{error}");
}

pub(super) async fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..200 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the condition did not come true within ten seconds");
}
