//! Every row of the type table against the server: minimum, maximum, NULL and odd values, by both protocols.

use super::super::types::{TYPES, type_table_markdown};
use super::{TestDatabase, column, query};
use crate::catalog::RemoteCatalog;
use crate::error::{ConnectorError, ErrorCode};
use crate::mysql_protocol::decode::Reading;

/// For each definition of the type table: values as SQL, and the text that Arrow prints for them.
pub(super) const VALUES: &[(&str, &[(&str, &str)])] = &[
    ("tinyint", &[("-128", "-128"), ("127", "127"), ("0", "0")]),
    ("tinyint unsigned", &[("0", "0"), ("255", "255"), ("128", "128")]),
    ("smallint", &[("-32768", "-32768"), ("32767", "32767")]),
    ("smallint unsigned", &[("0", "0"), ("65535", "65535")]),
    ("mediumint", &[("-8388608", "-8388608"), ("8388607", "8388607")]),
    ("mediumint unsigned", &[("0", "0"), ("16777215", "16777215")]),
    ("int", &[("-2147483648", "-2147483648"), ("2147483647", "2147483647")]),
    ("int unsigned", &[("0", "0"), ("4294967295", "4294967295")]),
    ("bigint", &[("-9223372036854775808", "-9223372036854775808"), ("9223372036854775807", "9223372036854775807")]),
    (
        "bigint unsigned",
        &[
            ("0", "0"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
        ],
    ),
    ("bit(64)", &[("b'0'", "0"), ("b'101'", "5"), ("~0", "18446744073709551615")]),
    ("float", &[("-3.25", "-3.25"), ("0", "0.0"), ("1.5e10", "15000000000.0"), ("1e-20", "1e-20")]),
    ("double", &[("-1.7976931348623157e308", "-1.7976931348623157e308"), ("0.1", "0.1"), ("5e-324", "5e-324")]),
    (
        "decimal(38,10)",
        &[
            ("-9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999"),
            ("9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"),
            ("-0.0000000001", "-0.0000000001"),
            ("0", "0.0000000000"),
        ],
    ),
    (
        "decimal(65,30)",
        &[
            (
                "99999999999999999999999999999999999.999999999999999999999999999999",
                "99999999999999999999999999999999999.999999999999999999999999999999",
            ),
            (
                "-99999999999999999999999999999999999.999999999999999999999999999999",
                "-99999999999999999999999999999999999.999999999999999999999999999999",
            ),
            ("-0.000000000000000000000000000001", "-0.000000000000000000000000000001"),
            ("0", "0.000000000000000000000000000000"),
        ],
    ),
    ("date", &[("'0001-01-01'", "0001-01-01"), ("'9999-12-31'", "9999-12-31"), ("'2024-02-29'", "2024-02-29")]),
    (
        "datetime(6)",
        &[
            ("'0001-01-01 00:00:00'", "0001-01-01T00:00:00"),
            ("'9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999"),
            ("'1969-12-31 23:59:59.000001'", "1969-12-31T23:59:59.000001"),
        ],
    ),
    (
        "timestamp(6)",
        &[
            ("'1970-01-01 08:00:01'", "1970-01-01T08:00:01"),
            ("'2038-01-19 11:14:07.999999'", "2038-01-19T11:14:07.999999"),
        ],
    ),
    (
        "time(6)",
        &[
            ("'-838:59:59.000000'", "-838:59:59.000000"),
            ("'838:59:59.000000'", "838:59:59.000000"),
            ("'00:00:00'", "00:00:00.000000"),
            ("'-00:00:00.000001'", "-00:00:00.000001"),
            ("'25:01:02.5'", "25:01:02.500000"),
        ],
    ),
    ("year", &[("1901", "1901"), ("2155", "2155"), ("0", "0")]),
    ("char(20)", &[("''", ""), ("'ab  '", "ab"), ("'  ab'", "  ab"), ("'é😀'", "é😀")]),
    ("varchar(20)", &[("''", ""), ("'ab  '", "ab  "), ("'NULL'", "NULL"), ("'a\\0b\\\\'", "a\0b\\")]),
    ("tinytext", &[("''", ""), ("REPEAT('x', 255)", X255)]),
    ("text", &[("'a\\nb'", "a\nb"), ("'ab  '", "ab  ")]),
    ("mediumtext", &[("'😀'", "😀")]),
    ("longtext", &[("'表'", "表")]),
    ("enum('a','b')", &[("'a'", "a"), ("2", "b")]),
    ("set('a','b')", &[("''", ""), ("'b,a'", "a,b")]),
    ("json", &[("'[1, \"é\"]'", "[1, \"é\"]")]),
    ("binary(4)", &[("X'00ff'", "00ff0000"), ("X'27'", "27000000")]),
    ("varbinary(20)", &[("''", ""), ("X'00ff275c'", "00ff275c")]),
    ("tinyblob", &[("X'ff'", "ff")]),
    ("blob", &[("X'00'", "00")]),
    ("mediumblob", &[("X'c328'", "c328")]),
    ("longblob", &[("X'80'", "80")]),
    ("point", &[("ST_GeomFromText('POINT(1 2)')", "000000000101000000000000000000f03f0000000000000040")]),
    ("uuid", &[("'123E4567-E89B-12D3-A456-426655440000'", "123e4567-e89b-12d3-a456-426655440000")]),
    ("inet4", &[("'192.0.2.1'", "192.0.2.1")]),
    ("inet6", &[("'2001:DB8:0:0:0:0:0:1'", "2001:db8::1"), ("'::ffff:192.0.2.1'", "::ffff:192.0.2.1")]),
];

const X255: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

#[test]
fn the_documentation_is_printed_from_the_type_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/connectors/mysql-types.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    let expected = type_table_markdown();
    if page != expected {
        let printed = std::env::temp_dir().join("mysql-types.md");
        std::fs::write(&printed, expected).unwrap();
        panic!(
            "docs/connectors/mysql-types.md differs from the type table; the right page is in {}",
            printed.display()
        );
    }
}

#[tokio::test]
async fn every_type_reads_minimum_maximum_null_and_odd_values_by_both_protocols() {
    let database = TestDatabase::new().await;
    for (index, row) in TYPES.iter().enumerate() {
        // Of the servers of the test run none has vectors yet.
        if row.definition.starts_with("vector") {
            continue;
        }
        let (_, values) = VALUES
            .iter()
            .find(|(definition, _)| *definition == row.definition)
            .unwrap_or_else(|| panic!("type {} has no values to test", row.definition));
        let table = format!("t{index}");
        let inserts: Vec<String> =
            values.iter().enumerate().map(|(number, (value, _))| format!("({number}, {value})")).collect();
        database
            .run(&[
                &format!("CREATE TABLE {table} (id INT PRIMARY KEY, v {} NULL)", row.definition),
                &format!("INSERT INTO {table} VALUES {}, ({}, NULL)", inserts.join(", "), values.len()),
            ])
            .await;
        let mut expected: Vec<&str> = values.iter().map(|(_, text)| *text).collect();
        expected.push("NULL");

        let provider = database.table(&table).await;
        assert_eq!(*provider.schema().field(1).data_type(), row.reading.arrow_type(), "{}", row.definition);
        let session = database.session(&[&table]).await;
        let read = query(&session, &format!("SELECT v FROM {table} ORDER BY id")).await;
        assert_eq!(column(&read), expected, "{} by the binary protocol", row.definition);

        // The server runs what is in such a comment; only what begins with SELECT is prepared.
        for (sql, protocol) in [
            (format!("SELECT v FROM {table} ORDER BY id"), "binary"),
            (format!("/*! SELECT v FROM {table} ORDER BY id */"), "text"),
        ] {
            let native = database.native(&sql).await;
            let read_as = native[0].schema().field(0).data_type().clone();
            assert_eq!(read_as, row.reading.arrow_type(), "{} native, {protocol}", row.definition);
            assert_eq!(column(&native), expected, "{} native, by the {protocol} protocol", row.definition);
        }
    }
}

#[tokio::test]
async fn a_float_keeps_all_its_digits_in_scans_and_native_queries() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id INT, v FLOAT)",
            "INSERT INTO t VALUES (1, 16777216), (2, 123456.789), (3, -3.402823466e38), (4, 3.402823466e38), (5, NULL)",
        ])
        .await;
    let expected = ["16777216.0", "123456.79", "-3.4028235e38", "3.4028235e38", "NULL"];
    let session = database.session(&["t"]).await;
    assert_eq!(column(&query(&session, "SELECT v FROM t ORDER BY id").await), expected);
    for sql in [
        "SELECT v FROM t ORDER BY id",
        "-- all of them\n(SELECT v FROM t ORDER BY id)",
        "WITH a AS (SELECT * FROM t) SELECT v FROM a ORDER BY id",
    ] {
        assert_eq!(column(&database.native(sql).await), expected, "{sql}");
    }
    let constants = "SELECT CAST(16777216 AS FLOAT), CAST(123456.789 AS FLOAT), CAST(-3.402823466e38 AS FLOAT)";
    assert_eq!(column(&database.native(constants).await), ["16777216.0|123456.79|-3.4028235e38"]);
}

#[tokio::test]
async fn tinyint_1_is_a_number_unless_asked_otherwise() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (v TINYINT(1), w BOOL)", "INSERT INTO t VALUES (5, TRUE), (-1, FALSE)"]).await;
    let session = database.session(&["t"]).await;
    assert_eq!(column(&query(&session, "SELECT v FROM t ORDER BY v").await), ["-1", "5"]);

    let bits = super::catalog(&[("tinyInt1isBit", "true")]);
    let table = bits.table(&database.name, "t").await.unwrap().unwrap();
    let session = datafusion::prelude::SessionContext::new();
    session.register_table("t", table).unwrap();
    assert_eq!(column(&query(&session, "SELECT v, w FROM t ORDER BY w").await), ["true|false", "true|true"]);
}

#[tokio::test]
async fn text_of_any_character_set_arrives_as_utf8() {
    let database = TestDatabase::new().await;
    for (charset, text) in [
        ("latin1", "é€ÿ"),
        ("gbk", "表格"),
        ("gb2312", "表格"),
        ("big5", "中文"),
        ("sjis", "日本"),
        ("utf8mb3", "é表"),
        ("utf8mb4", "é表😀"),
        ("ucs2", "é表"),
        ("utf16", "é表😀"),
        ("ascii", "abc"),
        ("koi8r", "мир"),
        ("cp1251", "мир"),
    ] {
        let table = format!("t_{charset}");
        database
            .run(&[
                &format!("CREATE TABLE {table} (v VARCHAR(20), c CHAR(20), t TEXT) CHARACTER SET {charset}"),
                &format!("INSERT INTO {table} VALUES ('{text}', '{text}', '{text}')"),
            ])
            .await;
        let session = database.session(&[&table]).await;
        let expected = [format!("{text}|{text}|{text}")];
        assert_eq!(column(&query(&session, &format!("SELECT * FROM {table}")).await), expected, "{charset}");
        // The filter finds it, wherever it runs.
        let found = query(&session, &format!("SELECT v FROM {table} WHERE v = '{text}' AND t = '{text}'")).await;
        assert_eq!(column(&found), [text], "{charset}");
        // A character that the column cannot hold is found nowhere, without an error.
        let none = query(&session, &format!("SELECT v FROM {table} WHERE v = '🦀'")).await;
        assert!(column(&none).is_empty(), "{charset}");
    }
}

#[tokio::test]
async fn char_is_read_without_padding() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (v CHAR(5))", "INSERT INTO t VALUES ('ab')"]).await;
    let plain = database.session(&["t"]).await;
    assert_eq!(column(&query(&plain, "SELECT v FROM t").await), ["ab"]);
}

/// A table with each kind of date that no calendar has, and one that it has.
async fn zero_dates(options: &[(&str, &str)]) -> TestDatabase {
    let database = TestDatabase::with_options(options).await;
    database.run(&["CREATE TABLE t (id INT, d DATE NOT NULL, at DATETIME NULL)"]).await;
    let mut connection = super::driver_connection().await;
    let insert = format!(
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'; INSERT INTO `{}`.t VALUES \
         (1, '2024-08-07', '2024-08-07 01:02:03'), (2, '0000-00-00', '0000-00-00 12:00:00'), \
         (3, '2024-00-10', '2024-05-00 01:00:00'), (4, '2024-02-30', '2023-02-29 01:00:00')",
        database.name
    );
    mysql_async::prelude::Queryable::query_drop(&mut connection, insert).await.unwrap();
    connection.disconnect().await.unwrap();
    database
}

#[tokio::test]
async fn a_zero_date_is_an_error_that_names_column_row_and_way_out() {
    let database = zero_dates(&[]).await;
    let session = database.session(&["t"]).await;
    let error = session.sql("SELECT * FROM t").await.unwrap().collect().await.unwrap_err();
    let error = ConnectorError::from_datafusion(error);
    assert_eq!(error.code(), ErrorCode::Value);
    for part in ["shop", ".t", "column d", "row 2", "0000-00-00", "convertToNull"] {
        assert!(error.message().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_zero_date_is_null_by_option() {
    let database = zero_dates(&[("zeroDateTimeBehavior", "convertToNull")]).await;
    let session = database.session(&["t"]).await;
    let expected = ["1|2024-08-07|2024-08-07T01:02:03", "2|NULL|NULL", "3|NULL|NULL", "4|NULL|NULL"];
    assert_eq!(column(&query(&session, "SELECT * FROM t ORDER BY id").await), expected);
    assert_eq!(
        column(&query(&session, "SELECT id FROM t WHERE at IS NULL AND d IS NULL ORDER BY id").await),
        ["2", "3", "4"]
    );
    assert_eq!(column(&query(&session, "SELECT id FROM t WHERE d < '2025-01-01'").await), ["1"]);
    assert_eq!(column(&query(&session, "SELECT id FROM t WHERE at IS NOT NULL").await), ["1"]);
}

#[tokio::test]
async fn a_zero_date_is_the_nearest_date_by_option() {
    let database = zero_dates(&[("zeroDateTimeBehavior", "round")]).await;
    let session = database.session(&["t"]).await;
    let expected = [
        "1|2024-08-07|2024-08-07T01:02:03",
        "2|0001-01-01|0001-01-01T12:00:00",
        "3|2024-01-10|2024-05-01T01:00:00",
        "4|2024-02-29|2023-02-28T01:00:00",
    ];
    assert_eq!(column(&query(&session, "SELECT * FROM t ORDER BY id").await), expected);
    assert_eq!(column(&query(&session, "SELECT id FROM t WHERE d = '0001-01-01'").await), ["2"]);
}

#[tokio::test]
async fn a_timestamp_is_the_wall_clock_of_the_connections_zone() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (at TIMESTAMP(3))", "INSERT INTO t VALUES ('2024-08-07 12:34:56.789')"]).await;
    for (zone, expected) in [
        ("+08:00", "2024-08-07T12:34:56.789"),
        ("UTC", "2024-08-07T04:34:56.789"),
        ("Asia/Shanghai", "2024-08-07T12:34:56.789"),
        ("-03:30", "2024-08-07T01:04:56.789"),
    ] {
        let catalog = super::catalog(&[("timezone", zone)]);
        let session = datafusion::prelude::SessionContext::new();
        session.register_table("t", catalog.table(&database.name, "t").await.unwrap().unwrap()).unwrap();
        assert_eq!(column(&query(&session, "SELECT at FROM t").await), [expected], "{zone}");
        let text = expected.replace('T', " ");
        let found = query(&session, &format!("SELECT at FROM t WHERE at = timestamp '{text}'")).await;
        assert_eq!(column(&found), [expected], "{zone}");
    }
}

#[tokio::test]
async fn a_zone_that_the_server_does_not_know_and_that_no_offset_stands_for_is_an_error() {
    // tests/run leaves this zone out of the server's tables
    let catalog = super::catalog(&[("timezone", "America/New_York")]);
    let error = catalog.databases().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Option);
    assert!(error.message().contains("America/New_York") && error.message().contains("offset"), "{error}");
}

#[test]
fn every_reading_of_the_table_has_its_arrow_type() {
    for row in TYPES {
        if let Reading::Decimal { precision, .. } = row.reading {
            let wide = matches!(row.reading.arrow_type(), arrow::datatypes::DataType::Decimal256(..));
            assert_eq!(wide, precision > 38, "{}", row.definition);
        }
    }
}
