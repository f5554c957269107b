//! Files behind HTTP servers, with ranges and without.

use super::*;
use crate::http::test_server::{Request, Server, answer, raw};

fn over_http(session: &SessionContext, format: ColumnarFormat, url: &str) {
    let location = FileLocation::parse(url, Path::new("/")).unwrap();
    let table = ColumnarTable::try_new(location, format, columns(&[("id", "BIGINT"), ("v", "STRING")])).unwrap();
    session.deregister_table("t").unwrap();
    session.register_table("t", table).unwrap();
}

/// A server of one version of a file that serves ranges.
fn ranges(request: &Request, body: &[u8], etag: &str) -> Vec<u8> {
    let etag = format!("ETag: \"{etag}\"");
    let headers = [etag.as_str(), "Accept-Ranges: bytes"];
    if request.method == "HEAD" {
        return raw("200 OK", &[&headers[..], &[&format!("Content-Length: {}", body.len())]].concat(), b"");
    }
    let Some(range) = request.header("range").and_then(|range| range.strip_prefix("bytes=")) else {
        return answer("200 OK", &headers, body);
    };
    let (start, end) = range.split_once('-').unwrap();
    let start: usize = start.parse().unwrap();
    let end = end.parse::<usize>().map_or(body.len(), |last| (last + 1).min(body.len()));
    let range = format!("Content-Range: bytes {start}-{}/{}", end - 1, body.len());
    answer("206 Partial Content", &[&headers[..], &[&range]].concat(), &body[start..end])
}

const FILES: [(ColumnarFormat, &str, &str); 3] = [
    (ColumnarFormat::Parquet, "dictionary.parquet", "5000|12497500;"),
    (ColumnarFormat::Orc, "many.orc", "20000|199990000;"),
    (ColumnarFormat::Avro, "many.avro", "20000|199990000;"),
];
const QUERY: &str = "SELECT count(v), sum(id) FROM t";

#[tokio::test]
async fn a_file_over_http_is_read_by_ranges() {
    let session = session("UTC");
    for (format, file, expected) in FILES {
        let body = std::fs::read(fixtures().join(file)).unwrap();
        let server = Server::start(move |request, _| ranges(request, &body, "v1")).await;
        over_http(&session, format, &server.url("/f"));
        assert_eq!(rows(&session, QUERY).await.unwrap(), expected, "{file}");
        let asked: Vec<_> =
            server.requests().iter().filter_map(|request| request.header("range").map(str::to_owned)).collect();
        assert!(asked.len() > 1, "{file}: {asked:?}");
    }
}

#[tokio::test]
async fn a_file_of_a_server_without_ranges_is_read_whole_once_per_reader() {
    let session = session("UTC");
    for (format, file, expected) in FILES {
        let body = std::fs::read(fixtures().join(file)).unwrap();
        let server = Server::start(move |request, _| match request.method.as_str() {
            "HEAD" => raw("200 OK", &[], b""),
            _ => answer("200 OK", &[], &body),
        })
        .await;
        over_http(&session, format, &server.url("/f"));
        assert_eq!(rows(&session, QUERY).await.unwrap(), expected, "{file}");
        let whole = server.requests().iter().filter(|request| request.header("range").is_none()).count();
        // a HEAD, and a GET for the file
        assert!(whole <= 3, "{file}: {whole}");
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_between_two_ranges_is_an_error() {
    let session = session("UTC");
    for (format, file, _) in FILES {
        let body = std::fs::read(fixtures().join(file)).unwrap();
        let server =
            Server::start(move |request, number| ranges(request, &body, if number < 2 { "v1" } else { "v2" })).await;
        over_http(&session, format, &server.url("/f"));
        let error = rows(&session, QUERY).await.unwrap_err();
        assert!(error.message().contains("changed"), "{file}: {error}");
    }
}

#[tokio::test]
async fn a_body_that_the_server_packs_unasked_is_refused() {
    let session = session("UTC");
    for (format, file, _) in FILES {
        let body = std::fs::read(fixtures().join(file)).unwrap();
        let server = Server::start(move |request, _| match request.method.as_str() {
            "HEAD" => raw("200 OK", &[], b""),
            _ => answer("200 OK", &["Content-Encoding: gzip"], &body),
        })
        .await;
        over_http(&session, format, &server.url("/f"));
        let error = rows(&session, QUERY).await.unwrap_err();
        assert!(error.message().contains("Content-Encoding"), "{file}: {error}");
    }
}
