//! In which format rows go, and what becomes of those that it cannot carry.

use super::*;

#[tokio::test]
async fn rows_that_csv_cannot_carry_make_the_load_json() {
    let cluster = Cluster::new(|_, _| Act::Load(success(3, 0))).await;
    let rows = [batch(&[(1, "a\x01b"), (2, "\\N")]), batch(&[(3, "c")])];
    let summary = write(&SingleSink::new(cluster.target(&[]), Beyond::IsAnError), &[&rows]).await.unwrap();
    assert_eq!(summary.rows_written, 3);
    let load = &cluster.loads()[0];
    assert_eq!((load.header("format"), load.header("strip_outer_array")), (Some("json"), Some("true")));
    assert_eq!(load.header("column_separator"), None);
    let rows: serde_json::Value = serde_json::from_slice(&load.body).unwrap();
    assert_eq!(rows, serde_json::json!([{"id":1,"name":"a\u{1}b"},{"id":2,"name":"\\N"},{"id":3,"name":"c"}]));
}

#[tokio::test]
async fn a_format_that_the_user_wrote_makes_such_rows_rejects() {
    let cluster = Cluster::new(|_, _| Act::Load(success(1, 0))).await;
    let rows = [batch(&[(1, "a\x01b"), (2, "c")])];
    let sink = SingleSink::new(cluster.target(&[("format", "csv")]), Beyond::IsAnError);
    assert_eq!(write(&sink, &[&rows]).await.unwrap_err().code(), ErrorCode::Rejects);
    assert!(cluster.loads().is_empty());
    let sink = SingleSink::new(cluster.target(&[("format", "csv"), ("error_limit", "5")]), Beyond::IsAnError);
    assert_eq!(write(&sink, &[&rows]).await.unwrap().rows_written, 1);
    let reject = &cluster.rejects.first()[0];
    assert_eq!((reject.column.as_deref(), reject.value.as_deref()), (Some("name"), Some("a\\u{1}b")));
}

#[tokio::test]
async fn bytes_that_json_cannot_carry_are_rejects() {
    let rows = || {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"a", b"\xff", b"c"]));
        RecordBatch::try_from_iter([("id", id), ("name", bytes)]).unwrap()
    };
    for plain in [false, true] {
        let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
        let sink = |limit: &str| -> Box<dyn Sink> {
            let target = cluster.target(&[("format", "json"), ("error_limit", limit)]);
            match plain {
                true => Box::new(PlainSink::new(target)),
                false => Box::new(SingleSink::new(target, Beyond::IsAnError)),
            }
        };
        let error = write(&*sink("0"), &[&[rows()]]).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Rejects, "{error}");
        assert!(cluster.loads().is_empty());
        cluster.rejects.set_limit(crate::sink::ErrorLimit::Rows(9));
        assert_eq!(write(&*sink("9"), &[&[rows()]]).await.unwrap().rows_written, 2);
        let sent: serde_json::Value = serde_json::from_slice(&cluster.loads()[0].body).unwrap();
        assert_eq!(sent, serde_json::json!([{"id":1,"name":"a"},{"id":3,"name":"c"}]));
        assert_eq!(cluster.rejects.first()[1].column.as_deref(), Some("name"));
    }
}

#[tokio::test]
async fn a_reject_of_csv_says_why_json_is_ruled_out() {
    let name: ArrayRef = Arc::new(StringArray::from(vec!["a", "\\N"]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\xff", b"b"]));
    let rows = RecordBatch::try_from_iter([("id", bytes), ("name", name)]).unwrap();
    let cluster = Cluster::new(|_, _| Act::Load(success(1, 0))).await;
    let sink = SingleSink::new(cluster.target(&[]), Beyond::IsAnError);
    assert_eq!(write(&sink, &[&[rows]]).await.unwrap_err().code(), ErrorCode::Rejects);
    let reason = cluster.rejects.first()[0].reason.clone();
    let wanted = "is the text that stands for NULL in CSV; JSON, which could carry it, is ruled out: column id holds bytes that are not UTF-8";
    assert!(reason.starts_with(wanted) && reason.contains("\"error_limit\""), "{reason}");
}

#[tokio::test]
async fn json_beyond_the_servers_limit_is_an_error_that_names_the_ways_out_unless_the_user_lifts_it() {
    let text = "x".repeat(1000);
    let rows: Vec<RecordBatch> =
        (0..14).map(|id| batch(&[(id, if id == 0 { "\\N" } else { text.as_str() })])).collect();
    for (properties, is_lifted) in [(&[][..], false), (&[("ignore_json_size", "true")][..], true)] {
        let cluster = Cluster::new(|_, _| Act::Load(success(14, 0))).await;
        let mut target = cluster.target(&[&[("load_bytes", "1000")], properties].concat());
        Arc::get_mut(&mut target).unwrap().limit_json(10_000);
        let outcome = write(&SingleSink::new(target, Beyond::IsStreamed), &[&rows]).await;
        if is_lifted {
            assert_eq!(outcome.unwrap().rows_written, 14);
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
        for part in ["100 MB of JSON", "\"error_limit\"", "SET syncline.write_mode = 'plain'"] {
            assert!(error.message().contains(part), "{part}: {error}");
        }
    }
}

fn arrow_rows(body: &[u8]) -> Vec<RecordBatch> {
    arrow::ipc::reader::StreamReader::try_new(body, None).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn rows_with_delimiters_are_enclosed_where_the_server_reads_that_and_json_elsewhere() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let rows = [batch(&[(1, "a\x01b\"\x02"), (2, "c")])];
    write(&SingleSink::new(cluster.target(&[]), Beyond::IsAnError), &[&rows]).await.unwrap();
    let mut old = cluster.target(&[]);
    Arc::get_mut(&mut old).unwrap().set_enclosed_csv(false);
    write(&SingleSink::new(old, Beyond::IsAnError), &[&rows]).await.unwrap();
    let loads = cluster.loads();
    assert_eq!((loads[0].header("format"), loads[0].header("enclose")), (Some("csv"), Some("\"")));
    assert_eq!(loads[0].body, b"1\x01\"a\x01b\"\"\x02\"\x022\x01c\x02");
    assert_eq!((loads[1].header("format"), loads[1].header("enclose")), (Some("json"), None));
    assert!(cluster.probes().is_empty(), "nothing else is asked for");
}

#[tokio::test]
async fn what_only_arrow_carries_is_arrow_where_the_server_reads_it() {
    let name: ArrayRef = Arc::new(StringArray::from(vec![Some("a\x01"), Some("\\N"), None]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\xff", b"b", b"c"]));
    let rows = RecordBatch::try_from_iter([("x", bytes), ("y", name)]).unwrap();
    let cluster = Cluster::with_arrow(|_, _| Act::Load(success(3, 0))).await;
    for beyond in [Beyond::IsAnError, Beyond::IsStreamed] {
        let sink = SingleSink::new(cluster.target(&[]), beyond);
        assert_eq!(write(&sink, &[std::slice::from_ref(&rows)]).await.unwrap().rows_written, 3);
    }
    let load = &cluster.loads()[0];
    assert_eq!((load.header("format"), load.header("column_separator")), (Some("arrow"), None));
    let read = &arrow_rows(&load.body)[0];
    assert_eq!(read.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["id", "name"]);
    assert_eq!((read.column(0), read.column(1)), (rows.column(0), rows.column(1)));
    let probe = &cluster.probes()[0];
    assert_eq!((probe.header("format"), probe.header("content-length")), (Some("arrow"), Some("0")));
    assert_eq!(cluster.probes().len(), 2, "each write asks once");
}

#[tokio::test]
async fn arrow_that_the_user_wrote_is_asked_for_before_any_row_is_read() {
    let cluster = Cluster::new(|_, _| Act::Load(success(1, 0))).await;
    for sink in [
        &SingleSink::new(cluster.target(&[("format", "arrow")]), Beyond::IsAnError) as &dyn Sink,
        &PlainSink::new(cluster.target(&[("format", "arrow")])),
    ] {
        let error = sink.begin(1).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.message().contains("does not read \"format\" = 'arrow'"), "{error}");
    }
    assert!(cluster.loads().is_empty() && cluster.journal().is_empty());
    let cluster = Cluster::with_arrow(|seen, _| {
        // the streamed one
        let rows = if seen.header("transfer-encoding").is_some() { 3 } else { 1 };
        Act::Load(success(rows, 0))
    })
    .await;
    let rows: Vec<_> = (0..3).map(|id| batch(&[(id, "a")])).collect();
    let properties = [("format", "arrow"), ("load_rows", "1")];
    assert_eq!(write(&PlainSink::new(cluster.target(&properties)), &[&rows]).await.unwrap().rows_written, 3);
    let properties = [("format", "arrow"), ("load_bytes", "10")];
    let sink = SingleSink::new(cluster.target(&properties), Beyond::IsStreamed);
    assert_eq!(write(&sink, &[&rows]).await.unwrap().rows_written, 3);
    assert!(cluster.loads().iter().all(|load| load.header("format") == Some("arrow")));
}

#[tokio::test]
async fn a_body_is_compressed_as_the_user_wrote() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let rows = [batch(&[(1, "a")]), batch(&[(2, "b")])];
    for (properties, beyond) in [
        (&[("format", "zstd"), ("column_separator", ",")][..], Beyond::IsAnError),
        (&[("format", "json"), ("compression", "zstd")], Beyond::IsAnError),
        (&[("format", "zstd"), ("column_separator", ","), ("enclose", "\""), ("load_bytes", "1")], Beyond::IsStreamed),
    ] {
        write(&SingleSink::new(cluster.target(properties), beyond), &[&rows]).await.unwrap();
    }
    let loads = cluster.loads();
    let text = |body: &[u8]| String::from_utf8(zstd::stream::decode_all(body).unwrap()).unwrap();
    assert_eq!((loads[0].header("format"), loads[0].header("compression")), (Some("zstd"), None));
    assert_eq!(text(&loads[0].body), "1,a\x022,b\x02");
    assert_eq!((loads[1].header("format"), loads[1].header("compression")), (Some("json"), Some("ZSTD")));
    assert_eq!(text(&loads[1].body), r#"[{"id":1,"name":"a"},{"id":2,"name":"b"}]"#);
    assert_eq!((loads[2].header("format"), loads[2].header("enclose")), (Some("zstd"), Some("\"")));
}
