//! `txtfile`, `txtfilewriter` (DataX): files on this machine.

use super::super::context::Context;
use super::super::file_write;
use super::super::parameters::Parameters;
use super::super::plan::Sink;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Sink> {
    let path = parameters.required_text("path")?;
    let name = parameters.required_text("fileName")?;
    let location = format!("{}/{}", path.trim_end_matches('/'), name.trim_start_matches('/'));
    // DataX adds `__` and random letters to the name; a word for one file is ours
    let is_single = parameters.flag("writeSingleObject")? == Some(true);
    parameters.skip(&["datasource"]);
    file_write::plan(parameters, context, &location, is_single)
}
