//! `mysql` (DataWorks), `mysqlreader` (DataX).

use syncline_connectors::CatalogKind;

use super::super::context::Context;
use super::super::parameters::Parameters;
use super::super::plan::Source;
use super::database;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Source> {
    let source = database::plan(parameters, context, CatalogKind::Mysql)?;
    let notes = &mut context.notes;
    parameters.ignore("splitFactor", "how many splits there are follows from the table's size (split_rows)", notes);
    parameters.ignore("socketTimeout", "it is the catalog's property read_timeout", notes);
    parameters.ignore("fetchSize", "rows are always streamed", notes);
    for key in ["useReadOnly", "masterSlave", "slaveDelayLimit", "checkSlave"] {
        parameters.ignore(key, "a replica is read where the catalog's url names it", notes);
    }
    let encoding = parameters.text_if_any("encoding")?;
    if encoding.is_some_and(|name| !is_utf8(&name)) {
        parameters.ignore("encoding", "the server sends all texts as UTF-8, whatever a table's character set", notes);
    }
    if let Some(name) = parameters.text_if_any("mandatoryEncoding")?
        && !is_utf8(&name)
    {
        let why = "texts in another encoding than their columns say are not read; write CONVERT(CAST(c AS BINARY) USING …) into column";
        parameters.refuse("mandatoryEncoding", why)?;
    }
    // each data source has its own login here
    parameters.skip(&["useSpecialSecret", "envType", "tableComment", "guid", "checkSlave"]);
    Ok(source)
}

fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8", "utf8mb4"].iter().any(|known| name.eq_ignore_ascii_case(known))
}
