//! `vectors.json` holds inputs and results of StarRocks's own tests of its CSV scanner (Apache-2.0, inputs byte for byte).

use serde::Deserialize;
use serde_json::Value as Json;

use super::*;
use crate::load::RowOutcome;
use crate::load::test_support::load_csv;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    input_hex: String,
    options: serde_json::Map<String, Json>,
    column_types: Vec<String>,
    expect_rows: Json,
    expect_filtered: u64,
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn headers(options: &serde_json::Map<String, Json>) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    options.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

#[test]
fn every_vector_of_starrocks_is_read_as_starrocks_reads_it() {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert_eq!(vectors.vectors.len(), 28);
    for vector in vectors.vectors {
        let input = unhex(&vector.input_hex);
        // The pieces in which the bytes arrive must not matter.
        for piece in [usize::MAX, 7, 1] {
            let RowOutcome { rows, filtered, .. } =
                load_csv(&vector.column_types, &headers(&vector.options), &input, piece).unwrap();
            assert_eq!(rows, vector.expect_rows, "{} in pieces of {piece}", vector.id);
            assert_eq!(filtered, vector.expect_filtered, "{}", vector.id);
        }
    }
}

/// proptest's own rows of bytes, from a fixed seed, so that every run is the same.
fn for_random_bytes(check: impl Fn(Vec<u8>)) {
    use proptest::strategy::{Strategy as _, ValueTree as _};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    // Mostly the bytes that mean something.
    let byte = proptest::prop_oneof![
        proptest::sample::select(b"\"\\,\n\r \0N|".to_vec()),
        proptest::sample::select(b"ab1".to_vec()),
    ];
    let bytes = proptest::collection::vec(byte, 0..40);
    for _ in 0..2000 {
        check(bytes.new_tree(&mut runner).unwrap().current());
    }
}

#[test]
fn the_pieces_in_which_bytes_arrive_do_not_matter() {
    let two_bytes = CsvOptions { row_delimiter: b"\r\n".to_vec(), column_separator: b",,".to_vec(), ..escaped() };
    let trimmed = CsvOptions { trim_space: true, ..escaped() };
    let only_escape = CsvOptions { enclose: 0, ..escaped() };
    for options in [comma(), quoted(), escaped(), two_bytes, trimmed, only_escape] {
        // `records` compares single bytes with the whole.
        for_random_bytes(|bytes| {
            records(&options, &bytes);
        });
    }
}

#[test]
fn safe_encodings_bring_back_every_text() {
    let control =
        CsvOptions { column_separator: b"\x01".to_vec(), row_delimiter: b"\x02".to_vec(), ..CsvOptions::default() };
    for_random_bytes(|bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let row = format!("x\x01{text}\x02");
        assert_eq!(records(&control, row.as_bytes()), [["x".to_owned(), text.clone()]]);
        let row = format!("x,\"{}\"\n", text.replace('\\', "\\\\").replace('"', "\\\""));
        assert_eq!(records(&escaped(), row.as_bytes()), [["x".to_owned(), text.clone()]]);
        if !text.contains('\0') {
            let row = format!("x,\"{}\"\n", text.replace('"', "\"\""));
            assert_eq!(records(&quoted(), row.as_bytes()), [["x".to_owned(), text]]);
        }
    });
}

fn records(options: &CsvOptions, input: &[u8]) -> Vec<Vec<String>> {
    let read = |piece: usize| {
        let mut reader = CsvReader::new(options.clone());
        let mut records = Vec::new();
        let mut take = |reader: &mut CsvReader| {
            while let Some(record) = reader.next_record().unwrap() {
                records.push(record.fields().map(|f| String::from_utf8(f.to_vec()).unwrap()).collect());
            }
        };
        for bytes in input.chunks(piece) {
            reader.feed(bytes);
            take(&mut reader);
        }
        reader.finish();
        take(&mut reader);
        records
    };
    let whole = read(input.len().max(1));
    assert_eq!(read(1), whole, "in single bytes");
    whole
}

fn comma() -> CsvOptions {
    CsvOptions { column_separator: b",".to_vec(), ..CsvOptions::default() }
}

fn quoted() -> CsvOptions {
    CsvOptions { enclose: b'"', ..comma() }
}

fn escaped() -> CsvOptions {
    CsvOptions { escape: b'\\', ..quoted() }
}

#[test]
fn plain_records_are_cut_at_every_separator() {
    for (input, expected) in [
        ("a,b,c", vec!["a", "b", "c"]),
        (",,", vec!["", "", ""]),
        ("a,b,", vec!["a", "b", ""]),
        (",a,b", vec!["", "a", "b"]),
    ] {
        assert_eq!(records(&comma(), input.as_bytes()), [expected]);
    }
    assert!(records(&comma(), b"").is_empty());
    assert!(records(&comma(), b"\n\n").is_empty());
    assert_eq!(records(&comma(), b"a\r\n"), [["a\r"]]);
    let pipes = CsvOptions { column_separator: b"||".to_vec(), ..CsvOptions::default() };
    assert_eq!(records(&pipes, b"a||b|||c"), [["a", "b", "|c"]]);
    let trimmed = CsvOptions { trim_space: true, ..comma() };
    assert_eq!(records(&trimmed, b" a , b , c "), [["a", "b", "c"]]);
}

#[test]
fn enclosed_fields_follow_the_servers_state_machine() {
    for (input, expected) in [
        ("\"\"\"hello\"\" my world\",1", vec!["\"hello\" my world", "1"]),
        ("\"a,b\nc\",d\n", vec!["a,b\nc", "d"]),
        ("\"\"\n", vec![""]),
        ("\"\",\"\"\n", vec!["", ""]),
        // One byte is cut from the end of an enclosed field, whatever it is.
        ("\"ab\"c\n", vec!["ab\""]),
        ("\"a\"\r\n", vec!["a\""]),
        // An enclose character at the end of another field protects the separator behind it.
        ("1,5\",b\n", vec!["1", "5,b"]),
    ] {
        assert_eq!(records(&quoted(), input.as_bytes()), [expected], "{input:?}");
    }
    assert_eq!(records(&quoted(), b"a\0b\n"), [["ab"]]);
}

#[test]
fn an_escape_before_an_ordinary_byte_leaves_the_enclosed_state() {
    assert_eq!(records(&escaped(), b"\"a\\tb\",c\n"), [["atb,"]]);
    assert_eq!(records(&escaped(), b"\"a\\\"b\",\\\\N\n"), [["a\"b", "\\N"]]);
}

#[test]
fn a_header_is_counted_by_row_delimiters_alone() {
    let options = CsvOptions { skip_header: 1, ..quoted() };
    assert_eq!(records(&options, b"\"a\nb\"\n1\n"), [["b\n1"]]);
    let mut reader = CsvReader::new(CsvOptions { skip_header: 3, ..comma() });
    reader.feed(b"UID0,ACTION0\nUID1,ACTION1");
    reader.finish();
    assert_eq!(
        reader.next_record().unwrap_err().to_string(),
        "The parameter 'skip_header' is set to 3, but there are only 2 rows in the csv file"
    );
}

#[test]
fn a_long_record_is_read_in_time_that_grows_with_its_length() {
    let mut reader = CsvReader::new(quoted());
    let piece = vec![b'x'; 4096];
    reader.feed(b"\"");
    for _ in 0..512 {
        reader.feed(&piece);
        assert!(reader.next_record().unwrap().is_none());
    }
    reader.feed(b"\"\n");
    reader.finish();
    assert_eq!(reader.next_record().unwrap().unwrap().field(0).unwrap().len(), 512 * 4096);
}
