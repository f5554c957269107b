//! Statements of many rows: the text of an INSERT, and which row of which batch each part of it is.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use super::options::Mode;
use crate::error::Result;
use crate::mysql_protocol::quote::{identifier, table_name};

/// What of the session a failed statement is rolled back to.
pub(super) const SAVEPOINT: &str = "syncline_rows";

/// Everything of an INSERT but its rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    head: String,
    tail: String,
    /// For each column of the rows whether it is written.
    pub(super) is_written: Vec<bool>,
}

/// What a [`Frame`] is made of.
#[derive(Debug, Clone)]
pub(super) struct FrameOptions {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) mode: Mode,
    /// The columns of the rows, in order.
    pub(super) columns: Vec<FrameColumn>,
    /// Whether each statement is preceded by a savepoint.
    pub(super) has_savepoint: bool,
}

/// A column of a [`Frame`].
#[derive(Debug, Clone)]
pub(super) struct FrameColumn {
    pub(super) name: String,
    /// Whether an update sets it.
    pub(super) is_updated: bool,
    /// Whether NULL leaves the value that is there.
    pub(super) keeps_old_for_null: bool,
    /// Whether an update that sets it to its own value changes something.
    pub(super) changes_when_set_to_itself: bool,
}

impl Frame {
    /// The frame of a statement that writes these columns of the rows.
    pub(super) fn new(options: &FrameOptions, is_written: Vec<bool>) -> Result<Self> {
        let verb = if options.mode == Mode::Replace { "REPLACE" } else { "INSERT" };
        let mut head = String::new();
        if options.has_savepoint {
            head.push_str(&format!("SAVEPOINT {SAVEPOINT}; "));
        }
        head.push_str(&format!("{verb} INTO {} (", table_name(&options.database, &options.table)?));
        let written: Vec<&FrameColumn> = options
            .columns
            .iter()
            .zip(&is_written)
            .filter(|(_, is_written)| **is_written)
            .map(|(column, _)| column)
            .collect();
        let names = written.iter().map(|column| identifier(&column.name)).collect::<Result<Vec<_>>>()?;
        head.push_str(&names.join(", "));
        head.push_str(") VALUES ");
        let mut tail = String::new();
        if options.mode == Mode::Update {
            let mut assignments: Vec<String> = written
                .iter()
                .zip(&names)
                .filter(|(column, _)| column.is_updated)
                .map(|(column, name)| match column.keeps_old_for_null {
                    true => format!("{name} = COALESCE(VALUES({name}), {name})"),
                    false => format!("{name} = VALUES({name})"),
                })
                .collect();
            let stays = options.columns.iter().find(|column| !column.changes_when_set_to_itself);
            if let (true, Some(column)) = (assignments.is_empty(), stays) {
                // the row that is there stays as it is, whether or not this column is written
                let name = identifier(&column.name)?;
                assignments.push(format!("{name} = {name}"));
            }
            // without any such column a row whose key is there is a reject
            if !assignments.is_empty() {
                tail.push_str(" ON DUPLICATE KEY UPDATE ");
                tail.push_str(&assignments.join(", "));
            }
        }
        Ok(Self { head, tail, is_written })
    }

    /// Bytes of a statement without rows.
    pub(super) fn bytes(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}

/// Frames by the columns that are written, some of the last that were asked for.
#[derive(Debug, Default)]
pub(super) struct Frames(HashMap<Vec<bool>, Arc<Frame>>);

impl Frames {
    /// Any row may leave out other columns, so that there may be as many patterns as rows.
    const MOST: usize = 256;

    pub(super) fn of(&mut self, options: &FrameOptions, is_written: &[bool]) -> Result<Arc<Frame>> {
        if let Some(frame) = self.0.get(is_written) {
            return Ok(Arc::clone(frame));
        }
        let frame = Arc::new(Frame::new(options, is_written.to_vec())?);
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert(is_written.to_vec(), Arc::clone(&frame));
        Ok(frame)
    }
}

/// Rows of a batch that stand in a statement one behind the other.
#[derive(Debug, Clone)]
struct Source {
    batch: RecordBatch,
    rows: Vec<u32>,
}

/// A statement that is filled row by row.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) frame: Arc<Frame>,
    /// The head, and rows with commas between them.
    text: Vec<u8>,
    /// Where each row begins in the text.
    starts: Vec<usize>,
    sources: Vec<Source>,
    /// The number of the first row among those of its writer, from 1.
    numbers: Vec<u64>,
}

impl Statement {
    pub(super) fn new(frame: Arc<Frame>, capacity: usize) -> Self {
        let mut text = Vec::with_capacity(capacity);
        text.extend_from_slice(frame.head.as_bytes());
        Self { frame, text, starts: Vec::new(), sources: Vec::new(), numbers: Vec::new() }
    }

    pub(super) fn rows(&self) -> usize {
        self.starts.len()
    }

    /// Bytes of the text, as it is sent.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.frame.tail.len()
    }

    /// Adds a row, which `tuple` is the text of. `number` is its number among those of its writer.
    pub(super) fn push(&mut self, tuple: &[u8], batch: &RecordBatch, row: usize, number: u64) {
        if !self.starts.is_empty() {
            self.text.push(b',');
        }
        self.starts.push(self.text.len());
        self.numbers.push(number);
        self.text.extend_from_slice(tuple);
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        // a batch is one value however often it is cloned; its first column tells batches apart
        match self.sources.last_mut().filter(|last| is_same(&last.batch, batch)) {
            Some(last) => last.rows.push(row),
            None => self.sources.push(Source { batch: batch.clone(), rows: vec![row] }),
        }
    }

    /// The text with all rows.
    pub(super) fn whole(&mut self) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.text);
        text.extend_from_slice(self.frame.tail.as_bytes());
        text
    }

    /// The text with a part of the rows of [`whole`](Self::whole).
    pub(super) fn part(&self, whole: &[u8], rows: &Range<usize>) -> Vec<u8> {
        let end_of_rows = whole.len() - self.frame.tail.len();
        let start = self.starts.get(rows.start).copied().unwrap_or(end_of_rows);
        // the comma in front of the next row is left out
        let end = self.starts.get(rows.end).map_or(end_of_rows, |next| next - 1);
        [self.frame.head.as_bytes(), &whole[start..end], self.frame.tail.as_bytes()].concat()
    }

    /// The batch and the row that the n-th row comes from, and its number.
    pub(super) fn source(&self, index: usize) -> Option<(&RecordBatch, usize, u64)> {
        let mut left = index;
        for source in &self.sources {
            if let Some(row) = source.rows.get(left) {
                return Some((&source.batch, *row as usize, *self.numbers.get(index)?));
            }
            left -= source.rows.len();
        }
        None
    }
}

fn is_same(left: &RecordBatch, right: &RecordBatch) -> bool {
    left.num_rows() == right.num_rows()
        && left.columns().iter().zip(right.columns()).all(|(left, right)| Arc::ptr_eq(left, right))
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int32Array};

    use super::*;

    fn options(mode: Mode) -> FrameOptions {
        let column = |name: &str, is_updated, keeps_old_for_null| FrameColumn {
            name: name.into(),
            is_updated,
            keeps_old_for_null,
            changes_when_set_to_itself: name == "at",
        };
        FrameOptions {
            database: "d".into(),
            table: "a`b".into(),
            mode,
            columns: vec![column("id", false, false), column("v`", true, false), column("w", true, true)],
            has_savepoint: mode == Mode::Insert,
        }
    }

    fn text(mode: Mode, is_written: [bool; 3]) -> String {
        let frame = Frame::new(&options(mode), is_written.to_vec()).unwrap();
        format!("{}…{}", frame.head, frame.tail)
    }

    #[test]
    fn each_mode_has_its_statement() {
        assert_eq!(
            text(Mode::Insert, [true; 3]),
            "SAVEPOINT syncline_rows; INSERT INTO `d`.`a``b` (`id`, `v```, `w`) VALUES …"
        );
        assert_eq!(text(Mode::Replace, [true; 3]), "REPLACE INTO `d`.`a``b` (`id`, `v```, `w`) VALUES …");
        assert_eq!(
            text(Mode::Update, [true; 3]),
            "INSERT INTO `d`.`a``b` (`id`, `v```, `w`) VALUES … ON DUPLICATE KEY UPDATE `v``` = VALUES(`v```), \
             `w` = COALESCE(VALUES(`w`), `w`)"
        );
        assert_eq!(
            text(Mode::Update, [true, false, false]),
            "INSERT INTO `d`.`a``b` (`id`) VALUES … ON DUPLICATE KEY UPDATE `id` = `id`"
        );
        // a row that leaves out all
        assert_eq!(
            text(Mode::Update, [false; 3]),
            "INSERT INTO `d`.`a``b` () VALUES … ON DUPLICATE KEY UPDATE `id` = `id`"
        );
    }

    #[test]
    fn an_update_that_sets_nothing_sets_no_time() {
        let mut options = options(Mode::Update);
        let at = FrameColumn {
            name: "at".into(),
            is_updated: false,
            keeps_old_for_null: false,
            changes_when_set_to_itself: true,
        };
        options.columns.insert(0, at.clone());
        let frame = Frame::new(&options, vec![true, false, false, false]).unwrap();
        assert_eq!(frame.tail, " ON DUPLICATE KEY UPDATE `id` = `id`");
        options.columns = vec![at];
        assert_eq!(Frame::new(&options, vec![true]).unwrap().tail, "");
    }

    #[test]
    fn only_some_frames_are_kept() {
        let column = options(Mode::Update).columns[0].clone();
        let options = FrameOptions { columns: vec![column; 12], ..options(Mode::Update) };
        let mut frames = Frames::default();
        for pattern in 0..1 << 12_u32 {
            let is_written: Vec<bool> = (0..12).map(|column| pattern >> column & 1 == 1).collect();
            assert_eq!(frames.of(&options, &is_written).unwrap().is_written, is_written);
            assert!(frames.0.len() <= Frames::MOST);
        }
    }

    #[test]
    fn a_part_of_a_statement_has_its_own_rows() {
        let batch = |first: i32| {
            let column: ArrayRef = Arc::new(Int32Array::from(vec![first, first + 1]));
            RecordBatch::try_from_iter([("a", column)]).unwrap()
        };
        let frame = Arc::new(Frame::new(&options(Mode::Update), vec![true, false, false]).unwrap());
        let mut statement = Statement::new(Arc::clone(&frame), 0);
        let (one, two) = (batch(1), batch(3));
        for (tuple, batch, row) in [("(1)", &one, 0), ("(2)", &one, 1), ("(3)", &two, 0), ("(4)", &two, 1)] {
            statement.push(tuple.as_bytes(), batch, row, 10 + statement.rows() as u64);
        }
        let bytes = statement.bytes();
        let whole = statement.whole();
        assert_eq!(whole.len(), bytes);
        let part = |rows: Range<usize>| {
            let text = String::from_utf8(statement.part(&whole, &rows)).unwrap();
            text.strip_prefix(&frame.head).unwrap().strip_suffix(&frame.tail).unwrap().to_owned()
        };
        assert_eq!(part(0..4), "(1),(2),(3),(4)");
        assert_eq!(part(0..2), "(1),(2)");
        assert_eq!(part(2..4), "(3),(4)");
        assert_eq!(part(3..4), "(4)");
        let (batch, row, number) = statement.source(2).unwrap();
        assert!(is_same(batch, &two));
        assert_eq!((row, number), (0, 12));
        assert!(statement.source(4).is_none());
    }
}
