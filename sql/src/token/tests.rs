use super::*;

fn texts(sql: &str) -> Vec<&str> {
    tokenize(sql, SqlDialect::Mysql, TextKind::Script).tokens.iter().map(|token| token.text(sql)).collect()
}

#[test]
fn strings_end_at_their_own_quote() {
    for (sql, expected) in [
        (r"'a\'b' x", vec![r"'a\'b'", "x"]),
        (r"'a''b' x", vec!["'a''b'", "x"]),
        (r#""say ""hi""" x"#, vec![r#""say ""hi""""#, "x"]),
        (r"`a``b` x", vec!["`a``b`", "x"]),
        (r"'a`b' `c'd`", vec!["'a`b'", "`c'd`"]),
        (r"'\\' x", vec![r"'\\'", "x"]),
    ] {
        assert_eq!(texts(sql), expected, "{sql}");
    }
}

#[test]
fn comments_and_blanks_are_no_tokens() {
    assert_eq!(texts("a -- 'x;\nb # `y\nc /* ; */ d --e\nf"), ["a", "b", "c", "d", "f"]);
    assert_eq!(texts("\u{feff}select\u{a0}1"), ["select", "1"]);
}

#[test]
fn numbers_words_and_names_are_told_apart() {
    for (sql, expected) in [
        ("1.5e-3+2", vec!["1.5e-3", "+", "2"]),
        ("1e5", vec!["1e5"]),
        ("a.5b.c", vec!["a", ".", "5b", ".", "c"]),
        ("ods.2024", vec!["ods", ".", "2024"]),
        ("1..2", vec!["1", ".", ".2"]),
        (".5", vec![".5"]),
        ("2024_log", vec!["2024_log"]),
        ("a$b @x @@y.z", vec!["a$b", "@x", "@@y", ".", "z"]),
        ("$1 $[0] $$", vec!["$1", "$", "[", "0", "]", "$", "$"]),
        ("x'1F' 0x1F n'é' xyz", vec!["x'1F'", "0x1F", "n'é'", "xyz"]),
        ("a<=>b->>c::d", vec!["a", "<=>", "b", "->>", "c", "::", "d"]),
        ("日志.表", vec!["日志", ".", "表"]),
    ] {
        assert_eq!(texts(sql), expected, "{sql}");
    }
}

#[test]
fn placeholders_are_tokens_in_a_script_only() {
    assert_eq!(
        texts("p${a}x $<b> a$<b and $${c} $$<d>"),
        ["p", "${a}", "x", "$<b>", "a$", "<", "b", "and", "$${", "c", "}", "$$<", "d", ">"]
    );
    let sql = "p${a}";
    let prepared = tokenize(sql, SqlDialect::Mysql, TextKind::Prepared);
    assert_eq!(prepared.tokens.iter().map(|t| t.text(sql)).collect::<Vec<_>>(), ["p$", "{", "a", "}"]);
}

#[test]
fn what_is_not_closed_is_named_at_its_start() {
    for (sql, missing, offset) in
        [("a 'b", "'", 2), ("a \"b", "\"", 2), ("`b", "`", 0), ("x /* y", "*/", 2), (r"'\'", "'", 0)]
    {
        let found = tokenize(sql, SqlDialect::Mysql, TextKind::Script).unterminated.unwrap();
        assert_eq!((found.missing, found.offset), (missing, offset), "{sql}");
    }
}

#[test]
fn ansi_reads_double_quotes_as_names_and_keeps_backslashes() {
    let sql = r#"'C:\' "a""b" #"#;
    let tokens = tokenize(sql, SqlDialect::Ansi, TextKind::Script).tokens;
    let read: Vec<_> = tokens.iter().map(|t| (t.kind, t.value(sql, SqlDialect::Ansi))).collect();
    assert_eq!(
        read,
        [
            (TokenKind::String, r"C:\".to_owned()),
            (TokenKind::QuotedName, "a\"b".to_owned()),
            (TokenKind::Other, "#".to_owned())
        ]
    );
}

#[test]
fn escapes_are_those_of_mysql() {
    for (inner, value) in [
        (r"a\'b", "a'b"),
        (r#"a\"b"#, "a\"b"),
        ("a''b", "a'b"),
        (r"\0\b\n\r\t\Z", "\0\u{8}\n\r\t\u{1a}"),
        (r"C:\\temp", r"C:\temp"),
        (r"%\_%\%", r"%\_%\%"),
        (r"\x\😀", "x😀"),
    ] {
        assert_eq!(unescape(inner, '\'', true), value, "{inner}");
    }
}
