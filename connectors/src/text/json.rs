//! One JSON text, as its parts: where they are in the text, without copies. Numbers stay digits.
//!
//! The grammar is what Spark's parser takes as it stands: strings may have single quotes, and `NaN`, `Infinity` and `-Infinity` are numbers.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr3;

/// More levels than any record has; as in Spark's parser.
const MAX_DEPTH: usize = 1000;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    /// Digits without a point or exponent.
    Integer,
    /// A number with a point or exponent.
    Decimal,
    /// `NaN`, `Infinity`, `-Infinity` and the like.
    NotANumber,
    /// Text without escapes.
    Text,
    /// Text with escapes.
    EscapedText,
    Array,
    Object,
}

/// A value: its children follow it, up to `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    kind: Kind,
    /// Where it is; of a text, what is between the quotes.
    start: usize,
    end: usize,
    /// The node behind it and its children.
    next: usize,
}

/// A text that is no JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoJson {
    pub(super) at: usize,
}

/// The nodes of one text. They are kept for the next text, so that memory is taken once.
#[derive(Debug, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
}

/// A value of a tape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    text: &'a str,
    tape: &'a Tape,
    at: usize,
}

impl Tape {
    /// Reads the value at the front of a text. None if it is blank; else the value, and where what follows it begins.
    pub(super) fn read<'a>(&'a mut self, text: &'a str) -> Result<Option<(Value<'a>, usize)>, NoJson> {
        self.nodes.clear();
        let mut parser = Parser { text: text.as_bytes(), at: 0, nodes: &mut self.nodes };
        parser.skip_blanks();
        if parser.at == text.len() {
            return Ok(None);
        }
        parser.value(0)?;
        let end = parser.at;
        Ok(Some((Value { text, tape: self, at: 0 }, end)))
    }
}

impl<'a> Value<'a> {
    pub(super) fn kind(self) -> Kind {
        self.node().kind
    }

    fn node(self) -> Node {
        self.tape.nodes[self.at]
    }

    /// As it is written; of a text what is between the quotes.
    pub(super) fn written(self) -> &'a str {
        let node = self.node();
        &self.text[node.start..node.end]
    }

    /// Of a text: what it says.
    pub(super) fn text(self) -> Cow<'a, str> {
        match self.kind() {
            Kind::EscapedText => Cow::Owned(unescape(self.written())),
            _ => Cow::Borrowed(self.written()),
        }
    }

    /// Of an array: its items.
    pub(super) fn items(self) -> impl Iterator<Item = Value<'a>> {
        let end = self.node().next;
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let item = (at < end).then_some(Value { at, ..self })?;
            at = item.node().next;
            Some(item)
        })
    }

    /// Of an object: keys and values.
    pub(super) fn entries(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        let mut items = self.items();
        std::iter::from_fn(move || Some((items.next()?.text(), items.next()?)))
    }

    /// The value as JSON without blanks; texts only as escaped as they must be, numbers as they are written.
    pub(super) fn write(self, out: &mut String) {
        match self.kind() {
            Kind::Text | Kind::EscapedText => write_text(&self.text(), out),
            Kind::NotANumber => write_text(self.written(), out),
            Kind::Array => {
                out.push('[');
                for (index, item) in self.items().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Kind::Object => {
                out.push('{');
                for (index, (key, value)) in self.entries().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(&key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            _ => out.push_str(self.written()),
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// What a text with escapes says; they were checked when it was read. Half a surrogate pair is `?`, as Java writes it.
fn unescape(written: &str) -> String {
    let mut plain = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        let mut taken = at + 2;
        match escape {
            b'n' => plain.push('\n'),
            b'r' => plain.push('\r'),
            b't' => plain.push('\t'),
            b'b' => plain.push('\u{8}'),
            b'f' => plain.push('\u{c}'),
            b'u' => {
                let unit = |from: usize| u16::from_str_radix(rest.get(from..from + 4)?, 16).ok();
                let first = unit(at + 2).unwrap_or(0xD800);
                taken = at + 6;
                let second = rest.get(taken..taken + 2).filter(|next| *next == "\\u").and_then(|_| unit(taken + 2));
                let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
                if let Some(c) = pair.filter(|c| c.len_utf16() == 2) {
                    plain.push(c);
                    taken += 6;
                } else {
                    plain.push(char::from_u32(u32::from(first)).unwrap_or('?'));
                }
            }
            other => plain.push(char::from(other)),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    nodes: &'a mut Vec<Node>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn error<T>(&self) -> Result<T, NoJson> {
        Err(NoJson { at: self.at })
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// A value without children.
    fn leaf(&mut self, kind: Kind, range: Range<usize>) {
        let next = self.nodes.len() + 1;
        self.nodes.push(Node { kind, start: range.start, end: range.end, next });
    }

    fn value(&mut self, depth: usize) -> Result<(), NoJson> {
        if depth > MAX_DEPTH {
            return self.error();
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(quote @ (b'"' | b'\'')) => self.string(quote),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null", Kind::Null),
            Some(b't') => self.word("true", Kind::True),
            Some(b'f') => self.word("false", Kind::False),
            Some(b'N') => self.word("NaN", Kind::NotANumber),
            Some(b'I') => self.word("Infinity", Kind::NotANumber),
            Some(b'+') if self.starts_with("+INF") => self.word("+INF", Kind::NotANumber),
            Some(b'+') => self.word("+Infinity", Kind::NotANumber),
            _ => self.error(),
        }
    }

    fn starts_with(&self, word: &str) -> bool {
        self.text[self.at..].starts_with(word.as_bytes())
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), NoJson> {
        let start = self.at;
        let end = start + word.len();
        let is_word = self.starts_with(word)
            && !self.text.get(end).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_');
        if !is_word {
            return self.error();
        }
        self.at = end;
        self.leaf(kind, start..end);
        Ok(())
    }

    fn number(&mut self) -> Result<(), NoJson> {
        let start = self.at;
        if self.take(b'-') && self.peek() == Some(b'I') {
            self.at = start;
            let word = if self.starts_with("-INF") { "-INF" } else { "-Infinity" };
            return self.word(word, Kind::NotANumber);
        }
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.text[self.at - whole] == b'0') {
            return self.error();
        }
        let mut kind = Kind::Integer;
        if self.take(b'.') {
            kind = Kind::Decimal;
            if self.digits() == 0 {
                return self.error();
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            kind = Kind::Decimal;
            let _has_sign = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return self.error();
            }
        }
        // something must end it
        if self.peek().is_some_and(|next| !matches!(next, b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}' | b':')) {
            return self.error();
        }
        self.leaf(kind, start..self.at);
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self, quote: u8) -> Result<(), NoJson> {
        let start = self.at + 1;
        let mut kind = Kind::Text;
        self.at = start;
        loop {
            let Some(found) = memchr3(quote, b'\\', b'\n', &self.text[self.at..]) else {
                self.at = self.text.len();
                return self.error();
            };
            self.at += found;
            match self.text[self.at] {
                b'\\' => {
                    kind = Kind::EscapedText;
                    self.escape()?;
                }
                byte if byte == quote => break,
                _ => return self.error(),
            }
        }
        if let Some(control) = self.text[start..self.at].iter().position(|byte| *byte < b' ') {
            self.at = start + control;
            return self.error();
        }
        self.leaf(kind, start..self.at);
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), NoJson> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'\'') => self.at += 1,
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.error();
                }
                self.at += 5;
            }
            _ => return self.error(),
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), NoJson> {
        let node = self.open(Kind::Array);
        self.skip_blanks();
        if !self.take(b']') {
            loop {
                self.skip_blanks();
                self.value(depth + 1)?;
                self.skip_blanks();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return self.error();
                }
            }
        }
        self.close(node);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), NoJson> {
        let node = self.open(Kind::Object);
        self.skip_blanks();
        if !self.take(b'}') {
            loop {
                self.skip_blanks();
                match self.peek() {
                    Some(quote @ (b'"' | b'\'')) => self.string(quote)?,
                    _ => return self.error(),
                }
                self.skip_blanks();
                if !self.take(b':') {
                    return self.error();
                }
                self.skip_blanks();
                self.value(depth + 1)?;
                self.skip_blanks();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return self.error();
                }
            }
        }
        self.close(node);
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node { kind, start: self.at, end: self.at, next: node + 1 });
        self.at += 1;
        node
    }

    fn close(&mut self, node: usize) {
        let next = self.nodes.len();
        if let Some(node) = self.nodes.get_mut(node) {
            node.end = self.at;
            node.next = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRng, TestRunner};

    use super::*;

    /// A text as JSON without blanks, and what follows it.
    fn compact(text: &str) -> Option<(String, &str)> {
        let mut tape = Tape::default();
        let (value, end) = tape.read(text).ok()??;
        let mut out = String::new();
        value.write(&mut out);
        Some((out, &text[end..]))
    }

    #[test]
    fn values_are_found_and_written_again() {
        for (text, expected) in [
            (
                r#" {"a" : [1, 2.50 , -0, 1E5],"b":{ }, "c":[ ], "d":null,"e":true,"f":false} "#,
                r#"{"a":[1,2.50,-0,1E5],"b":{},"c":[],"d":null,"e":true,"f":false}"#,
            ),
            (r#"{"a":"x\"\u00e9\n\/\\"}"#, "{\"a\":\"x\\\"é\\n/\\\\\"}"),
            ("{'a':'it\\'s \"x\"'}", r#"{"a":"it's \"x\""}"#),
            (r#"["\ud83d\ude00","\ud83d","\ud83dx","\ude00","\u0001"]"#, r#"["😀","?","?x","?","\u0001"]"#),
            ("[NaN,-Infinity,+INF]", r#"["NaN","-Infinity","+INF"]"#),
            ("123456789012345678901234567890.10", "123456789012345678901234567890.10"),
        ] {
            assert_eq!(compact(text).map(|(text, _)| text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(compact(r#"{"s":"a"} tail"#), Some((r#"{"s":"a"}"#.to_owned(), " tail")));
        assert_eq!(compact(r#"{"s":"a"}{"s":"b"}"#).map(|(_, rest)| rest), Some(r#"{"s":"b"}"#));
    }

    #[test]
    fn what_is_no_json_is_none() {
        for text in [
            "bad",
            "{",
            r#"{"a":1"#,
            r#"{"a":1]"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            "{:1}",
            "{a:1}",
            r#"{"a":+1}"#,
            r#"{"a":.5}"#,
            r#"{"a":1.}"#,
            r#"{"a":tru}"#,
            r#"{"a":01}"#,
            r#"{"a":1,}"#,
            r#"/*c*/{"a":1}"#,
            r#"{"a":"\x"}"#,
            "{\"a\":\"\t\"}",
            r#"{"a":"\u12"}"#,
            r#"{"a":INF}"#,
            r#"[1 2]"#,
            r#""x"#,
            "-",
            "1e",
            "1x",
            "nul",
            r#"{"a":"b"#,
        ] {
            assert!(Tape::default().read(text).is_err(), "{text}");
        }
        assert!(Tape::default().read(" \t").unwrap().is_none());
        let deep = "[".repeat(2000) + &"]".repeat(2000);
        assert!(Tape::default().read(&deep).is_err());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let text = prop::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter);
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            // which serde_json reads to the last bit
            any::<i32>().prop_map(|number| serde_json::Value::from(f64::from(number) / 8.0)),
            text.clone().prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::vec((text.clone(), inner), 0..4)
                    .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    fn runner() -> TestRunner {
        let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha))
    }

    #[test]
    fn what_serde_json_writes_is_read_and_written_as_serde_json_reads_it() {
        runner()
            .run(&json(), |value| {
                for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                    let (compact, rest) = compact(&text).unwrap();
                    prop_assert_eq!(rest, "");
                    prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&compact).unwrap(), value.clone());
                }
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn broken_json_is_refused_where_serde_json_refuses_it() {
        let broken = (json(), any::<prop::sample::Index>(), prop::sample::select(b"{}[]\",:\\0e-x ".as_slice()));
        runner()
            .run(&broken, |(value, at, byte)| {
                let mut bytes = value.to_string().into_bytes();
                let at = at.index(bytes.len());
                bytes[at] = byte;
                let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
                // serde_json holds what follows the value to be wrong, and refuses half surrogates and numbers beyond a double
                let strict = serde_json::from_str::<serde_json::Value>(&text);
                let mut tape = Tape::default();
                let ours = tape.read(&text);
                if strict.is_ok() {
                    let (_, end) = ours.unwrap().unwrap();
                    prop_assert!(text[end..].trim().is_empty());
                } else if let Ok(Some((value, end))) = ours {
                    let mut compact = String::new();
                    value.write(&mut compact);
                    let reread = serde_json::from_str::<serde_json::Value>(&compact);
                    let is_range = |error: &serde_json::Error| error.to_string().contains("out of range");
                    prop_assert!(reread.as_ref().map_or_else(is_range, |_| true), "{} {}", text, compact);
                    let has_half_pair = text.contains("\\u");
                    prop_assert!(
                        !text[end..].trim().is_empty() || has_half_pair || strict.is_err_and(|error| is_range(&error)),
                        "{}",
                        text
                    );
                }
                Ok(())
            })
            .unwrap();
    }
}
