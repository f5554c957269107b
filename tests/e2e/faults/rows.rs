//! The rows of the source and of the target, and what is expected of them.

use std::fmt::Write;
use std::path::Path;

/// Rows of the source.
pub(super) const SOURCE_ROWS: u64 = 1_500;
/// The partitions: rows of the source are in the first two, rows that were there before in the first and the last.
pub(super) const DAYS: [&str; 3] = ["2024-08-07", "2024-08-08", "2024-08-09"];
/// A row as a client reads it: id, dt, name, score.
pub(super) type Row = [Option<String>; 4];

/// What naive encoders change, and plain CSV carries.
const TRAPS: [&str; 12] = [
    "",
    "NULL",
    "null",
    "it's",
    "say \"hi\"",
    "back\\slash",
    "a|b",
    "tab\there",
    " both ",
    "line\nfeed",
    "crlf\r\n",
    "白羊座 😀",
];
/// What plain CSV of `\x01` and `\x02` cannot carry.
const HARD_TRAPS: [&str; 5] = ["one\x01two", "one\x02two", "\\N", "\0nul", "\x01"];
/// How the source's files write NULL.
const NULL: &str = "\x00NULL";

/// What the source holds beside ordinary text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// What plain CSV carries.
    Plain,
    /// Anything.
    Hard,
}

impl Flavour {
    pub(super) const ALL: [Self; 2] = [Self::Plain, Self::Hard];

    /// The folder of its files.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Hard => "hard",
        }
    }
}

/// The source's row of an id, from 1 to [`SOURCE_ROWS`].
pub(super) fn source_row(id: u64, flavour: Flavour) -> Row {
    let trap = |traps: &[&str]| traps[usize::try_from(id).unwrap() / 7 % traps.len()].to_owned();
    let name = match id % 7 {
        0 => Some(trap(&TRAPS)),
        1 => None,
        // the first of them comes late, so that a writer has begun with plain CSV
        2 if flavour == Flavour::Hard && id > 300 && id.is_multiple_of(3) => Some(trap(&HARD_TRAPS)),
        _ => Some(format!("name of {id}, {}", "xyz".repeat(usize::try_from(id % 13).unwrap()))),
    };
    let score =
        (id % 11 != 5).then(|| format!("{}{}.{:02}", if id % 9 == 4 { "-" } else { "" }, id % 1_000 + 1, id % 100));
    let day = if id.is_multiple_of(3) { DAYS[1] } else { DAYS[0] };
    [Some(id.to_string()), Some(day.to_owned()), name, score]
}

/// The rows that the target holds before the run.
pub(super) fn rows_before() -> Vec<Row> {
    (1..=30)
        .map(|n| {
            let day = if n % 2 == 0 { DAYS[0] } else { DAYS[2] };
            [Some(format!("-{n}")), Some(day.to_owned()), Some(format!("before {n}")), None]
        })
        .collect()
}

/// Writes the source's files, a folder for each flavour, several files in each so that several writers have work.
pub(super) fn write_source(folder: &Path) {
    for flavour in Flavour::ALL {
        let folder = folder.join(flavour.folder());
        std::fs::create_dir_all(&folder).unwrap();
        let ids: Vec<u64> = (1..=SOURCE_ROWS).collect();
        for (n, ids) in ids.chunks(400).enumerate() {
            let mut text = String::new();
            for &id in ids {
                let fields = source_row(id, flavour).map(|field| field.unwrap_or_else(|| NULL.to_owned()));
                write!(text, "{}\x1e", fields.join("\x1f")).unwrap();
            }
            std::fs::write(folder.join(format!("part-{n}.txt")), text).unwrap();
        }
    }
}

/// The statement that reads these files.
pub(super) fn source_table(folder: &Path, flavour: Flavour) -> String {
    format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS source (id INT, dt DATE, name STRING, score DECIMAL(9,2)) \
         ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\x1f' LINES TERMINATED BY '\\x1e' NULL DEFINED AS '\\x00NULL' \
         STORED AS TEXTFILE LOCATION '{}/'",
        folder.join(flavour.folder()).display()
    )
}

/// Rows in an order of their own, to compare.
pub(super) fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_unstable();
    rows
}

/// How two sets of rows differ, in a few words; None if they do not.
pub(super) fn difference(found: &[Row], expected: &[Row]) -> Option<String> {
    if found == expected {
        return None;
    }
    let missing: Vec<&Row> = expected.iter().filter(|row| found.binary_search(row).is_err()).collect();
    let strange: Vec<&Row> = found.iter().filter(|row| expected.binary_search(row).is_err()).collect();
    let doubled = found.windows(2).filter(|pair| pair[0] == pair[1]).count();
    Some(format!(
        "{} rows instead of {}: {} missing {:?}, {} not expected {:?}, {doubled} doubled",
        found.len(),
        expected.len(),
        missing.len(),
        missing.iter().take(3).collect::<Vec<_>>(),
        strange.len(),
        strange.iter().take(3).collect::<Vec<_>>(),
    ))
}

#[test]
fn a_row_that_is_missing_doubled_changed_or_of_nobody_is_told() {
    let expected = sorted((1..=50).map(|id| source_row(id, Flavour::Hard)).collect());
    assert_eq!(difference(&expected, &expected), None);
    let told = |change: &dyn Fn(&mut Vec<Row>)| {
        let mut rows = expected.clone();
        change(&mut rows);
        difference(&sorted(rows), &expected).unwrap()
    };
    assert!(told(&|rows| drop(rows.pop())).contains("1 missing"));
    assert!(told(&|rows| rows.push(rows[7].clone())).contains("1 doubled"));
    assert!(told(&|rows| rows[7][2] = None).contains("1 not expected"));
    assert!(told(&|rows| rows.push(source_row(51, Flavour::Hard))).contains("1 not expected"));
}
