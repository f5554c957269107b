//! `starrocks` (DataWorks), `starrocksreader`.

use syncline_connectors::CatalogKind;

use super::super::context::Context;
use super::super::parameters::Parameters;
use super::super::plan::Source;
use super::database;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Source> {
    let source = database::plan(parameters, context, CatalogKind::Starrocks)?;
    let notes = &mut context.notes;
    parameters.ignore("socketTimeout", "it is the catalog's property read_timeout", notes);
    parameters.ignore("fetchSize", "rows are always streamed", notes);
    parameters.ignore("loadUrl", "it is about writes", notes);
    parameters.skip(&["envType", "tableComment", "guid", "encoding"]);
    Ok(source)
}
