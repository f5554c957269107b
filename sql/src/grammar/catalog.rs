//! `CREATE / DROP / ALTER [EXTERNAL] CATALOG`.

use super::Cursor;
use crate::error::SqlError;
use crate::statement::SessionStatement;

/// Behind `CREATE [OR REPLACE] [EXTERNAL] CATALOG`.
pub(crate) fn create_catalog(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<SessionStatement, SqlError> {
    let if_not_exists = cursor.if_not_exists()?;
    let name = cursor.catalog_name()?;
    let mut comment = cursor.comment()?;
    cursor.expect(&["properties"])?;
    let properties = cursor.properties()?;
    if comment.is_none() {
        comment = cursor.comment()?;
    }
    cursor.expect_end()?;
    Ok(SessionStatement::CreateCatalog { name, if_not_exists, or_replace, comment, properties })
}

/// Behind `DROP [EXTERNAL] CATALOG`.
pub(crate) fn drop_catalog(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let if_exists = cursor.if_exists()?;
    let name = cursor.catalog_name()?;
    cursor.expect_end()?;
    Ok(SessionStatement::DropCatalog { name, if_exists })
}

/// Behind `ALTER [EXTERNAL] CATALOG`.
pub(crate) fn alter_catalog(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let name = cursor.catalog_name()?;
    cursor.expect(&["set"])?;
    cursor.take(&["properties"]);
    let properties = cursor.properties()?;
    cursor.expect_end()?;
    Ok(SessionStatement::AlterCatalog { name, properties })
}
