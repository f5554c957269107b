//! `SET`, `USE`, `SHOW`, `SOURCE`.

use super::Cursor;
use crate::error::{ErrorCode, SqlError};
use crate::statement::{Name, SessionStatement};
use crate::token::{Token, TokenKind};

/// Behind `SET`.
pub(crate) fn set(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let is_assigned = |token: &Token| token.is_symbol("=");
    let names_parameter = cursor.is_at(&["parameter"]) && !cursor.peek_nth(1).is_some_and(is_assigned);
    if names_parameter {
        cursor.at += 1;
        return set_parameter(cursor);
    }
    if cursor.is_at(&["catalog"]) && !cursor.peek_nth(1).is_some_and(is_assigned) {
        cursor.at += 1;
        let name = cursor.catalog_name()?;
        cursor.expect_end()?;
        return Ok(SessionStatement::Use(name));
    }
    refuse_server_variables(cursor)?;
    let position = cursor.statement.position(cursor.at);
    let name = setting_name(cursor)?;
    assignment(cursor, &name)?;
    let value = value(cursor)?;
    Ok(SessionStatement::Set { name, value, position })
}

/// A server's session variables would be set on one connection of many and hold for no statement in particular.
fn refuse_server_variables(cursor: &Cursor<'_>) -> Result<(), SqlError> {
    let is_variable = cursor.peek().is_some_and(|token| token.text(cursor.statement.text()).starts_with('@'));
    let scopes = ["session", "global", "local", "names", "password", "role", "default", "transaction", "character"];
    let is_scope = cursor.is_at_one_of(&scopes)
        && !cursor.peek_nth(1).is_some_and(|token| token.is_symbol("=") || token.is_symbol("."));
    if is_variable || is_scope {
        return Err(cursor
            .error(ErrorCode::Option, "SET sets what belongs to the session, not a server's variables")
            .hint("give the catalog the property session.NAME, or write a SET_VAR hint into the statement"));
    }
    Ok(())
}

fn set_parameter(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let raw = cursor.is_at(&["raw"]) && !cursor.peek_nth(1).is_some_and(|token| token.is_symbol("="));
    cursor.at += usize::from(raw);
    let position = cursor.statement.position(cursor.at);
    let name = setting_name(cursor)?;
    assignment(cursor, &name)?;
    let value = value(cursor)?;
    Ok(SessionStatement::SetParameter { name, value, raw, position })
}

/// A name with dots, in one text.
fn setting_name(cursor: &mut Cursor<'_>) -> Result<String, SqlError> {
    let name = cursor.name("the name of a setting", 8)?;
    Ok(name.parts.join("."))
}

fn assignment(cursor: &mut Cursor<'_>, name: &str) -> Result<(), SqlError> {
    if cursor.take_symbol("=") || cursor.take_symbol(":=") || cursor.take(&["to"]) {
        return Ok(());
    }
    Err(cursor.expected(&format!("= behind {name}")))
}

/// A quoted text, or anything else up to the end as typed.
fn value(cursor: &mut Cursor<'_>) -> Result<String, SqlError> {
    let rest = cursor.at..cursor.statement.tokens.len();
    cursor.statement.refuse_references(rest.clone())?;
    if rest.is_empty() {
        return Err(cursor.expected("a value"));
    }
    let is_quoted = rest.len() == 1
        && cursor.peek().is_some_and(|token| matches!(token.kind, TokenKind::String | TokenKind::QuotedName));
    if is_quoted {
        return Ok(cursor.next_value());
    }
    if let Some(at) = rest.clone().find(|at| cursor.statement.tokens[*at].kind == TokenKind::String) {
        return Err(cursor.statement.error(
            ErrorCode::Syntax,
            "a value is one quoted text, or text without quotes",
            at,
        ));
    }
    cursor.at = rest.end;
    Ok(cursor.statement.slice(rest).to_owned())
}

/// Behind `USE`.
pub(crate) fn use_place(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let is_word = |cursor: &Cursor<'_>| {
        cursor.peek_nth(1).is_some_and(|token| token.is_name() || token.kind == TokenKind::String)
    };
    if cursor.is_at(&["catalog"]) && is_word(cursor) {
        cursor.at += 1;
        let name = cursor.catalog_name()?;
        cursor.expect_end()?;
        return Ok(SessionStatement::Use(name));
    }
    if cursor.is_at_one_of(&["database", "schema"]) && is_word(cursor) {
        cursor.at += 1;
    }
    let name = place(cursor)?;
    cursor.expect_end()?;
    Ok(SessionStatement::Use(name))
}

/// `catalog`, `database` or `catalog.database`; a catalog may have `-` in its name.
fn place(cursor: &mut Cursor<'_>) -> Result<Name, SqlError> {
    let first = cursor.at;
    // StarRocks also takes 'catalog.database' in quotes
    if cursor.peek().is_some_and(|token| token.kind == TokenKind::String) {
        let parts: Vec<String> = cursor.next_value().split('.').map(str::to_owned).collect();
        if parts.len() > 2 || parts.iter().any(String::is_empty) {
            return Err(cursor.statement.error(ErrorCode::Syntax, "expected 'catalog.database'", first));
        }
        return Ok(cursor.statement.name(parts, first));
    }
    let has_hyphen = cursor.peek_nth(1).is_some_and(|token| token.is_symbol("-"));
    if !has_hyphen {
        return cursor.name("a catalog or a database", 2);
    }
    cursor.catalog_name()
}

/// `SHOW …` as far as the session answers it; None is for other statements that begin with SHOW.
pub(crate) fn show(cursor: &mut Cursor<'_>) -> Result<Option<SessionStatement>, SqlError> {
    let statement = if cursor.take(&["show", "catalogs"]) {
        SessionStatement::ShowCatalogs { like: like(cursor)? }
    } else if cursor.take(&["show", "databases"]) || cursor.take(&["show", "schemas"]) {
        let catalog = if takes_from(cursor) { Some(cursor.catalog_name()?) } else { None };
        SessionStatement::ShowDatabases { catalog, like: like(cursor)? }
    } else if cursor.take(&["show", "tables"]) {
        let from = if takes_from(cursor) { Some(place(cursor)?) } else { None };
        SessionStatement::ShowTables { from, like: like(cursor)? }
    } else if cursor.take(&["show", "create", "catalog"]) || cursor.take(&["show", "create", "external", "catalog"]) {
        SessionStatement::ShowCreateCatalog(cursor.catalog_name()?)
    } else {
        return Ok(None);
    };
    cursor.expect_end()?;
    Ok(Some(statement))
}

fn takes_from(cursor: &mut Cursor<'_>) -> bool {
    cursor.take(&["from"]) || cursor.take(&["in"])
}

fn like(cursor: &mut Cursor<'_>) -> Result<Option<String>, SqlError> {
    if cursor.take(&["like"]) { cursor.string("a pattern in quotes").map(Some) } else { Ok(None) }
}

/// Behind `SOURCE`: a path in quotes, or as typed up to the end.
pub(crate) fn source(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let position = cursor.statement.position(cursor.at);
    let path = value(cursor)?;
    Ok(SessionStatement::Source { path, position })
}
