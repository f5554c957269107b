//! `dx_…`: what DataX does to records between reader and writer, as a SELECT over the source.

use super::context::Context;
use super::parameters::Parameters;
use super::plan::Source;
use crate::error::Result;

/// Puts the transformers over a source, the first one innermost.
pub(crate) fn apply(source: Source, transformers: &[Parameters<'_>], _context: &mut Context) -> Result<Source> {
    if let Some(first) = transformers.first() {
        return Err(first.wrong("name", "transformers are not built yet"));
    }
    Ok(source)
}
