//! Session variables that a write sets on its connection: DataX's `"session": ["set sql_mode='…'"]`, and `session.NAME`.
//!
//! Only plain assignments of session variables are read. They are written anew from what was read, never sent as they were typed.

use crate::error::{ConnectorError, Result};
use crate::mysql_protocol::options::check_session_variable;

/// Adds a variable, or gives it another value.
///
/// # Errors
/// Code Option for a name that is none, or that every session has at one value.
pub(super) fn add(session: &mut Vec<(String, String)>, name: &str, value: &str) -> Result<()> {
    check_session_variable(name, value)?;
    session.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    session.push((name.to_owned(), value.to_owned()));
    Ok(())
}

/// Names and values of a list of assignments: a list of JSON, or text with `;` between statements. Each is `[set [session]] name = value`, and
/// more behind commas.
///
/// # Errors
/// Code Option for anything else, without repeating it.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>> {
    let text = text.trim();
    let statements: Vec<String> = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|_| refused("is no list of texts"))?
    } else {
        vec![text.to_owned()]
    };
    let mut variables = Vec::new();
    for statement in &statements {
        let mut rest = statement.as_str();
        while !rest.trim().is_empty() {
            rest = assignments(rest, &mut variables)?;
        }
    }
    Ok(variables)
}

fn refused(why: &str) -> ConnectorError {
    ConnectorError::option(format!(
        "\"session\" {why}; it takes assignments of session variables, such as \"set sql_mode = 'STRICT_ALL_TABLES'\""
    ))
}

/// Reads one statement; what is behind its `;`.
fn assignments<'a>(text: &'a str, variables: &mut Vec<(String, String)>) -> Result<&'a str> {
    let mut rest = text.trim_start();
    if let Some(behind) = word(rest, "set") {
        rest = behind;
    }
    loop {
        let (name, behind) = name(rest)?;
        let behind = behind
            .strip_prefix(":=")
            .or_else(|| behind.strip_prefix('='))
            .ok_or_else(|| refused(&format!("has no = behind {}", name.escape_debug())))?;
        let (value, behind) = value(behind.trim_start())?;
        variables.push((name.to_owned(), value));
        rest = behind.trim_start();
        match rest.chars().next() {
            None => return Ok(""),
            Some(';') => return Ok(&rest[1..]),
            Some(',') => rest = rest[1..].trim_start(),
            Some(_) => return Err(refused("has something behind a value")),
        }
    }
}

/// What is behind a word, if the text begins with it.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then(|| rest.trim_start())
}

/// A variable's name without the words that say that it is one of the session.
fn name(text: &str) -> Result<(&str, &str)> {
    let mut rest = text;
    for scope in ["session", "local"] {
        if let Some(behind) = word(rest, scope) {
            rest = behind;
        }
    }
    for scope in ["global", "persist", "persist_only"] {
        if word(rest, scope).is_some() {
            return Err(refused("sets a variable of the whole server"));
        }
    }
    for prefix in ["@@session.", "@@local.", "@@"] {
        if rest.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)) {
            rest = &rest[prefix.len()..];
            break;
        }
    }
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    if name.is_empty() {
        return Err(refused("holds something that is no assignment"));
    }
    // SET NAMES, SET ROLE, SET PASSWORD …
    if !behind.trim_start().starts_with(['=', ':']) {
        return Err(refused(&format!("has no = behind {}", name.escape_debug())));
    }
    Ok((name, behind.trim_start()))
}

/// A quoted text, a word or a number.
fn value(text: &str) -> Result<(String, &str)> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        let end = text
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.' | '-' | '+'))
            .unwrap_or(text.len());
        return match text.split_at(end) {
            ("", _) => Err(refused("has no value behind =, or one that is neither a number, a word nor a quoted text")),
            (value, behind) => Ok((value.to_owned(), behind)),
        };
    };
    let inside = &text[1..];
    let end = inside.find(quote).ok_or_else(|| refused("has a quote that is not closed"))?;
    let (value, behind) = (&inside[..end], &inside[end + 1..]);
    // no value of a variable needs one, and neither can be mistaken for the end of the text
    if value.contains('\\') || behind.starts_with(quote) {
        return Err(refused("has a value with a quote or a backslash in it"));
    }
    Ok((value.to_owned(), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        parse(text).unwrap().into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn assignments_are_read_in_every_form() {
        assert_eq!(read("set sql_mode=''"), ["sql_mode="]);
        assert_eq!(read("SET SESSION a = 1, @@session.b := 'x,y', c=ON"), ["a=1", "b=x,y", "c=ON"]);
        assert_eq!(read("[\"set a=1;\", \"b = -2.5\"]"), ["a=1", "b=-2.5"]);
        assert_eq!(read("set a=1; set local b=2;"), ["a=1", "b=2"]);
        assert_eq!(read(""), [""; 0]);
    }

    #[test]
    fn what_is_no_plain_assignment_of_the_session_is_refused() {
        for text in [
            "drop table t",
            "set a=1; drop table t",
            "set global a=1",
            "set persist a=1",
            "set @a=1",
            "set @@global.a=1",
            "set names gbk",
            "set a=(select 1)",
            "set a=sleep(1)",
            "set a='x",
            "set a='x\\'",
            "set a='x''y'",
            "set a='x' y",
            "set a=1 /* x */",
            "set a",
            "set",
            "[1]",
            "set password = password('x')",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn variables_that_a_write_relies_on_are_refused() {
        let mut session = Vec::new();
        add(&mut session, "a", "1").unwrap();
        add(&mut session, "A", "2").unwrap();
        assert_eq!(session, [("A".to_owned(), "2".to_owned())]);
        for (name, value) in [
            ("autocommit", "0"),
            ("sql_mode", "NO_BACKSLASH_ESCAPES"),
            ("character_set_client", "gbk"),
            ("a;b", "1"),
            ("time_zone", "+00:00"),
        ] {
            assert!(add(&mut session, name, value).is_err(), "{name}");
        }
    }
}
