//! The names in a statement, found over its tokens: which stand where a table stands, and which are dotted names elsewhere.
//!
//! This serves routing, which must work for statements in dialects that we do not parse. So it knows only the words that a table's name
//! follows (FROM, JOIN, INTO, …), common table expressions and aliases.

use crate::dialect::SqlDialect;
use crate::token::{Token, TokenKind};

/// A dotted or single name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameRef {
    /// Its parts without quotes; a final `*` is a part.
    pub(crate) parts: Vec<String>,
    /// The token of each part.
    pub(crate) tokens: Vec<usize>,
    /// Whether it stands where a table stands.
    pub(crate) is_table: bool,
}

/// All names that routing looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Tables (not the common table expressions), and dotted names elsewhere that do not begin with a table's alias.
    pub(crate) refs: Vec<NameRef>,
    /// The functions called where a table stands, with their tokens.
    pub(crate) table_functions: Vec<(String, usize)>,
    /// Whether a common table expression stands where a table stands.
    pub(crate) has_cte: bool,
}

/// A common table expression: its name counts for the tokens between the two.
struct Cte {
    name: String,
    from: usize,
    to: usize,
}

/// Where a table's name is awaited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Nothing,
    /// Behind FROM, JOIN and their commas: a name with `(` behind it is a function, and an alias may follow.
    Source,
    /// Behind INTO, TABLE, VIEW, …: `(` behind the name opens a column list.
    Target,
}

/// What is known of one pair of parentheses.
struct Frame {
    /// The word before `(`, lower case.
    function: String,
    /// Whether a comma here separates tables.
    in_from: Expect,
    /// The index of `)`.
    close: usize,
}

/// Functions whose arguments are separated by FROM.
const FROM_FUNCTIONS: &[&str] =
    &["extract", "trim", "substring", "substr", "mid", "position", "overlay", "ltrim", "rtrim"];

/// Words that end a FROM clause.
const CLAUSES: &[&str] = &[
    "where",
    "group",
    "order",
    "having",
    "limit",
    "union",
    "except",
    "intersect",
    "minus",
    "window",
    "qualify",
    "select",
    "set",
    "values",
    "offset",
    "fetch",
    "cluster",
    "distribute",
    "sort",
    "returning",
    "partition",
];

/// Words that follow a table and are not its alias.
const NO_ALIAS: &[&str] = &[
    "join",
    "inner",
    "left",
    "right",
    "full",
    "cross",
    "natural",
    "straight_join",
    "lateral",
    "semi",
    "anti",
    "asof",
    "on",
    "using",
    "as",
    "for",
    "use",
    "force",
    "ignore",
    "tablesample",
    "with",
    "tablet",
    "replica",
    "properties",
    "by",
    "when",
    "then",
    "from",
    "into",
    "pivot",
    "unpivot",
    "outer",
    "like",
    "duplicate",
    "primary",
    "engine",
    "and",
    "or",
    "not",
    "is",
    "in",
    "between",
    "temporary",
    "all",
    "distinct",
];

/// Words that may stand between the word that awaits a table and its name.
const SKIPPED: &[&str] = &[
    "if",
    "not",
    "exists",
    "table",
    "only",
    "into",
    "lateral",
    "temporary",
    "low_priority",
    "ignore",
    "extended",
    "formatted",
];

/// Finds the names among tokens.
pub(crate) fn find_names(text: &str, tokens: &[Token], dialect: SqlDialect) -> Names {
    let mut finder = Finder {
        text,
        tokens,
        dialect,
        closes: matching_parentheses(tokens),
        frames: vec![Frame { function: String::new(), in_from: Expect::Nothing, close: tokens.len() }],
        expect: Expect::Nothing,
        ctes: Vec::new(),
        aliases: Vec::new(),
        names: Names::default(),
    };
    finder.run();
    finder.finish()
}

/// For each `(` the index of its `)`, or the end.
fn matching_parentheses(tokens: &[Token]) -> Vec<usize> {
    let mut closes = vec![tokens.len(); tokens.len()];
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.is_symbol("(") {
            open.push(at);
        } else if token.is_symbol(")")
            && let Some(start) = open.pop()
        {
            closes[start] = at;
        }
    }
    closes
}

struct Finder<'a> {
    text: &'a str,
    tokens: &'a [Token],
    dialect: SqlDialect,
    closes: Vec<usize>,
    frames: Vec<Frame>,
    expect: Expect,
    ctes: Vec<Cte>,
    aliases: Vec<String>,
    names: Names,
}

impl Finder<'_> {
    fn run(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            at = self.step(at);
        }
    }

    /// Looks at one token and returns the index of the next to look at.
    fn step(&mut self, at: usize) -> usize {
        let token = &self.tokens[at];
        match token.kind {
            TokenKind::Symbol("(") => self.open(at),
            TokenKind::Symbol(")") => return self.close(at),
            TokenKind::Symbol(",") => self.expect = self.frame().in_from,
            TokenKind::Word if !self.is_dotted(at) => return self.word(at),
            TokenKind::Word | TokenKind::QuotedName => return self.name(at),
            // a dot that begins with no name continues an expression: (x).y
            TokenKind::Symbol(".") => return at + 2,
            _ => self.expect = Expect::Nothing,
        }
        at + 1
    }

    fn frame(&mut self) -> &mut Frame {
        // the outermost frame is never popped
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn open(&mut self, at: usize) {
        let function = match at.checked_sub(1).map(|before| &self.tokens[before]) {
            Some(before) if before.kind == TokenKind::Word => before.text(self.text).to_lowercase(),
            _ => String::new(),
        };
        let starts_query =
            self.tokens.get(at + 1).is_some_and(|next| self.is_one_of(next, &["select", "with", "values", "from"]));
        // FROM (a, b) and FROM (a JOIN b)
        let inside = if self.expect == Expect::Source && !starts_query { Expect::Source } else { Expect::Nothing };
        self.frames.push(Frame { function, in_from: inside, close: self.closes[at] });
        self.expect = inside;
    }

    /// A parenthesis closes; what it held may have an alias if it stood among tables.
    fn close(&mut self, at: usize) -> usize {
        if self.frames.len() > 1 {
            self.frames.pop();
        }
        self.expect = Expect::Nothing;
        if self.frame().in_from == Expect::Source { self.alias(at + 1) } else { at + 1 }
    }

    fn word(&mut self, at: usize) -> usize {
        let word = self.tokens[at].text(self.text).to_lowercase();
        let word = word.as_str();
        match word {
            "with" => return self.with(at),
            "from" if !self.is_from_of_expression(at) => self.await_table(Expect::Source, true),
            "join" | "straight_join" => self.await_table(Expect::Source, true),
            "update" if self.is_after(at, &["for", "key", "on"]) => self.expect = Expect::Nothing,
            "view" if self.is_after(at, &["lateral"]) => self.expect = Expect::Nothing,
            "into" | "overwrite" | "update" | "view" | "references" if self.expect != Expect::Source => {
                self.await_table(Expect::Target, false);
            }
            "desc" | "describe" if at == 0 => self.await_table(Expect::Target, false),
            "table" | "tables" if self.expect == Expect::Nothing && self.may_name_a_table(at) => {
                self.await_table(Expect::Target, true);
            }
            "truncate" => self.await_table(Expect::Target, false),
            "using" if self.starts_with("delete") || self.starts_with("merge") => {
                self.await_table(Expect::Source, true)
            }
            "on" if self.names_a_table_behind_on() => self.await_table(Expect::Target, false),
            "like" if self.starts_with("create") && self.is_behind_clauses(at) => {
                self.await_table(Expect::Target, false)
            }
            _ if CLAUSES.contains(&word) => {
                self.frame().in_from = Expect::Nothing;
                self.expect = Expect::Nothing;
            }
            _ if self.expect != Expect::Nothing && SKIPPED.contains(&word) => {}
            _ if self.expect != Expect::Nothing => return self.name(at),
            _ => {}
        }
        at + 1
    }

    fn await_table(&mut self, expect: Expect, list: bool) {
        self.expect = expect;
        self.frame().in_from = if list { expect } else { Expect::Nothing };
    }

    /// A name of one or more parts.
    fn name(&mut self, at: usize) -> usize {
        let mut tokens = vec![at];
        let mut next = at + 1;
        while self.tokens.get(next).is_some_and(|token| token.is_symbol(".")) {
            let Some(part) = self.tokens.get(next + 1) else { break };
            if !part.is_name() && !part.is_symbol("*") {
                break;
            }
            tokens.push(next + 1);
            next += 2;
            if part.is_symbol("*") {
                break;
            }
        }
        let expect = std::mem::replace(&mut self.expect, Expect::Nothing);
        let parts: Vec<String> = tokens.iter().map(|at| self.tokens[*at].value(self.text, self.dialect)).collect();
        let is_call = self.tokens.get(next).is_some_and(|token| token.is_symbol("("));
        if expect == Expect::Source && is_call && parts.len() == 1 {
            self.names.table_functions.push((parts[0].to_lowercase(), at));
            return next;
        }
        let is_variable = parts[0].starts_with('@');
        let is_table = expect != Expect::Nothing && !(expect == Expect::Source && is_call) && !is_variable;
        if is_table {
            self.aliases.extend(parts.last().cloned());
        }
        if is_table && parts.len() == 1 && self.is_cte(&parts[0], at) {
            self.names.has_cte = true;
            return self.alias(next);
        }
        if is_table || parts.len() > 1 {
            self.names.refs.push(NameRef { parts, tokens, is_table });
        }
        if is_table && expect == Expect::Source { self.alias(next) } else { next }
    }

    /// Notes `[AS] alias` behind a table.
    fn alias(&mut self, at: usize) -> usize {
        let Some(token) = self.tokens.get(at) else { return at };
        let at = if token.is_word(self.text, "as") { at + 1 } else { at };
        match self.tokens.get(at) {
            Some(token)
                if token.is_name()
                    && !self.is_dotted(at)
                    && !self.is_one_of(token, NO_ALIAS)
                    && !self.is_one_of(token, CLAUSES) =>
            {
                self.aliases.push(token.value(self.text, self.dialect));
                at + 1
            }
            _ => at,
        }
    }

    /// `WITH a AS (…), b (x) AS (…)`: notes the names and goes on inside the first body.
    fn with(&mut self, at: usize) -> usize {
        let mut next = at + 1;
        let recursive = self.tokens.get(next).is_some_and(|token| token.is_word(self.text, "recursive"));
        next += usize::from(recursive);
        let to = self.frame().close;
        while let Some((name, open)) = self.cte_head(next) {
            let close = self.closes[open];
            let from = if recursive { next } else { close };
            self.ctes.push(Cte { name, from, to });
            if !self.tokens.get(close + 1).is_some_and(|token| token.is_symbol(",")) {
                break;
            }
            next = close + 2;
        }
        at + 1
    }

    /// `name [(columns)] AS [NOT] [MATERIALIZED] (` at an index: the name and the index of the last parenthesis.
    fn cte_head(&self, at: usize) -> Option<(String, usize)> {
        let token = self.tokens.get(at).filter(|token| token.is_name())?;
        let mut next = at + 1;
        if self.tokens.get(next)?.is_symbol("(") {
            next = self.closes[next] + 1;
        }
        if !self.tokens.get(next)?.is_word(self.text, "as") {
            return None;
        }
        next += 1;
        while self.is_one_of(self.tokens.get(next)?, &["not", "materialized"]) {
            next += 1;
        }
        self.tokens.get(next)?.is_symbol("(").then(|| (token.value(self.text, self.dialect), next))
    }

    fn is_cte(&self, name: &str, at: usize) -> bool {
        let name = name.to_lowercase();
        self.ctes.iter().any(|cte| cte.from <= at && at < cte.to && cte.name.to_lowercase() == name)
    }

    /// `EXTRACT(DAY FROM x)` and `IS DISTINCT FROM x`.
    fn is_from_of_expression(&mut self, at: usize) -> bool {
        let is_distinct = at >= 2 && self.is_after(at, &["distinct"]) && self.is_after(at - 1, &["is", "not"]);
        is_distinct || FROM_FUNCTIONS.contains(&self.frame().function.as_str())
    }

    fn is_dotted(&self, at: usize) -> bool {
        self.tokens.get(at + 1).is_some_and(|token| token.is_symbol("."))
    }

    fn is_after(&self, at: usize, words: &[&str]) -> bool {
        at > 0 && self.is_one_of(&self.tokens[at - 1], words)
    }

    fn is_one_of(&self, token: &Token, words: &[&str]) -> bool {
        words.iter().any(|word| token.is_word(self.text, word))
    }

    /// TABLE as the word before a name: INSERT INTO TABLE t, DROP TABLE t, TABLE t; not a column of that name in a SELECT.
    fn may_name_a_table(&self, at: usize) -> bool {
        let in_query = ["select", "with", "values", "from"].iter().any(|word| self.starts_with(word));
        let has_table = self.names.refs.iter().any(|name| name.is_table);
        self.is_after(at, &["into", "overwrite"]) || (!in_query && !has_table && !self.is_after(at, &["select", "by"]))
    }

    /// GRANT … ON t, CREATE INDEX i ON t.
    fn names_a_table_behind_on(&self) -> bool {
        let creates_index =
            self.starts_with("create") && self.tokens.iter().take(4).any(|token| token.is_word(self.text, "index"));
        creates_index || self.starts_with("grant") || self.starts_with("revoke")
    }

    /// CREATE TABLE a [clauses] LIKE b.
    fn is_behind_clauses(&self, at: usize) -> bool {
        let tables = self.names.refs.iter().filter(|name| name.is_table).count();
        let in_query = self.tokens[..at].iter().any(|token| self.is_one_of(token, &["as", "select", "with"]));
        tables == 1 && self.frames.len() == 1 && !in_query
    }

    fn starts_with(&self, word: &str) -> bool {
        self.tokens.first().is_some_and(|token| token.is_word(self.text, word))
    }

    /// Leaves out the dotted names that begin with a table's alias: they are columns.
    fn finish(mut self) -> Names {
        let aliases: Vec<String> = self.aliases.iter().map(|alias| alias.to_lowercase()).collect();
        self.names.refs.retain(|name| name.is_table || !aliases.contains(&name.parts[0].to_lowercase()));
        self.names
    }
}

#[cfg(test)]
mod tests;
