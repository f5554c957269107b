//! `preSql` and `postSql`: statements of the target's own dialect around the write.

use syncline_sql::fragment::table_place;
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
            written.extend(statement_of(&statement, place, context)?);
        }
    }
    Ok(written)
}

fn statement_of(statement: &str, place: &Place<'_>, context: &Context) -> Result<Vec<String>> {
    let catalog = context.write.name(place.catalog)?;
    let Some(at) = table_place(statement) else {
        let call = format!(
            "CALL remote_execute({}, {})",
            context.write.string(place.catalog)?,
            context.write.string(statement)?
        );
        // the statement's names are of the database that the job names
        let database = place.database.map(|database| context.write.name(database)).transpose()?;
        return Ok(database.map(|database| format!("USE {catalog}.{database}")).into_iter().chain([call]).collect());
    };
    let (before, table, behind) = (&statement[..at.start], &statement[at.clone()], &statement[at.end..]);
    let mut prefix = format!("{catalog}.");
    if let Some(database) = place.database.filter(|_| !table.contains('.')) {
        prefix.push_str(&context.write.name(database)?);
        prefix.push('.');
    }
    let write = |text: &str| context.write.sql(text);
    Ok(vec![format!("{}{prefix}{}{}", write(before)?, write(table)?, write(behind)?)])
}
