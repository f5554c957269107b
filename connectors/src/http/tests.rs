//! One server with a fault for each sentence that the connector promises.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::net::TcpListener;

use super::test_server::{CA_FILE, Server, answer, good, raw, stall};
use super::*;
use crate::catalog::FileCatalog;
use crate::error::{ConnectorError, ErrorCode};
use crate::object_store::{FileLocation, FoundFile};

/// Short pauses, so that tests are fast.
fn settings() -> HttpSettings {
    HttpSettings { backoff: Duration::from_millis(1), ..HttpSettings::default() }
}

fn client(settings: HttpSettings) -> Arc<HttpClient> {
    HttpClient::new(Some("files".to_owned()), settings)
}

async fn read_with(settings: HttpSettings, url: &str) -> Result<Vec<u8>> {
    let url = url.parse().unwrap();
    let mut read = client(settings).read(&url).await?;
    let mut all = Vec::new();
    while let Some(bytes) = read.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

async fn read(url: &str) -> Result<Vec<u8>> {
    read_with(settings(), url).await
}

async fn probe(server: &Server) -> Result<FileProbe> {
    client(settings()).probe(&server.url("/f").parse().unwrap()).await
}

fn assert_text(error: &ConnectorError, code: ErrorCode, texts: &[&str]) {
    assert_eq!(error.code(), code, "{error}");
    for text in texts {
        assert!(error.to_string().contains(text), "{text} is not in: {error}");
    }
}

#[tokio::test]
async fn a_file_is_read_by_one_get_with_its_query_string_as_written() {
    let server = Server::start(|request, _| good(request, b"one\ntwo\n")).await;
    let target = "/a%20b/user_log.txt?Expires=1&Signature=a%2Bb%2F%3D+c";
    assert_eq!(read(&server.url(target)).await.unwrap(), b"one\ntwo\n");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].target, target);
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    assert_eq!(requests[0].header("range"), None);
}

#[tokio::test]
async fn an_empty_file_is_empty() {
    let server = Server::start(|request, _| good(request, b"")).await;
    assert_eq!(read(&server.url("/f")).await.unwrap(), b"");
    let server = Server::start(|_, _| raw("204 No Content", &[], b"")).await;
    assert_eq!(read(&server.url("/f")).await.unwrap(), b"");
}

#[tokio::test]
async fn servers_without_a_length_are_read_to_their_end() {
    let server = Server::start(|_, _| raw("200 OK", &[], b"until the end")).await;
    assert_eq!(read(&server.url("/f")).await.unwrap(), b"until the end");
    let chunked = b"4\r\nunti\r\n9\r\nl the end\r\n0\r\n\r\n";
    let server = Server::start(|_, _| raw("200 OK", &["Transfer-Encoding: chunked"], chunked)).await;
    assert_eq!(read(&server.url("/f")).await.unwrap(), b"until the end");
}

fn known(size: Option<u64>, ranges: bool) -> FileProbe {
    FileProbe { size, ranges, etag: ranges.then(|| HeaderValue::from_static("\"v1\"")) }
}

#[tokio::test]
async fn a_probe_asks_head_then_the_first_byte_then_the_file() {
    let server = Server::start(|request, _| good(request, b"12345")).await;
    assert_eq!(probe(&server).await.unwrap(), known(Some(5), true));
    assert_eq!(server.requests().len(), 1);

    for without_head in ["403 Forbidden", "405 Method Not Allowed", "404 Not Found", "501 Not Implemented"] {
        let server = Server::start(move |request, _| match request.method.as_str() {
            "HEAD" => raw(without_head, &[], b""),
            _ => good(request, b"12345"),
        })
        .await;
        assert_eq!(probe(&server).await.unwrap(), known(Some(5), true));
        assert_eq!(server.requests()[1].header("range"), Some("bytes=0-0"));
    }

    let without_ranges = Server::start(|request, _| match (request.method.as_str(), request.header("range")) {
        ("GET", None) => answer("200 OK", &[], b"12345"),
        _ => answer("400 Bad Request", &[], b""),
    })
    .await;
    assert_eq!(probe(&without_ranges).await.unwrap(), known(Some(5), false));

    let ignores_ranges = Server::start(|request, _| match request.method.as_str() {
        "HEAD" => answer("405 Method Not Allowed", &[], b""),
        _ => raw("200 OK", &[], b"12345"),
    })
    .await;
    assert_eq!(probe(&ignores_ranges).await.unwrap(), known(None, false));
}

#[tokio::test]
async fn a_probe_of_a_server_that_drops_head_requests_works() {
    let server = Server::start(|request, _| match request.method.as_str() {
        "HEAD" => b"\r\n".to_vec(),
        _ => good(request, b"12345"),
    })
    .await;
    assert_eq!(probe(&server).await.unwrap().size, Some(5));
}

#[tokio::test]
async fn a_probe_of_an_empty_or_missing_file() {
    let server = Server::start(|request, _| match request.method.as_str() {
        "HEAD" => answer("405 Method Not Allowed", &[], b""),
        _ => good(request, b""),
    })
    .await;
    assert_eq!(probe(&server).await.unwrap().size, Some(0));
    let server = Server::start(|_, _| answer("404 Not Found", &[], b"")).await;
    assert_text(&probe(&server).await.unwrap_err(), ErrorCode::Http, &["404 Not Found"]);
}

#[tokio::test]
async fn an_error_status_names_catalog_host_path_and_the_way_out_but_no_secret() {
    for (status, texts) in [
        ("404 Gone Fishing", &["404 Not Found", "check LOCATION"][..]),
        ("403 Forbidden", &["403 Forbidden", "signed URL has expired"]),
        ("401 Unauthorized", &["401 Unauthorized", "\"user\" and \"password\""]),
        ("500 Internal Server Error", &["500 Internal Server Error", "retryable"]),
        ("206 Partial Content", &["206 Partial Content"]),
    ] {
        let server = Server::start(move |_, _| answer(status, &[], b"the server's own text: secret1")).await;
        let error = read(&server.url("/folder/f.txt?Signature=secret2")).await.unwrap_err();
        assert_text(&error, ErrorCode::Http, texts);
        assert_text(&error, ErrorCode::Http, &["catalog \"files\"", "127.0.0.1", "/folder/f.txt?Signature=***"]);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn what_says_later_is_asked_again_a_bounded_number_of_times() {
    for status in ["500 Internal Server Error", "503 Service Unavailable", "429 Too Many Requests"] {
        let server = Server::start(move |request, number| match number {
            0 | 1 => answer(status, &[], b""),
            _ => good(request, b"data"),
        })
        .await;
        assert_eq!(read(&server.url("/f")).await.unwrap(), b"data");
        assert_eq!(server.requests().len(), 3);
    }
    let server = Server::start(|_, _| answer("503 Service Unavailable", &[], b"")).await;
    assert!(read(&server.url("/f")).await.unwrap_err().is_retryable());
    assert_eq!(server.requests().len(), 5);
    let server = Server::start(|_, _| answer("404 Not Found", &[], b"")).await;
    assert!(!read(&server.url("/f")).await.unwrap_err().is_retryable());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_named_with_its_port() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = read(&format!("http://127.0.0.1:{port}/f?sig=secret")).await.unwrap_err();
    assert_text(
        &error,
        ErrorCode::Connection,
        &["retryable", "catalog \"files\"", &format!("127.0.0.1:{port}"), "refused"],
    );
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_runs_into_the_read_timeout() {
    let settings = || {
        let mut settings = settings();
        settings.client.read_timeout = Some(Duration::from_millis(100));
        settings.retries = 1;
        settings
    };
    let server = Server::start(|_, _| stall(Vec::new())).await;
    let error = read_with(settings(), &server.url("/f")).await.unwrap_err();
    assert_text(&error, ErrorCode::Connection, &["read_timeout"]);
    assert_eq!(server.requests().len(), 2);

    let server = Server::start(|request, number| {
        let mut bytes = good(request, b"0123456789");
        bytes.truncate(bytes.len() - 5);
        if number == 0 { stall(bytes) } else { good(request, b"0123456789").into() }
    })
    .await;
    assert_eq!(read_with(settings(), &server.url("/f")).await.unwrap(), b"0123456789");
    assert_eq!(server.requests()[1].range_start(), Some(5));
}

#[tokio::test]
async fn a_server_that_accepts_and_stays_silent_costs_two_waits_and_no_more() {
    let settings = || {
        let mut settings = settings();
        settings.client.read_timeout = Some(Duration::from_millis(100));
        settings
    };
    assert_eq!(HttpSettings::default().client.read_timeout, Some(Duration::from_secs(30)));
    let silent = Server::start(|_, _| stall(Vec::new())).await;
    let error = read_with(settings(), &silent.url("/f")).await.unwrap_err();
    assert_text(&error, ErrorCode::Connection, &["retryable", "took the request and was silent", "read_timeout"]);
    assert_eq!(silent.requests().len(), 2);

    let silent = Server::start(|_, _| stall(Vec::new())).await;
    let error = client(settings()).probe(&silent.url("/f").parse().unwrap()).await.unwrap_err();
    assert_text(&error, ErrorCode::Connection, &["was silent"]);
    assert_eq!(silent.requests().iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["HEAD", "GET"]);

    // A head without its body, and a body that stops at the same byte each time.
    for kept in [0, 5] {
        let silent = Server::start(move |request, _| {
            let whole = good(request, b"0123456789");
            let length = if request.range_start().is_some() { whole.len() - 5 } else { whole.len() - 10 + kept };
            stall(whole[..length].to_vec())
        })
        .await;
        let error = read_with(settings(), &silent.url("/f")).await.unwrap_err();
        assert_text(&error, ErrorCode::Connection, &["was silent", "the server is silent each time"]);
        assert_eq!(silent.requests().len(), 2, "{kept}");
    }
}

#[tokio::test]
async fn a_dropped_download_goes_on_where_it_stopped_if_the_etag_is_the_same() {
    let body: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let expected = body.clone();
    let server = Server::start(move |request, number| {
        let mut bytes = good(request, &body);
        if number < 3 {
            bytes.truncate(bytes.len() / 2);
        }
        bytes
    })
    .await;
    assert_eq!(read(&server.url("/f?sig=1")).await.unwrap(), expected);
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    let starts: Vec<_> = requests.iter().map(|request| request.range_start().unwrap_or(0)).collect();
    assert!(starts.is_sorted() && starts[1] > 0 && starts[3] > starts[2], "{starts:?}");
    assert!(requests[1..].iter().all(|request| request.header("if-range") == Some("\"v1\"")));
    assert!(requests.iter().all(|request| request.target == "/f?sig=1"));
}

#[tokio::test]
async fn a_last_modified_will_do_where_the_etag_is_weak() {
    let date = "Last-Modified: Wed, 07 Aug 2024 00:00:00 GMT";
    let server = Server::start(move |request, _| match request.header("if-range") {
        None => {
            let mut bytes = answer("200 OK", &["ETag: W/\"v1\"", date], b"0123456789");
            bytes.truncate(bytes.len() - 5);
            bytes
        }
        Some(_) => answer("206 Partial Content", &["Content-Range: bytes 5-9/10", date], b"56789"),
    })
    .await;
    assert_eq!(read(&server.url("/f")).await.unwrap(), b"0123456789");
    assert_eq!(server.requests()[1].header("if-range"), Some("Wed, 07 Aug 2024 00:00:00 GMT"));
}

/// The first answer is cut in half; the second is as given.
async fn resume_with(first_headers: &'static [&'static str], second: Vec<u8>) -> (ConnectorError, usize) {
    let server = Server::start(move |_, number| match number {
        0 => {
            let mut bytes = answer("200 OK", first_headers, b"0123456789");
            bytes.truncate(bytes.len() - 5);
            bytes
        }
        _ => second.clone(),
    })
    .await;
    let error = read(&server.url("/f")).await.unwrap_err();
    (error, server.requests().len())
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_an_error_and_never_a_mix() {
    let v1: &[&str] = &["ETag: \"v1\""];
    for second in [
        // The whole new version, as If-Range demands.
        answer("200 OK", &["ETag: \"v2\""], b"ABCDEFGHIJ"),
        // A server that ignores If-Range.
        answer("206 Partial Content", &["ETag: \"v2\"", "Content-Range: bytes 5-9/10"], b"FGHIJ"),
        answer("206 Partial Content", &["ETag: \"v1\"", "Content-Range: bytes 5-11/12"], b"FGHIJKL"),
        answer("206 Partial Content", &["Content-Range: bytes 5-9/10"], b"FGHIJ"),
        answer("412 Precondition Failed", &[], b""),
        answer("416 Range Not Satisfiable", &["Content-Range: bytes */3"], b""),
    ] {
        let (error, requests) = resume_with(v1, second).await;
        assert_text(&error, ErrorCode::Http, &["has changed while it was read", "byte 5", "run again"]);
        assert_eq!(requests, 2);
    }
}

#[tokio::test]
async fn a_dropped_download_that_cannot_go_on_is_an_error() {
    let whole = || answer("200 OK", &["ETag: \"v1\""], b"0123456789");
    let (error, requests) = resume_with(&[], whole()).await;
    assert_text(&error, ErrorCode::Connection, &["no strong ETag", "byte 5"]);
    assert_eq!(requests, 1);
    let (error, _) = resume_with(&["ETag: \"v1\""], whole()).await;
    assert_text(&error, ErrorCode::Connection, &["takes no ranges"]);
    let other = answer("206 Partial Content", &["ETag: \"v1\"", "Content-Range: bytes 4-9/10"], b"456789");
    let (error, _) = resume_with(&["ETag: \"v1\""], other).await;
    assert_text(&error, ErrorCode::Connection, &["another range"]);
    let (error, _) = resume_with(&["ETag: \"v1\""], answer("404 Not Found", &[], b"")).await;
    assert_text(&error, ErrorCode::Http, &["404"]);
}

#[tokio::test]
async fn a_download_that_never_gets_on_ends() {
    let server = Server::start(|request, _| {
        let mut bytes = good(request, &[b'x'; 1000]);
        let keep = bytes.len() - 1000 + request.range_start().unwrap_or(0) + 1;
        bytes.truncate(keep.min(bytes.len() - 1));
        bytes
    })
    .await;
    let error = read(&server.url("/f")).await.unwrap_err();
    assert_text(&error, ErrorCode::Connection, &["too often"]);
    assert!(server.requests().len() <= 6, "{}", server.requests().len());
}

#[tokio::test]
async fn a_connection_lost_before_the_first_byte_starts_again_without_an_etag() {
    let server = Server::start(|_, number| {
        let mut bytes = answer("200 OK", &[], b"0123456789");
        if number == 0 {
            bytes.truncate(bytes.len() - 10);
        }
        bytes
    })
    .await;
    assert_eq!(read(&server.url("/f")).await.unwrap(), b"0123456789");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn chunks_that_stop_without_their_end_are_an_error() {
    let server = Server::start(|_, _| raw("200 OK", &["Transfer-Encoding: chunked"], b"4\r\nunti\r\n")).await;
    assert_text(&read(&server.url("/f")).await.unwrap_err(), ErrorCode::Connection, &["byte 4"]);
}

async fn found(server: &Server) -> FoundFile {
    let location = FileLocation::parse(&server.url("/f"), Path::new("/")).unwrap();
    location.list().await.unwrap().remove(0)
}

async fn read_range(file: &FoundFile, range: Range<u64>) -> Result<Vec<u8>> {
    let mut read = file.open_range(range).await?;
    let mut all = Vec::new();
    while let Some(bytes) = read.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

#[tokio::test]
async fn a_part_of_a_file_is_read_and_resumed_where_it_stopped() {
    let server = Server::start(|request, number| {
        let mut bytes = good(request, b"0123456789");
        if number == 1 {
            bytes.truncate(bytes.len() - 2);
        }
        bytes
    })
    .await;
    let file = found(&server).await;
    assert!(file.has_ranges());
    assert_eq!(read_range(&file, 2..7).await.unwrap(), b"23456");
    let asked: Vec<_> = server.requests().iter().map(|request| request.header("range").map(str::to_owned)).collect();
    assert_eq!(asked, [None, Some("bytes=2-6".to_owned()), Some("bytes=5-6".to_owned())]);
    assert!(server.requests()[1..].iter().all(|request| request.header("if-range") == Some("\"v1\"")));
    assert_eq!(read_range(&file, 8..99).await.unwrap(), b"89");
    assert_eq!(read_range(&file, 10..20).await.unwrap(), b"");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn parts_of_a_file_are_of_the_version_that_was_found() {
    let server = Server::start(|request, number| match number {
        0 | 1 => good(request, b"0123456789"),
        // what If-Range makes of a file that has changed
        _ => answer("200 OK", &["ETag: \"v2\""], b"abcdefghij"),
    })
    .await;
    let file = found(&server).await;
    assert_eq!(read_range(&file, 0..3).await.unwrap(), b"012");
    let error = read_range(&file, 3..6).await.unwrap_err();
    assert_text(&error, ErrorCode::Http, &["has changed while it was read", "run again"]);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_file_without_a_strong_etag_a_length_or_ranges_has_no_parts() {
    for headers in [&["ETag: W/\"v1\"", "Accept-Ranges: bytes"][..], &["Accept-Ranges: bytes"], &["ETag: \"v1\""]] {
        let server = Server::start(move |_, _| answer("200 OK", headers, b"0123456789")).await;
        let file = found(&server).await;
        assert!(!file.has_ranges(), "{headers:?}");
        assert_text(&file.open_range(0..1).await.unwrap_err(), ErrorCode::Unsupported, &["in parts"]);
    }
    let lies = Server::start(|request, _| match request.method.as_str() {
        "HEAD" => good(request, b"0123456789"),
        _ => answer("200 OK", &["ETag: \"v1\""], b"0123456789"),
    })
    .await;
    let error = read_range(&found(&lies).await, 3..6).await.unwrap_err();
    assert_text(&error, ErrorCode::Http, &["cannot be read in parts", "takes no ranges"]);
}

fn with_secrets() -> HttpSettings {
    let mut settings = settings();
    for (name, value) in [("authorization", "Basic c2VjcmV0"), ("x-token", "secret")] {
        settings.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    settings
}

#[tokio::test]
async fn a_redirect_on_the_same_server_keeps_credentials_and_headers() {
    let server = Server::start(|request, _| match request.target.as_str() {
        "/old" => answer("302 Found", &["Location: /new?x=1"], b""),
        _ => good(request, b"data"),
    })
    .await;
    assert_eq!(read_with(with_secrets(), &server.url("/old")).await.unwrap(), b"data");
    let requests = server.requests();
    assert_eq!(requests[1].target, "/new?x=1");
    for request in &requests {
        assert_eq!(request.header("authorization"), Some("Basic c2VjcmV0"));
        assert_eq!(request.header("x-token"), Some("secret"));
    }
}

#[tokio::test]
async fn a_redirect_to_another_server_drops_credentials_and_headers_even_when_it_comes_back() {
    let foreign_port = Arc::new(Mutex::new(0));
    let port = Arc::clone(&foreign_port);
    let home = Server::start(move |request, _| match request.target.as_str() {
        "/start" => {
            answer("307 Temporary Redirect", &[&format!("Location: http://127.0.0.1:{}/there", port.lock())], b"")
        }
        _ => good(request, b"data"),
    })
    .await;
    let back = format!("Location: {}", home.url("/end"));
    let foreign = Server::start(move |_, _| answer("301 Moved Permanently", &[&back], b"")).await;
    *foreign_port.lock() = foreign.port;

    assert_eq!(read_with(with_secrets(), &home.url("/start")).await.unwrap(), b"data");
    assert_eq!(home.requests()[0].header("authorization"), Some("Basic c2VjcmV0"));
    for request in foreign.requests().iter().chain(&home.requests()[1..]) {
        assert_eq!((request.header("authorization"), request.header("x-token")), (None, None));
    }
    assert_eq!((home.requests().len(), foreign.requests().len()), (2, 1));
}

#[tokio::test]
async fn redirects_end_and_lead_to_http_only() {
    let server = Server::start(|_, _| answer("302 Found", &["Location: /again?sig=secret"], b"")).await;
    let error = read(&server.url("/f")).await.unwrap_err();
    assert_text(&error, ErrorCode::Redirect, &["more than 5 times", "/again?sig=***"]);
    assert_eq!(server.requests().len(), 6);
    for location in ["Location: file:///etc/passwd", "Location: ftp://h/x", "X: y"] {
        let server = Server::start(move |_, _| answer("302 Found", &[location], b"")).await;
        assert_text(&read(&server.url("/f")).await.unwrap_err(), ErrorCode::Redirect, &["302 Found"]);
    }
}

#[tokio::test]
async fn a_coding_that_was_not_asked_for_is_told() {
    let server = Server::start(|_, _| answer("200 OK", &["Content-Encoding: GZIP"], b"bytes as sent")).await;
    let mut read = client(settings()).read(&server.url("/f").parse().unwrap()).await.unwrap();
    assert_eq!(read.content_encoding(), Some("gzip"));
    assert_eq!(read.size(), Some(13));
    assert_eq!(&read.next().await.unwrap().unwrap()[..], b"bytes as sent");
}

fn catalog(server: &Server, extra: &[(&str, &str)]) -> Arc<HttpCatalog> {
    let url = server.url("/base/");
    let options = [("url", url.as_str()), ("user", "ann"), ("password", "hunter2"), ("retries", "0")];
    let config = CatalogConfig {
        name: "files".to_owned(),
        options: options.iter().chain(extra).copied().collect(),
        timezone: "UTC".to_owned(),
        timezone_is_forced: false,
    };
    Arc::new(HttpCatalog::try_new(config).unwrap())
}

#[tokio::test]
async fn a_file_of_a_catalog_is_read_with_its_credentials_and_headers() {
    let server = Server::start(|request, _| good(request, b"data")).await;
    let location = catalog(&server, &[("header.X-Team", "sync")]).location("/user_log.txt?v=1").unwrap();
    let files = location.list().await.unwrap();
    assert_eq!((files.len(), files[0].size()), (1, Some(4)));
    assert_eq!(&files[0].open().await.unwrap().next().await.unwrap().unwrap()[..], b"data");
    for request in server.requests() {
        assert_eq!(request.target, "/base/user_log.txt?v=1");
        assert_eq!(request.header("authorization"), Some("Basic YW5uOmh1bnRlcjI="));
        assert_eq!(request.header("x-team"), Some("sync"));
    }
}

#[tokio::test]
async fn a_check_tells_whether_the_server_answers() {
    for (status, ok) in [
        ("200 OK", true),
        ("403 Forbidden", true),
        ("404 Not Found", true),
        ("401 Unauthorized", false),
        ("500 Internal Server Error", false),
    ] {
        let server = Server::start(move |_, _| answer(status, &[], b"")).await;
        let items = catalog(&server, &[]).check().await;
        assert_eq!(items.len(), 1);
        assert!(items[0].what.contains("127.0.0.1"), "{items:?}");
        assert_eq!(items[0].outcome.is_ok(), ok, "{status} {items:?}");
        assert!(!format!("{items:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn tls_works_with_an_authority_of_ones_own_and_with_no_other() {
    let server = Server::start_tls(|request, _| good(request, b"data")).await;
    let error = read(&server.url("/f?sig=secret")).await.unwrap_err();
    assert_text(&error, ErrorCode::Connection, &["certificate", "\"ca\"", "127.0.0.1"]);
    assert!(!error.is_retryable() && !format!("{error:?}").contains("secret"), "{error:?}");
    assert_eq!(server.requests().len(), 0);
    let mut settings = settings();
    settings.client.ca_file = Some(CA_FILE.into());
    assert_eq!(read_with(settings, &server.url("/f")).await.unwrap(), b"data");
}

#[tokio::test]
async fn a_redirect_from_https_to_http_drops_credentials() {
    let plain = Server::start(|request, _| good(request, b"data")).await;
    let location = format!("Location: {}", plain.url("/there"));
    let home = Server::start_tls(move |_, _| answer("302 Found", &[&location], b"")).await;
    let mut settings = with_secrets();
    settings.client.ca_file = Some(CA_FILE.into());
    assert_eq!(read_with(settings, &home.url("/start")).await.unwrap(), b"data");
    assert_eq!(home.requests()[0].header("x-token"), Some("secret"));
    assert_eq!(plain.requests()[0].header("authorization"), None);
    assert_eq!(plain.requests()[0].header("x-token"), None);
}

/// A table of a server with properties of its own.
async fn read_table(server: &Server, target: &str, properties: &[(&str, &str)]) -> Result<Vec<u8>> {
    let client = client(with_secrets());
    let location = FileLocation::Http { client, url: server.url(target).parse().unwrap() };
    let location = location.with_http_options(&properties.iter().copied().collect())?;
    let files = location.list().await?;
    assert_eq!(files.len(), 1);
    assert!(!files[0].has_ranges());
    let mut read = files[0].open().await?;
    let mut all = Vec::new();
    while let Some(bytes) = read.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

const POST: [(&str, &str); 3] =
    [("http.method", "POST"), ("http.body", "{\"day\":\"hunter2\"}"), ("http.header.content-type", "application/json")];

#[tokio::test]
async fn a_table_posts_its_body_and_reads_the_answer_whole() {
    let server = Server::start(|request, number| match number {
        0 => answer("503 Service Unavailable", &[], b""),
        _ => good(request, b"one\ntwo\n"),
    })
    .await;
    assert_eq!(read_table(&server, "/export?x=1", &POST).await.unwrap(), b"one\ntwo\n");
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/export?x=1"));
        assert_eq!(request.body, b"{\"day\":\"hunter2\"}");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("x-token"), Some("secret"));
        assert_eq!(request.header("range"), None);
    }
    let server = Server::start(|request, _| good(request, b"x")).await;
    assert_eq!(read_table(&server, "/f", &[("http.method", "PUT")]).await.unwrap(), b"x");
    assert_eq!(server.requests()[0].method, "PUT");
}

#[tokio::test]
async fn the_answer_to_a_post_begins_again_only_before_its_first_byte_was_handed_on() {
    let lost = |body: &[u8]| raw("200 OK", &["ETag: \"v1\"", "Content-Length: 8"], body);
    let server = Server::start(move |request, number| match number {
        0 => lost(b""),
        _ => good(request, b"one\ntwo\n"),
    })
    .await;
    assert_eq!(read_table(&server, "/f", &POST).await.unwrap(), b"one\ntwo\n");
    assert_eq!(server.requests().len(), 2);
    let server = Server::start(move |_, _| lost(b"one\n")).await;
    let error = read_table(&server, "/f", &POST).await.unwrap_err();
    assert_text(&error, ErrorCode::Connection, &["stopped at byte 4", "the answer to a POST or PUT", "run again"]);
    assert_eq!(server.requests().len(), 1);
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_body_never_leaves_its_server() {
    for status in ["302 Found", "307 Temporary Redirect"] {
        let elsewhere = Server::start(|request, _| good(request, b"data")).await;
        let location = format!("Location: {}", elsewhere.url("/there"));
        let home = Server::start(move |_, _| answer(status, &[&location], b"")).await;
        let error = read_table(&home, "/f", &POST).await.unwrap_err();
        assert_text(&error, ErrorCode::Redirect, &["redirects a POST to another server"]);
        assert!(elsewhere.requests().is_empty());
        let home = Server::start(move |request, _| match request.target.as_str() {
            "/f" => answer(status, &["Location: /there"], b""),
            _ => good(request, b"data"),
        })
        .await;
        assert_eq!(read_table(&home, "/f", &POST).await.unwrap(), b"data");
        assert_eq!(home.requests()[1].body, home.requests()[0].body);
    }
    let elsewhere = Server::start(|request, _| good(request, b"data")).await;
    let location = format!("Location: {}", elsewhere.url("/there"));
    let home = Server::start(move |_, _| answer("303 See Other", &[&location], b"")).await;
    assert_eq!(read_table(&home, "/f", &POST).await.unwrap(), b"data");
    let request = elsewhere.requests().remove(0);
    assert_eq!((request.method.as_str(), request.body.len(), request.header("x-token")), ("GET", 0, None));
}

#[tokio::test]
async fn a_table_has_timeouts_and_headers_of_its_own() {
    let server = Server::start(|_, _| stall(raw("200 OK", &["Content-Length: 9"], b""))).await;
    let began = std::time::Instant::now();
    let error = read_table(&server, "/f", &[("http.method", "POST"), ("http.read_timeout", "50ms")]).await.unwrap_err();
    assert_text(&error, ErrorCode::Connection, &["read_timeout"]);
    assert!(began.elapsed() < Duration::from_secs(20));
    let local = FileLocation::Local("x".into()).with_http_options(&POST.iter().copied().collect());
    assert!(local.unwrap_err().message().contains("\"http.method\" is of files behind an HTTP server"));
}
