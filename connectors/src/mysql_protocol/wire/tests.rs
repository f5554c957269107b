//! Servers that break off, stall, lie and ask for secrets.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::record_batch::RecordBatch;
use mysql_common::constants::{CapabilityFlags, ColumnType};
use mysql_common::packets::Column;

use super::buffer::frame;
use super::scripted_server::{Script, serve, serve_rows};
use super::*;
use crate::batch_queue::batch_queue;
use crate::error::{ConnectorError, ErrorCode};
use crate::mysql_protocol::decode::{BatchBuilder, ReadColumn, Reading};
use crate::mysql_protocol::error::{from_handshake, from_wire};
use crate::mysql_protocol::options::ConnectionConfig;
use crate::mysql_protocol::read::{read_rows, step};
use crate::mysql_protocol::value::ZeroDates;
use crate::sink::{ErrorLimit, Reject, RejectLog};
use crate::throttle::Throttles;

fn columns() -> Vec<Column> {
    vec![Column::new(ColumnType::MYSQL_TYPE_LONGLONG), Column::new(ColumnType::MYSQL_TYPE_BLOB)]
}

/// A row of [`columns`].
fn row(id: i64, bytes: &[u8]) -> Vec<u8> {
    let mut row = vec![0, 0];
    row.extend_from_slice(&id.to_le_bytes());
    mysql_common::proto::MySerialize::serialize(&mysql_common::Value::Bytes(bytes.to_vec()), &mut row);
    row
}

/// Reads what a server sends for a statement, as a scan does.
async fn read(config: &ConnectionConfig) -> Result<Vec<RecordBatch>, ConnectorError> {
    read_as(config, &[BIGINT, Reading::Bytes], None).await
}

const BIGINT: Reading = Reading::Integer { bits: 64, signed: true };

/// As [`read`], with rejects where they are taken.
async fn read_as(
    config: &ConnectionConfig,
    readings: &[Reading],
    rejects: Option<Arc<dyn RejectLog>>,
) -> Result<Vec<RecordBatch>, ConnectorError> {
    let mut conn = WireConnection::connect(config).await.map_err(|error| from_handshake(config, error))?;
    let answer = step(config, conn.query_bound("SELECT id, raw FROM t", &[])).await?;
    let Answer::Rows(described) = answer else { panic!("no rows") };
    let column =
        |(index, reading): (usize, &Reading)| ReadColumn { name: index.to_string(), reading: *reading, nullable: true };
    let read: Vec<ReadColumn> = readings.iter().enumerate().map(column).collect();
    let mut batches = BatchBuilder::new(&read, "catalog shop, table d.t", ZeroDates::Reject, rejects, 100);
    batches.expect(&described, conn.protocol())?;
    let (sender, mut receiver) = batch_queue(Throttles::default(), None);
    let reading = async {
        let ended = read_rows(config, &mut conn, &mut batches, &sender, |_, _| ()).await;
        drop(sender);
        ended
    };
    let collecting = async {
        let mut read = Vec::new();
        while let Some(batch) = receiver.recv().await {
            read.push(batch.unwrap());
        }
        read
    };
    let (ended, read) = tokio::join!(reading, collecting);
    ended?;
    assert!(conn.is_ready());
    Ok(read)
}

async fn error_of(rows: impl Fn(&mut Script) + Send + 'static) -> ConnectorError {
    let (config, _) = serve_rows(columns(), rows);
    read(&config).await.expect_err("a result that was taken as complete")
}

#[tokio::test]
async fn rows_are_read_in_batches_to_their_end() {
    let (config, _) = serve_rows(columns(), |script| {
        (0..1234).for_each(|id| script.send(&row(id, &vec![b'x'; id as usize % 300])));
        script.end();
    });
    let batches = read(&config).await.unwrap();
    let sizes: Vec<_> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [vec![100; 12], vec![34]].concat());
    let ids: Vec<i64> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
        .collect();
    assert_eq!(ids, (0..1234).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_goes_away_in_mid_row_or_between_rows_is_a_lost_connection() {
    let between = error_of(|script| {
        script.send(&row(1, b"a"));
        script.stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let within = error_of(|script| {
        script.send(&row(1, b"a"));
        let mut bytes = Vec::new();
        frame(&row(2, b"abcdef"), script.sequence, &mut bytes);
        script.stream.write_all(&bytes[..bytes.len() - 3]).unwrap();
        script.stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let header = error_of(|script| {
        script.stream.write_all(&[9]).unwrap();
        script.stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    for error in [between.await, within.await, header.await] {
        assert_eq!(error.code(), ErrorCode::Connection, "{error}");
        assert!(error.is_retryable() && error.message().contains("the connection was lost"), "{error}");
    }
}

#[tokio::test]
async fn an_error_behind_the_first_rows_is_the_servers_own() {
    let killed = error_of(|script| {
        script.send(&row(1, b"a"));
        script.send(b"\xff\x25\x05#70100Query execution was interrupted");
    });
    let error = killed.await;
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.is_retryable() && error.message().contains("interrupted (error 1317)"), "{error}");
}

#[tokio::test]
async fn a_server_that_stalls_in_mid_result_is_given_up() {
    let error = error_of(|script| {
        script.send(&row(1, b"a"));
        std::thread::sleep(Duration::from_secs(20));
    });
    let error = error.await;
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.is_retryable() && error.message().contains("read_timeout"), "{error}");
}

#[tokio::test]
async fn rows_that_lie_about_their_lengths_are_refused_and_never_shortened() {
    let mut long = row(1, b"abc");
    long[10] = 200;
    let mut huge = row(1, b"");
    huge.pop();
    huge.extend_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'a']);
    let mut trailing = row(1, b"abc");
    trailing.push(0);
    for bad in [long, huge, trailing, vec![0], vec![], vec![7; 30]] {
        let error = error_of(move |script| {
            script.send(&row(0, b"good"));
            script.send(&bad);
            script.end();
        });
        let error = error.await;
        assert_eq!(error.code(), ErrorCode::Connection, "{error}");
        assert!(error.message().contains("row 2") && error.message().contains("MySQL's protocol"), "{error}");
    }
    let disorder = error_of(|script| {
        script.sequence += 1;
        script.send(&row(0, b""));
    });
    assert!(disorder.await.message().contains("out of order"));
}

/// Takes no rejects: each of them fails the test.
#[derive(Debug)]
struct NoRejects;

impl RejectLog for NoRejects {
    fn reject(&self, reject: Reject) -> Result<(), ConnectorError> {
        panic!("a reject: {reject:?}")
    }
    fn reject_unnamed(&self, _: u64) -> Result<(), ConnectorError> {
        panic!("a reject")
    }
    fn set_limit(&self, _: ErrorLimit) {}
    fn count(&self) -> u64 {
        0
    }
    fn check(&self, _: u64) -> Result<(), ConnectorError> {
        Ok(())
    }
    fn warn(&self, _: &str, _: u64, _: &str) {}
}

#[tokio::test]
async fn a_length_that_lies_is_malformed_in_every_kind_of_column_and_never_a_reject() {
    let decimal = |precision, scale| Reading::Decimal { precision, scale };
    let strings: &[&[u8]] = &[
        &[1],
        &[5],
        &[200],
        &[200, b'1', b'2'],
        &[2, b'1', b'2', b'3'],
        &[0xfb],
        &[0xff],
        &[0xfc],
        &[0xfc, 0xff, 0xff, b'1'],
        &[0xfd, 0xff, 0xff, 0xff, b'1'],
        &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'1'],
        &[0xfe, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0],
    ];
    let dates: &[&[u8]] = &[
        &[4],
        &[4, 0xe8, 7, 8],
        &[7, 0xe8, 7, 8, 7],
        &[11, 0xe8, 7, 8, 7],
        &[11, 0xe8, 7, 8, 7, 1, 2, 3],
        &[4, 0xe8, 7, 8, 7, 1, 2, 3],
        &[3, 0xe8, 7, 8],
        &[200, 0xe8, 7, 8, 7],
        &[0xff],
    ];
    let times: &[&[u8]] = &[&[8], &[8, 0, 0, 0, 0, 0, 1, 2], &[12, 0, 0, 0, 0, 0, 1, 2, 3], &[9, 0], &[0xfc, 1, 0]];
    let numbers: &[&[u8]] = &[&[], &[1, 2, 3, 4, 5, 6, 7], &[1, 2, 3, 4, 5, 6, 7, 8, 9]];
    for (kind, reading, lies) in [
        (ColumnType::MYSQL_TYPE_VAR_STRING, Reading::Text, strings),
        (ColumnType::MYSQL_TYPE_BLOB, Reading::Bytes, strings),
        (ColumnType::MYSQL_TYPE_BIT, Reading::Bits, strings),
        (ColumnType::MYSQL_TYPE_NEWDECIMAL, decimal(10, 2), strings),
        (ColumnType::MYSQL_TYPE_NEWDECIMAL, decimal(60, 2), strings),
        (ColumnType::MYSQL_TYPE_DATE, Reading::Date, dates),
        (ColumnType::MYSQL_TYPE_DATETIME, Reading::DateTime, dates),
        (ColumnType::MYSQL_TYPE_TIME, Reading::Time { fraction_digits: 6 }, times),
        (ColumnType::MYSQL_TYPE_LONGLONG, BIGINT, numbers),
        (ColumnType::MYSQL_TYPE_DOUBLE, Reading::Float64, numbers),
    ] {
        for (lie, has_field_behind) in lies.iter().flat_map(|lie| [(*lie, false), (*lie, true)]) {
            let mut kinds = vec![ColumnType::MYSQL_TYPE_LONGLONG, kind];
            let mut readings = vec![BIGINT, reading];
            let mut row = vec![0, 0];
            row.extend_from_slice(&7_i64.to_le_bytes());
            row.extend_from_slice(lie);
            if has_field_behind {
                kinds.push(ColumnType::MYSQL_TYPE_LONGLONG);
                readings.push(BIGINT);
                row.extend_from_slice(&9_i64.to_le_bytes());
            }
            let (config, _) = serve_rows(kinds.into_iter().map(Column::new).collect(), move |script| {
                script.send(&row);
                script.end();
            });
            let read = read_as(&config, &readings, Some(Arc::new(NoRejects))).await;
            let error = read.expect_err(&format!("{reading:?} of {lie:?} was taken"));
            assert_eq!(error.code(), ErrorCode::Connection, "{reading:?} of {lie:?}: {error}");
            assert!(error.message().contains("row 1: the row does not follow MySQL's protocol"), "{error}");
        }
    }
}

#[tokio::test]
async fn marks_of_null_that_are_too_few_are_malformed() {
    // Two bytes of marks for eight columns.
    for row in [vec![], vec![0], vec![0, 0xff], vec![1, 0xff, 0xff], vec![0, 0xfc, 0x03, 1], vec![0, 0xfc, 0x01]] {
        let (config, _) = serve_rows(vec![Column::new(ColumnType::MYSQL_TYPE_LONGLONG); 8], move |script| {
            script.send(&row);
            script.end();
        });
        let error = read_as(&config, &[BIGINT; 8], Some(Arc::new(NoRejects))).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Connection, "{error}");
        assert!(error.message().contains("does not follow MySQL's protocol"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_kept_as_a_whole_is_bounded_by_rows_and_by_memory() {
    for (columns, rows, is_taken) in [(1, 100_000, true), (1, 100_001, false), (250, 5_000, true), (250, 20_000, false)]
    {
        let (config, _) = serve_rows(vec![Column::new(ColumnType::MYSQL_TYPE_VAR_STRING); columns], move |script| {
            // NULL costs one byte on the way and much more in memory.
            (0..rows).for_each(|_| script.send(&vec![0xfb; columns]));
            script.end();
        });
        let mut conn = WireConnection::connect(&config).await.unwrap();
        let answer = conn.query("SELECT 1").await.unwrap();
        let read = conn.rows_of(answer).await;
        assert_eq!(read.as_ref().ok().map(Vec::len), is_taken.then_some(rows), "{columns} columns, {rows} rows");
        assert_eq!(conn.is_ready(), is_taken);
        if let Err(error) = read {
            let error = from_wire(&config, error);
            assert!(error.message().contains("more than 100,000 rows or 64 MB"), "{error}");
        }
    }
}

#[tokio::test]
async fn descriptions_of_columns_are_bounded_in_all() {
    let (config, _) = serve(|script| {
        script.greet("mysql_native_password");
        script.receive();
        script.ok();
        script.receive();
        script.send(&[0xfd, 0xff, 0xff, 0]);
        let mut description = Vec::new();
        let column = Column::new(ColumnType::MYSQL_TYPE_LONG).with_name(&vec![b'x'; 1 << 20]);
        mysql_common::proto::MySerialize::serialize(&column, &mut description);
        (0..70).for_each(|_| script.send(&description));
        script.receive();
    });
    let mut conn = WireConnection::connect(&config).await.unwrap();
    let error = tokio::time::timeout(Duration::from_secs(20), conn.query("SELECT 1")).await.unwrap().unwrap_err();
    assert!(matches!(error, WireError::Malformed("descriptions of columns that have no end")), "{error}");
}

#[tokio::test]
async fn a_number_of_columns_that_no_result_has_is_refused() {
    for count in [&[0xfc, 0xff, 0xff][..], &[0xfe, 0, 0, 0, 0, 1, 0, 0, 0], &[0xfd, 1], &[]] {
        let (config, _) = serve(move |script| {
            script.greet("mysql_native_password");
            script.receive();
            script.ok();
            script.receive();
            script.send(count);
            // Nothing that it announced follows.
        });
        let mut conn = WireConnection::connect(&config).await.unwrap();
        let error = conn.query("SELECT 1").await.unwrap_err();
        assert!(matches!(error, WireError::Malformed(_) | WireError::Closed), "{error}");
        assert!(!conn.is_ready() && conn.buffer_bytes() < 1 << 20);
    }
}

#[tokio::test]
async fn values_of_20_mb_are_read_from_several_packets() {
    let bytes: Vec<u8> = (0..20_u32 << 20).map(|n| (n >> 10) as u8).collect();
    let expected = bytes.clone();
    let (config, _) = serve_rows(columns(), move |script| {
        script.send(&row(1, b"before"));
        script.send(&row(2, &bytes));
        // As long as one packet at most, so that an empty one must follow.
        script.send(&row(3, &bytes[..0xff_ffff - 14]));
        script.send(&row(4, b"behind"));
        script.end();
    });
    let batches = read(&config).await.unwrap();
    let values: Vec<Vec<u8>> = batches
        .iter()
        .flat_map(|batch| {
            batch.column(1).as_binary::<i32>().iter().map(|value| value.unwrap().to_vec()).collect::<Vec<_>>()
        })
        .collect();
    let lengths: Vec<_> = values.iter().map(Vec::len).collect();
    assert_eq!(lengths, [6, 20 << 20, 0xff_ffff - 14, 6]);
    assert!(values[1] == expected && values[2] == expected[..0xff_ffff - 14]);
}

#[tokio::test]
async fn neither_compression_nor_local_files_are_asked_for_and_a_request_for_a_file_is_refused() {
    let (config, received) = serve(|script| {
        script.greet("mysql_native_password");
        script.receive();
        script.ok();
        script.receive();
        script.send(b"\xfb/etc/passwd");
    });
    let mut conn = WireConnection::connect(&config).await.unwrap();
    let error = from_wire(&config, conn.query("SELECT 1").await.unwrap_err());
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.message().contains("never sent"), "{error}");
    assert!(matches!(conn.ping().await, Err(WireError::Closed)), "nothing follows on such a connection");
    let login = received.lock().unwrap()[0].clone();
    let flags = CapabilityFlags::from_bits_truncate(u32::from_le_bytes([login[0], login[1], login[2], login[3]]));
    for unwanted in [CapabilityFlags::CLIENT_COMPRESS, CapabilityFlags::CLIENT_LOCAL_FILES, CapabilityFlags::CLIENT_SSL]
    {
        assert!(!flags.contains(unwanted), "{unwanted:?}");
    }
    assert!(flags.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF));
}

#[tokio::test]
async fn a_step_that_is_given_up_leaves_a_connection_that_takes_nothing_more() {
    let (config, _) = serve(|script| {
        script.greet("mysql_native_password");
        script.receive();
        script.ok();
        while script.receive().is_some() {}
    });
    let mut conn = WireConnection::connect(&config).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), conn.query("SELECT SLEEP(9)")).await.is_err());
    assert!(!conn.is_ready());
    assert!(matches!(conn.query("SELECT 1").await, Err(WireError::Closed)));
}

/// How a login ends that a server plays, and what the client sent.
async fn log_in(play: impl FnOnce(&mut Script) + Send + 'static) -> (Result<(), ConnectorError>, Vec<Vec<u8>>) {
    let (config, received) = serve(play);
    let ended = WireConnection::connect(&config).await.map(drop).map_err(|error| from_handshake(&config, error));
    let received = received.lock().unwrap().clone();
    (ended, received)
}

#[tokio::test]
async fn another_way_to_log_in_is_taken_with_its_own_challenge() {
    let (ended, received) = log_in(|script| {
        script.greet("caching_sha2_password");
        script.receive();
        script.send(b"\xfemysql_native_password\0abcdefghijklmnopqrst\0");
        script.receive();
        script.ok();
    })
    .await;
    ended.unwrap();
    let proof = mysql_common::scramble::scramble_native(b"abcdefghijklmnopqrst", b"hunter2").unwrap();
    assert_eq!(received[1], proof);
}

#[tokio::test]
async fn a_password_that_the_server_must_see_is_encrypted_with_its_key() {
    let (ended, received) = log_in(|script| {
        script.greet("caching_sha2_password");
        script.receive();
        script.send(&[1, 4]);
        assert_eq!(script.receive().unwrap(), [2]);
        script.send(&[&[1], public_key::KEY.as_bytes()].concat());
        script.receive();
        script.ok();
    })
    .await;
    ended.unwrap();
    assert_eq!(received[2].len(), 128, "as long as the key");
    let (ended, _) = log_in(|script| {
        script.greet("caching_sha2_password");
        script.receive();
        script.send(&[1, 3]);
        script.ok();
    })
    .await;
    ended.unwrap();
}

#[tokio::test]
async fn no_server_gets_the_password_as_it_is() {
    for plugin in
        ["mysql_clear_password", "mysql_old_password", "client_ed25519", "parsec", "sha256_password", "made_up", ""]
    {
        let (ended, received) = log_in(move |script| {
            script.greet("mysql_native_password");
            script.receive();
            script.send(&[&[0xfe], plugin.as_bytes(), b"\0abcdefghijklmnopqrst\0"].concat());
            script.receive();
        })
        .await;
        let error = ended.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Login, "{plugin}: {error}");
        assert!(!error.is_retryable() && error.message().contains(plugin), "{error}");
        for packet in received {
            assert!(!packet.windows(7).any(|bytes| bytes == b"hunter2"), "{plugin}");
        }
    }
}

#[tokio::test]
async fn logins_that_never_end_or_have_strange_packets_are_refused() {
    let endless = log_in(|script| {
        script.greet("caching_sha2_password");
        script.receive();
        (0..100).for_each(|_| script.send(&[1, 3]));
        script.receive();
    });
    let twice = log_in(|script| {
        script.greet("mysql_native_password");
        script.receive();
        for _ in 0..2 {
            script.send(b"\xfemysql_native_password\0abcdefghijklmnopqrst\0");
            script.receive();
        }
    });
    let strange = log_in(|script| {
        script.greet("mysql_native_password");
        script.receive();
        script.send(&[]);
        script.receive();
    });
    let bad_key = log_in(|script| {
        script.greet("caching_sha2_password");
        script.receive();
        script.send(&[1, 4]);
        script.receive();
        script.send(b"\x01-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----");
        script.receive();
    });
    for (ended, _) in [endless.await, twice.await, strange.await, bad_key.await] {
        let error = ended.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Connection, "{error}");
        assert!(error.message().contains("does not follow MySQL's protocol"), "{error}");
    }
}
