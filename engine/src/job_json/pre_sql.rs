//! `preSql` and `postSql`: statements of the target's own dialect around the write.

use syncline_sql::fragment::{ends_with_its_line, table_place};
use syncline_sql::{SourceFile, split};

use super::context::Context;
use super::parameters::Parameters;
use crate::error::Result;

/// The target that the statements are about.
pub(crate) struct Place<'a> {
    /// The catalog.
    pub(crate) catalog: &'a str,
    /// The database, if the job names one beside the connection's.
    pub(crate) database: Option<&'a str>,
    /// The table.
    pub(crate) table: &'a str,
}

/// The statements of a key, which is a text or a list, each with several between `;`. What names one table in a place that we know is written
/// as a native statement about the catalog's table; anything else goes there as it stands.
pub(crate) fn statements(
    parameters: &Parameters<'_>,
    key: &str,
    place: &Place<'_>,
    context: &mut Context,
) -> Result<Vec<String>> {
    let mut written = Vec::new();
    for text in parameters.texts(key)? {
        let pieces = split(&SourceFile::new(key, text)).map_err(|error| parameters.wrong(key, error.message))?;
        for piece in pieces {
            // DataX's name for the table that is written to
            let statement = piece.text().replace("@table", place.table);
            written.push(statement_of(&statement, place, context)?);
        }
    }
    Ok(written)
}

fn statement_of(statement: &str, place: &Place<'_>, context: &Context) -> Result<String> {
    let catalog = context.write.name(place.catalog)?;
    let Some(at) = table_place(statement) else {
        // the statement's names are of the database that the job names
        let arguments = [Some(place.catalog), Some(statement), place.database].into_iter().flatten();
        let written = arguments.map(|argument| context.write.string(argument)).collect::<Result<Vec<_>>>()?;
        return Ok(format!("CALL remote_execute({})", written.join(", ")));
    };
    let (before, table, behind) = (&statement[..at.start], &statement[at.clone()], &statement[at.end..]);
    let mut prefix = format!("{catalog}.");
    if let Some(database) = place.database.filter(|_| !table.contains('.')) {
        prefix.push_str(&context.write.name(database)?);
        prefix.push('.');
    }
    let write = |text: &str| context.write.sql(text);
    let end = if ends_with_its_line(statement) { "\n" } else { "" };
    Ok(format!("{}{prefix}{}{}{end}", write(before)?, write(table)?, write(behind)?))
}
