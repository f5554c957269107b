//! Tables over HTTP.

use super::*;

fn over_http(server: &Server, target: &str) -> FileLocation {
    FileLocation::parse(&server.url(target), Path::new("/")).unwrap()
}

#[tokio::test]
async fn a_table_over_http_reads_the_file_and_shows_no_secret() {
    let server = Server::start(|request, _| good(request, b"1|a\r\n2|b")).await;
    let context = context(None);
    let location = || over_http(&server, "/user_log.txt?Signature=secret");
    let plan = plan(&context, location(), options("i INT; s STRING", "|"), "SELECT s FROM t").await;
    let shown = datafusion::physical_plan::displayable(plan.as_ref()).indent(true).to_string();
    assert!(shown.contains("/user_log.txt?Signature=***, files=1, format=text, fields='|', columns=[s]"), "{shown}");
    assert!(!format!("{shown} {plan:?}").contains("secret"));
    assert_eq!(rows(&collect(Arc::clone(&plan), context.task_ctx()).await.unwrap()), ["a", "b"]);
    let metrics = plan.metrics().unwrap();
    assert_eq!(metrics.output_rows(), Some(2));
    assert_eq!(metrics.sum_by_name("bytes_read").unwrap().as_usize(), 8);
    assert!(server.requests().iter().all(|request| request.target == "/user_log.txt?Signature=secret"));
}

#[tokio::test]
async fn a_table_over_a_bare_server_reads_the_file() {
    let server = Server::start(|request, _| match (request.method.as_str(), request.header("range")) {
        ("GET", None) => raw("200 OK", &[], b"1\n2\n3"),
        _ => answer("501 Not Implemented", &[], b""),
    })
    .await;
    let sql = "SELECT sum(i) FROM t";
    assert_eq!(rows_of(query(&context(None), over_http(&server, "/f"), options("i INT", "|"), sql).await), ["6"]);
}

#[tokio::test]
async fn a_gzip_file_that_the_server_calls_encoded_is_decoded_once() {
    let server = Server::start(|_, _| answer("200 OK", &["Content-Encoding: gzip"], &member(b"1\n2\n"))).await;
    for target in ["/f", "/f.gz"] {
        let location = over_http(&server, target);
        let mut options = options("i INT", "|");
        options.compression = if target == "/f" { Compression::None } else { Compression::Auto };
        assert_eq!(rows_of(query(&context(None), location, options, "SELECT i FROM t").await), ["1", "2"]);
    }
}

#[tokio::test]
async fn a_missing_file_over_http_is_found_when_the_query_is_planned() {
    let server = Server::start(|_, _| answer("404 Not Found", &[], b"")).await;
    let table = TextTable::try_new(over_http(&server, "/f?sig=secret"), options("i INT", "|")).unwrap();
    let error = table.scan(&context(None).state(), None, &[], None).await.unwrap_err();
    let error = ConnectorError::from_datafusion(error);
    assert_eq!(error.code(), ErrorCode::Http);
    assert!(error.message().contains("404") && !error.message().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_dropped_download_never_gives_a_short_or_mixed_result() {
    let body: Vec<u8> = (0..20_000).flat_map(|row| format!("{row}\n").into_bytes()).collect();
    for changes in [false, true] {
        let body = body.clone();
        let server = Server::start(move |request, _| {
            let mut bytes = good(request, &body);
            if request.method == "GET" && request.header("range").is_none() {
                bytes.truncate(bytes.len() / 2 + 3);
            } else if changes {
                bytes = String::from_utf8(bytes).unwrap().replace("\"v1\"", "\"v2\"").into_bytes();
            }
            bytes
        })
        .await;
        let sql = "SELECT count(*), sum(i), max(i) FROM t";
        let outcome = query(&context(None), over_http(&server, "/f"), options("i BIGINT", "|"), sql).await;
        match changes {
            false => assert_eq!(rows_of(outcome), ["20000¦199990000¦19999"]),
            true => assert!(outcome.unwrap_err().message().contains("has changed")),
        }
    }
}

#[tokio::test]
async fn a_limit_ends_the_download() {
    let body = b"0123456789\n".repeat(1_000_000);
    let len = body.len();
    let server = Server::start(move |request, _| good(request, &body)).await;
    let context = context(None);
    let plan = plan(&context, over_http(&server, "/f"), options("s STRING", "|"), "SELECT s FROM t LIMIT 5").await;
    assert_eq!(rows(&collect(Arc::clone(&plan), context.task_ctx()).await.unwrap()).len(), 5);
    let mut scan = plan;
    while let Some(child) = scan.children().first().map(|child| Arc::clone(child)) {
        scan = child;
    }
    let read = scan.metrics().unwrap().sum_by_name("bytes_read").unwrap().as_usize();
    assert!(read > 0 && read < len / 2, "{read} of {len}");
}
