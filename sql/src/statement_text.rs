//! A statement's text with its tokens: what routing and the grammars read.

use std::ops::Range;

use crate::dialect::SqlDialect;
use crate::error::{ErrorCode, SqlError};
use crate::reference::reference;
use crate::scope::Scope;
use crate::source::{Piece, Position, Prepared, Replacement};
use crate::statement::Name;
use crate::token::{TextKind, Token, TokenKind, plain_sign, tokenize};

/// Characters of a mistaken word that a message repeats.
const SHOWN_CHARACTERS: usize = 40;

/// The statement that is being parsed.
pub(crate) struct StatementText<'a> {
    pub(crate) prepared: &'a Prepared,
    pub(crate) tokens: Vec<Token>,
    /// Comments that MySQL reads as SQL.
    pub(crate) executed: Vec<Range<usize>>,
    pub(crate) dialect: SqlDialect,
    pub(crate) scope: &'a dyn Scope,
}

impl<'a> StatementText<'a> {
    /// Reads the tokens; there is at least one.
    pub(crate) fn new(prepared: &'a Prepared, scope: &'a dyn Scope, dialect: SqlDialect) -> Result<Self, SqlError> {
        let read = tokenize(&prepared.text, dialect, TextKind::Prepared);
        if let Some(unterminated) = read.unterminated {
            return Err(unterminated.error().at(prepared.position(unterminated.offset)));
        }
        let tokens = join_catalog_names(&prepared.text, read.tokens, scope);
        let statement = Self { prepared, tokens, executed: read.executed, dialect, scope };
        if statement.tokens.is_empty() {
            let error = SqlError::new(ErrorCode::Syntax, "there is no statement here").at(prepared.position(0));
            return Err(match statement.executed.is_empty() {
                true => error,
                false => {
                    error.hint("a comment that MySQL runs goes there by CALL remote_execute('catalog', '/*! … */')")
                }
            });
        }
        // only a RAW parameter can bring one in
        if let Some(at) = statement.tokens.iter().position(|token| token.is_symbol(";")) {
            return Err(SqlError::new(ErrorCode::Syntax, "a parameter must not hold a second statement")
                .at(statement.position(at)));
        }
        Ok(statement)
    }

    pub(crate) fn text(&self) -> &'a str {
        &self.prepared.text
    }

    /// The place of a token, or of the statement's end.
    pub(crate) fn position(&self, at: usize) -> Position {
        self.prepared.position(self.offset(at))
    }

    /// Where a token starts, or where the statement ends.
    pub(crate) fn offset(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(self.prepared.text.len(), |token| token.range.start)
    }

    /// The text from one token up to another.
    pub(crate) fn slice(&self, tokens: Range<usize>) -> &'a str {
        match (self.tokens.get(tokens.start), tokens.end.checked_sub(1).and_then(|last| self.tokens.get(last))) {
            (Some(first), Some(last)) if first.range.start <= last.range.end => {
                &self.text()[first.range.start..last.range.end]
            }
            _ => "",
        }
    }

    /// Where some tokens stand, with the comments at the statement's two ends that MySQL runs.
    pub(crate) fn sent_range(&self, tokens: Range<usize>) -> Range<usize> {
        let (mut start, is_end) = (self.offset(tokens.start), tokens.end == self.tokens.len());
        let mut end = start + self.slice(tokens.clone()).len();
        if let Some(first) = self.executed_blocks().next().filter(|_| tokens.start == 0) {
            start = start.min(first.start);
        }
        if let Some(last) = self.executed.last().filter(|_| is_end) {
            end = end.max(last.end);
        }
        start..end
    }

    /// Refuses `/*! … */` in a statement that is not sent as it stands: nobody would run it.
    pub(crate) fn refuse_executed_comments(&self) -> Result<(), SqlError> {
        match self.executed_blocks().next() {
            Some(comment) => Err(SqlError::new(ErrorCode::Syntax, "this is a comment that only MySQL runs")
                .at(self.prepared.position(comment.start))
                .hint("take the text out of the comment, or leave it out")),
            None => Ok(()),
        }
    }

    /// Refuses a parameter in `/*! … */`, where none is put in.
    pub(crate) fn refuse_parameters_in_comments(&self) -> Result<(), SqlError> {
        for comment in self.executed_blocks() {
            if let Some(at) = self.text()[comment.clone()].find("${") {
                return Err(SqlError::new(
                    ErrorCode::Syntax,
                    "no parameter is put into a comment, and MySQL runs this one",
                )
                .at(self.prepared.position(comment.start + at))
                .hint("take the text out of the comment"));
            }
        }
        Ok(())
    }

    fn executed_blocks(&self) -> impl Iterator<Item = &Range<usize>> {
        self.executed.iter().filter(|comment| self.text()[comment.start..].starts_with("/*"))
    }

    pub(crate) fn value(&self, at: usize) -> String {
        self.tokens.get(at).map_or_else(String::new, |token| token.value(self.text(), self.dialect))
    }

    /// A name made of some tokens.
    pub(crate) fn name(&self, parts: Vec<String>, first: usize) -> Name {
        Name { parts, position: self.position(first) }
    }

    pub(crate) fn error(&self, code: ErrorCode, message: impl Into<String>, at: usize) -> SqlError {
        SqlError::new(code, message).at(self.position(at))
    }

    /// `expected …, found …` at a token, or behind the last one before `end`.
    pub(crate) fn expected(&self, what: &str, at: usize, end: usize) -> SqlError {
        let Some(token) = self.tokens.get(at).filter(|_| at < end) else {
            let last = end.checked_sub(1).and_then(|last| self.tokens.get(last));
            let offset = last.map_or(self.prepared.text.len(), |last| last.range.end);
            let message = format!("expected {what}, found the end of the statement");
            return SqlError::new(ErrorCode::Syntax, message).at(self.prepared.position(offset));
        };
        let typed = token.text(self.text());
        let found = match token.kind {
            // it may be a password, and it may be long
            TokenKind::String | TokenKind::PrefixedString => "a quoted text".to_owned(),
            _ if typed.chars().count() > SHOWN_CHARACTERS => {
                format!("{}…", typed.chars().take(SHOWN_CHARACTERS).collect::<String>())
            }
            _ => typed.to_owned(),
        };
        let error = self.error(ErrorCode::Syntax, format!("expected {what}, found {found}"), at);
        match plain_sign(typed) {
            Some(sign) => error.hint(format!("{typed} is a typographic sign: type {sign}")),
            None => error,
        }
    }

    /// Whether a part of a token came from a parameter or was typed as `$${`: such text is never a reference.
    pub(crate) fn is_replaced(&self, token: &Token) -> bool {
        self.prepared.replacements.iter().any(|r| r.range.start < token.range.end && token.range.start < r.range.end)
    }

    /// Refuses `${env:…}` and `${file:…}` where nothing reads them: they would be sent or compared as text.
    pub(crate) fn refuse_references(&self, tokens: Range<usize>) -> Result<(), SqlError> {
        for at in tokens {
            let Some(token) = self.tokens.get(at) else { break };
            let is_quoted = matches!(token.kind, TokenKind::String | TokenKind::QuotedName);
            if is_quoted && reference(token.inner(self.text())).is_some() && !self.is_replaced(token) {
                let message = format!("{} cannot stand here", token.inner(self.text()));
                return Err(self
                    .error(ErrorCode::Reference, message, at)
                    .hint("references stand in the properties of catalogs, external tables and syncs, never in SQL that is sent"));
            }
        }
        Ok(())
    }

    /// A part of the statement as a statement of its own, with text before and behind it that is not in the script.
    pub(crate) fn excerpt(&self, tokens: Range<usize>, before: &str, behind: &str) -> Prepared {
        let body = self.slice(tokens.clone());
        let start = self.offset(tokens.start);
        let original_start = self.prepared.position(start).offset;
        let original_end = self.prepared.position(start + body.len()).offset.max(original_start);
        // the text before counts as a replacement of nothing, so that offsets behind it lead back to the script
        let mut replacements = vec![Replacement {
            range: 0..before.len(),
            original: original_start..original_start,
            name: String::new(),
            raw: true,
        }];
        for replacement in &self.prepared.replacements {
            let from = replacement.range.start.max(start);
            let to = replacement.range.end.min(start + body.len());
            if from <= to && replacement.range.start < start + body.len() && replacement.range.end > start {
                let range = from - start + before.len()..to - start + before.len();
                replacements.push(Replacement { range, ..replacement.clone() });
            }
        }
        Prepared {
            piece: Piece { file: self.prepared.piece.file.clone(), range: original_start..original_end },
            text: format!("{before}{body}{behind}"),
            replacements,
        }
    }
}

/// Words behind which a catalog's name can stand.
const BEFORE_CATALOG: &[&str] = &[
    "copy",
    "from",
    "join",
    "straight_join",
    "into",
    "overwrite",
    "table",
    "view",
    "update",
    "exists",
    "use",
    "in",
    "database",
    "schema",
    "on",
    "desc",
    "describe",
];

/// Makes one word of `my-catalog` before a dot where a table can stand, if there is a catalog of that name: a minus would mean nothing there.
fn join_catalog_names(text: &str, tokens: Vec<Token>, scope: &dyn Scope) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let is_behind = joined.last().is_some_and(|last| BEFORE_CATALOG.iter().any(|word| last.is_word(text, word)));
        let length = if is_behind { hyphenated_length(&tokens[at..]) } else { 1 };
        let range = tokens[at].range.start..tokens[at + length - 1].range.end;
        if length > 1 && scope.catalog(&text[range.clone()]).is_some() {
            joined.push(Token { kind: TokenKind::Word, range });
            at += length;
        } else {
            joined.push(tokens[at].clone());
            at += 1;
        }
    }
    joined
}

/// The number of touching tokens of a name with hyphens before a dot, or 1.
fn hyphenated_length(tokens: &[Token]) -> usize {
    let mut length = 1;
    while let [.., last, hyphen, next] = tokens.get(..length + 2).unwrap_or_default()
        && last.range.end == hyphen.range.start
        && hyphen.is_symbol("-")
        && hyphen.range.end == next.range.start
        && matches!(next.kind, TokenKind::Word | TokenKind::Number)
    {
        length += 2;
    }
    let is_dotted = tokens.get(length).is_some_and(|token| token.is_symbol("."));
    if is_dotted && tokens[0].kind == TokenKind::Word { length } else { 1 }
}
