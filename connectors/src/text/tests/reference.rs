//! Lines and fields beside plain code that finds them byte by byte, and random bytes.

use super::*;

/// Lines and fields as simply as they can be told, to compare with.
fn naive(
    text: &[u8],
    fields_delimiter: &[u8],
    lines_delimiter: Option<&[u8]>,
    columns: usize,
) -> Vec<Vec<Option<Vec<u8>>>> {
    fn cut<'a>(text: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
        let mut parts = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at + delimiter.len() <= text.len() {
            if &text[at..at + delimiter.len()] == delimiter {
                parts.push(&text[start..at]);
                at += delimiter.len();
                start = at;
            } else {
                at += 1;
            }
        }
        parts.push(&text[start..]);
        parts
    }
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let only_feeds = std::str::from_utf8(text).unwrap().replace("\r\n", "\n").replace('\r', "\n").into_bytes();
    let mut lines = match lines_delimiter {
        Some(delimiter) => cut(text, delimiter),
        None => cut(&only_feeds, b"\n"),
    };
    let last = lines.pop().unwrap();
    if !last.is_empty() {
        lines.push(last);
    }
    let row = |line: &&[u8]| {
        let mut fields: Vec<_> =
            cut(line, fields_delimiter).into_iter().map(|field| (field != br"\N").then(|| field.to_vec())).collect();
        fields.resize(columns, None);
        fields
    };
    lines.iter().map(row).collect()
}

#[test]
fn lines_and_fields_are_those_of_a_naive_splitter_whatever_the_pieces() {
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let piece = prop::sample::select(vec!["\n", "\r\n", "\r", "|", "||", "\\N", "a", "é", "\u{feff}", "ab", "#@", "@"]);
    let input = (
        prop::collection::vec(piece, 0..40),
        prop::sample::select(vec!["|", "||", "ab", "é"]),
        prop::sample::select(vec![None, Some("\r"), Some("\r\n"), Some("\n"), Some("#@"), Some("@@")]),
        prop::collection::vec(1usize..9, 1..6),
        any::<bool>(),
    );
    runner
        .run(&input, |(pieces, fields, lines, sizes, compressed)| {
            let text = pieces.concat().into_bytes();
            let mut options = options("a STRING; b STRING; c STRING", fields);
            options.line_delimiter = lines.map(Into::into);
            let expected: Vec<Vec<Option<Vec<u8>>>> = naive(&text, fields.as_bytes(), lines.map(str::as_bytes), 3);
            let bytes = if compressed { member(&text) } else { text };
            prop_assert_eq!(read_in_pieces(&bytes, options, &sizes), expected);
            Ok(())
        })
        .unwrap();
}

/// Feeds bytes in pieces of these sizes, over and over.
fn read_in_pieces(bytes: &[u8], options: TextTableOptions, sizes: &[usize]) -> Vec<Vec<Option<Vec<u8>>>> {
    use super::reader::{Progress, ReadPlan, TextReader};
    use arrow::array::cast::AsArray;
    use arrow::datatypes::{Field, Schema};

    let fields = options.columns.iter().map(|(name, data_type)| Field::new(name, data_type.clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let projection = (0..options.columns.len()).collect();
    let plan = Arc::new(ReadPlan { options, projection, schema, has_places: false, batch_rows: 3 });
    let mut reader = TextReader::new(plan, None, "f".to_owned(), "/f".to_owned(), None).unwrap();
    let mut sizes = sizes.iter().cycle();
    let mut rest = bytes::Bytes::copy_from_slice(bytes);
    let mut found = Vec::new();
    loop {
        match reader.next().unwrap() {
            Progress::Batch(batch) => {
                assert!(batch.num_rows() <= 3);
                for row in 0..batch.num_rows() {
                    let field = |column: &arrow::array::ArrayRef| {
                        column.is_valid(row).then(|| column.as_string::<i32>().value(row).as_bytes().to_vec())
                    };
                    found.push(batch.columns().iter().map(field).collect());
                }
            }
            Progress::NeedInput if rest.is_empty() => reader.end(),
            Progress::NeedInput => {
                let size = *sizes.next().unwrap();
                reader.feed(rest.split_to(size.min(rest.len())));
            }
            Progress::NeedLinesBefore => panic!("the lines before are known"),
            Progress::Done => return found,
        }
    }
}

#[test]
fn random_bytes_are_rows_or_rejects_but_never_a_panic() {
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let labels =
        vec!["utf-8", "gbk", "gb18030", "big5", "shift_jis", "euc-kr", "iso-2022-jp", "utf-16le", "utf-16", "latin1"];
    let input = (prop::collection::vec(any::<u8>(), 0..200), prop::sample::select(labels), 1usize..50);
    runner
        .run(&input, |(bytes, label, size)| {
            use super::reader::{Progress, ReadPlan, TextReader};
            let mut options =
                options("a STRING; i INT; m DECIMAL(5,2); at TIMESTAMP; d DATE; f DOUBLE; raw BINARY", "|");
            options.set_encoding(label).unwrap();
            options.compression = Compression::None;
            options.max_line_bytes = 50;
            let plan = Arc::new(ReadPlan {
                options,
                projection: Vec::new(),
                schema: Arc::new(arrow::datatypes::Schema::empty()),
                has_places: false,
                batch_rows: 1000,
            });
            let log = Arc::new(Log::default());
            let mut reader = TextReader::new(plan, Some(log.clone()), "f".to_owned(), "/f".to_owned(), None).unwrap();
            let mut pieces = bytes.chunks(size);
            let mut lines = 0;
            loop {
                match reader.next().unwrap() {
                    Progress::Batch(batch) => lines += batch.num_rows(),
                    Progress::NeedInput => match pieces.next() {
                        Some(piece) => reader.feed(bytes::Bytes::copy_from_slice(piece)),
                        None => reader.end(),
                    },
                    Progress::NeedLinesBefore => panic!("the lines before are known"),
                    Progress::Done => break,
                }
            }
            prop_assert!(lines + log.count() as usize <= bytes.len());
            Ok(())
        })
        .unwrap();
}

/// Fields with escapes, byte by byte.
fn naive_escaped(line: &[u8], delimiter: &[u8], columns: usize) -> Vec<Option<Vec<u8>>> {
    let mut fields = vec![(Vec::new(), Vec::new())];
    let mut at = 0;
    while at < line.len() {
        let (as_written, plain) = fields.last_mut().unwrap();
        match (line[at], line.get(at + 1)) {
            (b'\\', Some(next)) => {
                as_written.extend([b'\\', *next]);
                plain.push(match next {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    other => *other,
                });
                at += 2;
            }
            _ if line[at..].starts_with(delimiter) => {
                fields.push((Vec::new(), Vec::new()));
                at += delimiter.len();
            }
            (byte, _) => {
                as_written.push(byte);
                plain.push(byte);
                at += 1;
            }
        }
    }
    let mut fields: Vec<_> =
        fields.into_iter().map(|(as_written, plain)| (as_written != br"\N").then_some(plain)).collect();
    fields.resize(columns, None);
    fields
}

#[test]
fn escaped_fields_are_those_of_a_naive_splitter() {
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let piece = prop::sample::select(vec!["\\", "|", "||", "n", "r", "\\N", "é", "#@", "@"]);
    let input = (prop::collection::vec(piece, 1..30), prop::sample::select(vec!["|", "||", "#@", "é"]));
    runner
        .run(&input, |(pieces, delimiter)| {
            let line = pieces.concat();
            let mut options = options("a STRING; b STRING; c STRING", delimiter);
            options.set_escape(b"\\").unwrap();
            // An escape in front of a character of several bytes makes the first one data, and so all of it.
            let expected = naive_escaped(line.as_bytes(), delimiter.as_bytes(), 3);
            prop_assert_eq!(read_in_pieces(line.as_bytes(), options, &[3]), vec![expected]);
            Ok(())
        })
        .unwrap();
}
