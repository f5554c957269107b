//! What must hold for any text whatever: nothing panics, and nothing changes but what is meant to.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::parameters::tests::parameters;
use crate::scope::{FixedScope, Place};
use crate::source::SourceFile;
use crate::statement::{Native, Statement};
use crate::token::{TextKind, TokenKind, tokenize};
use crate::{SqlDialect, evaluate_parameter, parse, split_in, substitute};

/// The same cases on every run; `PROPTEST_CASES` asks for more.
fn runner() -> TestRunner {
    let config = Config { failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "SELECT",
        "FROM",
        "WHERE",
        "WITH",
        "AS",
        "JOIN",
        "INSERT",
        "INTO",
        "OVERWRITE",
        "DIRECTORY",
        "COPY",
        "TO",
        "CREATE",
        "EXTERNAL",
        "TABLE",
        "CATALOG",
        "VIEW",
        "DROP",
        "ALTER",
        "IF",
        "NOT",
        "EXISTS",
        "PROPERTIES",
        "OPTIONS",
        "PARTITION",
        "PARTITIONED",
        "BY",
        "NAME",
        "ROW",
        "FORMAT",
        "DELIMITED",
        "FIELDS",
        "TERMINATED",
        "LOCATION",
        "STORED",
        "SET",
        "PARAMETER",
        "RAW",
        "USE",
        "SHOW",
        "TABLES",
        "DATABASES",
        "DESC",
        "EXPLAIN",
        "ANALYZE",
        "ASSERT",
        "SOURCE",
        "CALL",
        "remote_execute",
        "remote_query",
        "VALUES",
        "GROUP",
        "ORDER",
        "LIMIT",
        "UNION",
        "ALL",
        "LATERAL",
        "EXTRACT",
        "DELETE",
        "UPDATE",
        "COMMENT",
        "LIKE",
        "ON",
        "USING",
        "RECURSIVE",
        "starrocks",
        "mysql",
        "files",
        "user_log",
        "default",
        "syncline",
        "ods",
        "t",
        "a",
        "INT",
        "STRING",
        "MAP",
        "ARRAY",
        "STRUCT",
        "INTERVAL",
        "CASE",
        "END",
    ];
    let signs = [
        "(",
        ")",
        ",",
        ".",
        ";",
        "=",
        "<",
        ">",
        "<=>",
        "*",
        "-",
        "--",
        "/",
        "/*",
        "*/",
        "/*+ x */",
        "#",
        "+",
        "::",
        ":",
        "[",
        "]",
        "{",
        "}",
        "|",
        "||",
        "&&",
        "!",
        "?",
        "@",
        "@@x",
        "$",
        "$$",
        "$1",
        "${",
        "}",
        "${t}",
        "${bizdate}",
        "$<t>",
        "$<",
        "$${",
        "${env:X}",
        "'${env:X}'",
        "${file:a}",
        "$[yyyymmdd]",
        "${yyyymmdd-1}",
        "'",
        "\"",
        "`",
        "''",
        "'x'",
        "'\\'",
        "\\",
        "'a\\'b'",
        "\"q\"",
        "`n`",
        "1",
        "1.5",
        ".5",
        "1e5",
        "0x1F",
        "x'1F'",
        "é",
        "日志",
        "😀",
        "\u{feff}",
        "\0",
        "\n",
        "\t",
        "\r\n",
        "“",
        "‘",
    ];
    let all: Vec<&'static str> = words.iter().chain(&signs).copied().collect();
    (proptest::sample::select(all), proptest::sample::select(vec!["", " ", " ", "\n"]))
        .prop_map(|(text, blank)| format!("{text}{blank}"))
}

fn soup() -> impl Strategy<Value = String> {
    prop_oneof![3 => proptest::collection::vec(fragment(), 0..40).prop_map(|parts| parts.concat()), 1 => any::<String>()]
}

fn scope(in_use: bool) -> FixedScope {
    FixedScope {
        remote: vec!["starrocks".into(), "mysql".into()],
        other: vec!["files".into()],
        tables: vec!["user_log".into()],
        current: in_use.then(|| Place { catalog: "starrocks".into(), database: Some("ods".into()) }),
    }
}

/// Whether one text is left when characters of the other are taken away.
fn is_subsequence(part: &str, whole: &str) -> bool {
    let mut whole = whole.chars();
    part.chars().all(|c| whole.any(|other| other == c))
}

#[test]
fn no_text_makes_anything_panic_and_native_text_is_the_users_own() {
    let given = parameters(&[("t", "orders"), ("x", "it's")]);
    let cases = (soup(), any::<bool>(), any::<bool>());
    runner()
        .run(&cases, |(text, ansi, in_use)| {
            let dialect = if ansi { SqlDialect::Ansi } else { SqlDialect::Mysql };
            let file = SourceFile::new("a.sql", text);
            let _ = evaluate_parameter(&file.text, &given);
            let _ = crate::delimiter(&file.text);
            let pieces = match split_in(&file, dialect) {
                Ok(pieces) => pieces,
                Err(error) => {
                    error.render();
                    return Ok(());
                }
            };
            for piece in pieces {
                let prepared = match substitute(&piece, &given, dialect) {
                    Ok(prepared) => prepared,
                    Err(error) => {
                        prop_assert!(error.position.is_some(), "no place: {}", error);
                        continue;
                    }
                };
                for offset in 0..=prepared.text.len() {
                    let at = prepared.position(offset).offset;
                    prop_assert!(piece.range.start <= at && at <= piece.range.end);
                }
                match parse(&prepared, &scope(in_use), dialect) {
                    Ok(Statement::Native(native)) if native.why != "remote_execute sends it" => {
                        prop_assert!(is_subsequence(&native.text, &prepared.text));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        prop_assert!(error.position.is_some(), "no place: {}", error);
                        let shown = error.render();
                        prop_assert!(!shown.contains('\0'));
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

fn native(sql: &str) -> Option<Native> {
    let file = SourceFile::new("a.sql", sql);
    let piece = split_in(&file, SqlDialect::Mysql).ok()?.pop()?;
    let prepared = substitute(&piece, &parameters(&[]), SqlDialect::Mysql).ok()?;
    match parse(&prepared, &scope(false), SqlDialect::Mysql) {
        Ok(Statement::Native(native)) => Some(native),
        _ => None,
    }
}

#[test]
fn cutting_changes_nothing_but_the_prefixes() {
    // (as typed, as sent)
    let parts = prop_oneof![
        3 => Just(("starrocks.", "")),
        1 => Just(("`starrocks` . ", "")),
        1 => Just(("STARROCKS./* x */", "")),
    ];
    let name =
        proptest::sample::select(vec!["ods.t", "u", "`a``.b`", "t.*", "ods.f(1)", "日志.表", "x . y", "t2024.c"]);
    let dotted = (parts, name).prop_map(|((typed, sent), name)| (format!("{typed}{name}"), format!("{sent}{name}")));
    let plain = proptest::sample::select(vec![
        "a",
        "x.y",
        "'starrocks.t'",
        "\"it's starrocks.t\"",
        "-- starrocks.t\n",
        "/* starrocks.t; */",
        "# starrocks.t '\n",
        "1.5",
        ".5",
        "a.starrocks.t",
        "(",
        ")",
        ",",
        "=",
        "'a\\'starrocks.b'",
        "\n\t",
        "->'$.starrocks.x'",
        "x'1F'",
        "`starrocks`",
        "AND",
        "IN",
    ])
    .prop_map(|text: &str| (text.to_owned(), text.to_owned()));
    let pieces = proptest::collection::vec(prop_oneof![1 => dotted, 2 => plain], 0..12);
    runner()
        .run(&pieces, |pieces| {
            let join = |texts: Vec<&str>| format!("DELETE FROM {} END", texts.join(" "));
            let typed =
                join(std::iter::once("starrocks.t WHERE").chain(pieces.iter().map(|piece| piece.0.as_str())).collect());
            let sent = join(std::iter::once("t WHERE").chain(pieces.iter().map(|piece| piece.1.as_str())).collect());
            if let Some(native) = native(&typed) {
                prop_assert_eq!(native.text, sent);
            } else {
                prop_assert!(false, "not native: {}", typed);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_value_never_changes_the_tokens_around_it() {
    let templates = proptest::sample::select(vec![
        "SELECT 'x', '${v}', \"y\", `z`",
        "SELECT '${v}${v}', 'y'",
        "SELECT \"${v}\" , 'y'",
        "SELECT `${v}` , 'y' -- '",
        "SELECT a = ${v} , 'y'",
        "SELECT p${v}q , 'y' /* ' */",
        "SELECT a-${v}, 'y'",
        "SELECT a/${v}* 'y'",
        "SELECT ${v}'y'",
        "SELECT '${v}', ${v}, '${v}'",
    ]);
    let value = prop_oneof!["[a-z0-9'\"`\\\\ ;/*#.$<>{}+-]{0,8}".prop_map(|value| value), soup(),];
    let cases = (templates, value, any::<bool>());
    runner()
        .run(&cases, |(template, value, ansi)| {
            let dialect = if ansi { SqlDialect::Ansi } else { SqlDialect::Mysql };
            let mut given = parameters(&[]);
            // the value as text, whatever it holds
            given.set("v", value.replace('$', ""), crate::ParameterSource::Run).unwrap();
            let file = SourceFile::new("a.sql", template);
            let piece = split_in(&file, dialect).unwrap().pop().unwrap();
            if let Ok(prepared) = substitute(&piece, &given, dialect) {
                let kinds = |text: &str| -> Vec<TokenKind> {
                    let tokens = tokenize(text, dialect, TextKind::Prepared).tokens;
                    // a value may be a word, a number or a string, with a sign of its own
                    tokens
                        .into_iter()
                        .map(|token| token.kind)
                        .filter(|kind| !matches!(kind, TokenKind::Symbol("-" | "+")))
                        .map(|kind| if kind == TokenKind::Symbol(",") { kind } else { TokenKind::Word })
                        .collect()
                };
                // not x, b or n, which say how to read a string behind them
                let benign = parameters(&[("v", "w")]);
                let expected = substitute(&piece, &benign, dialect).unwrap();
                prop_assert_eq!(kinds(&prepared.text), kinds(&expected.text), "{}", prepared.text);
            }
            Ok(())
        })
        .unwrap();
}
