//! Step 3: a statement is routed over its tokens, then parsed by the grammar that its kind has.

use std::ops::Range;

use crate::dialect::SqlDialect;
use crate::error::{ErrorCode, SqlError};
use crate::grammar::{self, Cursor};
use crate::nearest::nearest;
use crate::query::parse_query;
use crate::remote_sql::check_sql_argument;
use crate::route::{Route, System, is_database_statement, is_query, main_verb, route, unknown_catalog};
use crate::scope::Scope;
use crate::source::Prepared;
use crate::statement::{Assert, Explain, ExternalTable, Native, SessionStatement, Statement};
use crate::statement_text::StatementText;
use crate::token::{Token, TokenKind};

/// Routes and parses one statement.
///
/// A statement whose names all lead to one remote catalog goes there as it was typed, without that catalog's name before dotted names.
/// Syncline's own statements and what spans systems are parsed here.
///
/// # Errors
/// [`ErrorCode::Syntax`], [`ErrorCode::UnknownCatalog`], [`ErrorCode::AmbiguousName`], [`ErrorCode::Reference`], [`ErrorCode::Option`], and
/// [`ErrorCode::NotYet`] for what a later version builds; all with their place in the script.
pub fn parse(prepared: &Prepared, scope: &dyn Scope, dialect: SqlDialect) -> Result<Statement, SqlError> {
    let statement = StatementText::new(prepared, scope, dialect)?;
    let parsed = parse_from(&statement, 0)?;
    if !is_sent(&parsed) {
        statement.refuse_executed_comments()?;
    }
    Ok(parsed)
}

/// Whether the statement goes to a remote system as it was typed.
fn is_sent(statement: &Statement) -> bool {
    match statement {
        Statement::Native(_) => true,
        Statement::Explain(explain) => is_sent(&explain.statement),
        _ => false,
    }
}

/// Parses from a token to the end.
fn parse_from(statement: &StatementText<'_>, start: usize) -> Result<Statement, SqlError> {
    let tokens = start..statement.tokens.len();
    let mut cursor = Cursor::new(statement, start);
    let Some(first) = cursor.peek() else { return Err(cursor.expected("a statement")) };
    let word = match first.kind {
        TokenKind::Word => first.text(statement.text()).to_lowercase(),
        _ => String::new(),
    };
    match word.as_str() {
        "explain" => explain(&mut cursor),
        "assert" => assert(&mut cursor),
        "set" => session_after(&mut cursor, grammar::set),
        "use" => session_after(&mut cursor, grammar::use_place),
        "source" => session_after(&mut cursor, grammar::source),
        "show" => show(&mut cursor, tokens),
        "desc" | "describe" => describe(&mut cursor, tokens),
        "create" => create(&mut cursor, tokens),
        "drop" => drop(&mut cursor, tokens),
        "alter" => alter(&mut cursor, tokens),
        "msck" => msck(&mut cursor, tokens),
        "call" => call(&mut cursor, tokens),
        "copy" => Ok(Statement::Sync(Box::new(grammar::copy(&mut cursor)?))),
        "insert" | "replace" => insert(&mut cursor, tokens),
        "from" if let Some(at) = main_verb(statement, tokens.clone()).filter(|at| is_insert(statement, *at)) => {
            Err(insert_behind_from(statement, at))
        }
        "with" if let Some(verb) = main_verb(statement, tokens.clone()) => verb_behind_with(statement, tokens, verb),
        "select" | "with" | "values" | "from" | "table" => query(statement, tokens),
        "" if first.is_symbol("(") => query(statement, tokens),
        _ => other(statement, tokens),
    }
}

fn session_after(
    cursor: &mut Cursor<'_>,
    grammar: impl FnOnce(&mut Cursor<'_>) -> Result<SessionStatement, SqlError>,
) -> Result<Statement, SqlError> {
    cursor.at += 1;
    session(grammar(cursor)?)
}

fn session(statement: SessionStatement) -> Result<Statement, SqlError> {
    Ok(Statement::Session(Box::new(statement)))
}

/// Goes to the catalog that its names lead to, if it is one.
fn native(statement: &StatementText<'_>, tokens: Range<usize>, route: &Route) -> Option<Result<Native, SqlError>> {
    route.native().map(|target| route.cut(statement, tokens, target))
}

fn query(statement: &StatementText<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    let route = route(statement, tokens.clone());
    if let Some(native) = native(statement, tokens.clone(), &route) {
        return native.map(Statement::Native);
    }
    route.refuse_unknown(statement)?;
    Ok(Statement::Query(Box::new(parse_query(statement, tokens, &route)?)))
}

/// `WITH … INSERT | UPDATE | DELETE …`: the statement of a remote system, or a sync whose query begins before its INSERT.
fn verb_behind_with(statement: &StatementText<'_>, tokens: Range<usize>, verb: usize) -> Result<Statement, SqlError> {
    let route = route(statement, tokens.clone());
    let mut cursor = Cursor::new(statement, verb);
    let is_native = route.native().is_some() && !grammar::inserts_into_a_directory(&cursor);
    if is_native || !is_insert(statement, verb) {
        return other(statement, tokens);
    }
    if !statement.tokens[verb - 1].is_symbol(")") {
        return Err(insert_behind_from(statement, verb));
    }
    route.refuse_unknown(statement)?;
    Ok(Statement::Sync(Box::new(grammar::insert(&mut cursor, tokens.start..verb)?)))
}

fn is_insert(statement: &StatementText<'_>, at: usize) -> bool {
    let cursor = Cursor::new(statement, at);
    cursor.is_at(&["insert", "overwrite"]) || cursor.is_at(&["insert", "into"])
}

/// Hive's `FROM x INSERT OVERWRITE TABLE t SELECT …`.
fn insert_behind_from(statement: &StatementText<'_>, at: usize) -> SqlError {
    statement
        .error(ErrorCode::NotYet, "an INSERT behind its FROM is not built yet", at)
        .hint("write INSERT … SELECT … FROM …, one for each target")
}

fn insert(cursor: &mut Cursor<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    if grammar::inserts_into_a_directory(cursor) {
        return Ok(Statement::Sync(Box::new(grammar::insert(cursor, 0..0)?)));
    }
    let route = route(cursor.statement, tokens.clone());
    if let Some(native) = native(cursor.statement, tokens, &route) {
        return native.map(Statement::Native);
    }
    route.refuse_unknown(cursor.statement)?;
    Ok(Statement::Sync(Box::new(grammar::insert(cursor, 0..0)?)))
}

fn explain(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    cursor.expect(&["explain"])?;
    let analyze = cursor.take(&["analyze"]);
    let _ = cursor.take(&["verbose"]) || cursor.take(&["extended"]);
    if cursor.is_at(&["explain"]) {
        return Err(cursor.expected("a statement to explain"));
    }
    let statement = parse_from(cursor.statement, cursor.at)?;
    Ok(Statement::Explain(Box::new(Explain { analyze, statement })))
}

/// `ASSERT condition [AS 'message']`.
fn assert(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    let statement = cursor.statement;
    let start = cursor.at;
    let first = start + 1;
    let mut end = statement.tokens.len();
    let mut message = None;
    let has_message = end >= first + 2
        && statement.tokens[end - 1].kind == TokenKind::String
        && statement.tokens[end - 2].is_word(statement.text(), "as");
    if has_message {
        message = Some(statement.value(end - 1));
        statement.refuse_references(end - 1..end)?;
        end -= 2;
    }
    if first >= end {
        cursor.at = first;
        return Err(cursor.expected("a condition"));
    }
    let condition = statement.slice(first..end).to_owned();
    let excerpt = statement.excerpt(first..end, "SELECT (", ")");
    let query = parse(&excerpt, statement.scope, statement.dialect)?;
    Ok(Statement::Assert(Box::new(Assert { query, condition, message, position: statement.position(start) })))
}

fn show(cursor: &mut Cursor<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    if let Some(statement) = grammar::show(cursor)? {
        return session(statement);
    }
    let statement = cursor.statement;
    let shows_partitions = cursor.is_at(&["show", "partitions"]);
    let of_session = |name: &Token| statement.scope.is_session_table(&name.value(statement.text(), statement.dialect));
    if shows_partitions && is_alone(cursor, 2) && cursor.peek_nth(2).is_some_and(of_session) {
        return show_partitions(cursor, tokens);
    }
    let route = route(statement, tokens.clone());
    if let Some(native) = native(statement, tokens.clone(), &route) {
        return native.map(Statement::Native);
    }
    route.refuse_unknown(statement)?;
    if cursor.take(&["show", "create", "table"]) || cursor.take(&["show", "create", "view"]) {
        let name = cursor.name("a table's name", 3)?;
        cursor.expect_end()?;
        return session(SessionStatement::ShowCreateTable(name));
    }
    if shows_partitions {
        return show_partitions(cursor, tokens);
    }
    cursor.at += 1;
    Err(cursor
        .expected("CATALOGS, DATABASES, TABLES, CREATE TABLE or CREATE CATALOG")
        .hint("what a remote system shows needs a name in it, or USE of its catalog"))
}

/// Of an external table.
fn show_partitions(cursor: &mut Cursor<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    cursor.statement.refuse_references(tokens)?;
    cursor.expect(&["show", "partitions"])?;
    session(grammar::show_partitions(cursor)?)
}

/// Whether a name of one part stands there.
fn is_alone(cursor: &Cursor<'_>, n: usize) -> bool {
    cursor.peek_nth(n).is_some_and(Token::is_name) && !cursor.peek_nth(n + 1).is_some_and(|token| token.is_symbol("."))
}

fn describe(cursor: &mut Cursor<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    let statement = cursor.statement;
    cursor.at += 1;
    for word in ["table", "extended", "formatted"] {
        let is_word_before_name = cursor.is_at(&[word]) && cursor.peek_nth(1).is_some_and(|token| token.is_name());
        cursor.at += usize::from(is_word_before_name);
    }
    let name = cursor.name("a table's name", 3)?;
    if cursor.peek().is_none() {
        let route = route(statement, tokens);
        route.refuse_unknown(statement)?;
        return session(SessionStatement::Describe(name));
    }
    // DESC t ALL and the like are the server's
    let route = route(statement, tokens.clone());
    match native(statement, tokens, &route) {
        Some(native) => native.map(Statement::Native),
        None => Err(cursor.expected("the end of the statement")),
    }
}

fn create(cursor: &mut Cursor<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    let statement = cursor.statement;
    cursor.at += 1;
    let or_replace = cursor.take(&["or", "replace"]);
    let mut is_temporary = take_temporary(cursor);
    let is_external = cursor.take(&["external"]);
    is_temporary = take_temporary(cursor) || is_temporary;
    if cursor.take(&["catalog"]) {
        return session(grammar::create_catalog(cursor, or_replace)?);
    }
    if cursor.take(&["table"]) {
        return create_table(cursor, tokens, TableWords { or_replace, is_external, is_temporary });
    }
    if cursor.take(&["view"]) {
        return create_view(cursor, tokens, or_replace, is_temporary);
    }
    other(statement, tokens)
}

fn take_temporary(cursor: &mut Cursor<'_>) -> bool {
    cursor.take(&["global", "temporary"]) || cursor.take(&["temporary"]) || cursor.take(&["temp"])
}

/// The words between CREATE and TABLE.
#[derive(Clone, Copy)]
struct TableWords {
    or_replace: bool,
    is_external: bool,
    is_temporary: bool,
}

/// `CREATE [EXTERNAL] TABLE`: a table of the catalog that its name leads to, made there or after one of another system, or an external table.
fn create_table(cursor: &mut Cursor<'_>, tokens: Range<usize>, words: TableWords) -> Result<Statement, SqlError> {
    let TableWords { or_replace, is_external, is_temporary } = words;
    let statement = cursor.statement;
    let route = route(statement, tokens.clone());
    let is_over_files = tokens.clone().any(|at| is_location(statement, at));
    let has_spark_format = tokens.clone().any(|at| is_spark_format(statement, at));
    let target = first_table(&route);
    let is_remote = match target {
        Some(System::Named(_)) => true,
        // what is in use takes a table unless it is plainly one over files
        Some(System::InUse(_)) => !(has_spark_format || is_external && is_over_files),
        _ => false,
    };
    if is_remote {
        return match native(statement, tokens, &route) {
            Some(native) => native.map(Statement::Native),
            None if is_external || is_temporary => Err(statement.error(
                ErrorCode::NotYet,
                "a table that is made after one of another system is neither external nor temporary",
                cursor.at,
            )),
            None => {
                route.refuse_unknown(statement)?;
                Ok(Statement::CreateTable(Box::new(grammar::create_table(cursor)?)))
            }
        };
    }
    if matches!(target, Some(System::Unknown)) {
        route.refuse_unknown(statement)?;
    }
    if let Some(System::Files(catalog)) = target {
        return Err(statement
            .error(ErrorCode::Syntax, format!("catalog {catalog} holds files and cannot hold tables"), cursor.at)
            .hint("give the table a name without a catalog, and LOCATION 'catalog:/path'"));
    }
    if is_external || is_over_files || has_spark_format {
        if or_replace && !is_temporary {
            return Err(statement
                .error(
                    ErrorCode::Syntax,
                    "OR REPLACE is of temporary tables: the definition of any other is kept",
                    cursor.at,
                )
                .hint("write CREATE OR REPLACE TEMPORARY EXTERNAL TABLE, or DROP TABLE it first"));
        }
        let table = ExternalTable { or_replace, is_temporary, ..grammar::external_table(cursor, tokens.start)? };
        return session(SessionStatement::CreateExternalTable(Box::new(table)));
    }
    if tokens.clone().any(|at| statement.tokens[at].is_word(statement.text(), "select")) {
        return Err(statement.error(
            ErrorCode::NotYet,
            "CREATE TABLE … AS SELECT in the session is not built yet",
            cursor.at,
        ));
    }
    Err(statement
        .error(ErrorCode::Syntax, "this names no system to create the table in", cursor.at)
        .hint("write catalog.database.table, or USE a catalog before it; CREATE EXTERNAL TABLE … LOCATION makes a table over files"))
}

/// Words that only a table over files has.
fn is_location(statement: &StatementText<'_>, at: usize) -> bool {
    let text = statement.text();
    let is = |n: usize, word: &str| statement.tokens.get(at + n).is_some_and(|token| token.is_word(text, word));
    let is_string = |n: usize| statement.tokens.get(at + n).is_some_and(|token| token.kind == TokenKind::String);
    (is(0, "location") && is_string(1)) || (is(0, "stored") && is(1, "as")) || (is(0, "row") && is(1, "format"))
}

/// `USING csv` and the like, which no remote system has.
fn is_spark_format(statement: &StatementText<'_>, at: usize) -> bool {
    let (Some(using), Some(format)) = (statement.tokens.get(at), statement.tokens.get(at + 1)) else { return false };
    let text = statement.text();
    using.is_word(text, "using")
        && (format.kind == TokenKind::String || format.is_name())
        && grammar::is_file_format(&format.value(text, statement.dialect))
}

fn first_table(route: &Route) -> Option<&System> {
    route.names.iter().find(|(name, _)| name.is_table).map(|(_, system)| system)
}

/// A view whose name leads to a remote catalog is that system's; any other lives in the session.
fn create_view(
    cursor: &mut Cursor<'_>,
    tokens: Range<usize>,
    or_replace: bool,
    is_temporary: bool,
) -> Result<Statement, SqlError> {
    let statement = cursor.statement;
    let route_of_all = route(statement, tokens.clone());
    let target = first_table(&route_of_all);
    let is_remote = match target {
        Some(System::Named(_)) => true,
        Some(System::InUse(_)) => !is_temporary && route_of_all.native().is_some(),
        _ => false,
    };
    if is_remote {
        return match native(statement, tokens, &route_of_all) {
            Some(native) => native.map(Statement::Native),
            None => Err(statement
                .error(ErrorCode::Syntax, "a view in a remote system can only read from that system", cursor.at)
                .hint("give the view a name without a catalog to make it a view of the session")),
        };
    }
    if let Some(System::Files(catalog)) = target {
        let message = format!("catalog {catalog} holds files and cannot hold views");
        return Err(statement.error(ErrorCode::Syntax, message, cursor.at));
    }
    let if_not_exists = cursor.if_not_exists()?;
    let name = cursor.name("the view's name", 3)?;
    if cursor.is_at_symbol("(") {
        return Err(cursor
            .error(ErrorCode::NotYet, "a column list of a view is not built yet")
            .hint("name the columns in the SELECT with AS"));
    }
    cursor.comment()?;
    cursor.expect(&["as"])?;
    let body = cursor.at..tokens.end;
    let body_route = route(statement, body.clone());
    route_of_all.refuse_unknown(statement)?;
    let query = parse_query(statement, body, &body_route)?;
    session(SessionStatement::CreateView { name, or_replace, if_not_exists, query })
}

fn drop(cursor: &mut Cursor<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    let statement = cursor.statement;
    cursor.at += 1;
    let is_external = cursor.take(&["external"]);
    if cursor.take(&["catalog"]) {
        return session(grammar::drop_catalog(cursor)?);
    }
    let is_view = cursor.is_at(&["view"]);
    if !is_view && !cursor.is_at(&["table"]) {
        return other(statement, tokens);
    }
    cursor.at += 1;
    let route = route(statement, tokens.clone());
    let is_remote = match first_table(&route) {
        Some(System::Named(_)) => true,
        Some(System::InUse(_)) => !is_external,
        _ => false,
    };
    if is_remote && let Some(native) = native(statement, tokens, &route) {
        return native.map(Statement::Native);
    }
    route.refuse_unknown(statement)?;
    let if_exists = cursor.if_exists()?;
    let name = cursor.name("a name", 3)?;
    if cursor.is_at_symbol(",") {
        return Err(cursor
            .error(ErrorCode::NotYet, "dropping several at once is not built yet")
            .hint("write one DROP for each"));
    }
    let _ = cursor.take(&["purge"]);
    cursor.expect_end()?;
    session(match is_view {
        true => SessionStatement::DropView { name, if_exists },
        false => SessionStatement::DropTable { name, if_exists },
    })
}

fn alter(cursor: &mut Cursor<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    let statement = cursor.statement;
    cursor.at += 1;
    let is_external = cursor.take(&["external"]);
    // ALTER CATALOG c SET PROPERTIES is the session's
    if cursor.take(&["catalog"]) {
        return session(grammar::alter_catalog(cursor)?);
    }
    let route = route(statement, tokens.clone());
    let is_session = matches!(first_table(&route), Some(System::Session | System::Unbound));
    if cursor.is_at(&["table"]) && (is_session || is_external) {
        cursor.at += 1;
        statement.refuse_references(tokens)?;
        return session(grammar::alter_table(cursor)?);
    }
    other(statement, tokens)
}

/// `MSCK REPAIR TABLE`.
fn msck(cursor: &mut Cursor<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    let route = route(cursor.statement, tokens.clone());
    match native(cursor.statement, tokens, &route) {
        Some(native) => native.map(Statement::Native),
        None => {
            route.refuse_unknown(cursor.statement)?;
            session_after(cursor, grammar::repair_table)
        }
    }
}

/// `CALL remote_execute('catalog', 'sql' [, 'database'])`, or a procedure of a remote system.
fn call(cursor: &mut Cursor<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    let statement = cursor.statement;
    if !cursor.take(&["call", "remote_execute"]) {
        return other(statement, tokens);
    }
    statement.refuse_references(tokens)?;
    cursor.expect_symbol("(")?;
    let at = cursor.at;
    let name = cursor.string("the catalog's name in quotes")?;
    cursor.expect_symbol(",")?;
    check_sql_argument(statement, cursor.at)?;
    let sql = cursor.string("the statement in quotes")?;
    let database = match cursor.take_symbol(",") {
        true => Some(cursor.string("the database's name in quotes")?),
        false => None,
    };
    cursor.expect_symbol(")")?;
    cursor.expect_end()?;
    let catalog = statement.scope.catalog(&name).ok_or_else(|| unknown_catalog(statement, &name, at))?;
    if !catalog.remote {
        let message = format!("catalog {} runs no SQL", catalog.name);
        return Err(statement.error(ErrorCode::UnknownCatalog, message, at));
    }
    let current = statement.scope.current();
    let in_use = if current.catalog == catalog.name { current.database } else { None };
    let (is_query, needs_database) = look_into(&sql, statement);
    Ok(Statement::Native(Native {
        catalog: catalog.name,
        database: database.or(in_use),
        needs_database,
        text: sql,
        is_query,
        label_offset: None,
        overwrites: false,
        why: "remote_execute sends it".to_owned(),
        names: Vec::new(),
    }))
}

/// Whether a text of its own has a result, and whether it must run in a database.
fn look_into(sql: &str, statement: &StatementText<'_>) -> (bool, bool) {
    let file = crate::SourceFile::new("remote_execute", sql);
    let piece = crate::Piece { file, range: 0..sql.len() };
    let prepared = Prepared { piece, text: sql.to_owned(), replacements: Vec::new() };
    match StatementText::new(&prepared, statement.scope, statement.dialect) {
        Ok(inner) => (is_query(&inner, 0..inner.tokens.len()), !is_database_statement(&inner, 0)),
        Err(_) => (false, true),
    }
}

/// Heads of statements that the session has, for suggestions.
const HEADS: &[&str] = &[
    "SELECT", "INSERT", "CREATE", "DROP", "ALTER", "SHOW", "DESCRIBE", "EXPLAIN", "ASSERT", "SET", "USE", "SOURCE",
    "WITH", "CALL", "COPY", "VALUES", "TRUNCATE", "UPDATE", "DELETE", "GRANT",
];

/// A statement that only a remote system can run.
fn other(statement: &StatementText<'_>, tokens: Range<usize>) -> Result<Statement, SqlError> {
    let start = tokens.start;
    let route = route(statement, tokens.clone());
    if let Some(native) = native(statement, tokens, &route) {
        return native.map(Statement::Native);
    }
    let typed = statement.tokens[start].text(statement.text());
    let is_known = HEADS.iter().any(|head| head.eq_ignore_ascii_case(typed));
    if !is_known && let Some(head) = nearest(typed, HEADS.iter().copied()) {
        return Err(statement
            .error(ErrorCode::Syntax, format!("{typed} begins no statement"), start)
            .hint(format!("did you mean {head}?")));
    }
    let word = typed.to_uppercase();
    let systems = route.systems();
    if systems.len() > 1 {
        let message = format!("{word} runs inside one system, and this names {}", systems.join(" and "));
        return Err(statement.error(ErrorCode::Syntax, message, start));
    }
    route.refuse_unknown(statement)?;
    let message = match systems.first() {
        Some(system) => format!("{word} runs only inside a remote system, and this names {system}"),
        None => format!("{word} runs only inside a remote system, and this names none"),
    };
    Err(statement.error(ErrorCode::Syntax, message, start).hint(
        "write catalog.database.table, choose a catalog with USE, or CALL remote_execute('catalog', 'statement')",
    ))
}

#[cfg(test)]
mod tests;
