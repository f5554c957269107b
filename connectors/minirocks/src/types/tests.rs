use super::*;
use crate::Error;

fn parse(text: &str) -> ColumnType {
    text.parse().unwrap()
}

#[test]
fn a_type_prints_what_it_was_read_from() {
    for text in [
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "BIGINT",
        "LARGEINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL(10,2)",
        "DATE",
        "DATETIME",
        "CHAR(3)",
        "VARCHAR(65533)",
        "VARBINARY",
        "JSON",
        "ARRAY<ARRAY<INT>>",
        "MAP<INT,VARCHAR(10)>",
        "STRUCT<`a b` INT,`c` ARRAY<DATE>>",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn spellings_of_mysql_and_of_information_schema_are_read() {
    assert_eq!(parse("string"), ColumnType::STRING);
    assert_eq!(parse("int(11)"), ColumnType::Int);
    assert_eq!(parse("tinyint(1)"), ColumnType::Boolean);
    assert_eq!(parse("bigint(20) unsigned"), ColumnType::LargeInt);
    assert_eq!(parse("decimal( 18 , 4 )"), ColumnType::Decimal { precision: 18, scale: 4 });
    assert_eq!(parse("decimal"), ColumnType::Decimal { precision: 10, scale: 0 });
    assert_eq!(parse("struct<a int, b: string>"), parse("STRUCT<`a` INT,`b` VARCHAR(65533)>"));
}

#[test]
fn types_that_cannot_be_are_refused() {
    for text in
        ["", "INTT", "VARCHAR(0)", "CHAR(256)", "DECIMAL(39,0)", "DECIMAL(5,6)", "ARRAY<INT", "INT>", "VARCHAR(1,2)"]
    {
        assert!(text.parse::<ColumnType>().is_err(), "{text}");
    }
    assert!(matches!("HLL".parse::<ColumnType>(), Err(Error::Unsupported(_))));
    let deep = format!("{}INT{}", "ARRAY<".repeat(1000), ">".repeat(1000));
    assert!(deep.parse::<ColumnType>().is_err());
}

// The expected texts are those of StarRocks's TypeTest.
#[test]
fn information_schema_texts_are_those_of_starrocks() {
    for (text, data_type, column_type) in [
        ("BOOLEAN", "tinyint", "tinyint(1)"),
        ("LARGEINT", "bigint unsigned", "bigint(20) unsigned"),
        ("DECIMAL(18,4)", "decimal", "decimal(18, 4)"),
        ("ARRAY<INT>", "array", "array<int(11)>"),
        ("MAP<INT,INT>", "map", "map<int(11),int(11)>"),
        ("STRUCT<col1 INT>", "struct", "struct<col1 int(11)>"),
        ("STRING", "varchar", "varchar(65533)"),
    ] {
        assert_eq!(parse(text).data_type_text(), data_type);
        assert_eq!(parse(text).column_type_text(), column_type);
    }
}

fn value(column_type: &str, text: &str) -> Option<Value> {
    Value::from_text(&parse(column_type), text.as_bytes(), true)
}

// The texts of the following tests are those of StarRocks's own converter tests.

#[test]
fn integers_cut_the_fraction_and_keep_their_range() {
    for (column_type, text, expected) in [
        ("SMALLINT", "1.1", Some(1)),
        ("SMALLINT", "1.999", Some(1)),
        ("SMALLINT", "-1.9999", Some(-1)),
        ("SMALLINT", "32767.0", Some(32767)),
        ("SMALLINT", "-32768.0", Some(-32768)),
        ("SMALLINT", "32768", None),
        ("SMALLINT", "32768.0", None),
        ("SMALLINT", "-32769", None),
        ("INT", "2147483647.99999", Some(2_147_483_647)),
        ("INT", "-2147483648.999999", Some(-2_147_483_648)),
        ("BIGINT", "9223372036854775807.99999", Some(9_223_372_036_854_775_807)),
        ("BIGINT", "9223372036854775808", None),
        ("LARGEINT", "-170141183460469231731687303715884105728", Some(i128::MIN)),
        ("LARGEINT", "170141183460469231731687303715884105728", None),
        ("TINYINT", " +7 ", Some(7)),
        ("INT", "", None),
        ("INT", "abc", None),
        ("INT", "100a", None),
        ("INT", "a1000", None),
        ("INT", "\"100\"", None),
        ("INT", "-", None),
        ("INT", ".", None),
    ] {
        assert_eq!(value(column_type, text), expected.map(Value::Integer), "{column_type} {text}");
    }
}

#[test]
fn booleans_are_words_or_numbers() {
    for text in
        ["1", "10", "-1", "true", "TRUE", "tRue", " tRue", "1.1", "-1.9", "0.0001", "9999999999999999999999999.999"]
    {
        assert_eq!(value("BOOLEAN", text), Some(Value::Boolean(true)), "{text}");
    }
    for text in ["0", "false", "False", " FALSE", "0.0"] {
        assert_eq!(value("BOOLEAN", text), Some(Value::Boolean(false)), "{text}");
    }
    for text in ["1a", ""] {
        assert_eq!(value("BOOLEAN", text), None, "{text}");
    }
}

#[test]
fn floats_take_exponents_and_refuse_overflow() {
    for (text, expected) in
        [("0.01", 0.01), ("-0.01", -0.01), ("1e-2", 0.01), ("1E-2", 0.01), ("1.23e-3", 0.001_23), ("1E2", 100.0)]
    {
        assert_eq!(value("DOUBLE", text), Some(Value::Float(expected)), "{text}");
    }
    assert_eq!(value("DOUBLE", " INF "), Some(Value::Float(f64::INFINITY)));
    for text in ["", "abc", "100a", "\"100\"", "1e400", "0x10"] {
        assert_eq!(value("DOUBLE", text), None, "{text}");
    }
    assert_eq!(value("FLOAT", "1e39"), None);
}

#[test]
fn decimals_cut_digits_beyond_the_precision_and_round_those_beyond_the_scale() {
    for (text, expected) in [
        ("123.4567", Some(12_345)),
        ("999.995", Some(99_999)),
        ("12.4567", Some(1_246)),
        ("99.995", Some(10_000)),
        ("-12.4567", Some(-1_246)),
        ("5.", Some(500)),
        (".5", Some(50)),
        ("1e2", Some(10_000)),
        ("1.5E-1", Some(15)),
        ("0.005", Some(1)),
        ("0.004", Some(0)),
        ("0", Some(0)),
        ("0e999999999", Some(0)),
        ("1000", None),
        ("123456", None),
        ("1e9", None),
        ("", None),
        (".", None),
        ("1.2.3", None),
        ("abc", None),
    ] {
        assert_eq!(value("DECIMAL(5,2)", text), expected.map(Value::Integer), "{text}");
    }
    assert_eq!(
        value("DECIMAL(38,0)", "99999999999999999999999999999999999999"),
        Some(Value::Integer(10_i128.pow(38) - 1))
    );
}

#[test]
fn dates_are_read_in_the_spellings_of_the_server() {
    let day = |year, month, day| text::days_from_civil(year, month, day);
    assert_eq!(day(1970, 1, 1), Some(0));
    assert_eq!(day(2024, 8, 7), Some(19_942));
    assert_eq!(day(2024, 2, 29), Some(19_782));
    assert_eq!(day(1900, 2, 29), None);
    for text in ["2024-08-07", "2024-8-7", "20240807", "240807", "2024/08/07", "2024-08-07 23:59:59", "20240807235959"]
    {
        assert_eq!(value("DATE", text), Some(Value::Date(19_942)), "{text}");
    }
    for text in ["", "1", "\"1990-11-25\"", "DorisDB", "0000-00-00", "2024-02-30", "2024-13-01", "2024-08-07x"] {
        assert_eq!(value("DATE", text), None, "{text}");
    }
}

#[test]
fn datetimes_are_read_in_the_spellings_of_the_server() {
    let at =
        |seconds: i64, micros: i64| Some(Value::DateTime(19_942 * text::MICROS_PER_DAY + seconds * 1_000_000 + micros));
    let noon = 12 * 3600 + 34 * 60 + 56;
    for (text, expected) in [
        ("2024-08-07 12:34:56", at(noon, 0)),
        ("2024-08-07T12:34:56Z", at(noon, 0)),
        ("20240807123456", at(noon, 0)),
        ("20240807T123456", at(noon, 0)),
        ("2024-08-07 12:34:56.5", at(noon, 500_000)),
        ("2024-08-07 12:34:56.123456", at(noon, 123_456)),
        ("2024-08-07", at(0, 0)),
        ("2024-08-07 12:34:56+08:00", None),
        ("2024-08-07 25:00:00", None),
        ("", None),
        ("1", None),
        ("\"2024-08-07 12:34:56\"", None),
    ] {
        assert_eq!(value("DATETIME", text), expected, "{text}");
    }
}

#[test]
fn text_is_measured_in_bytes() {
    assert_eq!(value("VARCHAR(6)", "日本"), Some(Value::Text("日本".to_owned())));
    assert_eq!(value("VARCHAR(5)", "日本"), None);
    assert_eq!(value("CHAR(1)", ""), Some(Value::Text(String::new())));
}

#[test]
fn varbinary_is_base64_or_the_text_itself() {
    for (text, expected) in [("YWJjZA==", "abcd"), ("YQ== ", "a"), ("   ", ""), ("YQ== !", "YQ== !")] {
        assert_eq!(value("VARBINARY", text), Some(Value::Binary(expected.as_bytes().to_vec())), "{text:?}");
    }
}

#[test]
fn json_is_parsed_if_it_looks_like_an_object_or_array() {
    for (text, expected) in
        [("{\"a\":1,\"b\":[1,2]}", "{\"a\": 1, \"b\": [1, 2]}"), ("abc", "\"abc\""), ("1", "\"1\""), ("", "\"\"")]
    {
        assert_eq!(value("JSON", text), Some(Value::Text(expected.to_owned())));
    }
    assert_eq!(value("JSON", "{broken"), None);
}

#[test]
fn maps_keep_the_last_value_of_a_key() {
    let map = Value::from_text(&parse("MAP<INT,VARCHAR(10)>"), b"{1:\"abc\",2:NULL,1:NULL}", false);
    let entry = |key| (Value::Integer(key), Value::Null);
    assert_eq!(map, Some(Value::Map(vec![entry(2), entry(1)])));
    assert_eq!(value("MAP<INT,DATE>", "{1:NULL}"), None);
    for bad_key in ["{null:1}", "{x:1}"] {
        assert_eq!(Value::from_text(&parse("MAP<INT,INT>"), bad_key.as_bytes(), false), None);
    }
}

#[test]
fn an_array_with_one_bad_element_is_bad() {
    for text in ["[apple,banana]", "[\"banana\"", "\"banana\"]", "[\"banana]"] {
        assert_eq!(Value::from_text(&parse("ARRAY<STRING>"), text.as_bytes(), false), None, "{text}");
    }
    assert_eq!(value("ARRAY<DATE>", "[1990-11-25]"), None);
    assert_eq!(value("ARRAY<INT>", "[1,x]"), None);
}

#[test]
fn json_values_convert_as_the_servers_do() {
    let from_json = |column_type: &str, json: &str| {
        Value::from_json(&parse(column_type), &serde_json::from_str(json).unwrap(), true)
    };
    for (column_type, json, expected) in [
        ("BIGINT", "9223372036854775807.0", None),
        ("BIGINT", "9223372036854775000.0", Some(Value::Integer(9_223_372_036_854_774_784))),
        ("INT", "2147483647.3", Some(Value::Integer(2_147_483_647))),
        ("INT", "2147483648.0", None),
        ("INT", "\"12\"", Some(Value::Integer(12))),
        ("INT", "true", Some(Value::Integer(1))),
        ("VARBINARY", "\"1234\"", Some(Value::Binary(b"1234".to_vec()))),
        ("STRING", "\"\\u000b\"", Some(Value::Text("\u{b}".to_owned()))),
        ("STRING", "12.5", Some(Value::Text("12.5".to_owned()))),
        ("STRING", "{\"a\":[1]}", Some(Value::Text("{\"a\": [1]}".to_owned()))),
        ("DECIMAL(10,2)", "12.345", Some(Value::Integer(1_235))),
        ("LARGEINT", "1e20", None),
        ("LARGEINT", "\"100000000000000000000\"", Some(Value::Integer(100_000_000_000_000_000_000))),
        ("DATE", "\"2024-08-07\"", Some(Value::Date(19_942))),
        ("ARRAY<INT>", "[1,null]", Some(Value::List(vec![Value::Integer(1), Value::Null]))),
        ("STRUCT<a INT,b INT>", "{\"b\":2}", Some(Value::Struct(vec![Value::Null, Value::Integer(2)]))),
        ("INT", "null", Some(Value::Null)),
        ("INT", "[1]", None),
    ] {
        assert_eq!(from_json(column_type, json), expected, "{column_type} {json}");
    }
}

#[test]
fn every_type_builds_an_array_of_its_storage_type() {
    for (column_type, text) in [
        ("BOOLEAN", "true"),
        ("TINYINT", "-128"),
        ("SMALLINT", "1"),
        ("INT", "1"),
        ("BIGINT", "1"),
        ("LARGEINT", "1"),
        ("FLOAT", "1.5"),
        ("DOUBLE", "1.5"),
        ("DECIMAL(38,10)", "1.5"),
        ("DATE", "2024-08-07"),
        ("DATETIME", "2024-08-07 01:02:03"),
        ("CHAR(3)", "abc"),
        ("STRING", "abc"),
        ("VARBINARY", "YQ=="),
        ("JSON", "{}"),
        ("ARRAY<ARRAY<INT>>", "[[1],[null],null]"),
        ("MAP<INT,STRING>", "{1:\"a\"}"),
        ("STRUCT<a INT>", "{\"a\":1}"),
    ] {
        let column_type = parse(column_type);
        let mut builder = ColumnBuilder::new(&column_type);
        builder.append_text(text.as_bytes(), true).unwrap();
        builder.append_null();
        let array = builder.finish().unwrap();
        assert_eq!((array.len(), array.null_count()), (2, 1), "{column_type}");
        assert_eq!(array.data_type(), &column_type.arrow_type());
        assert_eq!(builder.finish().unwrap().len(), 0);
    }
}
