//! The bucket against a server, with the faults of a network between them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt;

use super::test_server::{Fault, KEY_ID, KEY_SECRET, S3Server, Seen};
use super::{Bucket, BucketCatalog, ListEntry};
use crate::catalog::{Catalog, CatalogConfig, CatalogKind, FileCatalog};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::{FileLocation, FoundFile};
use crate::options::Options;

const MIB: usize = 1 << 20;

fn catalog_with(server: &S3Server, kind: CatalogKind, extra: &[(&str, &str)]) -> Arc<BucketCatalog> {
    let mut options: Options = server.options("lake").into_iter().collect();
    extra.iter().for_each(|(name, value)| options.set(*name, *value));
    let config =
        CatalogConfig { name: "test_g".to_owned(), options, timezone: "UTC".to_owned(), timezone_is_forced: false };
    Arc::new(BucketCatalog::try_new(kind, config).unwrap())
}

fn catalog(server: &S3Server) -> Arc<BucketCatalog> {
    catalog_with(server, CatalogKind::Oss, &[])
}

fn bucket(server: &S3Server) -> Arc<Bucket> {
    Arc::clone(catalog(server).bucket().unwrap())
}

fn location(server: &S3Server, path: &str) -> FileLocation {
    catalog(server).location(path).unwrap()
}

async fn names(location: &FileLocation) -> Result<Vec<String>> {
    Ok(location.list().await?.iter().map(|file| file.path().to_owned()).collect())
}

async fn read(file: &FoundFile) -> Result<Vec<u8>> {
    read_range(file, 0..u64::MAX).await
}

async fn read_range(file: &FoundFile, range: std::ops::Range<u64>) -> Result<Vec<u8>> {
    let mut read = file.open_range(range).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = read.next().await? {
        assert!(!piece.is_empty());
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn one(location: FileLocation) -> FoundFile {
    let mut files = location.list().await.unwrap();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

/// Bytes that tell where they are from.
fn log(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn assert_error(error: &ConnectorError, code: ErrorCode, parts: &[&str]) {
    assert_eq!(error.code(), code, "{error}");
    for part in parts {
        assert!(error.message().contains(part), "\"{part}\" in {error}");
    }
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains(KEY_SECRET) && !printed.contains(KEY_ID), "{printed}");
}

#[tokio::test]
async fn an_object_is_listed_and_read_through_its_buckets_own_host() {
    let server = S3Server::start(&["lake"]);
    let bytes = log(3 * MIB);
    server.put("lake", "logs/a b+ü=%41.txt", &bytes);
    let by_key = location(&server, "/logs/a b+ü=%41.txt");
    assert_eq!(by_key.to_string(), "oss://lake/logs/a b+ü=%41.txt");
    assert_eq!(by_key.reference(), "test_g:/logs/a b+ü=%41.txt");
    assert_eq!(one(location(&server, "/logs")).await.to_string(), "oss://lake/logs/a b+ü=%41.txt");
    let file = one(by_key).await;
    assert_eq!(file.size(), Some(bytes.len() as u64));
    assert!(file.has_ranges());
    assert_eq!(read(&file).await.unwrap(), bytes);
    for seen in server.requests() {
        assert!(seen.host.starts_with("lake.localhost:"), "{seen:?}");
        assert!(seen.header("authorization").unwrap().contains("AWS4-HMAC-SHA256"), "{seen:?}");
        assert_eq!(seen.header("transfer-encoding"), None);
    }
    let by_path = catalog_with(&server, CatalogKind::S3, &[]).location("/logs/a b+ü=%41.txt").unwrap();
    assert_eq!(by_path.to_string(), "s3://lake/logs/a b+ü=%41.txt");
    assert_eq!(read(&one(by_path).await).await.unwrap(), bytes);
    let last = server.requests().pop().unwrap();
    assert!(last.host.starts_with("localhost:") && last.path.starts_with("/lake/logs/"), "{last:?}");
}

#[tokio::test]
async fn a_range_of_an_object_is_read_and_nothing_beside_it() {
    let server = S3Server::start(&["lake"]);
    let bytes = log(1000);
    server.put("lake", "x", &bytes);
    server.put("lake", "empty", b"");
    let file = one(location(&server, "/x")).await;
    for range in [0..1000, 0..1, 10..20, 999..5000, 500..500, 2000..3000] {
        let expected = &bytes[(range.start as usize).min(1000)..(range.end as usize).min(1000)];
        assert_eq!(read_range(&file, range.clone()).await.unwrap(), expected, "{range:?}");
    }
    assert_eq!(read(&one(location(&server, "/empty")).await).await.unwrap(), b"");
}

#[tokio::test]
async fn a_folder_is_its_visible_objects_by_name() {
    let server = S3Server::start(&["lake"]);
    for key in
        ["t/b.txt", "t/a.txt", "t/_SUCCESS", "t/.hidden", "t/_temporary/0/x", "t2/c.txt", "u/sub/x.txt", "root.txt"]
    {
        server.put("lake", key, key.as_bytes());
    }
    for path in ["/t", "/t/"] {
        assert_eq!(names(&location(&server, path)).await.unwrap(), ["t/a.txt", "t/b.txt"]);
    }
    let error = names(&location(&server, "/u")).await.unwrap_err();
    assert_error(&error, ErrorCode::Io, &["test_g", "oss://lake/u/ holds a folder, oss://lake/u/sub/", "*/*"]);
    assert_eq!(names(&location(&server, "/u/*")).await.unwrap(), ["u/sub/x.txt"]);
    let error = names(&location(&server, "/nothing")).await.unwrap_err();
    assert_error(&error, ErrorCode::Io, &["oss://lake/nothing does not exist", "LOCATION"]);
    assert_eq!(location(&server, "/").folders().await.unwrap(), ["t", "t2", "u"]);
    assert_eq!(location(&server, "/t").folders().await.unwrap(), Vec::<std::ffi::OsString>::new());
    assert_eq!(location(&server, "/t").below("dt=1").unwrap().reference(), "test_g:/t/dt=1");
    assert_eq!(location(&server, "/").below("dt=1").unwrap().reference(), "test_g:/dt=1");
}

#[tokio::test]
async fn a_marker_of_a_folder_is_no_file() {
    let server = S3Server::start(&["lake"]);
    let listing = |_: &Seen| {
        "<ListBucketResult><Name>lake</Name><IsTruncated>false</IsTruncated>\
         <Contents><Key>t/</Key><Size>0</Size><ETag>\"e\"</ETag></Contents>\
         <Contents><Key>t/a&amp;b.txt</Key><Size>3</Size><ETag>&quot;f&quot;</ETag></Contents></ListBucketResult>"
            .to_owned()
    };
    server.fault(1, Seen::lists, Fault::Instead(Box::new(listing)));
    assert_eq!(names(&location(&server, "/t/")).await.unwrap(), ["t/a&b.txt"]);
}

#[tokio::test]
async fn a_pattern_is_expanded_component_by_component() {
    let server = S3Server::start(&["lake"]);
    for day in ["dt=1", "dt=2", "other"] {
        server.put("lake", &format!("logs/{day}/x.log"), b"1");
        server.put("lake", &format!("logs/{day}/x.csv"), b"2");
    }
    server.put("lake", "logs/_dt=9/x.log", b"3");
    for (pattern, expected) in [
        ("/logs/dt=*/*.log", &["logs/dt=1/x.log", "logs/dt=2/x.log"][..]),
        ("/logs/dt=*", &["logs/dt=1/x.csv", "logs/dt=1/x.log", "logs/dt=2/x.csv", "logs/dt=2/x.log"]),
        ("/logs/dt=[2-9]/x.???", &["logs/dt=2/x.csv", "logs/dt=2/x.log"]),
        ("/*/other/x.log", &["logs/other/x.log"]),
        ("/logs/*9/x.log", &[]),
        ("/nothing*", &[]),
        ("/nothing/*.log", &[]),
    ] {
        match names(&location(&server, pattern)).await {
            Ok(found) => assert_eq!(found, expected, "{pattern}"),
            Err(error) => {
                assert_eq!(expected, &[] as &[&str], "{pattern}: {error}");
                assert_error(&error, ErrorCode::Io, &["no object matches", pattern]);
            }
        }
    }
    server.put("lake", "logs/dt=*", b"literal");
    assert_eq!(names(&location(&server, "/logs/dt=*")).await.unwrap(), ["logs/dt=*"]);
}

#[tokio::test]
async fn a_listing_of_100_000_objects_is_held_in_little_memory_one_page_at_a_time() {
    const COUNT: usize = 100_000;
    let server = S3Server::start(&["lake"]);
    let page = |seen: &Seen| {
        let from: usize = seen
            .query
            .split_once("continuation-token=t")
            .map_or(0, |(_, rest)| rest.split('&').next().unwrap().parse().unwrap());
        let to = (from + 1000).min(COUNT);
        let mut xml = String::from("<ListBucketResult><EncodingType>url</EncodingType>");
        for at in from..to {
            xml += &format!(
                "<Contents><Key>logs/part-{at:06}+%2B.txt</Key><Size>{at}</Size><ETag>\"{at:032x}\"</ETag></Contents>"
            );
        }
        if to < COUNT {
            xml += &format!("<IsTruncated>true</IsTruncated><NextContinuationToken>t{to}</NextContinuationToken>");
        }
        xml + "</ListBucketResult>"
    };
    server.fault(usize::MAX, Seen::lists, Fault::Instead(Box::new(page)));
    let files = location(&server, "/logs/").list().await.unwrap();
    assert_eq!(files.len(), COUNT);
    assert_eq!((files[99_999].path(), files[99_999].size()), ("logs/part-099999 +.txt", Some(99_999)));
    assert_eq!(server.requests().iter().filter(|seen| seen.lists()).count(), 100);
    // What a file takes: the value itself and its two texts, nothing that is shared or left over.
    let held: usize = files.iter().map(|file| size_of::<FoundFile>() + file.path().len() + 34).sum();
    assert!(size_of::<FoundFile>() <= 64, "{}", size_of::<FoundFile>());
    assert!(held <= COUNT * 128, "{held}");
    assert!(files.capacity() <= 2 * COUNT, "{}", files.capacity());
}

#[tokio::test]
async fn a_listing_that_does_not_go_on_ends() {
    let server = S3Server::start(&["lake"]);
    for (xml, expected) in [
        ("<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>", "does not go on"),
        ("<IsTruncated>true</IsTruncated>", "does not say where it goes on"),
    ] {
        let page = move |_: &Seen| format!("<ListBucketResult>{xml}</ListBucketResult>");
        server.fault(2, Seen::lists, Fault::Instead(Box::new(page)));
        let error = names(&location(&server, "/logs/")).await.unwrap_err();
        assert_error(&error, ErrorCode::Http, &[expected]);
    }
    server.fault(1, Seen::lists, Fault::Instead(Box::new(|_| "<html>hello</html>".to_owned())));
    assert_error(&names(&location(&server, "/logs/")).await.unwrap_err(), ErrorCode::Http, &["not understood"]);
}

#[tokio::test]
async fn a_listing_without_etags_is_completed_by_asking_for_each() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "t/a", b"1");
    let listing = |_: &Seen| {
        "<ListBucketResult><Contents><Key>t/a</Key><Size>1</Size></Contents>\
         <Contents><Key>t/removed</Key><Size>1</Size></Contents></ListBucketResult>"
            .to_owned()
    };
    server.fault(1, Seen::lists, Fault::Instead(Box::new(listing)));
    let file = one(location(&server, "/t/")).await;
    assert_eq!(read(&file).await.unwrap(), b"1");
    server.put("lake", "t/a", b"2");
    assert_error(&read(&file).await.unwrap_err(), ErrorCode::Http, &["has changed"]);
}

#[tokio::test]
async fn a_connection_cut_in_mid_object_is_resumed_where_it_stopped() {
    let server = S3Server::start(&["lake"]);
    let bytes = log(2 * MIB);
    server.put("lake", "x", &bytes);
    let file = one(location(&server, "/x")).await;
    server.fault(1, |seen| seen.reads("/x"), Fault::CutAfter(MIB));
    assert_eq!(read(&file).await.unwrap(), bytes);
    let reads: Vec<Seen> = server.requests().into_iter().filter(|seen| seen.reads("/x")).collect();
    assert_eq!(reads.len(), 2);
    assert_eq!(reads[0].header("range"), None);
    let range = reads[1].header("range").unwrap();
    assert!(range.starts_with("bytes=") && range != "bytes=0-2097151" && range.ends_with("-2097151"), "{range}");
    assert_eq!(reads[0].header("if-match"), reads[1].header("if-match"));
    assert!(reads[1].header("if-match").is_some());

    server.fault(1, |seen| seen.reads("/x"), Fault::CutAfter(100));
    assert_eq!(read_range(&file, 1000..2000).await.unwrap(), &bytes[1000..2000]);
    assert_eq!(server.requests().pop().unwrap().header("range"), Some("bytes=1100-1999"));
}

#[tokio::test]
async fn a_download_that_never_gets_on_ends() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "x", &log(10_000));
    let quick = catalog_with(&server, CatalogKind::Oss, &[("retries", "2")]);
    let file = one(quick.location("/x").unwrap()).await;
    server.fault(usize::MAX, |seen| seen.reads("/x"), Fault::CutAfter(10));
    let error = read(&file).await.unwrap_err();
    assert_error(&error, ErrorCode::Connection, &["oss://lake/x", "stopped at byte", "too often"]);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_server_that_falls_silent_is_waited_for_twice_and_no_more() {
    let server = S3Server::start(&["lake"]);
    let bytes = log(10_000);
    server.put("lake", "x", &bytes);
    let quick = catalog_with(&server, CatalogKind::Oss, &[("read_timeout", "200ms")]);
    let file = one(quick.location("/x").unwrap()).await;
    server.fault(1, |seen| seen.reads("/x"), Fault::SilentAfter(5000));
    assert_eq!(read(&file).await.unwrap(), bytes);
    server.fault(usize::MAX, |seen| seen.reads("/x"), Fault::Silent);
    let before = server.requests().len();
    let error = read(&file).await.unwrap_err();
    assert_error(&error, ErrorCode::Connection, &["was silent", "read_timeout", "localhost"]);
    assert_eq!(server.requests().len() - before, 2);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "x", b"data");
    let file = one(location(&server, "/x")).await;
    server.fault(1, |seen| seen.reads("/x"), Fault::error(503, "SlowDown"));
    assert_eq!(read(&file).await.unwrap(), b"data");

    let later = Fault::Answer(429, vec![("retry-after", "1".to_owned())], String::new());
    server.fault(1, |seen| seen.reads("/x"), later);
    let start = Instant::now();
    assert_eq!(read(&file).await.unwrap(), b"data");
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());

    let quick = catalog_with(&server, CatalogKind::Oss, &[("retries", "1")]);
    server.fault(usize::MAX, Seen::lists, Fault::error(503, "SlowDown"));
    let before = server.requests().len();
    let error = names(&quick.location("/t/").unwrap()).await.unwrap_err();
    assert_error(&error, ErrorCode::Http, &["503", "SlowDown", "run again later", "REQ-1"]);
    assert_eq!(server.requests().len() - before, 2);
}

#[tokio::test]
async fn an_object_that_is_replaced_is_an_error_and_never_a_mix() {
    let server = S3Server::start(&["lake"]);
    let (old, new) = (vec![b'o'; 2 * MIB], vec![b'n'; 2 * MIB]);

    // Between listing and read.
    server.put("lake", "x", &old);
    let file = one(location(&server, "/x")).await;
    server.put("lake", "x", &new);
    let error = read(&file).await.unwrap_err();
    assert_error(&error, ErrorCode::Http, &["oss://lake/x has changed while it was read", "run again"]);

    // Between two ranges.
    let file = one(location(&server, "/x")).await;
    assert_eq!(read_range(&file, 0..10).await.unwrap(), b"nnnnnnnnnn");
    server.put("lake", "x", &old);
    assert_error(&read_range(&file, 10..20).await.unwrap_err(), ErrorCode::Http, &["has changed"]);

    // In mid-object, when the connection is cut as well.
    let file = one(location(&server, "/x")).await;
    server.fault(1, |seen| seen.reads("/x"), Fault::CutAfter(MIB));
    server.fault(1, |seen| seen.reads("/x"), Fault::Before(server.putting("lake", "x", &new)));
    assert_error(&read(&file).await.unwrap_err(), ErrorCode::Http, &["has changed"]);

    // Removed.
    let file = one(location(&server, "/x")).await;
    server.remove("lake", "x");
    assert_error(&read(&file).await.unwrap_err(), ErrorCode::Http, &["has changed"]);
}

#[tokio::test]
async fn a_server_that_ignores_if_match_is_found_out() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "x", b"data");
    let file = one(location(&server, "/x")).await;
    let other = Fault::Answer(200, vec![("etag", "\"other\"".to_owned())], "DATA".to_owned());
    server.fault(1, |seen| seen.reads("/x"), other);
    assert_error(&read(&file).await.unwrap_err(), ErrorCode::Http, &["has changed"]);
    let etag = server.requests().pop().unwrap().header("if-match").unwrap().to_owned();
    server.fault(1, |seen| seen.reads("/x"), Fault::Answer(200, vec![("etag", etag)], "data".to_owned()));
    assert_error(&read_range(&file, 1..2).await.unwrap_err(), ErrorCode::Http, &["another range"]);
}

#[tokio::test]
async fn refused_keys_name_the_catalog_and_the_way_out() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "x", b"data");
    let file = one(location(&server, "/x")).await;
    for (status, code, expected) in [
        (400, "ExpiredToken", "have expired"),
        (403, "SecurityTokenExpired", "have expired"),
        (403, "InvalidAccessKeyId", "\"access_key_id\""),
        (403, "SignatureDoesNotMatch", "\"access_key_secret\""),
        (403, "RequestTimeTooSkewed", "clock"),
        (400, "AuthorizationHeaderMalformed", "\"region\""),
        (403, "AccessDenied", "lacks this permission"),
    ] {
        for is_listing in [false, true] {
            server.fault(
                1,
                move |seen| if is_listing { seen.lists() } else { seen.reads("/x") },
                Fault::error(status, code),
            );
            let error = match is_listing {
                true => names(&location(&server, "/t/")).await.unwrap_err(),
                false => read(&file).await.unwrap_err(),
            };
            assert_error(&error, ErrorCode::Login, &["test_g", code, expected]);
            assert!(!error.is_retryable());
        }
    }
    let refused = catalog_with(&server, CatalogKind::Oss, &[("access_key_secret", "wrong")]).location("/x").unwrap();
    assert_error(&names(&refused).await.unwrap_err(), ErrorCode::Login, &["SignatureDoesNotMatch"]);
    let refused = catalog_with(&server, CatalogKind::Oss, &[("bucket", "other")]).location("/t/").unwrap();
    assert_error(&names(&refused).await.unwrap_err(), ErrorCode::Name, &["NoSuchBucket", "\"bucket\""]);
}

#[tokio::test]
async fn a_security_token_is_sent_and_signed() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "x", b"data");
    let catalog = catalog_with(&server, CatalogKind::Oss, &[("security_token", "T0KEN")]);
    let file = one(catalog.location("/x").unwrap()).await;
    assert_eq!(read(&file).await.unwrap(), b"data");
    let seen = server.requests().pop().unwrap();
    assert_eq!(seen.header("x-amz-security-token"), Some("T0KEN"));
    assert!(seen.header("authorization").unwrap().contains("x-amz-security-token"));
    assert!(!format!("{catalog:?} {file:?}").contains("T0KEN"));
}

#[tokio::test]
async fn an_object_is_uploaded_in_parts_and_seen_when_complete() {
    let server = S3Server::start(&["lake"]);
    let bucket = bucket(&server);
    let bytes = log(11 * MIB);
    let id = bucket.create_multipart("out/x.txt").await.unwrap();
    let mut parts = Vec::new();
    for (at, piece) in bytes.chunks(5 * MIB).enumerate() {
        let part = bucket.put_part("out/x.txt", &id, at as u32 + 1, Bytes::copy_from_slice(piece)).await.unwrap();
        assert_eq!((part.number, part.bytes), (at as u32 + 1, piece.len() as u64));
        parts.push(part);
    }
    assert_eq!(bucket.head("out/x.txt").await.unwrap(), None);
    parts.reverse();
    bucket.complete_multipart("out/x.txt", &id, &parts).await.unwrap();
    assert_eq!(server.read("lake", "out/x.txt").unwrap(), bytes);
    assert_eq!(server.open_uploads(), 0);
    let (size, etag) = bucket.head("out/x.txt").await.unwrap().unwrap();
    assert_eq!(size, bytes.len() as u64);
    assert!(etag.ends_with("-3\""), "{etag}");
    assert_eq!(read(&one(location(&server, "/out")).await).await.unwrap(), bytes);

    let id = bucket.create_multipart("out/y.txt").await.unwrap();
    bucket.put_part("out/y.txt", &id, 1, Bytes::from_static(b"y")).await.unwrap();
    assert_eq!(server.open_uploads(), 1);
    bucket.abort_multipart("out/y.txt", &id).await.unwrap();
    assert_eq!(server.open_uploads(), 0);
    bucket.abort_multipart("out/y.txt", &id).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_to_an_upload_is_resolved_and_not_guessed() {
    let server = S3Server::start(&["lake"]);
    let bucket = bucket(&server);
    let upload = |key: &'static str| {
        let bucket = Arc::clone(&bucket);
        async move {
            let id = bucket.create_multipart(key).await.unwrap();
            let part = bucket.put_part(key, &id, 1, Bytes::from_static(b"data")).await.unwrap();
            (id, vec![part])
        }
    };
    server.fault(1, |seen| seen.query.contains("partNumber"), Fault::LoseAnswer);
    let (id, parts) = upload("a").await;
    server.fault(1, |seen| seen.method == "POST" && seen.query.contains("uploadId"), Fault::LoseAnswer);
    bucket.complete_multipart("a", &id, &parts).await.unwrap();
    assert_eq!(server.read("lake", "a").unwrap(), b"data");
    // By another process, later.
    bucket.complete_multipart("a", &id, &parts).await.unwrap();

    server.put("lake", "b", b"what was there");
    let (id, parts) = upload("b").await;
    bucket.abort_multipart("b", &id).await.unwrap();
    let error = bucket.complete_multipart("b", &id, &parts).await.unwrap_err();
    assert_error(&error, ErrorCode::Remote, &["NoSuchUpload", "oss://lake/b", "not there"]);
    assert_eq!(server.read("lake", "b").unwrap(), b"what was there");

    // An answer that begins as a success and is none.
    let (id, parts) = upload("c").await;
    let late = "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>m</Message></Error>";
    server.fault(1, |seen| seen.method == "POST", Fault::Answer(200, Vec::new(), late.to_owned()));
    bucket.complete_multipart("c", &id, &parts).await.unwrap();
    assert_eq!(server.read("lake", "c").unwrap(), b"data");
}

#[tokio::test]
async fn objects_are_put_listed_flat_and_removed() {
    let server = S3Server::start(&["lake"]);
    let bucket = bucket(&server);
    server.fault(1, |seen| seen.method == "PUT", Fault::error(500, "InternalError"));
    for key in ["p/1", "p/2/3", "p/_hidden", "q"] {
        bucket.put(key, Bytes::new()).await.unwrap();
    }
    bucket.put("p/1", Bytes::from_static(b"replaced")).await.unwrap();
    let entries: Vec<ListEntry> = bucket.list_prefix("p/").try_collect().await.unwrap();
    let keys: HashSet<_> = entries
        .iter()
        .map(|entry| match entry {
            ListEntry::Object { key, size, .. } => (key.as_str(), *size),
            ListEntry::Folder(folder) => panic!("{folder}"),
        })
        .collect();
    assert_eq!(keys, HashSet::from([("p/1", 8), ("p/2/3", 0), ("p/_hidden", 0)]));
    let removed: Vec<String> = ["p/1", "p/2/3", "p/none"].map(str::to_owned).to_vec();
    bucket.delete(&removed).await.unwrap();
    assert_eq!(server.keys("lake"), ["p/_hidden", "q"]);
}

#[tokio::test]
async fn a_check_tells_what_the_key_may_do_and_writes_nothing() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "x", b"data");
    let outcomes = |items: Vec<crate::catalog::CheckItem>| {
        items.into_iter().map(|item| (item.what, item.outcome)).collect::<Vec<_>>()
    };
    let items = outcomes(catalog(&server).check().await);
    assert_eq!(
        items.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(),
        ["find lake.localhost", "list oss://lake", "write oss://lake"]
    );
    assert!(items.iter().all(|(_, outcome)| outcome.is_ok()), "{items:?}");
    assert!(items[2].1.as_ref().unwrap().contains("not refused"), "{items:?}");
    server.fault(1, |seen| seen.method == "DELETE", Fault::error(403, "AccessDenied"));
    let items = outcomes(catalog(&server).check().await);
    assert!(items[2].1.as_ref().unwrap().contains("read only"), "{items:?}");
    let items = outcomes(catalog_with(&server, CatalogKind::Oss, &[("access_key_secret", "wrong")]).check().await);
    assert_eq!(items.len(), 2);
    assert!(items[1].1.as_ref().unwrap_err().contains("SignatureDoesNotMatch"), "{items:?}");
    assert_eq!((server.keys("lake"), server.open_uploads()), (vec!["x".to_owned()], 0));
}

#[tokio::test]
async fn a_key_that_a_url_would_change_is_refused() {
    let server = S3Server::start(&["lake"]);
    for path in ["/a/../b", "/./a", "/.."] {
        assert_error(&catalog(&server).location(path).unwrap_err(), ErrorCode::Option, &["\"..\""]);
    }
    assert!(catalog(&server).location("/a..b/...").is_ok());
    assert!(catalog(&server).location("a").is_err());
}
