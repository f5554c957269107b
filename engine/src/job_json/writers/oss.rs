//! `oss` (DataWorks), `osswriter` (DataX): objects of a bucket.

use super::super::bucket::{self, Side};
use super::super::context::Context;
use super::super::file_write;
use super::super::parameters::Parameters;
use super::super::plan::Sink;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Sink> {
    let catalog = bucket::catalog(parameters, context, Side::Target)?;
    let key = match (parameters.text_if_any("object")?, parameters.text_if_any("path")?) {
        (Some(object), _) => object,
        // of Parquet and ORC a folder and the beginning of names in it
        (None, Some(path)) => {
            let name = parameters.text_if_any("fileName")?.unwrap_or_default();
            format!("{}/{}", path.trim_end_matches('/'), name.trim_start_matches('/'))
        }
        (None, None) => return Err(parameters.wrong("object", "is missing")),
    };
    let is_single = parameters.flag("writeSingleObject")? == Some(true);
    parameters.skip(&["path", "fileName", "connectionTimeout", "socketTimeout", "maxRetryTime"]);
    parameters.refuse("encrypt", "a bucket encrypts what it holds by a rule of its own")?;
    file_write::plan(parameters, context, &format!("{catalog}:/{}", key.trim_start_matches('/')), is_single)
}
