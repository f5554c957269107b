//! `txtfile`, `txtfilereader` (DataX): files on this machine.

use super::super::context::Context;
use super::super::file_table;
use super::super::parameters::Parameters;
use super::super::plan::Source;
use super::oss::file_table_location;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Source> {
    let paths = parameters.texts("path")?;
    let location = file_table_location(parameters, "path", &paths, "")?;
    parameters.skip(&["envType", "datasource", "bufferSize"]);
    file_table::plan(parameters, context, &location, Vec::new())
}
