//! CSV, JSON, nested values and compressions through DataFusion. Rows that name Spark are those of PySpark 3.5.6 with
//! `spark.sql.legacy.timeParserPolicy = CORRECTED`.

use super::*;

fn of(preset: TextPreset, columns_text: &str, properties: &[(&str, &str)]) -> TextTableOptions {
    let options = TextTableOptions::of(preset, columns(columns_text));
    let (options, warnings) = options.with_properties(&properties.iter().copied().collect()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    options
}

async fn spark_csv(columns_text: &str, properties: &[(&str, &str)], bytes: &str) -> Vec<String> {
    select_one(bytes.as_bytes(), of(TextPreset::SparkCsv, columns_text, properties)).await
}

async fn spark_json(columns_text: &str, properties: &[(&str, &str)], bytes: &str) -> Vec<String> {
    select_one(bytes.as_bytes(), of(TextPreset::SparkJson, columns_text, properties)).await
}

const ABC: &str = "a STRING;b STRING;c STRING";

#[tokio::test]
async fn csv_is_read_as_spark_reads_it() {
    let text = concat!(
        "x,\"y,z\",w\n",
        "\"a\"\"b\",\"c\\\"d\",e\n",
        "1,2\n",
        "1,2,3,4\n",
        "\n",
        "   \n",
        ",\"\",\n",
        "\"abc\"d,e\"f\"g,h\n",
        "\"open,2,3\n",
        "next,5,6\n"
    );
    let expected =
        ["x¦y,z¦w", "\"a\"\"b\"¦c\"d¦e", "1¦2¦∅", "1¦2¦3", "∅¦∅¦∅", "\"abc\"d¦e\"f\"g¦h", "open,2,3¦∅¦∅", "next¦5¦6"];
    assert_eq!(spark_csv(ABC, &[], text).await, expected);
    let text = concat!(
        "\"a\\\\b\",\"x\\ny\",\"z\\\"\n",
        "\"a\\\",b,c\n",
        "\\\"a,b,c\n",
        "\"a\"\",b\",c,d\n",
        "\"a\" ,b,c\n",
        "\"a\" x,b,c\n"
    );
    let expected = ["a\\b¦x\\ny¦z\"", "a\",b,c¦∅¦∅", "\\\"a¦b¦c", "a\"¦b\"¦c", "a¦b¦c", "\"a\" x¦b¦c"];
    assert_eq!(spark_csv(ABC, &[], text).await, expected);
}

#[tokio::test]
async fn csv_options_are_sparks() {
    let header = "\n# c\nA,B,C\n1,2,3\n#x\n 4 , 5 ,6 \n";
    assert_eq!(spark_csv(ABC, &[("header", "true"), ("comment", "#")], header).await, ["1¦2¦3", " 4 ¦ 5 ¦6 "]);
    let trims = [("ignoreLeadingWhiteSpace", "true"), ("ignoreTrailingWhiteSpace", "true")];
    assert_eq!(spark_csv(ABC, &trims, " 1 , \" q \" , 3\n  ,x,  \n").await, ["1¦ q ¦3", "∅¦x¦∅"]);
    let nulls = [("nullValue", "NULL"), ("emptyValue", "EMPTY")];
    assert_eq!(spark_csv(ABC, &nulls, "NULL,\"NULL\",\"\"\n,x,\n").await, ["∅¦∅¦EMPTY", "∅¦x¦∅"]);
    let long = [("quote", ""), ("sep", "||")];
    assert_eq!(spark_csv(ABC, &long, "\"a\"||b||c\nx|y||z||\n").await, ["\"a\"¦b¦c", "x|y¦z¦∅"]);
    let doubled = "\"a\"\"b\",\"c\\\"d\",e\n\"a\\\\b\",\"x\\ny\",z\n";
    assert_eq!(spark_csv(ABC, &[("escape", "\"")], doubled).await, ["a\"b¦\"c\\\"d\"¦e", "a\\\\b¦x\\ny¦z"]);
    assert_eq!(spark_csv("s STRING", &[], "\u{feff}a\nb\n").await, ["a", "b"]);
    assert_eq!(spark_csv("s STRING;t STRING", &[("lineSep", ";")], "a,b;c,d\n;e,f").await, ["a¦b", "c¦d\n", "e¦f"]);
    let tab = [("sep", r"\t"), ("encoding", "utf-16le")];
    let bytes: Vec<u8> = "a\t\"b\tc\"\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(select_one(&bytes, of(TextPreset::SparkCsv, "s STRING;t STRING", &tab)).await, ["a¦b\tc"]);
}

#[tokio::test]
async fn quotes_go_on_across_lines_where_multi_line_is_set() {
    let text = "x,\"y\nz\",w\n\"a\r\nb\rc\",c,d\r\n\"open,2,3\nnext,5,6\n";
    let expected = ["x¦y\nz¦w", "a\r\nb\rc¦c¦d", "open,2,3\nnext,5,6¦∅¦∅"];
    assert_eq!(spark_csv(ABC, &[("multiLine", "true")], text).await, expected);
    // by RFC 4180 too, and without an end an error where bad values are
    assert_eq!(select_one(text.as_bytes(), of(TextPreset::Csv, ABC, &[])).await, expected);
    let error = select_error(text.as_bytes(), of(TextPreset::Csv, ABC, &[("bad_value", "error")])).await;
    assert!(error.message().contains("f.txt, line 5: the quotes that open in this line do not end"), "{error}");
    let error = select_error(text.as_bytes(), of(TextPreset::Csv, ABC, &[("max_line_bytes", "10")])).await;
    assert!(error.message().contains("is a quote missing?"), "{error}");
}

#[tokio::test]
async fn values_of_csv_convert_as_in_spark() {
    let text = concat!(
        "1,1.5,true,1.25\n+1, 2 ,TRUE,1.255\n1.0,1e3,1,1e2\n 1,NaN,t,1000\n007,Infinity,yes,-1.25\n99999999999,-Inf,false,\"1,000.5\"\n",
        "1,1.5d,true,1.\n-0,Inf,True, 1 \n\"1 \",0x1p3,,\"(1)\"\n,inf,,.5\n1,nan,,+1\n"
    );
    let expected = [
        "1¦1.5¦true¦1.25",
        "1¦2.0¦true¦1.26",
        "∅¦1000.0¦∅¦100.00",
        "∅¦NaN¦∅¦∅",
        "7¦inf¦∅¦-1.25",
        "∅¦-inf¦false¦∅",
        "1¦1.5¦true¦1.00",
        "0¦inf¦true¦∅",
        "∅¦8.0¦∅¦∅",
        "∅¦∅¦∅¦0.50",
        "1¦∅¦∅¦1.00",
    ];
    assert_eq!(spark_csv("i INT;d DOUBLE;b BOOLEAN;m DECIMAL(5,2)", &[], text).await, expected);
    let patterns = [("dateFormat", "dd/MM/yyyy"), ("timestampFormat", "dd/MM/yyyy HH:mm")];
    let text = "07/08/2024,07/08/2024 12:34\n7/8/2024,2024-08-07 12:34:56\n2024-08-07,x\n30/02/2024,30/02/2024 12:34\n";
    let expected = ["2024-08-07¦2024-08-07T12:34:00", "∅¦∅", "∅¦∅", "∅¦∅"];
    assert_eq!(spark_csv("d DATE;t TIMESTAMP", &patterns, text).await, expected);
}

#[tokio::test]
async fn what_is_malformed_is_null_left_out_or_an_error_by_mode() {
    let text = "1,a\nx,b\n2\n3,c,d\n";
    let columns = "i INT;s STRING";
    assert_eq!(spark_csv(columns, &[], text).await, ["1¦a", "∅¦b", "2¦∅", "3¦c"]);
    assert_eq!(spark_csv(columns, &[("mode", "DROPMALFORMED")], text).await, ["1¦a"]);
    let error = select_error(text.as_bytes(), of(TextPreset::SparkCsv, columns, &[("mode", "FAILFAST")])).await;
    assert!(error.message().contains("line 2, column \"i\": \"x\" is not exactly a value of type Int32"), "{error}");
    let short = select_error(b"1,a\n2\n", of(TextPreset::SparkCsv, columns, &[("mode", "FAILFAST")])).await;
    assert!(short.message().contains("line 2: the row has 1 fields, and the table 2 columns"), "{short}");
    let json = "{\"i\":1,\"s\":\"a\"}\nbad\n{\"s\":\"b\",\"i\":\"x\"}\n";
    assert_eq!(spark_json(columns, &[], json).await, ["1¦a", "∅¦∅", "∅¦b"]);
    assert_eq!(spark_json(columns, &[("mode", "DROPMALFORMED")], json).await, ["1¦a"]);
    let error = select_error(json.as_bytes(), of(TextPreset::SparkJson, columns, &[("bad_value", "error")])).await;
    assert!(error.message().contains("f.txt, line 2: \"bad\" is no JSON from its byte 0 on"), "{error}");
    // with a log of rejects, those rows alone are left out
    let log = Arc::new(Log::default());
    let options = of(TextPreset::SparkJson, columns, &[("bad_value", "error")]);
    let files = Files::one(json.as_bytes());
    let context = context(Some(Arc::clone(&log)));
    let read = query(&context, FileLocation::Local(files.path()), options, "SELECT s FROM t").await.unwrap();
    assert_eq!(rows(&read), ["a"]);
    assert_eq!(log.rejects().iter().map(|reject| reject.line).collect::<Vec<_>>(), [Some(2), Some(3)]);
}

#[tokio::test]
async fn open_csv_cuts_as_hives_serde_and_all_columns_are_text() {
    let text = concat!(
        "x,1,\"y,z\"\n\"a\"\"b\",\"2\",c\\\"d\n,,\n1,2\n1,2,3,4\n\n\"open,2,3\nnext,5,6\nab\"c,d\"e,f,g\n",
        " \"x\" , \"y\" ,z\n\"a\\\\b\",a\\\\b,\"x\\ny\"\n\\N,NULL,\"\"\n\"a\"b,c,d\n"
    );
    let expected = [
        "x¦1¦y,z",
        "a\"b¦2¦c\"d",
        "¦¦",
        "1¦2¦∅",
        "1¦2¦3",
        "∅¦∅¦∅",
        "∅¦∅¦∅",
        "next¦5¦6",
        "abc,d\"e¦f¦g",
        " x\" ¦y\" ¦z",
        "a\\b¦a\\b¦xny",
        "N¦NULL¦",
        "ab¦c¦d",
    ];
    let options = of(TextPreset::OpenCsv, "a STRING;b INT;c STRING", &[]);
    assert_eq!(options.columns[1].1, DataType::Utf8);
    assert_eq!(select_one(text.as_bytes(), options).await, expected);
    let properties = [("separatorChar", r"\t"), ("quoteChar", "'"), ("escapeChar", r"\\")];
    let options = of(TextPreset::OpenCsv, ABC, &properties);
    assert_eq!(select_one(b"x\t'a\tb'\tc\n'a''b'\t\\'q\tz\n", options).await, ["x¦a\tb¦c", "a'b¦∅¦∅"]);
}

#[tokio::test]
async fn csv_by_the_rfc_tells_the_empty_text_from_null() {
    let text = "a,\"b \"\"x\"\", y\",\"l1\nl2\"\n,\"\",3\n\nx,y,z\n";
    let expected = ["a¦b \"x\", y¦l1\nl2", "∅¦¦3", "x¦y¦z"];
    assert_eq!(select_one(text.as_bytes(), of(TextPreset::Csv, ABC, &[])).await, expected);
    // a row of one column that is NULL is a blank line
    assert_eq!(select_one(b"a\n\nb\n", of(TextPreset::Csv, "s STRING", &[])).await, ["a", "∅", "b"]);
    let mut options = of(TextPreset::Csv, ABC, &[("skip.header.line.count", "1")]);
    options.set_fields_delimiter(b";;".to_vec());
    options.null_marker = b"NULL".to_vec();
    let expected = ["1;¦∅¦NULL", "¦x¦∅"];
    assert_eq!(select_one(b"a;;b;;c\n\"1;\";;NULL;;\"NULL\"\n;;x\n", options).await, expected);
}

async fn datax(columns_text: &str, properties: &[(&str, &str)], bytes: &str) -> (Vec<String>, Vec<String>) {
    let properties = [&[("dialect", "datax")], properties].concat();
    let (rows, log) = read_with_log(bytes.as_bytes(), of(TextPreset::Csv, columns_text, &properties)).await;
    let rejects = log.rejects.lock();
    let reject = |reject: &Reject| {
        let Reject { column, value, reason, line, .. } = reject;
        let parts = [column.clone(), value.clone(), Some(reason.clone())];
        format!("{}: {}", line.unwrap(), parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    };
    (rows, rejects.iter().map(reject).collect())
}

#[tokio::test]
async fn the_dialect_of_datax_trims_doubles_quotes_and_has_no_null() {
    let text = concat!(
        " a , b c ,\td\t\n",
        "\n",
        "\" x \" ,\"y\"\"z\",\"1,2\"\r\n",
        ",\"\",\\N\n",
        "p\"q\",r,s,more,fields\n",
        "\"one\ntwo\",2,3",
    );
    let expected = ["a¦b c¦d", " x ¦y\"z¦1,2", "¦¦\\N", "p\"q\"¦r¦s", "one\ntwo¦2¦3"];
    let (rows, rejects) = datax(ABC, &[], text).await;
    assert_eq!((rows, rejects), (expected.map(str::to_owned).to_vec(), vec![]));
    // the text for NULL is so in quotes too, and after the blanks are gone
    let (rows, _) = datax(ABC, &[("nullValue", "null")], " null ,\"null\",NULL\n").await;
    assert_eq!(rows, ["∅¦∅¦NULL"]);
    let plain = [
        ("quote", ""),
        ("multiLine", "false"),
        ("ignoreLeadingWhiteSpace", "false"),
        ("ignoreTrailingWhiteSpace", "false"),
    ];
    let (rows, _) = datax(ABC, &plain, " \"a,b\",c \n").await;
    assert_eq!(rows, [" \"a¦b\"¦c "]);
    let (rows, _) = datax("a STRING", &[("skipEmptyRecords", "false")], "a\n\nb\n").await;
    assert_eq!(rows, ["a", "", "b"]);
}

#[tokio::test]
async fn what_is_dirty_in_datax_is_a_reject() {
    let columns = "id BIGINT;at TIMESTAMP;price DOUBLE;ok BOOLEAN";
    let text = concat!(
        "1,2024-08-07 12:34:56,1.5,TRUE\n",
        "2,2024-08-07,0x1,false\n",
        "3,20240807,1e3,true\n",
        "4,2024-08-07,1\n",
        "x,2024-08-07,1,true\n",
        ",2024-08-07,1,true\n",
        "5.5,2024-08-07,1,true\n",
        "6,2024-02-30,1,true\n",
        "7,12:34:56,1,true\n",
        "8,2024-08-07,1,1\n",
        "9,\"2024-08-07\"x,1,true\n",
    );
    let (rows, rejects) = datax(columns, &[], text).await;
    assert_eq!(rows, ["1¦2024-08-07T12:34:56¦1.5¦true", "3¦2024-08-07T00:00:00¦1000.0¦true"]);
    assert_eq!(
        rejects,
        [
            "2: price 0x1 is not exactly a value of type Float64",
            "4: the row has 3 fields, and 4 are read",
            "5: id x is not exactly a value of type Int64",
            "6: id  is not exactly a value of type Int64",
            "7: id 5.5 is not exactly a value of type Int64",
            "8: at 2024-02-30 is not exactly a value of type Timestamp(µs)",
            "9: at 12:34:56 is not exactly a value of type Timestamp(µs)",
            "10: ok 1 is not exactly a value of type Boolean",
            "11: has text behind a closing quote; set \"quote\" = '' if quotes are data",
        ]
    );
    // quotes that stay open swallow no other row where a line is a row
    let lines = [("multiLine", "false"), ("timestampFormat.at", "yyyy/MM/dd"), ("timestampFormat", "dd.MM.yyyy")];
    let (rows, rejects) =
        datax("s STRING;at TIMESTAMP;b TIMESTAMP", &lines, "\"a,b,c\nd,2024/08/07,07.08.2024\n").await;
    assert_eq!(rows, ["d¦2024-08-07T00:00:00¦2024-08-07T00:00:00"]);
    assert_eq!(rejects, ["1: the quotes that open in this line do not end; set \"quote\" = '' if quotes are data"]);
    for properties in [
        &[("dialect", "opencsv")][..],
        &[("dialect", "datax"), ("escape", "\\\\")],
        &[("dialect", "datax"), ("timestampFormat.x", "y")],
    ] {
        let options = TextTableOptions::of(TextPreset::Csv, super::columns(ABC));
        let options = options.with_properties(&properties.iter().copied().collect());
        assert!(options.and_then(|(options, _)| options.check()).is_err(), "{properties:?}");
    }
}

#[tokio::test]
async fn a_zip_archive_is_read_by_name_first_bytes_or_option() {
    // made by Python's zipfile
    let archive = include_bytes!("two_lines.zip");
    let table = |compression: &str| of(TextPreset::Csv, "a STRING", &[("compression", compression)]);
    for (name, compression) in [("f.zip", "auto"), ("f.bin", "auto"), ("f.bin", "zip")] {
        let files = Files::new(&[(name, archive)]);
        assert_eq!(select(&files, table(compression)).await, ["one", "two"]);
    }
}

#[tokio::test]
async fn json_lines_are_read_as_spark_reads_them() {
    let text = concat!(
        "{\"s\":\"a\",\"n\":1,\"d\":1.5,\"b\":true}\n{\"s\":1,\"n\":\"2\",\"d\":\"x\",\"b\":\"true\"}\n",
        "{\"s\":{\"x\":[1, 2]},\"n\":1.0,\"d\":1}\nbad\n\n  \n[{\"s\":\"x\"},{\"s\":\"y\"}]\n{\"s\":\"dup\",\"s\":\"dup2\"}\n",
        "{\"s\":null,\"extra\":1}\n{\"s\":\"a\"} tail\n{\"s\":\"a\"\n{\"s\":[1,\"x\"],\"b\":1}\n{\"s\":true,\"d\":\"NaN\"}\n{}\n[]\n",
        "\"str\"\n5\nnull\n{'s':'single'}\n{\"s\":NaN,\"d\":-Infinity}\n"
    );
    let expected = [
        "a¦1¦1.5¦true",
        "1¦∅¦∅¦∅",
        "{\"x\":[1,2]}¦∅¦1.0¦∅",
        "∅¦∅¦∅¦∅",
        "x¦∅¦∅¦∅",
        "y¦∅¦∅¦∅",
        "dup2¦∅¦∅¦∅",
        "∅¦∅¦∅¦∅",
        "a¦∅¦∅¦∅",
        "∅¦∅¦∅¦∅",
        "[1,\"x\"]¦∅¦∅¦∅",
        "true¦∅¦NaN¦∅",
        "∅¦∅¦∅¦∅",
        "∅¦∅¦∅¦∅",
        "∅¦∅¦∅¦∅",
        "∅¦∅¦∅¦∅",
        "single¦∅¦∅¦∅",
        "\"NaN\"¦∅¦-inf¦∅",
    ];
    assert_eq!(spark_json("s STRING;n INT;d DOUBLE;b BOOLEAN", &[], text).await, expected);
}

#[tokio::test]
async fn numbers_in_json_are_exact() {
    let text = concat!(
        "{\"m\":1234567890123456789012345678.0123456789,\"l\":9223372036854775807,\"b\":127,\"f\":1.5}\n",
        "{\"m\":\"1.5\",\"l\":9223372036854775808,\"b\":128}\n{\"m\":1e3,\"l\":1.0}\n{\"m\":1.00000000005,\"l\":\"5\"}\n"
    );
    let expected = [
        "1234567890123456789012345678.0123456789¦9223372036854775807¦127¦1.5",
        "1.5000000000¦∅¦∅¦∅",
        "1000.0000000000¦∅¦∅¦∅",
        "1.0000000001¦∅¦∅¦∅",
    ];
    assert_eq!(spark_json("m DECIMAL(38,10);l BIGINT;b TINYINT;f FLOAT", &[], text).await, expected);
    // as text they stay as they are written
    assert_eq!(
        spark_json("s STRING", &[], "{\"s\":123456789.123456789012345678901234567890}\n{\"s\":1.10}\n").await,
        ["123456789.123456789012345678901234567890", "1.10"]
    );
}

#[tokio::test]
async fn nested_json_fills_arrays_maps_and_structs() {
    let columns = "a ARRAY<INT>;m MAP<STRING,INT>;st STRUCT<x:INT,y:STRING>";
    let text = concat!(
        "{\"a\":[1,2,null],\"m\":{\"k\":1,\"j\":null},\"st\":{\"x\":1,\"y\":\"z\"}}\n{\"a\":[],\"m\":{},\"st\":{}}\n{\"a\":5,\"m\":5,\"st\":5}\n",
        "{\"a\":[1,\"x\",3],\"m\":{\"k\":\"v\"},\"st\":{\"x\":\"bad\",\"y\":\"ok\"}}\n{\"a\":null}\n{\"st\":[{\"x\":1}]}\n"
    );
    let expected =
        ["[1, 2, ∅]¦{k: 1, j: ∅}¦{x: 1, y: z}", "[]¦{}¦{x: ∅, y: ∅}", "∅¦∅¦∅", "∅¦∅¦{x: ∅, y: ok}", "∅¦∅¦∅", "∅¦∅¦∅"];
    assert_eq!(spark_json(columns, &[], text).await, expected);
    let columns = "a ARRAY<STRUCT<x:INT>>;m MAP<STRING,STRUCT<x:INT,y:INT>>;n STRUCT<p:STRUCT<x:INT,y:STRING>>";
    let text = concat!(
        "{\"a\":[{\"x\":1},{\"x\":\"bad\"}],\"m\":{\"k\":{\"x\":\"bad\",\"y\":2}},\"n\":{\"p\":{\"x\":\"bad\",\"y\":\"z\"}}}\n",
        "{\"a\":[{\"x\":1},null,{}]}\n{\"a\":[{\"x\":1},5]}\n"
    );
    let expected = ["[{x: 1}, {x: ∅}]¦{k: {x: ∅, y: 2}}¦{p: {x: ∅, y: z}}", "[{x: 1}, ∅, {x: ∅}]¦∅¦∅", "∅¦∅¦∅"];
    assert_eq!(spark_json(columns, &[], text).await, expected);
}

#[tokio::test]
async fn dates_times_and_bytes_of_json() {
    let text = concat!(
        "{\"d\":\"2024-08-07\",\"t\":\"2024-08-07 12:34:56\",\"b\":\"YWJj\"}\n{\"d\":\"2024-8-7\",\"t\":\"2024-08-07T12:34:56.789Z\",\"b\":\"abc\"}\n",
        "{\"d\":19942,\"t\":1723034096,\"b\":5}\n{\"d\":\"x\",\"t\":\"2024-08-07T12:34:56+08:00\"}\n{\"d\":true,\"t\":1.5}\n"
    );
    let expected = [
        "2024-08-07¦2024-08-07T12:34:56¦616263",
        "2024-08-07¦2024-08-07T12:34:56.789¦∅",
        "∅¦2024-08-07T12:34:56¦∅",
        "∅¦2024-08-07T04:34:56¦∅",
        "∅¦∅¦∅",
    ];
    assert_eq!(spark_json("d DATE;t TIMESTAMP;b BINARY", &[], text).await, expected);
    let zone = [("timeZone", "Asia/Shanghai")];
    assert_eq!(
        spark_json("t TIMESTAMP", &zone, "{\"t\":\"2024-08-07T04:34:56Z\"}\n{\"t\":1723034096}\n").await,
        ["2024-08-07T12:34:56", "2024-08-07T20:34:56"]
    );
}

#[tokio::test]
async fn keys_of_json_match_without_letter_case_where_it_is_clear() {
    let text = "{\"Name\":\"a\",\"ST\":{\"X\":1}}\n{\"NAME\":\"a\",\"name\":\"b\"}\n{\"NAME\":\"a\",\"Name\":\"b\"}\n";
    let expected = ["a¦{x: 1}", "b¦∅", "∅¦∅"];
    assert_eq!(spark_json("name STRING;st STRUCT<x:INT>", &[], text).await, expected);
}

#[tokio::test]
async fn hives_json_takes_numbers_in_quotes() {
    let options = of(TextPreset::Json, "n INT;b BOOLEAN;d DATE;t TIMESTAMP;a ARRAY<INT>", &[]);
    let text = concat!(
        "{\"n\":\"2\",\"b\":\"true\",\"d\":\"2024-08-07\",\"t\":\"2024-08-07T12:34:56Z\",\"a\":[1,\"x\",\"3\"]}\n",
        "{\"n\":1.9,\"t\":\"2024-08-07 12:34:56.5\"}\n"
    );
    let expected = ["2¦true¦2024-08-07¦2024-08-07T12:34:56¦[1, ∅, 3]", "1¦∅¦∅¦2024-08-07T12:34:56.500¦∅"];
    assert_eq!(select_one(text.as_bytes(), options).await, expected);
}

#[tokio::test]
async fn using_text_has_whole_lines_and_no_null() {
    let options = of(TextPreset::SparkText, "value STRING", &[]);
    assert_eq!(select_one(b"a\r\nb|c\n\n\\N\n", options).await, ["a", "b|c", "", "\\N"]);
}

#[tokio::test]
async fn nested_columns_of_delimited_text_are_read_among_others() {
    let mut options = of(TextPreset::Hive, "id INT;tags ARRAY<STRING>;m MAP<STRING,INT>", &[]);
    options.set_fields_delimiter(b"|".to_vec());
    options.set_collection_delimiter(b",").unwrap();
    options.set_map_key_delimiter(b":").unwrap();
    let text = b"1|a,b|k:1\n2||\n3|\\N\n4|x|k:bad\n";
    let expected = ["1¦[a, b]¦{k: 1}", "2¦[]¦{}", "3¦∅¦∅", "4¦[x]¦{k: ∅}"];
    assert_eq!(select_one(text, options.clone()).await, expected);
    options.bad_value = BadValue::Error;
    let error = select_error(text, options.clone()).await;
    assert!(error.message().contains("line 4, column \"m\": \"k:bad\""), "{error}");
    // projections of nested columns alone, and of none
    let files = Files::one(b"1|a,b|k:1\n2||\n");
    for (sql, expected) in [
        ("SELECT tags FROM t", vec!["[a, b]", "[]"]),
        ("SELECT count(*) FROM t", vec!["2"]),
        ("SELECT sum(id) FROM t WHERE cardinality(tags) > 0", vec!["1"]),
    ] {
        let read = query(&context(None), FileLocation::Local(files.path()), options.clone(), sql).await.unwrap();
        assert_eq!(rows(&read), expected, "{sql}");
    }
}

#[tokio::test]
async fn hives_text_is_cut_at_byte_1_if_it_has_several_columns() {
    assert_eq!(select_one(b"a\x01b\n", of(TextPreset::Hive, "a STRING;b STRING", &[])).await, ["a¦b"]);
    assert_eq!(select_one(b"a\x01b\n", of(TextPreset::Hive, "a STRING", &[])).await, ["a\u{1}b"]);
}

#[tokio::test]
async fn zstd_bzip2_and_deflate_are_read_by_name_first_bytes_or_option() {
    let text = b"one\ntwo\n".repeat(50_000);
    let zstd = zstd::encode_all(text.as_slice(), 3).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(&text).unwrap();
    let bzip2 = bzip2.finish().unwrap();
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    deflate.write_all(&text).unwrap();
    let deflate = deflate.finish().unwrap();
    let count = async |name: &str, bytes: &[u8], compression: &str| {
        let files = Files::new(&[(name, bytes)]);
        let options = of(TextPreset::Hive, "a STRING", &[("compression", compression)]);
        let sql = "SELECT count(*), min(a), max(a) FROM t";
        query(&context(None), FileLocation::Local(files.path()), options, sql).await.map(|read| rows(&read))
    };
    for (name, bytes, compression) in [
        ("a.zst", &zstd, "auto"),
        ("a", &zstd, "auto"),
        ("a", &zstd, "zstd"),
        ("a.bz2", &bzip2, "auto"),
        ("a", &bzip2, "bzip2"),
        ("a.deflate", &deflate, "auto"),
        ("a", &deflate, "deflate"),
    ] {
        assert_eq!(count(name, bytes, compression).await.unwrap(), ["100000¦one¦two"], "{name} {compression}");
        let cut = &bytes[..bytes.len() - 3];
        let error = count(name, cut, compression).await.unwrap_err();
        assert!(error.message().contains("cut short"), "{error}");
    }
    assert!(count("a.snappy", b"x", "auto").await.unwrap_err().message().contains("not built yet"));
}

/// What arrow's reader of CSV makes of a text: fields, which cannot be told NULL from empty.
fn arrow_csv(text: &str, columns: usize) -> Option<Vec<Vec<String>>> {
    let fields: Vec<_> =
        (0..columns).map(|index| arrow::datatypes::Field::new(index.to_string(), DataType::Utf8, true)).collect();
    let reader = arrow::csv::ReaderBuilder::new(Arc::new(arrow::datatypes::Schema::new(fields)))
        .with_truncated_rows(true)
        .build(std::io::Cursor::new(text))
        .ok()?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.ok()?;
        let column = |index: usize| arrow::array::AsArray::as_string::<i32>(batch.column(index)).clone();
        let columns: Vec<_> = (0..columns).map(column).collect();
        for row in 0..batch.num_rows() {
            let value = |column: &arrow::array::StringArray| {
                if column.is_null(row) { "" } else { column.value(row) }.to_owned()
            };
            rows.push(columns.iter().map(value).collect());
        }
    }
    Some(rows)
}

#[test]
fn csv_by_the_rfc_is_what_arrows_reader_makes_of_it() {
    let piece = prop::sample::select(vec![
        "a",
        "b c",
        ",",
        ",",
        "\n",
        "\n",
        "\"",
        "\"\"",
        "\"x,y\"",
        "\"p\nq\"",
        "\"q\"\"r\"",
        "é",
    ]);
    let texts = prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat());
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runner
        .run(&texts, |text| {
            // arrow refuses rows with more fields than columns
            let Some(expected) = arrow_csv(&text, 12) else { return Ok(()) };
            let columns = (0..12).map(|index| format!("c{index} STRING")).collect::<Vec<_>>().join(";");
            let read = runtime.block_on(select_one(text.as_bytes(), of(TextPreset::Csv, &columns, &[])));
            let ours: Vec<Vec<String>> =
                read.iter().map(|row| row.split('¦').map(|field| field.replace('∅', "")).collect()).collect();
            prop_assert_eq!(ours, expected, "{:?}", text);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn random_bytes_are_rows_or_errors_of_any_format_but_never_a_panic() {
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let alphabet = b"{}[]\",:\\'0123.eE-+tfnN \n\r|\x01\x02\x03abIz\xC3\xA9\xFF";
    for round in 0..300 {
        let bytes: Vec<u8> = (0..random() % 120).map(|_| alphabet[random() % alphabet.len()]).collect();
        let presets = [
            TextPreset::Csv,
            TextPreset::OpenCsv,
            TextPreset::SparkCsv,
            TextPreset::Json,
            TextPreset::SparkJson,
            TextPreset::Hive,
        ];
        let preset = presets[round % presets.len()];
        let columns = match preset {
            TextPreset::Json | TextPreset::SparkJson | TextPreset::Hive => {
                "a ARRAY<MAP<STRING,INT>>;b STRUCT<x:INT,y:ARRAY<STRING>>;c STRING;d TIMESTAMP"
            }
            _ => "a INT;b STRING;c DECIMAL(5,2);d TIMESTAMP",
        };
        let log = Arc::new(Log::default());
        let files = Files::one(&bytes);
        let context = context(Some(log));
        let read = query(&context, FileLocation::Local(files.path()), of(preset, columns, &[]), "SELECT * FROM t");
        assert!(read.await.is_ok(), "{preset:?} {}", bytes.escape_ascii());
    }
}
