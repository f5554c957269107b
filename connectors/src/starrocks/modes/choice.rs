//! Which write mode a statement gets: one function of what was asked for and of what is possible.

use crate::sink::WriteMode;

/// What the choice depends on.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Question<'a> {
    /// `write_mode`.
    pub(in super::super) asked: WriteMode,
    /// Whether the statement is INSERT OVERWRITE.
    pub(in super::super) is_overwrite: bool,
    /// Whether `PARTITION (…)` names all partitions that are written, by value or by name.
    pub(in super::super) names_partitions: bool,
    /// Why transactions cannot carry this write, if they cannot.
    pub(in super::super) no_transactions: Option<&'a str>,
    /// Why a staging table cannot take this write, if it cannot.
    pub(in super::super) no_staging_table: Option<&'a str>,
}

/// The mode of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Choice {
    /// One load of any size.
    Single,
    /// One load if the whole input fits, else what follows.
    Gate(Then),
    Transaction,
    StagingTable,
    TemporaryPartition,
    Plain,
}

/// Where a write goes on that is more than one load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Then {
    Transaction,
    StagingTable,
    /// Nowhere, for this reason: the write fails then, and nothing was written.
    Nothing(String),
}

/// Chooses the mode. `auto` takes the safest that the write allows, and never one that is not all or nothing. The error says why a mode that
/// was asked for cannot be had.
pub(in super::super) fn choose(question: &Question<'_>) -> Result<Choice, String> {
    let mode = question.asked.name();
    let only_into = |choice: Choice| match question.is_overwrite {
        false => Ok(choice),
        true => Err(format!(
            "write_mode '{mode}' cannot overwrite; leave it to syncline (SET syncline.write_mode = 'auto'), which takes 'temporary_partition' or 'staging_table'"
        )),
    };
    let refused = |why: &str| Err(format!("write_mode '{mode}' cannot be used: {why}"));
    match question.asked {
        WriteMode::Auto if question.is_overwrite => match question.no_staging_table {
            _ if question.names_partitions => Ok(Choice::TemporaryPartition),
            None => Ok(Choice::StagingTable),
            Some(why) => Err(format!("INSERT OVERWRITE needs a staging table here, which cannot be used: {why}")),
        },
        WriteMode::Auto => Ok(Choice::Gate(match (question.no_transactions, question.no_staging_table) {
            (None, _) => Then::Transaction,
            (Some(_), None) => Then::StagingTable,
            (Some(transactions), Some(staging_table)) => Then::Nothing(format!(
                "transactions cannot be used: {transactions}; a staging table neither: {staging_table}"
            )),
        })),
        WriteMode::Single => only_into(Choice::Single),
        WriteMode::Plain => only_into(Choice::Plain),
        WriteMode::Transaction => match question.no_transactions {
            Some(why) if !question.is_overwrite => refused(why),
            _ => only_into(Choice::Transaction),
        },
        WriteMode::StagingTable => match question.no_staging_table {
            Some(why) => refused(why),
            None => Ok(Choice::StagingTable),
        },
        WriteMode::TemporaryPartition if !question.is_overwrite => refused(
            "it replaces partitions, which INSERT INTO must not; write INSERT OVERWRITE, or leave the mode to syncline",
        ),
        WriteMode::TemporaryPartition if !question.names_partitions => refused(
            "PARTITION (…) must name every partition that is replaced, by value or by name; else SET syncline.write_mode = 'auto' | 'staging_table'",
        ),
        WriteMode::TemporaryPartition => Ok(Choice::TemporaryPartition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTO: bool = false;
    const OVERWRITE: bool = true;
    const NAMED: bool = true;
    const UNNAMED: bool = false;

    /// `can` holds `t` if transactions can be used, and `s` if a staging table can.
    fn chosen(asked: WriteMode, is_overwrite: bool, names_partitions: bool, can: &str) -> Result<Choice, String> {
        choose(&Question {
            asked,
            is_overwrite,
            names_partitions,
            no_transactions: (!can.contains('t')).then_some("no t"),
            no_staging_table: (!can.contains('s')).then_some("no s"),
        })
    }

    #[test]
    fn auto_takes_the_safest_mode_that_the_write_allows() {
        let nothing = || {
            Choice::Gate(Then::Nothing("transactions cannot be used: no t; a staging table neither: no s".to_owned()))
        };
        for (is_overwrite, names_partitions, can, choice) in [
            (INTO, UNNAMED, "ts", Choice::Gate(Then::Transaction)),
            (INTO, UNNAMED, "t", Choice::Gate(Then::Transaction)),
            (INTO, UNNAMED, "s", Choice::Gate(Then::StagingTable)),
            (INTO, UNNAMED, "", nothing()),
            // A temporary partition is never used for INSERT INTO.
            (INTO, NAMED, "ts", Choice::Gate(Then::Transaction)),
            (INTO, NAMED, "s", Choice::Gate(Then::StagingTable)),
            (INTO, NAMED, "", nothing()),
            (OVERWRITE, UNNAMED, "ts", Choice::StagingTable),
            (OVERWRITE, UNNAMED, "s", Choice::StagingTable),
            (OVERWRITE, NAMED, "ts", Choice::TemporaryPartition),
            (OVERWRITE, NAMED, "", Choice::TemporaryPartition),
        ] {
            let got = chosen(WriteMode::Auto, is_overwrite, names_partitions, can);
            assert_eq!(got, Ok(choice), "overwrite={is_overwrite} named={names_partitions} can={can}");
        }
        let error = chosen(WriteMode::Auto, OVERWRITE, UNNAMED, "t").unwrap_err();
        assert_eq!(error, "INSERT OVERWRITE needs a staging table here, which cannot be used: no s");
    }

    #[test]
    fn a_mode_that_was_asked_for_is_taken_or_refused_and_never_replaced() {
        for (asked, is_overwrite, names_partitions, can, choice) in [
            (WriteMode::Single, INTO, UNNAMED, "ts", Some(Choice::Single)),
            (WriteMode::Single, INTO, NAMED, "", Some(Choice::Single)),
            (WriteMode::Single, OVERWRITE, NAMED, "ts", None),
            (WriteMode::Plain, INTO, UNNAMED, "", Some(Choice::Plain)),
            (WriteMode::Plain, OVERWRITE, UNNAMED, "ts", None),
            (WriteMode::Transaction, INTO, UNNAMED, "t", Some(Choice::Transaction)),
            (WriteMode::Transaction, INTO, UNNAMED, "s", None),
            (WriteMode::Transaction, OVERWRITE, NAMED, "ts", None),
            (WriteMode::StagingTable, INTO, UNNAMED, "s", Some(Choice::StagingTable)),
            (WriteMode::StagingTable, OVERWRITE, NAMED, "s", Some(Choice::StagingTable)),
            (WriteMode::StagingTable, INTO, UNNAMED, "t", None),
            (WriteMode::TemporaryPartition, OVERWRITE, NAMED, "", Some(Choice::TemporaryPartition)),
            (WriteMode::TemporaryPartition, OVERWRITE, UNNAMED, "ts", None),
            (WriteMode::TemporaryPartition, INTO, NAMED, "ts", None),
        ] {
            let got = chosen(asked, is_overwrite, names_partitions, can);
            let what = format!("{asked:?} overwrite={is_overwrite} named={names_partitions} can={can}");
            match choice {
                Some(choice) => assert_eq!(got, Ok(choice), "{what}"),
                None => {
                    assert!(got.unwrap_err().starts_with(&format!("write_mode '{}' cannot", asked.name())), "{what}")
                }
            }
        }
    }
}
