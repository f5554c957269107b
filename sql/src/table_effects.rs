//! What the words of a remote system's statement do to tables: which it fills, and which it empties. For warnings only: the system alone knows
//! what a statement really does.

use crate::dialect::SqlDialect;
use crate::token::{TextKind, Token, tokenize};

/// What a statement does to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableEffect {
    /// Makes it, writes rows into it, or gives it its name.
    Writes,
    /// DROP TABLE.
    Drops,
    /// ALTER TABLE … DROP PARTITION.
    DropsPartition,
    /// TRUNCATE, of the table or a partition of it.
    Truncates,
    /// DELETE without WHERE.
    DeletesAll,
}

/// A table that a statement names, and what it does to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffectedTable {
    /// `database`, `table`, or more, without quotes; case is kept.
    pub parts: Vec<String>,
    /// What is done to it.
    pub effect: TableEffect,
}

/// Words that may stand between a verb and its table.
const INSERT_MODIFIERS: &[&str] =
    &["into", "overwrite", "table", "ignore", "low_priority", "high_priority", "delayed", "only"];
const TABLE_MODIFIERS: &[&str] = &["if", "not", "exists", "ignore", "low_priority", "quick"];

/// The tables that a statement of MySQL or StarRocks fills or empties, in the order of its words.
pub fn table_effects(sql: &str) -> Vec<AffectedTable> {
    let dialect = SqlDialect::Mysql;
    let read = tokenize(sql, dialect, TextKind::Prepared);
    let mut words = Words { text: sql, tokens: &read.tokens, dialect, found: Vec::new() };
    for at in 0..words.tokens.len() {
        words.look_at(at);
    }
    words.found
}

struct Words<'a> {
    text: &'a str,
    tokens: &'a [Token],
    dialect: SqlDialect,
    found: Vec<AffectedTable>,
}

impl Words<'_> {
    fn is(&self, at: usize, word: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is_word(self.text, word))
    }

    fn are(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(behind, word)| self.is(at + behind, word))
    }

    fn is_symbol(&self, at: usize, symbol: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is_symbol(symbol))
    }

    /// Whether a statement, or what stands behind the queries of its WITH, begins here.
    fn begins(&self, at: usize) -> bool {
        at == 0 || self.is_symbol(at - 1, ")")
    }

    fn look_at(&mut self, at: usize) {
        let inserts = self.is(at, "insert") && !self.is_symbol(at + 1, "(");
        if inserts || self.are(at, &["replace", "into"]) || (at == 0 && self.is(at, "replace")) {
            self.table(at + 1, INSERT_MODIFIERS, TableEffect::Writes);
        } else if self.are(at, &["merge", "into"]) || self.are(at, &["into", "table"]) {
            // LOAD DATA … INTO TABLE t; the verbs before have looked past their own INTO
            self.table(at + 2, TABLE_MODIFIERS, TableEffect::Writes);
        } else if self.begins(at) && self.is(at, "update") {
            self.table(at + 1, TABLE_MODIFIERS, TableEffect::Writes);
        } else if self.begins(at) && self.are(at, &["delete", "from"]) {
            if !(at..self.tokens.len()).any(|behind| self.is(behind, "where")) {
                self.table(at + 2, TABLE_MODIFIERS, TableEffect::DeletesAll);
            }
        } else if at == 0 {
            self.definition();
        }
    }

    /// A statement that begins with CREATE, DROP, TRUNCATE, ALTER or RENAME.
    fn definition(&mut self) {
        if self.is(0, "create") {
            // CREATE [OR REPLACE] [EXTERNAL | TEMPORARY] TABLE
            if let Some(table) = (1..5).find(|at| self.is(*at, "table")) {
                self.table(table + 1, TABLE_MODIFIERS, TableEffect::Writes);
            }
        } else if self.are(0, &["drop", "table"]) {
            let mut next = self.table(2, TABLE_MODIFIERS, TableEffect::Drops);
            while let Some(comma) = next.filter(|at| self.is_symbol(*at, ",")) {
                next = self.table(comma + 1, &[], TableEffect::Drops);
            }
        } else if self.is(0, "truncate") {
            self.table(1, &["table"], TableEffect::Truncates);
        } else if self.are(0, &["rename", "table"]) || self.are(0, &["alter", "table"]) {
            self.alteration();
        }
    }

    fn alteration(&mut self) {
        let Some((_, behind)) = self.name(2) else { return };
        let any = |wanted: &[&str]| (behind..self.tokens.len()).find(|at| self.are(*at, wanted));
        // RENAME [TO] b, SWAP WITH b, and a TO b of RENAME TABLE: both may bear the other's rows
        let renamed = ["rename", "swap", "to"].iter().find_map(|word| any(&[*word]));
        let drops = any(&["drop", "partition"]).or_else(|| any(&["drop", "partitions"]));
        let truncates = any(&["truncate", "partition"]);
        if let Some(at) = renamed {
            self.table(2, &[], TableEffect::Writes);
            self.table(at + 1, &["to", "with", "as"], TableEffect::Writes);
        }
        if drops.is_some() {
            self.table(2, &[], TableEffect::DropsPartition);
        } else if truncates.is_some() {
            self.table(2, &[], TableEffect::Truncates);
        }
    }

    /// Notes the table behind some words; returns where its name ends.
    fn table(&mut self, mut at: usize, modifiers: &[&str], effect: TableEffect) -> Option<usize> {
        while modifiers.iter().any(|word| self.is(at, word)) && !self.is_symbol(at + 1, ".") {
            at += 1;
        }
        let (parts, end) = self.name(at)?;
        self.found.push(AffectedTable { parts, effect });
        Some(end)
    }

    /// A dotted name, and where it ends.
    fn name(&self, mut at: usize) -> Option<(Vec<String>, usize)> {
        let mut parts = Vec::new();
        loop {
            let token = self.tokens.get(at).filter(|token| token.is_name())?;
            parts.push(token.value(self.text, self.dialect));
            if !self.is_symbol(at + 1, ".") {
                return Some((parts, at + 1));
            }
            at += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(sql: &str) -> Vec<String> {
        let shown = |table: AffectedTable| format!("{:?} {}", table.effect, table.parts.join("."));
        table_effects(sql).into_iter().map(shown).collect()
    }

    #[test]
    fn what_a_statement_fills_and_empties_is_read_off_its_words() {
        for (sql, expected) in [
            (
                "ALTER TABLE ods_user_info_d_starrocks DROP PARTITION IF EXISTS p20240807 FORCE",
                &["DropsPartition ods_user_info_d_starrocks"][..],
            ),
            (
                "alter table `o d`.`t``x` add partition p1 values less than ('x'), drop partition p0",
                &["DropsPartition o d.t`x"],
            ),
            ("DROP TABLE IF EXISTS a, ods.b FORCE", &["Drops a", "Drops ods.b"]),
            ("TRUNCATE TABLE ods.t PARTITION(p1)", &["Truncates ods.t"]),
            ("truncate t", &["Truncates t"]),
            ("ALTER TABLE t TRUNCATE PARTITION p0", &["Truncates t"]),
            ("DELETE FROM ods.t", &["DeletesAll ods.t"]),
            ("/* DELETE FROM x */ DELETE FROM t -- WHERE\n", &["DeletesAll t"]),
            ("WITH w AS (SELECT 1 WHERE 1) DELETE FROM t", &["DeletesAll t"]),
            ("DELETE FROM t WHERE dt = '20240807'", &[]),
            ("ALTER TABLE t DROP COLUMN partition_id", &[]),
            ("ALTER TABLE t ADD TEMPORARY PARTITION tp VALUES LESS THAN ('x')", &[]),
            ("ALTER TABLE t DROP TEMPORARY PARTITION tp", &[]),
            ("INSERT INTO ods.t SELECT 'DROP TABLE x'", &["Writes ods.t"]),
            (
                "insert overwrite ods.t partition(p1) select insert(a, 1, 2, 'x'), replace(b, 'x', 'y') from s",
                &["Writes ods.t"],
            ),
            ("INSERT OVERWRITE TABLE t SELECT 1", &["Writes t"]),
            ("WITH w AS (SELECT 1) INSERT INTO t SELECT * FROM w", &["Writes t"]),
            ("SUBMIT TASK AS INSERT INTO t SELECT 1", &["Writes t"]),
            ("REPLACE INTO t VALUES (1)", &["Writes t"]),
            ("UPDATE t SET a = 1", &["Writes t"]),
            ("CREATE TABLE IF NOT EXISTS ods.t (a INT)", &["Writes ods.t"]),
            ("CREATE EXTERNAL TABLE t (a INT)", &["Writes t"]),
            ("LOAD DATA LOCAL INFILE 'x' INTO TABLE ods.t", &["Writes ods.t"]),
            ("ALTER TABLE a SWAP WITH b", &["Writes a", "Writes b"]),
            ("ALTER TABLE a RENAME b", &["Writes a", "Writes b"]),
            ("RENAME TABLE a TO b", &["Writes a", "Writes b"]),
            ("SELECT * FROM t FOR UPDATE", &[]),
            ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", &["Writes t"]),
            ("DROP DATABASE x", &[]),
            ("", &[]),
            ("DROP TABLE", &[]),
            ("ALTER TABLE", &[]),
        ] {
            assert_eq!(effects(sql), expected, "{sql}");
        }
    }
}
