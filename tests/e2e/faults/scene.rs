//! One run of the suite: what is written, how, and what goes wrong, all from one seed.

use super::dice::Dice;
use super::fault::{Blow, blows};
use super::rows::{DAYS, Flavour, Row, SOURCE_ROWS, rows_before, source_row};

/// The versions of StarRocks that are emulated: one without the transaction interface, and the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Oldest,
    Newest,
}

impl Version {
    pub(super) const ALL: [Self; 2] = [Self::Oldest, Self::Newest];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Oldest => "2.1",
            Self::Newest => "4.2",
        }
    }
}

/// How the target is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Auto,
    Single,
    Transaction,
    StagingTable,
    /// INSERT OVERWRITE of one named partition.
    OverwritePartition,
    /// INSERT OVERWRITE of the partitions that the rows touch.
    OverwriteTouched,
    /// INSERT OVERWRITE of the whole table.
    OverwriteTable,
    /// Loads that are visible one by one.
    Plain,
}

impl Way {
    pub(super) const ALL: [Self; 8] = [
        Self::Auto,
        Self::Single,
        Self::Transaction,
        Self::StagingTable,
        Self::OverwritePartition,
        Self::OverwriteTouched,
        Self::OverwriteTable,
        Self::Plain,
    ];

    pub(super) fn exists_in(self, version: Version) -> bool {
        self != Self::Transaction || version == Version::Newest
    }

    /// The setting; None leaves the choice to Syncline.
    fn write_mode(self) -> Option<&'static str> {
        match self {
            Self::Single => Some("single"),
            Self::Transaction => Some("transaction"),
            Self::StagingTable => Some("staging_table"),
            Self::Plain => Some("plain"),
            _ => None,
        }
    }
}

/// Rows that are no rows of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejects {
    None,
    Allowed,
    TooMany,
}

/// After so many seconds a server gives a load up, and Syncline asks no more what became of it.
const LOAD_TIMEOUT_SECONDS: &str = "4";
/// Every row of which the name is too long is a reject.
const TOO_LONG: u64 = 300;
/// From one seed to the next so many entries of the matrix are passed over: a prime, so that none is left out.
const STRIDE: u64 = 389;
/// Which of the rows get a name that is too long.
fn is_rejected(id: u64) -> bool {
    id % 97 == 50
}

/// One run.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) seed: u64,
    pub(super) version: Version,
    pub(super) way: Way,
    pub(super) blow: Blow,
    /// The rows of the source up to this id are written.
    pub(super) rows: u64,
    pub(super) flavour: Flavour,
    pub(super) load_bytes: &'static str,
    /// Rows of a load, or of a part of a transaction; None is as many as a batch has.
    pub(super) load_rows: Option<&'static str>,
    pub(super) rejects: Rejects,
    /// Whether the fault is still there while the run is resumed for the first time.
    pub(super) fault_outlasts_run: bool,
}

/// What is tried: every fault at every step of every way on every version that has it.
pub(super) fn matrix() -> Vec<(Version, Way, Blow)> {
    let mut all = Vec::new();
    for version in Version::ALL {
        for way in Way::ALL.into_iter().filter(|way| way.exists_in(version)) {
            all.extend(blows(version, way).into_iter().map(|blow| (version, way, blow)));
        }
    }
    all
}

impl Scene {
    /// The scene of a seed. Seeds in a row go through the whole matrix, and each part of them through all its regions.
    pub(super) fn of(seed: u64, matrix: &[(Version, Way, Blow)]) -> Self {
        let mut dice = Dice::new(seed);
        let at = seed.wrapping_mul(STRIDE) % matrix.len() as u64;
        let (version, way, blow) = matrix[usize::try_from(at).unwrap()].clone();
        // mostly so many that several loads are under way
        let rows = *dice.pick(&[0, 1, 37, 600, 1_100, SOURCE_ROWS, SOURCE_ROWS, SOURCE_ROWS, SOURCE_ROWS, SOURCE_ROWS]);
        let load_bytes = *dice.pick(&["4KB", "4KB", "10KB", "10KB", "30KB", "64MB"]);
        let has_many = rows > 500 && load_bytes != "64MB" && way != Way::Single;
        let rejects = *dice.pick(&[
            Rejects::None,
            Rejects::None,
            Rejects::None,
            Rejects::None,
            Rejects::Allowed,
            Rejects::TooMany,
        ]);
        Self {
            seed,
            version,
            way,
            blow: blow.thrown(&mut dice, has_many),
            rows,
            flavour: *dice.pick(&Flavour::ALL),
            load_bytes,
            load_rows: if has_many {
                *dice.pick(&[Some("60"), Some("150"), Some("150"), Some("400"), None])
            } else {
                None
            },
            rejects,
            fault_outlasts_run: dice.one_in(3),
        }
    }

    /// The database of the run.
    pub(super) fn database(&self) -> String {
        format!("run_{}", self.seed)
    }

    /// The ids that the query selects.
    fn selected(&self) -> impl Iterator<Item = u64> {
        let only_first_day = self.way == Way::OverwritePartition;
        let flavour = self.flavour;
        (1..=self.rows).filter(move |id| !only_first_day || source_row(*id, flavour)[1].as_deref() == Some(DAYS[0]))
    }

    /// The rows that the write adds.
    pub(super) fn written(&self) -> Vec<Row> {
        self.selected()
            .filter(|id| self.rejects == Rejects::None || !is_rejected(*id))
            .map(|id| source_row(id, self.flavour))
            .collect()
    }

    /// Whether the query selects a row that is a reject.
    fn has_rejects(&self) -> bool {
        self.rejects != Rejects::None && self.selected().any(is_rejected)
    }

    /// Whether the write must fail, whatever the servers do.
    pub(super) fn must_fail(&self) -> bool {
        self.rejects == Rejects::TooMany && self.has_rejects()
    }

    /// What the target holds once the write is committed.
    pub(super) fn rows_after(&self) -> Vec<Row> {
        let written = self.written();
        let touched = |row: &Row| written.iter().any(|written| written[1] == row[1]);
        let stays = |row: &Row| match self.way {
            Way::OverwriteTable => false,
            Way::OverwritePartition => row[1].as_deref() != Some(DAYS[0]),
            Way::OverwriteTouched => !touched(row),
            _ => true,
        };
        let mut rows: Vec<Row> = rows_before().into_iter().filter(stays).collect();
        rows.extend(written);
        rows
    }

    /// The script, which reads the table `source` of [`source_table`](super::rows::source_table).
    pub(super) fn script(&self, source_table: &str) -> String {
        let mut properties =
            vec![("load_bytes", self.load_bytes.to_owned()), ("timeout", LOAD_TIMEOUT_SECONDS.to_owned())];
        if let Some(rows) = self.load_rows {
            properties.push(("load_rows", rows.to_owned()));
        }
        if let Some(mode) = self.way.write_mode() {
            properties.push(("write_mode", mode.to_owned()));
        }
        if self.rejects == Rejects::Allowed {
            properties.push(("error_limit", "1000".to_owned()));
        }
        let properties: Vec<String> =
            properties.iter().map(|(name, value)| format!("\"{name}\" = \"{value}\"")).collect();
        let (insert, filter) = match self.way {
            Way::OverwritePartition => {
                let first = DAYS[0];
                (format!("INSERT OVERWRITE sr.target PARTITION (dt = '{first}')"), format!(" AND dt = '{first}'"))
            }
            Way::OverwriteTouched => ("INSERT OVERWRITE sr.target PARTITION (dt)".to_owned(), String::new()),
            Way::OverwriteTable => ("INSERT OVERWRITE sr.target".to_owned(), String::new()),
            _ => ("INSERT INTO sr.target".to_owned(), String::new()),
        };
        let name = match self.rejects {
            Rejects::None => "name".to_owned(),
            _ => format!("if(id % 97 = 50, repeat('x', {TOO_LONG}), name)"),
        };
        let dt = if self.way == Way::OverwritePartition { "" } else { "dt, " };
        let columns = if self.way == Way::OverwritePartition { "(id, name, score)" } else { "(id, dt, name, score)" };
        format!(
            "{source_table};\n{insert} {columns} PROPERTIES ({})\nSELECT id, {dt}{name}, score FROM source WHERE id <= {}{filter};\n",
            properties.join(", "),
            self.rows
        )
    }
}
